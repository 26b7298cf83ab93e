#include "storage/environment.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "storage/data_directory.hpp"
#include "storage/detail/lmdb_handle.hpp"
#include "storage/page_check.hpp"

namespace kontract {

using detail::lmdb_env;
using detail::lmdb_txn;

namespace {

constexpr std::array<const char*, kKeyspaces> kKeyspaceNames = {
    "meta",    "sessions", "registry", "versions", "order", "garbage",
    "indexes", "shared",   "changes",  "replies",  "alarms"};

// The least map that has room for the trees of all keyspaces and a write to each.
constexpr std::size_t kMapBytesMin = 256 * limits::kKiB;

Error not_ours(const std::filesystem::path& file, std::string_view why) {
  return {Errc::invalid_request,
          file.string() + " was not made by this version of kontract: " + std::string(why) +
              "; nothing was changed",
          "Give another data directory, or open this one with the program that made it."};
}

}  // namespace

// Transactions that were reset, each with its slot in LMDB's table of readers. A thread looks at
// its own place first, so that threads rarely meet.
struct Environment::ReaderPool {
  struct alignas(64) Place {
    std::atomic<MDB_txn*> txn{nullptr};
  };
  std::array<Place, 64> places;

  static std::size_t start() {
    static thread_local const std::size_t at =
        std::hash<std::thread::id>{}(std::this_thread::get_id()) * 0x9E3779B97F4A7C15ULL >> 40;
    return at;
  }
  Place& at(std::size_t i) { return places[(start() + i) % places.size()]; }
};

Result<std::unique_ptr<Environment>> Environment::open(const std::filesystem::path& directory,
                                                       const EnvironmentOptions& options) {
  std::unique_ptr<Environment> env(new Environment);
  env->file_ = directory / "data.mdb";
  env->readers_ = std::make_unique<ReaderPool>();
  const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t map_bytes =
      (std::max(options.map_bytes, kMapBytesMin) + page_bytes - 1) / page_bytes * page_bytes;

  MDB_env* created = nullptr;
  int rc = mdb_env_create(&created);
  env->env_ = created;
  if (rc == 0) rc = mdb_env_set_mapsize(created, map_bytes);
  if (rc == 0) rc = mdb_env_set_maxreaders(created, limits::kLmdbReadersMax);
  if (rc == 0) rc = mdb_env_set_maxdbs(created, kKeyspaces);
  if (rc == 0) {
    const unsigned flags = MDB_NOTLS | (options.read_only ? MDB_RDONLY : 0U);
    rc = mdb_env_open(created, directory.c_str(), flags, 0600);
  }
  if (rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH) {
    return Error(Errc::storage_corrupt,
                 env->file_.string() + " is not an LMDB file, or its first pages are damaged",
                 "If something else was put there, move it away; else restore the shard from a "
                 "backup.");
  }
  if (rc != 0) return lmdb_error(rc, "cannot open", env->file_);
  if (auto checked = env->check_length(options.read_only); !checked) {
    return std::move(checked).error();
  }
  if (auto opened = env->open_keyspaces(options.read_only); !opened) {
    return std::move(opened).error();
  }
  if (!options.read_only) {
    if (auto synced = sync_directory(directory); !synced) return std::move(synced).error();
  }
  return env;
}

// A page beyond the end of the file would kill the process with SIGBUS when it is touched. LMDB may
// leave its last pages unwritten when they hold nothing, so a short file is not damaged by itself:
// it is when a page that is in use is missing. Zeros for the missing pages make all of them
// readable; a value among them fails its checksum.
Status Environment::check_length(bool read_only) {
  struct stat on_disk {};
  int fd = -1;
  if (mdb_env_get_fd(lmdb_env(env_), &fd) != 0 || ::fstat(fd, &on_disk) != 0) {
    return lmdb_error(errno, "cannot read its size", file_);
  }
  const std::size_t needed = high_water_bytes();
  if (static_cast<std::size_t>(on_disk.st_size) >= needed) return {};
  if (auto pages = check_pages(file_); !pages) return pages;
  if (!read_only && ::ftruncate(fd, static_cast<off_t>(needed)) != 0) {
    return lmdb_error(errno, "cannot extend", file_);
  }
  return {};
}

Status Environment::open_keyspaces(bool read_only) {
  MDB_txn* txn = nullptr;
  int rc = mdb_txn_begin(lmdb_env(env_), nullptr, MDB_RDONLY, &txn);
  if (rc != 0) return lmdb_error(rc, "cannot begin", file_);
  MDB_dbi main = 0;
  MDB_stat stat{};
  rc = mdb_dbi_open(txn, nullptr, 0, &main);
  if (rc == 0) rc = mdb_stat(txn, main, &stat);
  const bool empty = rc == 0 && stat.ms_entries == 0;
  std::size_t found = 0;
  bool complete = true;
  while (rc == 0 && found < kKeyspaces) {
    rc = mdb_dbi_open(txn, kKeyspaceNames[found], 0, &dbi_[found]);
    if (rc == MDB_NOTFOUND && found >= kFirstKeyspaces) {
      dbi_[found] = kNoKeyspace;
      complete = false;
      rc = 0;
    }
    if (rc == 0) ++found;
  }
  if (rc == 0) rc = mdb_txn_commit(std::exchange(txn, nullptr));  // keeps the handles
  mdb_txn_abort(txn);
  if (rc == 0 && (complete || read_only)) return {};
  if (rc != 0 && ((rc != MDB_NOTFOUND && rc != MDB_INCOMPATIBLE) || found == kKeyspaces)) {
    return lmdb_error(rc, "cannot open its keyspaces", file_);
  }
  if (rc != 0 && (!empty || read_only)) {
    return not_ours(file_, std::string("it has no keyspace `") + kKeyspaceNames[found] + '`');
  }

  rc = mdb_txn_begin(lmdb_env(env_), nullptr, 0, &txn);
  if (rc != 0) return lmdb_error(rc, "cannot begin", file_);
  for (std::size_t i = 0; i < kKeyspaces && rc == 0; ++i) {
    rc = mdb_dbi_open(txn, kKeyspaceNames[i], MDB_CREATE, &dbi_[i]);
  }
  if (rc == 0) rc = mdb_txn_commit(std::exchange(txn, nullptr));
  mdb_txn_abort(txn);
  if (rc != 0) return lmdb_error(rc, "cannot create its keyspaces", file_);
  return {};
}

Environment::~Environment() {
  for (ReaderPool::Place& place : readers_->places) mdb_txn_abort(place.txn.load());
  if (env_ != nullptr) mdb_env_close(lmdb_env(env_));
}

Result<ReadTxn> Environment::read() {
  for (std::size_t i = 0; i < readers_->places.size(); ++i) {
    auto& place = readers_->at(i).txn;
    if (place.load(std::memory_order_relaxed) == nullptr) continue;
    MDB_txn* txn = place.exchange(nullptr, std::memory_order_acquire);
    if (txn == nullptr) continue;
    if (mdb_txn_renew(txn) == 0) return ReadTxn(txn, this);
    mdb_txn_abort(txn);
  }
  MDB_txn* txn = nullptr;
  const int rc = mdb_txn_begin(lmdb_env(env_), nullptr, MDB_RDONLY, &txn);
  if (rc != 0) return lmdb_error(rc, "cannot begin to read", file_);
  return ReadTxn(txn, this);
}

void Environment::give_back(void* txn) noexcept {
  MDB_txn* const given = lmdb_txn(txn);
  mdb_txn_reset(given);
  for (std::size_t i = 0; i < readers_->places.size(); ++i) {
    auto& place = readers_->at(i).txn;
    MDB_txn* empty = nullptr;
    if (place.load(std::memory_order_relaxed) == nullptr &&
        place.compare_exchange_strong(empty, given, std::memory_order_release)) {
      return;
    }
  }
  mdb_txn_abort(given);
}

Result<WriteTxn> Environment::write() {
  MDB_txn* txn = nullptr;
  const int rc = mdb_txn_begin(lmdb_env(env_), nullptr, 0, &txn);
  if (rc != 0) return lmdb_error(rc, "cannot begin to write", file_);
  return WriteTxn(txn, this);
}

Result<int> Environment::clear_stale_readers() {
  int cleared = 0;
  const int rc = mdb_reader_check(lmdb_env(env_), &cleared);
  if (rc != 0) return lmdb_error(rc, "cannot check its readers", file_);
  return cleared;
}

std::size_t Environment::high_water_bytes() const {
  MDB_envinfo info{};
  MDB_stat stat{};
  mdb_env_info(lmdb_env(env_), &info);  // both fail only without an environment
  mdb_env_stat(lmdb_env(env_), &stat);
  return (info.me_last_pgno + 1) * stat.ms_psize;
}

std::size_t Environment::map_bytes() const {
  MDB_envinfo info{};
  mdb_env_info(lmdb_env(env_), &info);
  return info.me_mapsize;
}

Result<Environment::Usage> Environment::usage() {
  constexpr MDB_dbi kFreeList =
      0;  // a row for each transaction: the number of its pages, then they
  auto txn = read();
  if (!txn) return std::move(txn).error();
  const std::size_t high_water = high_water_bytes();
  MDB_cursor* cursor = nullptr;
  int rc = mdb_cursor_open(lmdb_txn(txn->txn_), kFreeList, &cursor);
  if (rc != 0) return lmdb_error(rc, "cannot read its free list", file_);
  MDB_stat stat{};
  mdb_env_stat(lmdb_env(env_), &stat);
  std::size_t free_pages = 0;
  MDB_val key{}, value{};
  while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
    std::size_t count = 0;
    std::memcpy(&count, value.mv_data, std::min(sizeof count, value.mv_size));
    free_pages += count;
  }
  mdb_cursor_close(cursor);
  if (rc != MDB_NOTFOUND) return lmdb_error(rc, "cannot read its free list", file_);
  return Usage{high_water - std::min(high_water, free_pages * stat.ms_psize), map_bytes()};
}

}  // namespace kontract
