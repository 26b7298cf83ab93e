#include "storage/room.hpp"

#include <sys/statvfs.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <utility>

namespace kontract {
namespace {

constexpr double kMapWalkRatio = 0.75;
constexpr double kMapNoneRatio = 0.98;
constexpr int kWalkRest = 20;              // times as long as the walk took
constexpr std::size_t kWalksPerMap = 256;  // but at least one for so much growth

// Of the processor: that a thread had to wait does not make the walk dear.
std::chrono::nanoseconds thread_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

std::string mib(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB",
                static_cast<double>(bytes) / static_cast<double>(limits::kMiB));
  return text;
}

bool refuses(Room room, bool frees_space) {
  return room == Room::none || (room == Room::deletes_only && !frees_space);
}

}  // namespace

MapRoom::MapRoom(Environment& environment, Alarm alarm)
    : environment_(environment), alarm_(std::move(alarm)), map_bytes_(environment.map_bytes()) {
  refresh();
}

void MapRoom::refresh() {
  const std::lock_guard lock(mutex_);
  const auto map = static_cast<double>(map_bytes_);
  std::size_t used = environment_.high_water_bytes();
  if (static_cast<double>(used) > map * kMapWalkRatio) {
    if (std::chrono::steady_clock::now() < walk_after_ &&
        used - walked_at_bytes_ < map_bytes_ / kWalksPerMap) {
      return;
    }
    walked_at_bytes_ = used;
    const std::chrono::nanoseconds begin = thread_time();
    auto usage = environment_.usage();
    const bool failed_before = std::exchange(failing_, !usage);
    if (!usage) {
      if (!failed_before) alarm_(usage.error().message);
      return;
    }
    used = usage->used_bytes;
    walk_after_ = std::chrono::steady_clock::now() + kWalkRest * (thread_time() - begin);
  }
  used_bytes_.store(used, std::memory_order_relaxed);

  const double ratio = static_cast<double>(used) / map;
  const Room room = ratio >= kMapNoneRatio            ? Room::none
                    : ratio >= limits::kMapFullRatio  ? Room::deletes_only
                    : ratio >= limits::kMapAlarmRatio ? Room::low
                                                      : Room::plenty;
  const Room before = room_.exchange(room, std::memory_order_relaxed);
  if (room <= before) return;
  alarm_(environment_.file().string() + ": " + mib(used) + " of the map's " + mib(map_bytes_) +
         " are in use; " +
         (room == Room::low ? "writes are refused from 95 %"
                            : "writes are refused until records "
                              "are deleted"));
}

Status MapRoom::admit(bool frees_space) const {
  if (!refuses(room_.load(std::memory_order_relaxed), frees_space)) return {};
  return Error(Errc::storage_full,
               environment_.file().string() + ": " + mib(used_bytes()) + " of the map's " +
                   mib(map_bytes_) + " are in use",
               "Delete records, or restart with a larger map: it is only address space.");
}

DiskRoom::DiskRoom(std::filesystem::path directory, std::size_t floor_bytes, Alarm alarm)
    : directory_(std::move(directory)), floor_bytes_(floor_bytes), alarm_(std::move(alarm)) {
  refresh(std::chrono::milliseconds(0));
}

void DiskRoom::refresh(std::chrono::milliseconds age_max) {
  const std::int64_t now =
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  std::int64_t asked = asked_ns_.load(std::memory_order_relaxed);
  if (now - asked < std::chrono::nanoseconds(age_max).count()) return;
  if (!asked_ns_.compare_exchange_strong(asked, now, std::memory_order_relaxed)) return;

  const auto free = disk_free_bytes(directory_);
  const bool failed_before = failing_.exchange(!free, std::memory_order_relaxed);
  if (!free) {
    if (!failed_before) alarm_(free.error().message);
    return;
  }
  free_bytes_.store(*free, std::memory_order_relaxed);
  const Room room = *free >= floor_bytes_       ? Room::plenty
                    : *free >= floor_bytes_ / 2 ? Room::deletes_only
                                                : Room::none;
  const Room before = room_.exchange(room, std::memory_order_relaxed);
  if (room <= before) return;
  alarm_(directory_.string() + ": only " + mib(*free) + " of the disk are free, the floor is " +
         mib(floor_bytes_) + "; writes are refused until there is more");
}

Status DiskRoom::admit(bool frees_space) const {
  if (!refuses(room_.load(std::memory_order_relaxed), frees_space)) return {};
  return Error(Errc::storage_full,
               directory_.string() + ": only " + mib(free_bytes()) +
                   " of the disk are free, the floor is " + mib(floor_bytes_),
               "Free space on this disk: the file `ballast` in that directory may be deleted.");
}

Result<std::size_t> disk_free_bytes(const std::filesystem::path& path) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) {
    return lmdb_error(errno, "cannot ask for the disk's free space", path);
  }
  return std::size_t{disk.f_bavail} * disk.f_frsize;
}

}  // namespace kontract
