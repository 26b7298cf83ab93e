// Store: a data directory. <data>/shard-NN/ is one LMDB environment with its commit log; a session
// lives in one shard, chosen by a stable hash of its identity.
//
//   <data>/lock       flock'd while open, so that a directory is never opened twice
//   <data>/ballast    bytes kept in reserve: delete it to free a full disk; it is made again
//                     when there is room
//   <data>/shard-NN/  data.mdb and lock.mdb
//   <data>/shared/    the same, for the state that all sessions share; from its first change on
//
// Opening checks the format version, the number of shards, the last commit record and what it
// names; a newer or foreign format changes nothing. A network file system is refused.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "storage/alarm.hpp"
#include "storage/change_log_limits.hpp"
#include "storage/commit_log.hpp"
#include "storage/environment.hpp"
#include "storage/limits.hpp"
#include "storage/shared_state.hpp"
#include "storage/sql_limits.hpp"

namespace kontract {

// Who a session is. Two owners using one name have two sessions.
struct Identity {
  std::string owner;
  std::string name;
  bool operator==(const Identity&) const = default;
};

enum class Durability : std::uint8_t {
  sync,     // acknowledged after the sync: nothing a client was told is lost
  relaxed,  // acknowledged after apply: a crash loses at most the last sync interval
};

struct StoreOptions {
  std::filesystem::path data;
  unsigned shards = 1;  // of a new directory; an existing one keeps its own (0: whatever it has)
  std::size_t map_bytes = limits::kMapBytes;  // per shard
  Durability durability = Durability::sync;
  std::chrono::milliseconds sync_interval{10};             // relaxed: at most so long unsynced
  std::size_t disk_floor_bytes = limits::kDiskFloorBytes;  // writes are refused below it; 0: off
  std::size_t ballast_bytes = limits::kBallastBytes;       // 0: none
  std::size_t record_bytes_max = limits::kRecordBytesMax;  // at most kRecordBytesCeiling
  std::size_t record_id_bytes_max = limits::kRecordIdBytesMax;  // at most that
  std::chrono::milliseconds version_retention{0};  // superseded versions are kept at least so long
  // Of one owner (storage/owner_usage.hpp); 0: no limit.
  std::size_t sessions_per_owner_max = 0;
  std::size_t bytes_per_owner_max = 0;
  Alarm alarm;
  SqlLimits sql = {};  // of table.exec
  // The shared state: see SharedStateOptions.
  std::size_t shared_entries_max = limits::kSharedEntriesMax;
  std::size_t shared_bytes_max = limits::kSharedBytesMax;
  std::chrono::milliseconds shared_write_interval = limits::kSharedWriteInterval;
  ChangeLogLimits changes = {};  // what each table keeps of its changes
};

using SessionNo = std::uint64_t;  // within a shard; never reused

class Shard {
 public:
  virtual ~Shard() = default;
  virtual Environment& environment() = 0;
  virtual CommitLog& log() = 0;
  // A number no session of this shard has or had. Thread-safe. Safe across a crash: taken from a
  // counter that is derived from what is stored, so a number whose session was never made durable
  // may be given again.
  virtual SessionNo allocate_session_no() = 0;
  virtual const StoreOptions& options() const = 0;
  virtual class OwnerUsage* usage() { return nullptr; }  // null: owners have no limits
};

struct StoreMetrics {
  std::uint64_t commits = 0;        // LMDB write transactions
  std::uint64_t batches = 0;        // batches in them
  std::uint64_t bytes_written = 0;  // keys and values
  std::uint64_t failed_groups = 0;
  std::size_t map_used_bytes = 0;  // of the fullest shard
  std::size_t disk_free_bytes = 0;
  bool writable = true;
};

class Store {
 public:
  // Errors: storage_corrupt, storage_full (too little free to start), invalid_request (locked by
  // another process, network file system, other number of shards, a file where a directory should
  // be).
  static Result<std::unique_ptr<Store>> open(StoreOptions options);
  virtual ~Store() = default;  // flushes

  virtual Shard& shard_of(const Identity& identity) = 0;
  virtual std::size_t shards() const = 0;
  virtual Shard& shard(std::size_t index) = 0;
  virtual SharedState& shared() = 0;  // as long as the store
  virtual StoreMetrics metrics() const = 0;
  virtual Status flush() = 0;  // of all shards; the shared state has its own
  virtual const StoreOptions& options() const = 0;
};

// Reads every row of a data directory that no server has open: checksums, keys that parse, each
// order row with its version and each version's order row, each table's record count.
struct CheckReport {
  std::uint64_t sessions = 0, tables = 0, versions = 0, records = 0;
  std::uint64_t journal_groups =
      0;  // durable, to be committed at the next start: not counted above
  std::vector<std::string> problems;  // at most 100; each names file, keyspace and key
};
Result<CheckReport> check_data_directory(const std::filesystem::path& data);

}  // namespace kontract
