#include "net/detail/client_calls.hpp"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "net/detail/client_wire.hpp"

namespace kontract {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds kRest{50};

// It says nothing of a call that it repeats: the server did not come to look.
bool is_refusal(const Error& error) {
  return error.code == Errc::overloaded || error.code == Errc::rate_limited;
}

}  // namespace

void ClientCalls::finish(Call& call, Result<CallResult> result) {
  if (!call.done) return;
  open_.fetch_sub(1, std::memory_order_relaxed);
  if (open_bytes_ != nullptr) {
    open_bytes_->fetch_sub(call.frame.size(), std::memory_order_relaxed);
  }
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
    const auto left = std::chrono::ceil<milliseconds>(call.deadline - now);
    std::string frame = call.frame;
    if (call.first_sent)
      frame += client_wire::call_age(std::chrono::floor<milliseconds>(now - *call.first_sent));
    frame += client_wire::call_end(std::clamp(left, milliseconds(1), server.call_timeout_max));
    if (Status readable = client_wire::check_call(frame, server); !readable) {
      finish(call, std::move(readable).error());
      continue;
    }
    if (!call.first_sent) call.first_sent = now;
    call.turn = ++last_turn_;
    sent_.insert(std::move(node));
    return frame;
  }
  return std::nullopt;
}

bool ClientCalls::answer(std::uint64_t id, Result<CallResult> result) {
  auto node = sent_.extract(id);
  bool rests = false;
  if (node) {
    rests = node.mapped().lost && node.mapped().done && !result && is_refusal(result.error());
    if (rests) {
      resting_.emplace(Clock::now() + result.error().retry_after.value_or(kRest), id);
      waiting_.insert(std::move(node));
    } else {
      finish(node.mapped(), std::move(result));
    }
  }
  // Deadlines of calls that are over go with them, or a busy client would keep a long list.
  while (!deadlines_.empty() && is_over(deadlines_.front().second)) deadlines_.pop_front();
  // One slow call keeps those of all after it; each sweep removes half of them or more.
  if (deadlines_.size() > 2 * (sent_.size() + waiting_.size())) {
    std::erase_if(deadlines_, [this](const auto& due) { return is_over(due.second); });
  }
  return rests;
}

void ClientCalls::lose_sent() {
  auto lost = std::exchange(sent_, {});
  std::vector<Call> again;
  for (auto& [id, call] : lost) {
    call.lost = true;
    if (call.repeatable && call.done) {
      again.push_back(std::move(call));
    } else {
      finish(call, outcome_unknown("The connection was lost before the answer came"));
    }
  }
  std::ranges::sort(again, std::greater<>(), &Call::turn);
  for (Call& call : again) {
    const auto id = call.id;
    order_.push_front(id);
    waiting_.emplace(id, std::move(call));
  }
}

void ClientCalls::give_up_lost() {
  std::vector<Call> lost;
  for (const auto& [id, call] : waiting_) {
    if (call.lost) lost.push_back(call);
  }
  for (Call& call : lost) {
    waiting_.erase(call.id);
    finish(call, outcome_unknown("The session was destroyed before the answer came"));
  }
}

void ClientCalls::fail_all(const Error& error) {
  auto sent = std::exchange(sent_, {});
  auto waiting = std::exchange(waiting_, {});
  order_.clear();
  resting_.clear();
  deadlines_.clear();
  for (auto& [id, call] : sent) finish(call, error);
  for (auto& [id, call] : waiting) {
    finish(call,
           call.lost ? outcome_unknown("No answer came before the end: " + error.message) : error);
  }
}

std::optional<ClientCalls::Clock::time_point> ClientCalls::sooner(
    std::optional<Clock::time_point> deadline) const {
  if (resting_.empty()) return deadline;
  const auto next = resting_.begin()->first;
  return deadline ? std::min(*deadline, next) : next;
}

std::optional<ClientCalls::Clock::time_point> ClientCalls::expire(Clock::time_point now) {
  for (; !resting_.empty() && resting_.begin()->first <= now; resting_.erase(resting_.begin())) {
    order_.push_front(resting_.begin()->second);
  }
  while (!deadlines_.empty()) {
    const auto [deadline, id] = deadlines_.front();
    const auto sent = sent_.find(id);
    const auto waits = waiting_.find(id);
    if (sent == sent_.end() && waits == waiting_.end()) {  // It had its answer long ago.
      deadlines_.pop_front();
      continue;
    }
    if (deadline > now) return sooner(deadline);
    deadlines_.pop_front();
    if (sent != sent_.end()) {
      finish(sent->second, outcome_unknown("No answer came in time"));
    } else {
      auto node = waiting_.extract(waits);
      finish(node.mapped(),
             node.mapped().lost
                 ? outcome_unknown("No answer came in time")
                 : Error(Errc::timeout, "The call could not be sent in time; it did not run"));
    }
  }
  return sooner(std::nullopt);
}

}  // namespace kontract
