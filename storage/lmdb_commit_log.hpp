// LmdbCommitLog: the embedded commit log. One thread takes all batches that wait (a *group*) and
// applies them to the open LMDB transaction together with a record of what it wrote
// (format::CommitRow). When the waiters are told depends on the durability:
//
// - sync: once the group is synced in the journal, with one sync for all of it. LMDB commits many
//   groups at once, `commit_interval` after the first of them, or when something waits for it.
//   Where the group does not fit the journal, or space is short (see may_run_ahead), LMDB's commit
//   comes first, so that what is acknowledged never waits for room.
// - relaxed: as soon as it is applied. LMDB commits, with a sync, at most `commit_interval` after
//   the first group. LMDB's NOSYNC modes are not used: with them a power cut can damage the whole
//   file.
//
// Readers see what LMDB committed (`applied()`); whoever wrote keeps what is not there yet.
//
// A group is what came while the one before was written: the log does not wait for more. Measured
// with 128 writes in flight over 8 connections, waiting at most 60, 150 or 300 us for as many
// batches as the last group had cost 15 to 30 % of the rate, since half of the calls then no longer
// make their round trip while the other half is being written.
//
// The invariant that makes epochs safe: every undecided batch is of the current epoch. The epoch
// changes only under the mutex that append() takes, in the same step that fails all undecided
// batches, and after everything that did not fail is visible to readers. So whoever reads epoch()
// first, then the store, and appends under that epoch has either seen all that his batch builds on
// or is refused.
//
// After a failed sync nothing is known of the file: the log is *broken*, and fails every batch
// until a restart. What was acknowledged and not committed then stays in the journal, for the
// restart, and in the memory of those who wrote it, since the epoch stays. Where LMDB has no room
// for it, the log is *stalled* in the same way, until there is room.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "storage/environment.hpp"
#include "storage/failed_tickets.hpp"
#include "storage/group_writer.hpp"
#include "storage/room.hpp"
#include "storage/store.hpp"

namespace kontract {

class Verdicts;

class LmdbCommitLog final : public CommitLog {
 public:
  struct Options {
    Durability durability = Durability::sync;
    std::chrono::milliseconds commit_interval{10};  // how long LMDB may be behind
    Alarm alarm;
    std::uint64_t last_commit = 0;               // number of the newest commit in the environment
    std::unique_ptr<Journal> journal = nullptr;  // sync; without one, every group is committed
    UsageOfShard usage = {};
  };
  struct Metrics {
    std::atomic<std::uint64_t> commits{0}, batches{0}, bytes_written{0}, failed_groups{0};
  };

  // `environment` and `disk` must outlive it. Starts the thread.
  LmdbCommitLog(Environment& environment, DiskRoom& disk, Options options);
  ~LmdbCommitLog() override;  // commits what waits

  Ticket append(WriteBatch batch, Epoch epoch, std::unique_ptr<Settled> waiter) override;
  void when_settled(Ticket ticket, std::unique_ptr<Settled> waiter) override;
  void when_applied(Ticket ticket, std::unique_ptr<Settled> waiter) override;
  bool acknowledged(Ticket ticket) const noexcept override;
  Ticket applied() const noexcept override { return applied_.load(std::memory_order_acquire); }
  Ticket appended() const noexcept override { return appended_.load(std::memory_order_acquire); }
  Epoch epoch() const noexcept override { return epoch_.load(std::memory_order_acquire); }
  Status admit(bool frees_space) const override;
  Status flush() override;  // not from a waiter

  const Metrics& metrics() const { return metrics_; }
  MapRoom& map_room() { return map_room_; }
  const MapRoom& map_room() const { return map_room_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Health : std::uint8_t {
    sound,
    stalled,  // acknowledged batches are in the journal, and LMDB has no room for them
    broken,   // a sync failed: until a restart
  };
  struct Watcher {
    Ticket ticket;
    std::unique_ptr<Settled> waiter;
  };

  // On the log's thread.
  void run();
  bool take_group();
  void write_group();
  Status apply(std::size_t from);
  Status commit();
  void acknowledge_group();
  void settle_committed(std::size_t count);
  enum class Failed : bool { lmdb, journal };
  void write_again(Error error, std::size_t acknowledged, Failed where = Failed::lmdb);
  void fail_all(const Error& error, std::size_t acknowledged);
  bool may_run_ahead() const;
  void tell_operator(const Error& error, Health health, bool in_journal) const;
  void recover();
  bool is_sound() const;  // any thread

  // With mutex_ held.
  void wake();
  void advance(Verdicts& verdicts);
  bool commit_is_due() const;

  Environment& environment_;
  DiskRoom& disk_;
  const Durability durability_;
  const std::chrono::milliseconds commit_interval_;
  const Alarm alarm_;
  MapRoom map_room_;
  Metrics metrics_;

  mutable std::mutex mutex_;
  std::condition_variable wake_, progress_;
  std::vector<LoggedBatch> queue_;
  std::vector<Watcher> settled_watchers_, applied_watchers_;
  FailedTickets failed_;
  Error last_failure_;
  Ticket taken_first_ = 0;      // of the group that is being written; 0: none
  Ticket unapplied_first_ = 0;  // acknowledged, in the open transaction; 0: none
  Ticket flush_to_ = 0;
  bool asleep_ = false;  // the thread waits to be woken
  bool stopping_ = false;

  // Written with mutex_ held. acknowledged_ and applied_ are floors of what is decided: a ticket
  // below them that failed is in failed_.
  std::atomic<Ticket> appended_{0}, acknowledged_{0}, applied_{0}, last_failed_{0};
  std::atomic<Epoch> epoch_{1};
  std::atomic<Health> health_{Health::sound};
  std::atomic<std::size_t> queue_bytes_{0};

  // The log thread's own. kept_ holds the batches in the writer's transaction, then, from
  // group_begin_, the group that is being written.
  GroupWriter writer_;
  std::vector<LoggedBatch> kept_;
  std::size_t group_begin_ = 0;
  std::size_t kept_bytes_ = 0;
  Clock::time_point commit_by_;  // while the writer has a transaction
  bool failing_ = false;         // since the last commit
  std::thread thread_;
};

}  // namespace kontract
