// ClientCalls: the book of a client's calls, from `add` to the one time that `done` is called.
//
// A call waits, then is sent (`next_to_send`), then is answered, expires or is lost. One that
// expired after it was sent still holds its place among the calls in flight, as it does in the
// server, until it is answered or the connection is lost. One that is lost and may be repeated
// waits again, before those that were not sent. Not thread-safe; `done` must not come back into the
// book.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
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
    bool repeatable = false;  // it may be sent again
    std::optional<Clock::time_point> first_sent = std::nullopt;
    std::uint64_t turn = 0;  // among those that were sent
    bool lost = false;       // with a connection: it may have run
  };

  // `open` is how many calls have not been told their end, `open_bytes` (may be null) how many
  // bytes these have; whoever adds one has counted it.
  explicit ClientCalls(std::atomic<std::size_t>& open,
                       std::atomic<std::size_t>* open_bytes = nullptr)
      : open_(open), open_bytes_(open_bytes) {}

  void add(Call call);

  // The frame of the call that is sent next, or nothing: none waits, or so many are in flight. A
  // frame that the server could not read is not sent; its call fails with client_wire::check_call's
  // error.
  std::optional<std::string> next_to_send(const Welcome& server, Clock::time_point now);

  // True: the server refused a repeat for now, which does not say what became of the call; it waits
  // for its turn again, of which expire() tells.
  bool answer(std::uint64_t id, Result<CallResult> result);

  // The connection is lost: nobody knows whether what was sent has run.
  void lose_sent();
  // The session is another one: calls that may have run in the old one are not sent again.
  void give_up_lost();
  void fail_all(const Error& error);

  // Fails with timeout what is due, lets repeats have their turn, and says when to come again.
  std::optional<Clock::time_point> expire(Clock::time_point now);

 private:
  void finish(Call& call, Result<CallResult> result);
  bool is_over(std::uint64_t id) const;
  static Error outcome_unknown(std::string message);

  std::optional<Clock::time_point> sooner(std::optional<Clock::time_point> deadline) const;

  std::atomic<std::size_t>& open_;
  std::atomic<std::size_t>* const open_bytes_;
  std::uint64_t last_turn_ = 0;
  std::unordered_map<std::uint64_t, Call> waiting_;
  std::unordered_map<std::uint64_t, Call> sent_;  // an empty `done`: expired
  std::deque<std::uint64_t> order_;               // of what waits; may name calls that expired
  std::multimap<Clock::time_point, std::uint64_t> resting_;  // of what waits, but not in order_ yet
  std::deque<std::pair<Clock::time_point, std::uint64_t>> deadlines_;  // by time, as all wait alike
};

}  // namespace kontract
