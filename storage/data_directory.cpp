#include "storage/data_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <mutex>
#include <set>
#include <string>

#include "storage/environment.hpp"

namespace kontract {
namespace {

namespace fs = std::filesystem;

// f_type of statfs(2): linux/magic.h, and the headers of the file systems it leaves out.
constexpr std::array<std::uint32_t, 11> kNetworkFileSystems = {
    0x6969,      // NFS
    0x517B,      // SMB
    0xFE534D42,  // SMB2
    0xFF534D42,  // CIFS
    0x564C,      // NCP
    0x5346414F,  // AFS (OpenAFS and the kernel's)
    0x6B414653,  // kAFS
    0x73757245,  // Coda
    0x00C36400,  // Ceph
    0x01021997,  // 9P
    0x0BD00BD0,  // Lustre
};

// What flock cannot tell: whether this very process has the directory open.
std::mutex registry_mutex;
std::set<std::pair<dev_t, ino_t>>& registry() {
  static std::set<std::pair<dev_t, ino_t>> open_directories;
  return open_directories;
}

Error bad_directory(const fs::path& path, std::string_view why, std::string hint) {
  return {Errc::invalid_request, path.string() + ": " + std::string(why), std::move(hint)};
}

Status refuse_network(const fs::path& path) {
  std::error_code error;
  fs::path existing = fs::absolute(path, error);
  if (error) return lmdb_error(error.value(), "cannot make the path absolute", path);
  while (!file_exists(existing) && existing.has_relative_path()) {
    existing = existing.parent_path();
  }
  struct statfs file_system {};
  if (::statfs(existing.c_str(), &file_system) != 0) {
    return lmdb_error(errno, "cannot ask for its file system", existing);
  }
  if (is_network_file_system(static_cast<std::uint32_t>(file_system.f_type))) {
    return bad_directory(path, "is on a network file system",
                         "Its locks and memory maps do not keep what LMDB relies on. Give a data "
                         "directory on a disk of this machine.");
  }
  return {};
}

std::string holder(int lock_fd) {
  std::array<char, 16> text{};
  const ssize_t size = ::pread(lock_fd, text.data(), text.size(), 0);
  long pid = 0;
  if (size <= 0 || std::from_chars(text.data(), text.data() + size, pid).ec != std::errc{}) {
    return "another process";
  }
  return "process " + std::to_string(pid);
}

}  // namespace

bool is_network_file_system(std::uint64_t type) {
  return std::find(kNetworkFileSystems.begin(), kNetworkFileSystems.end(), type) !=
         kNetworkFileSystems.end();
}

Status sync_directory(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int rc = fd < 0 || ::fsync(fd) != 0 ? errno : 0;
  if (fd >= 0) ::close(fd);
  if (rc != 0) return lmdb_error(rc, "cannot sync the directory", path);
  return {};
}

bool file_exists(const fs::path& path) { return ::access(path.c_str(), F_OK) == 0; }

Status create_directories_durably(const fs::path& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  if (error) return lmdb_error(error.value(), "cannot make the path absolute", path);
  fs::path at;
  for (const fs::path& part : absolute) {
    const fs::path parent = at;
    at /= part;
    if (part.empty() || parent.empty() || file_exists(at)) continue;
    if (::mkdir(at.c_str(), 0700) != 0 && errno != EEXIST) {
      return lmdb_error(errno, "cannot create the directory", at);
    }
    if (Status synced = sync_directory(parent); !synced) return synced;
  }
  return {};
}

Result<std::unique_ptr<DataDirectory>> DataDirectory::open(const fs::path& path, Missing missing) {
  if (path.empty()) {
    return bad_directory(path, "no data directory was given", "Give the path of one.");
  }
  std::error_code error;
  const fs::file_status found = fs::status(path, error);
  if (fs::exists(found) && !fs::is_directory(found)) {
    return bad_directory(path, "is not a directory", "Give a directory, or a path that is free.");
  }
  if (!fs::exists(found) && missing == Missing::fail) {
    return bad_directory(path, "there is no such data directory", "Check the path.");
  }
  if (Status local = refuse_network(path); !local) return std::move(local).error();
  if (Status made = create_directories_durably(path); !made) return std::move(made).error();
  std::unique_ptr<DataDirectory> directory(new DataDirectory(path));
  if (Status locked = directory->lock(); !locked) return std::move(locked).error();
  return directory;
}

Status DataDirectory::lock() {
  const std::string hint =
      "Only one server may use a data directory. Stop the other one, or give this one a directory "
      "of its own.";
  struct stat on_disk {};
  if (::stat(path_.c_str(), &on_disk) != 0) return lmdb_error(errno, "cannot read", path_);
  device_ = on_disk.st_dev;
  inode_ = on_disk.st_ino;
  {
    const std::lock_guard guard(registry_mutex);
    if (!registry().insert({device_, inode_}).second) {
      return bad_directory(path_, "is open in this process already", hint);
    }
    registered_ = true;
  }
  const fs::path file = path_ / "lock";
  lock_fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd_ < 0) return lmdb_error(errno, "cannot open", file);
  if (::flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return lmdb_error(errno, "cannot lock", file);
    return bad_directory(file, "is held by " + holder(lock_fd_), hint);
  }
  // Only a help for whoever finds it locked, so a full disk is no reason to fail.
  const std::string pid = std::to_string(::getpid()) + '\n';
  if (::ftruncate(lock_fd_, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(lock_fd_, pid.data(), pid.size(), 0);
  }
  return {};
}

DataDirectory::~DataDirectory() {
  if (lock_fd_ >= 0) ::close(lock_fd_);  // and with it the lock
  if (!registered_) return;
  const std::lock_guard guard(registry_mutex);
  registry().erase({device_, inode_});
}

fs::path DataDirectory::shard(unsigned index) const {
  std::array<char, 16> name{};
  std::snprintf(name.data(), name.size(), "shard-%02u", index);
  return path_ / name.data();
}

}  // namespace kontract
