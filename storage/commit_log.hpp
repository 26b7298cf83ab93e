// CommitLog: the seam between what a session decided and what is kept.
//
// A batch is appended and later *settled*: it is durable, or it failed and left nothing behind. The
// embedded log (storage/lmdb_commit_log.hpp) applies all batches that wait in one LMDB write
// transaction and syncs once (group commit). Nothing above this interface may assume that
// durability means a local sync.
//
// Tickets order the batches of a log. A batch is applied after every batch with a lower ticket.
// After a failed group the log starts a new *epoch*: batches of the old epoch that still wait fail
// too, since they may build on what was lost. Whoever keeps state in memory that depends on
// unsettled batches compares `epoch()` with the one it started from and, if they differ, discards
// that state and reads the store again.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/result.hpp"

namespace kontract {

// The sub-databases of a shard. The numbers are stored in commit records: never renumber.
enum class Keyspace : std::uint8_t {
  meta = 0,
  sessions = 1,
  registry = 2,
  versions = 3,
  order = 4,
  garbage = 5,
  indexes = 6,
  shared = 7,  // in an environment of its own; empty in shards
  changes = 8,
  replies = 9,
  alarms = 10,
};
inline constexpr std::size_t kKeyspaces = 11;
// Those that the first kontract made. The later ones are added where they are missing.
inline constexpr std::size_t kFirstKeyspaces = 6;

struct WriteOp {
  Keyspace space;
  bool erase;  // of a key that may be absent
  std::string key;
  std::string value;  // empty for an erase
};

// What one transaction changes. All of it is applied, or none.
class WriteBatch {
 public:
  void put(Keyspace space, std::string key, std::string value) {
    bytes_ += key.size() + value.size();
    if (space == Keyspace::changes) log_bytes_ += key.size() + value.size();
    ops_.push_back({space, false, std::move(key), std::move(value)});
  }
  void erase(Keyspace space, std::string key) {
    bytes_ += key.size();
    if (space == Keyspace::changes) log_bytes_ += key.size();
    ops_.push_back({space, true, std::move(key), {}});
  }
  // Appends the other's operations after this one's.
  void merge(WriteBatch&& other);

  bool empty() const { return ops_.empty(); }
  std::size_t bytes() const { return bytes_; }
  // Without what goes into or out of `changes`: what the limits of a call are for.
  std::size_t own_bytes() const { return bytes_ - log_bytes_; }
  const std::vector<WriteOp>& ops() const { return ops_; }

 private:
  std::vector<WriteOp> ops_;
  std::size_t bytes_ = 0;
  std::size_t log_bytes_ = 0;
};

using Ticket = std::uint64_t;  // 0 is settled from the start
using Epoch = std::uint64_t;

// Told once what became of a batch, on a thread of the log; must not block or throw.
class Settled {
 public:
  virtual ~Settled() = default;
  virtual void settled(const Status& status) noexcept = 0;
};

class CommitLog {
 public:
  virtual ~CommitLog() = default;

  // Queues the batch and returns its ticket. `waiter` (may be null) is told when the batch may be
  // acknowledged: after the sync or, in relaxed mode, after it was applied. A batch of an epoch
  // that is over fails. Thread-safe; never blocks on the disk.
  virtual Ticket append(WriteBatch batch, Epoch epoch, std::unique_ptr<Settled> waiter) = 0;

  // Tells `waiter` as soon as the batch with this ticket may be acknowledged; at once, on the
  // calling thread, if it may be already. If the batch failed, so does the waiter.
  virtual void when_settled(Ticket ticket, std::unique_ptr<Settled> waiter) = 0;

  // Tells `waiter` as soon as `applied()` has reached the ticket, or its epoch is over; at once if
  // so. Tells it of a failure if the log is broken, so that it never will: `applied()` says which.
  virtual void when_applied(Ticket ticket, std::unique_ptr<Settled> waiter) = 0;

  // Whether batches up to `ticket` may be acknowledged. False if it failed or is not settled.
  virtual bool acknowledged(Ticket ticket) const noexcept = 0;

  // The highest ticket whose batch every new read transaction sees; all lower ones are seen as
  // well.
  virtual Ticket applied() const noexcept = 0;

  virtual Ticket appended() const noexcept = 0;  // the highest ticket given out
  virtual Epoch epoch() const noexcept = 0;

  // Why a write would be refused now (storage_full, storage_corrupt after a failed sync,
  // overloaded when the queue is full), if it would. `frees_space`: the write only deletes; these
  // are let through until the map is nearly exhausted, so that a full store can be emptied.
  virtual Status admit(bool frees_space) const = 0;

  // Waits until everything appended so far is durable. Blocks.
  virtual Status flush() = 0;
};

}  // namespace kontract
