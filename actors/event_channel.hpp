// EventChannel: the events of one table, between its actor and those who follow. Its latest units
// are in a ring, from which each follower reads at its own pace; what is older is in the change log
// of the store (actors/subscription.hpp).
//
// It belongs to the session's handle, not to its actors: they come and go. It records from the
// first subscription on, in the table's order, to the last one's end.
//
// What holds under the mutex while it records: all changes up to `start.txid` are in LMDB once
// `start.ticket` is applied; all later ones that are durable are in the ring, or come into it.

#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "actors/event_limits.hpp"
#include "actors/events.hpp"
#include "storage/schema.hpp"
#include "storage/store.hpp"

namespace kontract {

// Whoever follows, as the channel sees it. Called from any thread; must not block.
class EventWaiter {
 public:
  virtual ~EventWaiter() = default;
  // There may be something to pull.
  virtual void wake() noexcept = 0;
  // Runs the job on a thread that serves connections; false if it can not any more.
  virtual bool run(std::function<void()> job) noexcept = 0;
};

class EventChannel final : public ChangeSink, public std::enable_shared_from_this<EventChannel> {
 public:
  EventChannel(Shard& shard, SessionNo session, const TableRow& row, EventLimits limits);

  Shard& shard() const { return shard_; }
  SessionNo session() const { return session_; }
  TableNo number() const { return number_; }
  const std::string& table() const { return table_; }

  // ChangeSink
  bool listens() const noexcept override { return recording_.load(std::memory_order_acquire); }
  void sealed(Ticket ticket, Txid txid, std::vector<Change> changes) noexcept override;

  // One more follows. In the table's order: all that was sealed is not after `txid`, and the last
  // has `ticket`. leave() takes it back.
  void enter(Txid txid, Ticket ticket);
  void leave(const void* follower);

  // Changes up to `txid` come with this batch and are told by nobody: followers read the log.
  void skip(Txid txid, Ticket ticket);
  // The row is another for what comes; those who may not follow any more end.
  void set_row(const TableRow& row);
  void end(Error error);  // for all; e.g. the table is gone

  // What followers may see, as long as `version` stays.
  struct Rules {
    std::uint64_t version = 0;
    std::optional<Error> ended;
    std::shared_ptr<const Schema> schema;  // null: none
  };

  // A look at the ring, for one that has seen all up to `seen`, and stands at `cursor`.
  struct Glance {
    Txid start = 0;  // units up to it are not in the ring
    Ticket start_ticket = 0;
    Txid newest = 0;                        // of the ring; start if it is empty
    bool overrun = false;                   // it was too slow for the ring
    std::shared_ptr<const EventUnit> unit;  // the first after `seen`, if seen >= start
    std::uint64_t cursor = 0;               // of the next one
    std::uint64_t rules = 0;                // version
    bool parked = false;                    // there is none: `waiter` is woken when there may be
  };
  Glance look(const void* follower, Txid seen, std::uint64_t cursor,
              const std::shared_ptr<EventWaiter>& waiter);
  // Woken by the next unit, whatever it is.
  void park(const void* follower, const std::shared_ptr<EventWaiter>& waiter);
  Rules rules() const;

 private:
  class Publish;
  using Parked = std::unordered_map<const void*, std::shared_ptr<EventWaiter>>;

  void settle(Ticket ticket);
  void push(std::shared_ptr<const EventUnit> unit);
  void stop();
  static void wake(Parked parked);

  Shard& shard_;
  CommitLog& log_;
  const SessionNo session_;
  const TableNo number_;
  const std::string table_;
  const EventLimits limits_;
  std::atomic<bool> recording_{false};

  mutable std::mutex mutex_;  // of what follows
  std::size_t followers_ = 0;
  std::deque<std::shared_ptr<const EventUnit>> unsettled_;
  std::deque<std::shared_ptr<const EventUnit>> ring_;
  std::size_t ring_bytes_ = 0;
  std::uint64_t first_ = 0;  // the number of ring_[0]; numbers rise for ever
  std::uint64_t reset_ = 0;  // what the ring had below this number did not go for want of room
  Txid start_ = 0;
  Ticket start_ticket_ = 0;
  Parked parked_;
  Rules rules_;
};

}  // namespace kontract
