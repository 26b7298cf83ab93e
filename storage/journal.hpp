// Journal: the write-ahead log of one shard. A group of batches is durable once it is written here
// and synced, which takes one sequential write and one sync; LMDB, which writes a page for every
// leaf it touched and syncs twice, follows every now and then with the sum of many groups.
//
// The file <shard>/journal begins with the records that follow LMDB's last commit, the *base*. Once
// LMDB has committed what they hold, writing starts over at the beginning: each record says which
// base it belongs to, so that what is left of older ones is never taken for new. Its bytes are
// zeroed when it is made or grows, so that a write changes neither its length nor where it lies on
// the disk, and a sync has nothing else to write.

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "storage/commit_log.hpp"

namespace kontract {

class Journal {
 public:
  // Makes the file, or empties it: what it held must be committed. Errors: invalid_request,
  // storage_corrupt.
  static Result<std::unique_ptr<Journal>> open(const std::filesystem::path& file);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Commit `base` holds all that was appended.
  void restart(std::uint64_t base);

  // Writes and syncs the operations as one group. Returns false if they do not fit: they must be
  // committed instead. Errors: storage_corrupt (a write or sync failed; whether the group is there
  // is unknown), after which nothing must be appended.
  Result<bool> append(std::span<const WriteOp* const> ops);

 private:
  Journal(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}
  Result<bool> make_room(std::size_t bytes);
  Status grow(std::size_t bytes);
  Error broken(const char* what) const;

  const std::filesystem::path path_;
  const int fd_;
  std::size_t file_bytes_ = 0;  // all of them written once
  std::uint64_t base_ = 0;
  std::uint64_t index_ = 0;  // of the next record on this base
  std::size_t end_ = 0;      // where it goes
};

// The groups in the file that were written on top of commit `base` and synced, oldest first; none
// if there is no file. One that a crash cut short is none. Errors: storage_corrupt if one of them
// is damaged: a later one is sound.
Result<std::vector<WriteBatch>> read_journal(const std::filesystem::path& file, std::uint64_t base);

}  // namespace kontract
