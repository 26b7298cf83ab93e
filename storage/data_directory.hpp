// DataDirectory: a data directory that this process has for itself.
//
// Two ways to lose data are closed here: a second writer (`lock` is flock'd while open, and the
// process remembers which directories it has, since LMDB does not notice a second opening), and a
// file system on another machine, whose maps and locks do not keep LMDB's rules.

#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>

#include "storage/result.hpp"

namespace kontract {

class DataDirectory {
 public:
  enum class Missing : bool { fail, create };

  // Errors: invalid_request (not there, not a directory, on a network file system, in use: says by
  // which process), storage_full.
  static Result<std::unique_ptr<DataDirectory>> open(const std::filesystem::path& path,
                                                     Missing missing);
  ~DataDirectory();
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path shard(unsigned index) const;  // <data>/shard-NN
  std::filesystem::path shared() const { return path_ / "shared"; }

 private:
  explicit DataDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  Status lock();

  std::filesystem::path path_;
  int lock_fd_ = -1;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool registered_ = false;
};

// Creates `path` and its missing parents, each synced into its parent.
Status create_directories_durably(const std::filesystem::path& path);

Status sync_directory(const std::filesystem::path& path);

bool file_exists(const std::filesystem::path& path);

// Whether a file system with this `f_type` (statfs(2)) is on another machine.
bool is_network_file_system(std::uint64_t type);

}  // namespace kontract
