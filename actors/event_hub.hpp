// EventHub: the channels of a session's tables. It belongs to the session's handle, so that those
// who follow a session that sleeps cost their connection only. Thread-safe.

#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actors/event_channel.hpp"
#include "actors/subscription.hpp"

namespace kontract {

// What a call for a subscription carries, beside its argument, the table. Filled where the table
// is.
struct SubscribeRequest {
  std::uint64_t id = 0;  // chosen by the client; said in the answer
  Json filter;           // null: all
  std::optional<Txid> from;
  SlowPolicy slow = SlowPolicy::close;
  std::shared_ptr<EventWaiter> waiter;
  std::unique_ptr<Subscription> subscription;  // null until the table has been asked
};

class EventHub {
 public:
  EventHub(Shard& shard, EventLimits limits) : shard_(shard), limits_(limits) {}

  std::shared_ptr<EventChannel> find(TableNo table);  // null: nobody ever followed it
  std::shared_ptr<EventChannel> channel(SessionNo session, const TableRow& row);
  // One for all that ask with the same filter.
  std::shared_ptr<const EventView> view(const Json& filter);

  // The tables were changed all at once, by a batch with this ticket.
  void migrated(const std::vector<TableRow>& rows, Txid txid, Ticket ticket);
  void changed(const TableRow& row);
  void dropped(const TableRow& row);

 private:
  Shard& shard_;
  const EventLimits limits_;
  std::mutex mutex_;
  std::map<TableNo, std::shared_ptr<EventChannel>> channels_;
  std::map<std::string, std::weak_ptr<const EventView>> views_;  // by the filter's text
  std::size_t views_looked_at_ = 64;  // so many there may be before expired ones are looked for
};

}  // namespace kontract
