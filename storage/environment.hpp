// Environment: one LMDB environment (a shard's data.mdb) with RAII transactions and cursors.
//
// Views returned by a transaction or cursor point into the map and die with the transaction (for a
// write transaction: with its next write). Copy before leaving it. All keys and values are bytes;
// their meaning is storage/format.hpp's. LMDB's own types stay out of this header: its handles are
// `void*` here (storage/detail/lmdb_handle.hpp).

#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "storage/commit_log.hpp"
#include "storage/limits.hpp"
#include "storage/result.hpp"

namespace kontract {

// Translates an LMDB or errno code. `what` names the operation, `path` the file.
Error lmdb_error(int rc, std::string_view what, const std::filesystem::path& path);

class Cursor {
 public:
  Cursor(Cursor&&) noexcept;
  Cursor& operator=(Cursor&&) noexcept;
  ~Cursor();

  // Each moves and returns whether it stands on an entry now. Errors: storage_corrupt.
  Result<bool> seek(std::string_view key);         // to the first key >= `key`
  Result<bool> seek_before(std::string_view key);  // to the last key < `key`
  Result<bool> next();
  Result<bool> prev();

  // REQUIRES: it stands on an entry.
  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }

 private:
  friend class ReadTxn;
  friend class WriteTxn;
  Cursor(void* cursor, const class Environment* env) : cursor_(cursor), env_(env) {}
  Result<bool> move(int op);

  void* cursor_;  // MDB_cursor; null in a keyspace that is not there
  const class Environment* env_;
  std::string_view key_, value_;
};

// A snapshot of the last commit. Keep it for one handler only (an open reader stops page reuse); it
// may be used by one thread at a time. The destructor gives the reader slot back for reuse.
class ReadTxn {
 public:
  ReadTxn(ReadTxn&&) noexcept;
  ReadTxn& operator=(ReadTxn&&) = delete;
  ~ReadTxn();

  Result<std::optional<std::string_view>> get(Keyspace space, std::string_view key) const;
  Result<Cursor> cursor(Keyspace space) const;

 private:
  friend class Environment;
  ReadTxn(void* txn, Environment* env) : txn_(txn), env_(env) {}

  void* txn_;  // MDB_txn
  Environment* env_;
};

// The write transaction. Belongs to the thread that began it. Aborts unless committed.
class WriteTxn {
 public:
  WriteTxn(WriteTxn&&) noexcept;
  WriteTxn& operator=(WriteTxn&&) = delete;
  ~WriteTxn();

  Status put(Keyspace space, std::string_view key, std::string_view value);
  // An absent key is fine. `erased_bytes`, if not null, is told how many the entry had, with its
  // key.
  Status erase(Keyspace space, std::string_view key, std::size_t* erased_bytes = nullptr);
  Result<Cursor> cursor(Keyspace space) const;

  // Makes it durable. Errors: storage_full (nothing was changed, the environment stays usable);
  // storage_corrupt (a write or sync failed: what is on disk is unknown).
  Status commit() &&;

 private:
  friend class Environment;
  WriteTxn(void* txn, Environment* env) : txn_(txn), env_(env) {}
  Result<void*> kept_cursor(Keyspace space);
  void close_cursors();

  void* txn_;  // MDB_txn
  Environment* env_;
  void* cursors_[kKeyspaces] = {};  // kept between writes: sorted keys hit the same page
};

struct EnvironmentOptions {
  std::size_t map_bytes = limits::kMapBytes;
  bool read_only = false;
};

class Environment {
 public:
  // Opens or creates the environment in `directory` (which must exist), with MDB_NOTLS and all
  // keyspaces. Files are synced into the directory. The same directory must not be open elsewhere
  // in this process: Store's lock sees to it. Errors: invalid_request (not made by kontract;
  // nothing is changed then), storage_corrupt (damaged or cut short), storage_full.
  static Result<std::unique_ptr<Environment>> open(const std::filesystem::path& directory,
                                                   const EnvironmentOptions& options);
  ~Environment();

  Result<ReadTxn> read();    // thread-safe, lock-free once warm: reader slots are reused
  Result<WriteTxn> write();  // blocks while another is open

  // Clears slots of readers whose process is gone; returns how many.
  Result<int> clear_stale_readers();

  // Bytes of the map in use by live pages (high-water mark less the free list), and its size.
  struct Usage {
    std::size_t used_bytes;
    std::size_t map_bytes;
  };
  Result<Usage> usage();                 // walks the free list
  std::size_t high_water_bytes() const;  // of the map; costs no system call, never shrinks
  std::size_t map_bytes() const;

  const std::filesystem::path& file() const { return file_; }  // .../data.mdb

 private:
  friend class ReadTxn;
  friend class WriteTxn;
  friend class Cursor;
  struct ReaderPool;

  Environment() = default;
  Status check_length(bool read_only);
  Status open_keyspaces(bool read_only);
  void give_back(void* txn) noexcept;

  void* env_ = nullptr;  // MDB_env
  // Of a keyspace that an older directory lacks, opened read-only: nothing is in it.
  static constexpr unsigned kNoKeyspace = ~0U;
  unsigned dbi_[kKeyspaces] = {};
  std::unique_ptr<ReaderPool> readers_;
  std::filesystem::path file_;
};

}  // namespace kontract
