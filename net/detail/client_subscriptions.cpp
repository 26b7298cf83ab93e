#include "net/detail/client_subscriptions.hpp"

#include <utility>

namespace kontract {

void ClientSubscriptions::add(std::uint64_t id, std::string table, SubscribeOptions options,
                              Client::EventHandler handler) {
  One one;
  one.table = std::move(table);
  one.options = std::move(options);
  one.handler = std::move(handler);
  subscriptions_.emplace(id, std::move(one));
}

std::string ClientSubscriptions::frame(std::uint64_t id) {
  One& one = subscriptions_.at(id);
  one.again = one.part;
  return client_wire::subscribe(id, one.table, one.options);
}

std::vector<std::string> ClientSubscriptions::frames() {
  std::vector<std::string> frames;
  for (const auto& [id, one] : subscriptions_) frames.push_back(frame(id));
  return frames;
}

void ClientSubscriptions::answered(std::uint64_t id, const Result<CallResult>& answer) {
  const auto found = subscriptions_.find(id);
  if (found == subscriptions_.end()) return;
  if (!answer) {
    const Client::EventHandler handler = std::move(found->second.handler);
    subscriptions_.erase(found);
    return handler(answer.error());
  }
  const Json& result = answer->result;
  const auto txid = result.is_object() ? result.find("txid") : result.end();
  if (!found->second.options.from && txid != result.end() && txid->is_number_unsigned()) {
    found->second.options.from = txid->get<std::uint64_t>();
  }
}

void ClientSubscriptions::take(client_wire::EventMessage&& message) {
  const auto found = subscriptions_.find(message.subscription);
  if (found == subscriptions_.end()) return;
  One& one = found->second;
  Event& event = message.event;
  const bool was_told = one.again > 0 && event.txid == one.part_txid;
  if (was_told) {
    --one.again;
  } else {
    one.again = 0;
    one.part = event.txid == one.part_txid ? one.part + 1 : 1;
    one.part_txid = event.txid;
  }
  if (!event.more) {
    one.options.from = event.txid;
    one.part = one.again = 0;
  }
  if (!was_told) one.handler(std::move(event));
}

bool ClientSubscriptions::ended(std::uint64_t id, const Error& error) {
  const auto found = subscriptions_.find(id);
  if (found == subscriptions_.end()) return false;
  if (traits(error.code).retry) return true;
  const Client::EventHandler handler = std::move(found->second.handler);
  subscriptions_.erase(found);
  handler(error);
  return false;
}

void ClientSubscriptions::fail_all(const Error& error) {
  for (const auto& [id, one] : std::exchange(subscriptions_, {})) one.handler(error);
}

}  // namespace kontract
