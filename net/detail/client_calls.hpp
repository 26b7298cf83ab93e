// ClientCalls: the book of a client's calls, from `add` to the one time that `done` is called.
//
// A call waits, then is sent (`next_to_send`), then is answered, expires or is lost. One that
// expired after it was sent still holds its place among the calls in flight, as it does in the
// server, until it is answered or the connection is lost. Not thread-safe; `done` must not come
// back into the book.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "net/client.hpp"

namespace kontract {

class ClientCalls {
 public:
  using Clock = std::chrono::steady_clock;

  struct Call {
    std::uint64_t id = 0;
    std::string frame;  // without client_wire::call_end
    Client::Callback done;
    Clock::time_point deadline;
  };

  // `open` is how many calls have not been told their end; whoever adds one has counted it.
  explicit ClientCalls(std::atomic<std::size_t>& open) : open_(open) {}

  void add(Call call);

  // The frame of the call that is sent next, or nothing: none waits, or so many are in flight. A
  // frame that the server could not read is not sent; its call fails with client_wire::check_call's
  // error.
  std::optional<std::string> next_to_send(const Welcome& server, Clock::time_point now);

  void answer(std::uint64_t id, Result<CallResult> result);

  // The connection is lost: nobody knows whether what was sent has run.
  void lose_sent();
  void fail_all(const Error& error);

  // Fails with timeout what is due, and says when to come again.
  std::optional<Clock::time_point> expire(Clock::time_point now);

 private:
  void finish(Call& call, Result<CallResult> result);
  bool is_over(std::uint64_t id) const;
  static Error outcome_unknown(std::string message);

  std::atomic<std::size_t>& open_;
  std::unordered_map<std::uint64_t, Call> waiting_;
  std::unordered_map<std::uint64_t, Call> sent_;  // an empty `done`: expired
  std::deque<std::uint64_t> order_;               // of what waits; may name calls that expired
  std::deque<std::pair<Clock::time_point, std::uint64_t>> deadlines_;  // by time, as all wait alike
};

}  // namespace kontract
