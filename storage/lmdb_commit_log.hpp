// LmdbCommitLog: the embedded commit log. One thread takes all batches that wait (a *group*),
// applies them in one LMDB write transaction together with a record of what it wrote
// (format::CommitRow), syncs once and then tells the waiters.
//
// Of several operations on one key in a transaction only the last is applied. Operations are
// applied in order of key, so that neighbours meet their page while it is at hand.
//
// A group is what came while the one before was written: the log does not wait for more. Measured
// with 128 writes in flight over 8 connections, waiting at most 60, 150 or 300 us for as many
// batches as the last group had cost 15 to 30 % of the rate, since half of the calls then no longer
// make their round trip while the other half is being written.
//
// Durability::relaxed keeps one LMDB transaction open: a group is acknowledged as soon as it is
// applied there, and the transaction is committed, with a sync, at most `sync_interval` after its
// first group. LMDB's NOSYNC modes are not used: with them a power cut can damage the whole file.
//
// The invariant that makes epochs safe: every undecided batch is of the current epoch. The epoch
// changes only under the mutex that append() takes, in the same step that fails all undecided
// batches, and after everything that did not fail is visible to readers. So whoever reads epoch()
// first, then the store, and appends under that epoch has either seen all that his batch builds on
// or is refused.
//
// After a failed sync nothing is known of the file: the log fails every batch until a restart.

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

class LmdbCommitLog final : public CommitLog {
 public:
  struct Options {
    Durability durability = Durability::sync;
    std::chrono::milliseconds sync_interval{10};
    Alarm alarm;
    std::uint64_t last_commit = 0;  // number of the newest commit in the environment
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
  struct Watcher {
    Ticket ticket;
    std::unique_ptr<Settled> waiter;
  };
  class Verdicts;  // who is to be told what, once the mutex is free

  // On the log's thread.
  void run();
  bool take_group();
  void write_group();
  Status apply(std::size_t from);
  Status commit();
  void acknowledge_group();
  void settle_committed(std::size_t count);
  void write_again(Error error, std::size_t acknowledged);
  void fail_all(const Error& error);

  // With mutex_ held.
  void wake();
  void advance(Verdicts& verdicts);
  bool commit_is_due() const;

  Environment& environment_;
  DiskRoom& disk_;
  const Options options_;
  MapRoom map_room_;
  Metrics metrics_;

  mutable std::mutex mutex_;
  std::condition_variable wake_, progress_;
  std::vector<LoggedBatch> queue_;
  std::vector<Watcher> settled_watchers_, applied_watchers_;
  FailedTickets failed_;
  Error last_failure_;
  Ticket taken_first_ = 0;     // of the group that is being written; 0: none
  Ticket unsynced_first_ = 0;  // of the open transaction; 0: none
  Ticket flush_to_ = 0;
  bool asleep_ = false;  // the thread waits to be woken
  bool stopping_ = false;

  // Written with mutex_ held. acknowledged_ and applied_ are floors of what is decided: a ticket
  // below them that failed is in failed_.
  std::atomic<Ticket> appended_{0}, acknowledged_{0}, applied_{0}, last_failed_{0};
  std::atomic<Epoch> epoch_{1};
  std::atomic<bool> broken_{false};  // after a failed sync
  std::atomic<std::size_t> queue_bytes_{0};

  // The log thread's own. kept_ holds the batches in the writer's transaction, then, from
  // group_begin_, the group that is being written. With Durability::sync that is all of it.
  GroupWriter writer_;
  std::vector<LoggedBatch> kept_;
  std::size_t group_begin_ = 0;
  std::size_t kept_bytes_ = 0;
  Clock::time_point commit_by_;  // while the writer has a transaction
  bool failing_ = false;         // since the last commit
  std::thread thread_;
};

}  // namespace kontract
