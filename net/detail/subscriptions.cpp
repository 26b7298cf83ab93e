#include "net/detail/subscriptions.hpp"

#include <utility>

namespace kontract::detail {
namespace {

constexpr std::size_t kTurnBytes = 32 * limits::kKiB;  // of one, before the next has its turn

}  // namespace

Result<std::shared_ptr<SubscribeRequest>> Subscriptions::request(
    protocol::Subscribe& message, std::shared_ptr<EventWaiter> waiter) {
  if (active_.contains(message.id)) {
    return Error(Errc::invalid_request, "The id is that of a subscription",
                 "Take another one, or unsubscribe first.");
  }
  if (active_.size() + asked_.size() >= kMax) {
    return Error(Errc::too_large,
                 "A connection has at most " + std::to_string(kMax) + " subscriptions",
                 "Subscribe with a wider filter, or over another connection.");
  }
  auto request = std::make_shared<SubscribeRequest>();
  request->id = message.id;
  request->filter = std::move(message.filter);
  request->from = message.from;
  request->slow = message.slow;
  request->waiter = std::move(waiter);
  asked_[message.id] = request;
  return request;
}

void Subscriptions::answered(protocol::MessageId id, bool good) {
  const auto node = asked_.extract(id);
  if (!node || !good || !node.mapped()->subscription) return;
  active_[id] = {std::move(node.mapped()->subscription), protocol::event_head(id)};
  awake_ = true;
}

std::optional<Txid> Subscriptions::remove(protocol::MessageId id) {
  const auto node = active_.extract(id);
  if (!node) return std::nullopt;
  return node.mapped().subscription->seen();
}

void Subscriptions::end(const Error& error, const Send& send) {
  for (const auto& [id, active] : std::exchange(active_, {})) {
    send(protocol::subscription_ended(id, error, active.subscription->seen()));
  }
}

void Subscriptions::clear() {
  cleared_ = true;
  if (feeding_) return;  // which does it
  asked_.clear();
  active_.clear();
  awake_ = false;
}

void Subscriptions::feed(const Send& send, const std::function<bool()>& full) {
  std::string frame;
  feeding_ = true;
  while (awake_ && !cleared_) {
    awake_ = false;
    for (auto at = active_.begin(); at != active_.end();) {
      if (full() || cleared_) {
        awake_ = true;
        feeding_ = false;
        if (cleared_) clear();
        return;
      }
      Active& active = at->second;
      const auto state = active.subscription->pull(kTurnBytes, [&](const EventText& text) {
        frame = active.head;
        frame += text.tail;
        send(frame);
      });
      if (state == Subscription::State::more) awake_ = true;
      if (state != Subscription::State::ended) {
        ++at;
        continue;
      }
      send(protocol::subscription_ended(at->first, active.subscription->error(),
                                        active.subscription->seen()));
      at = active_.erase(at);
    }
  }
  feeding_ = false;
  if (cleared_) clear();
}

}  // namespace kontract::detail
