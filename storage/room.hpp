// Room: how much space is left, in a shard's map and on the disk, as answers that admission can
// give without a lock or a system call. The log's thread and the housekeeping refresh them.

#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>

#include "storage/alarm.hpp"
#include "storage/environment.hpp"
#include "storage/result.hpp"

namespace kontract {

// What may still be written; each step refuses more than the one before.
enum class Room : std::uint8_t { plenty, low, deletes_only, none };

// The map of one shard: low from 80 %, deletes only from 95 %, nothing from 98 %.
class MapRoom {
 public:
  MapRoom(Environment& environment, Alarm alarm);

  // After each commit, and now and then. Walks the free list only when the high-water mark is past
  // 75 %, and hardly spends more than a twentieth of the time on it. The alarm tells of a walk that
  // failed if the one before did not. Thread-safe.
  void refresh();

  Status admit(bool frees_space) const;
  std::size_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }

 private:
  Environment& environment_;
  const Alarm alarm_;
  const std::size_t map_bytes_;
  std::atomic<std::size_t> used_bytes_{0};  // the high-water mark while that is below 75 %
  std::atomic<Room> room_{Room::plenty};
  std::mutex mutex_;
  std::chrono::steady_clock::time_point walk_after_;
  std::size_t walked_at_bytes_ = 0;  // the high-water mark then
  bool failing_ = false;             // the last walk did
};

// The disk that a data directory is on: deletes only below the floor, nothing below half of it.
class DiskRoom {
 public:
  DiskRoom(std::filesystem::path directory, std::size_t floor_bytes, Alarm alarm);

  // Asks the file system, unless it was asked within `age_max`. The alarm tells of an answer that
  // failed if the one before did not. Thread-safe.
  void refresh(std::chrono::milliseconds age_max);

  Status admit(bool frees_space) const;
  std::size_t free_bytes() const { return free_bytes_.load(std::memory_order_relaxed); }

 private:
  const std::filesystem::path directory_;
  const std::size_t floor_bytes_;
  const Alarm alarm_;
  std::atomic<std::size_t> free_bytes_{0};
  std::atomic<Room> room_{Room::plenty};
  std::atomic<std::int64_t> asked_ns_{0};  // steady clock
  std::atomic<bool> failing_{false};       // the last answer did
};

// Free bytes of the file system that `path` is on, for a user without privileges.
Result<std::size_t> disk_free_bytes(const std::filesystem::path& path);

}  // namespace kontract
