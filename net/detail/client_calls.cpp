#include "net/detail/client_calls.hpp"

#include <algorithm>
#include <utility>

#include "net/detail/client_wire.hpp"

namespace kontract {

void ClientCalls::finish(Call& call, Result<CallResult> result) {
  if (!call.done) return;
  open_.fetch_sub(1, std::memory_order_relaxed);
  std::exchange(call.done, nullptr)(std::move(result));
}

Error ClientCalls::outcome_unknown(std::string message) {
  return Error(Errc::timeout, std::move(message) + "; whether the call ran is unknown",
               "Read the state again, or repeat the call if running it twice does no harm.");
}

bool ClientCalls::is_over(std::uint64_t id) const {
  return !sent_.contains(id) && !waiting_.contains(id);
}

void ClientCalls::add(Call call) {
  order_.push_back(call.id);
  deadlines_.emplace_back(call.deadline, call.id);
  const auto id = call.id;
  waiting_.emplace(id, std::move(call));
}

std::optional<std::string> ClientCalls::next_to_send(const Welcome& server, Clock::time_point now) {
  while (!order_.empty() && sent_.size() < server.calls_in_flight) {
    auto node = waiting_.extract(order_.front());
    order_.pop_front();
    if (!node) continue;
    Call& call = node.mapped();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(call.deadline - now);
    call.frame += client_wire::call_end(
        std::clamp(left, std::chrono::milliseconds(1), server.call_timeout_max));
    if (Status readable = client_wire::check_call(call.frame, server); !readable) {
      finish(call, std::move(readable).error());
      continue;
    }
    std::string frame = std::move(call.frame);
    sent_.insert(std::move(node));
    return frame;
  }
  return std::nullopt;
}

void ClientCalls::answer(std::uint64_t id, Result<CallResult> result) {
  auto node = sent_.extract(id);
  if (node) finish(node.mapped(), std::move(result));
  // Deadlines of calls that are over go with them, or a busy client would keep a long list.
  while (!deadlines_.empty() && is_over(deadlines_.front().second)) deadlines_.pop_front();
  // One slow call keeps those of all after it; each sweep removes half of them or more.
  if (deadlines_.size() > 2 * (sent_.size() + waiting_.size())) {
    std::erase_if(deadlines_, [this](const auto& due) { return is_over(due.second); });
  }
}

void ClientCalls::lose_sent() {
  auto lost = std::exchange(sent_, {});
  for (auto& [id, call] : lost) {
    finish(call, outcome_unknown("The connection was lost before the answer came"));
  }
}

void ClientCalls::fail_all(const Error& error) {
  auto sent = std::exchange(sent_, {});
  auto waiting = std::exchange(waiting_, {});
  order_.clear();
  deadlines_.clear();
  for (auto& [id, call] : sent) finish(call, error);
  for (auto& [id, call] : waiting) finish(call, error);
}

std::optional<ClientCalls::Clock::time_point> ClientCalls::expire(Clock::time_point now) {
  while (!deadlines_.empty()) {
    const auto [deadline, id] = deadlines_.front();
    const auto sent = sent_.find(id);
    const auto waits = waiting_.find(id);
    if (sent == sent_.end() && waits == waiting_.end()) {  // It had its answer long ago.
      deadlines_.pop_front();
      continue;
    }
    if (deadline > now) return deadline;
    deadlines_.pop_front();
    if (sent != sent_.end()) {
      finish(sent->second, outcome_unknown("No answer came in time"));
    } else {
      auto node = waiting_.extract(waits);
      finish(node.mapped(),
             Error(Errc::timeout, "The call could not be sent in time; it did not run"));
    }
  }
  return std::nullopt;
}

}  // namespace kontract
