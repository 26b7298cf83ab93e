// Subscription: one follower of a table, as its connection holds it. The connection pulls events
// when it can send them; nothing waits for a slow one.
//
//   live    reads from the channel's ring, which it shares with all others
//   behind  reads the change log of the store in pages, until the ring has what comes next
//
// Either way it sees each change once, in the order of the txids, after it is durable. One that was
// live and is too slow for the ring goes on as its policy says. Not thread-safe: all on one strand.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "actors/event_channel.hpp"

namespace kontract {

enum class SlowPolicy : std::uint8_t {
  close,     // the subscription ends, and says where to go on from
  coalesce,  // goes on with what became of each record, instead of each change
  resync,    // goes on with what is new, and says that it has missed some
};

class Subscription {
 public:
  // Has seen all up to `seen`. REQUIRES: the channel was entered; it is left at the end.
  Subscription(std::shared_ptr<EventChannel> channel, std::shared_ptr<const EventView> view,
               Txid seen, SlowPolicy slow, std::shared_ptr<EventWaiter> waiter);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  using Emit = std::function<void(const EventText&)>;
  enum class State : std::uint8_t {
    more,   // call again when what was emitted is on its way
    idle,   // the waiter is woken when there is more
    ended,  // with error(); nothing comes any more
  };
  // Emits what comes next, until it has reached so many bytes.
  State pull(std::size_t bytes, const Emit& emit);

  const Error& error() const { return *error_; }
  // All events up to this one were emitted: `from` of a subscription that goes on.
  Txid seen() const { return seen_; }

 private:
  State end(Error error);
  bool check_rules(std::uint64_t version);
  void emit_one(const EventText& text, const Emit& emit, std::size_t& left);
  bool fall_behind(const EventChannel::Glance& glance);
  bool read_log(const EventChannel::Glance& glance);
  Status read_page(bool complete, const EventChannel::Glance& glance);
  bool trimmed(Txid floor, Txid newest);
  void resync(Txid newest);

  const std::shared_ptr<EventChannel> channel_;
  const std::shared_ptr<const EventView> view_;
  const SlowPolicy slow_;
  const std::shared_ptr<EventWaiter> waiter_;
  Txid seen_;
  std::optional<Error> error_;

  std::uint64_t cursor_ = 0;  // in the ring; 0: not there
  EventUnit::Texts texts_;    // of a unit that was emitted in part
  std::size_t text_ = 0;
  Txid texts_txid_ = 0;

  bool coalesces_ = false;  // until it is live again
  Txid row_txid_;           // the next row to read of the log
  std::uint32_t row_n_ = 0;
  std::optional<std::pair<Txid, Change>> held_;  // the last of a page, to know whether more follow
  std::deque<EventText> read_;                   // and not emitted
  Txid read_to_ = 0;                             // seen, once read_ is emitted
  Ticket awaited_ = 0;                           // to be applied; the waiter is woken then

  std::uint64_t rules_ = 0;  // version
  std::shared_ptr<const Schema> schema_;
};

}  // namespace kontract
