#include "actors/event_channel.hpp"

#include <algorithm>

namespace kontract {
namespace {

// More than so many are not woken by the thread that publishes, which is the commit log's.
constexpr std::size_t kWokenAtOnce = 32;

}  // namespace

class EventChannel::Publish final : public Settled {
 public:
  Publish(std::shared_ptr<EventChannel> channel, Ticket ticket)
      : channel_(std::move(channel)), ticket_(ticket) {}
  void settled(const Status&) noexcept override { channel_->settle(ticket_); }

 private:
  const std::shared_ptr<EventChannel> channel_;
  const Ticket ticket_;
};

EventChannel::EventChannel(Shard& shard, SessionNo session, const TableRow& row, EventLimits limits)
    : shard_(shard),
      log_(shard.log()),
      session_(session),
      number_(row.no),
      table_(row.id),
      limits_(limits) {
  set_row(row);
}

void EventChannel::sealed(Ticket ticket, Txid txid, std::vector<Change> changes) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!recording_.load(std::memory_order_relaxed)) return;
    unsettled_.push_back(std::make_shared<const EventUnit>(txid, ticket, std::move(changes)));
  }
  log_.when_settled(ticket, std::make_unique<Publish>(shared_from_this(), ticket));
}

// Those that are told of two tickets at the same time may come in any order: so each looks at all
// that is decided by then.
void EventChannel::settle(Ticket ticket) {
  Parked woken;
  {
    const std::lock_guard lock(mutex_);
    bool more = false;
    while (!unsettled_.empty() && unsettled_.front()->ticket() <= ticket) {
      auto unit = std::move(unsettled_.front());
      unsettled_.pop_front();
      if (!log_.acknowledged(unit->ticket())) continue;  // it failed
      push(std::move(unit));
      more = true;
    }
    if (more) woken.swap(parked_);
  }
  wake(std::move(woken));
}

void EventChannel::push(std::shared_ptr<const EventUnit> unit) {
  ring_bytes_ += unit->bytes();
  ring_.push_back(std::move(unit));
  while (ring_.size() > 1 &&
         (ring_.size() > limits_.ring_units || ring_bytes_ > limits_.ring_bytes)) {
    start_ = ring_.front()->txid();
    start_ticket_ = ring_.front()->ticket();
    ring_bytes_ -= ring_.front()->bytes();
    ring_.pop_front();
    ++first_;
  }
}

void EventChannel::wake(Parked parked) {
  const auto all = [](const Parked& waiters) {
    for (const auto& [follower, waiter] : waiters) waiter->wake();
  };
  if (parked.size() > kWokenAtOnce) {
    const auto shared = std::make_shared<const Parked>(std::move(parked));
    for (const auto& [follower, waiter] : *shared) {
      if (waiter->run([shared, all] { all(*shared); })) return;
    }
    return;
  }
  all(parked);
}

void EventChannel::enter(Txid txid, Ticket ticket) {
  const std::lock_guard lock(mutex_);
  if (followers_++ > 0) return;
  stop();
  start_ = txid;
  start_ticket_ = ticket;
  recording_.store(true, std::memory_order_release);
}

void EventChannel::leave(const void* follower) {
  const std::lock_guard lock(mutex_);
  parked_.erase(follower);
  if (--followers_ > 0) return;
  recording_.store(false, std::memory_order_release);
  stop();
}

// Nothing of the ring is left.
void EventChannel::stop() {
  unsettled_.clear();
  first_ += ring_.size() + 1;  // the one more: whoever stood at the end is behind as well
  reset_ = first_;
  ring_.clear();
  ring_bytes_ = 0;
}

void EventChannel::skip(Txid txid, Ticket ticket) {
  Parked woken;
  {
    const std::lock_guard lock(mutex_);
    if (!recording_.load(std::memory_order_relaxed)) return;
    stop();
    start_ = txid;
    start_ticket_ = ticket;
    woken.swap(parked_);
  }
  wake(std::move(woken));
}

void EventChannel::set_row(const TableRow& row) {
  std::shared_ptr<const Schema> schema;
  if (!row.schema.empty()) {
    auto parsed = Schema::parse(Json::parse(row.schema, nullptr, /*allow_exceptions=*/false));
    if (parsed) schema = std::make_shared<const Schema>(*std::move(parsed));
  }
  Parked woken;
  {
    const std::lock_guard lock(mutex_);
    ++rules_.version;
    rules_.schema = std::move(schema);
    rules_.ended.reset();
    if (!allows(row.permissions, perms::R__)) {
      rules_.ended = Error(Errc::permission_denied, "Insufficient permissions",
                           "Table " + row.id + " does not allow R any more.");
    }
    woken.swap(parked_);
  }
  wake(std::move(woken));
}

void EventChannel::end(Error error) {
  Parked woken;
  {
    const std::lock_guard lock(mutex_);
    ++rules_.version;
    rules_.ended = std::move(error);
    woken.swap(parked_);
  }
  wake(std::move(woken));
}

EventChannel::Rules EventChannel::rules() const {
  const std::lock_guard lock(mutex_);
  return rules_;
}

void EventChannel::park(const void* follower, const std::shared_ptr<EventWaiter>& waiter) {
  const std::lock_guard lock(mutex_);
  parked_[follower] = waiter;
}

EventChannel::Glance EventChannel::look(const void* follower, Txid seen, std::uint64_t cursor,
                                        const std::shared_ptr<EventWaiter>& waiter) {
  const std::lock_guard lock(mutex_);
  Glance glance;
  glance.start = start_;
  glance.start_ticket = start_ticket_;
  glance.newest = ring_.empty() ? start_ : ring_.back()->txid();
  glance.rules = rules_.version;
  if (seen < start_) {
    glance.overrun = cursor >= reset_;
    return glance;
  }
  std::size_t at = cursor < first_ ? ring_.size() : static_cast<std::size_t>(cursor - first_);
  if (cursor < first_) {
    const auto found =
        std::upper_bound(ring_.begin(), ring_.end(), seen,
                         [](Txid txid, const auto& unit) { return txid < unit->txid(); });
    at = static_cast<std::size_t>(found - ring_.begin());
  }
  while (at < ring_.size() && ring_[at]->txid() <= seen) ++at;
  glance.cursor = first_ + std::min(at + 1, ring_.size());
  if (at < ring_.size()) {
    glance.unit = ring_[at];
  } else {
    parked_[follower] = waiter;
    glance.parked = true;
  }
  return glance;
}

}  // namespace kontract
