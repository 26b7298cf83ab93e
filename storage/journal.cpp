#include "storage/journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "storage/data_directory.hpp"
#include "storage/environment.hpp"
#include "storage/format.hpp"

namespace kontract {
namespace {

constexpr std::size_t kFirstBytes = 256 * limits::kKiB;  // of a new file
static_assert(limits::kJournalBytesMax % format::kJournalAlign == 0 &&
              kFirstBytes % format::kJournalAlign == 0);

Status write_all(int fd, std::string_view bytes, std::size_t at) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const bool full = errno == ENOSPC || errno == EDQUOT;
      return Error(full ? Errc::storage_full : Errc::storage_corrupt, std::strerror(errno));
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
    at += static_cast<std::size_t>(written);
  }
  return {};
}

// All of the file; nothing if there is none.
Result<std::string> read_all(const std::filesystem::path& file) {
  std::string bytes;
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? Result<std::string>(bytes) : lmdb_error(errno, "cannot open", file);
  for (;;) {
    constexpr std::size_t kChunk = 256 * limits::kKiB;
    const std::size_t at = bytes.size();
    bytes.resize(at + kChunk);
    const ssize_t got = ::read(fd, bytes.data() + at, kChunk);
    const int error = errno;
    bytes.resize(at + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && error == EINTR) continue;
    if (got <= 0) ::close(fd);
    if (got < 0) return lmdb_error(error, "cannot read", file);
    if (got == 0) return bytes;
  }
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(const std::filesystem::path& file) {
  const bool is_new = !file_exists(file);
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return lmdb_error(errno, "cannot open", file);
  std::unique_ptr<Journal> journal(new Journal(file, fd));
  // What was in it is committed. It must not be taken for new if LMDB is ever set back.
  if (::ftruncate(fd, 0) != 0) return lmdb_error(errno, "cannot cut", file);
  // With no room on the disk LMDB alone serves, so that a full store can be emptied.
  if (Status grown = journal->grow(kFirstBytes);
      !grown && grown.error().code != Errc::storage_full) {
    return std::move(grown).error();
  }
  if (is_new) {
    if (Status synced = sync_directory(file.parent_path()); !synced)
      return std::move(synced).error();
  }
  return journal;
}

Journal::~Journal() { ::close(fd_); }

Error Journal::broken(const char* what) const {
  return {Errc::storage_corrupt, path_.string() + ": " + what + ": " + std::strerror(errno)};
}

void Journal::restart(std::uint64_t base) {
  base_ = base;
  index_ = 0;
  end_ = 0;
}

Result<bool> Journal::append(std::span<const WriteOp* const> ops) {
  const std::string record = format::journal_record(base_, index_, ops);
  auto room = make_room(record.size());
  if (!room || !*room) return room;
  if (Status written = write_all(fd_, record, end_); !written) {
    // A file system that writes elsewhere may have no room for what has a place already.
    if (written.error().code == Errc::storage_full) return false;
    return broken("cannot write");
  }
  if (::fdatasync(fd_) != 0) return broken("cannot sync");
  end_ += record.size();
  ++index_;
  return true;
}

Result<bool> Journal::make_room(std::size_t bytes) {
  const std::size_t needed = end_ + bytes;
  if (needed <= file_bytes_) return true;
  if (needed > limits::kJournalBytesMax) return false;
  // With no room on the disk it stays as it is.
  return static_cast<bool>(
      grow(std::min(std::max(needed, 2 * file_bytes_), limits::kJournalBytesMax)));
}

Status Journal::grow(std::size_t bytes) {
  const std::size_t aligned = format::journal_aligned(bytes);
  const std::string zeros(aligned - file_bytes_, '\0');
  Status grown = write_all(fd_, zeros, file_bytes_);
  if (grown && ::fsync(fd_) != 0) grown = Error(Errc::storage_full, std::strerror(errno));
  if (!grown) {
    return Error(Errc::storage_full, path_.string() + ": cannot grow: " + grown.error().message);
  }
  file_bytes_ = aligned;
  return {};
}

Result<std::vector<WriteBatch>> read_journal(const std::filesystem::path& file,
                                             std::uint64_t base) {
  std::vector<WriteBatch> groups;
  auto bytes = read_all(file);
  if (!bytes) return std::move(bytes).error();
  std::string_view left = *bytes;
  while (auto record = format::parse_journal_record(left, base, groups.size())) {
    left.remove_prefix(std::min(format::journal_aligned(record->bytes), left.size()));
    groups.push_back(std::move(record->group));
  }
  // A group is written after the one before it was synced. So a sound one that follows says that
  // this one, or what is between, was damaged later.
  for (; left.size() > format::kJournalAlign; left.remove_prefix(format::kJournalAlign)) {
    const auto index = format::journal_index(left.substr(format::kJournalAlign), base);
    if (!index || *index <= groups.size()) continue;
    if (!format::parse_journal_record(left.substr(format::kJournalAlign), base, *index)) continue;
    return Error(Errc::storage_corrupt, file.string() + ": group " + std::to_string(groups.size()) +
                                            " after commit " + std::to_string(base) +
                                            " is damaged");
  }
  return groups;
}

}  // namespace kontract
