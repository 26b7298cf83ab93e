// AlarmBell: what sessions tell whoever wakes them for their alarms (actors/alarm_clock.hpp), and
// what time it is for all of them. Thread-safe; nobody waits at it but the clock.

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "actors/reply.hpp"
#include "storage/store.hpp"
#include "storage/wall_clock.hpp"

namespace kontract {

class AlarmBell final : public ReplyTarget {
 public:
  // Milliseconds since 1970. Another one than the wall clock's is for tests, which call wake() when
  // they have changed it.
  using Now = std::function<std::int64_t()>;
  explicit AlarmBell(Now now = now_ms) : now_(std::move(now)) {}

  std::int64_t now() const { return now_(); }

  // An alarm of this shard that is due then was appended to its log. Costs nothing if no clock
  // listens: it will find all that are stored.
  void ring(const Shard& shard, std::int64_t due_ms, Ticket ticket);

  // An alarm that the clock has sent to its session is over with.
  void answer(std::uint64_t call_id, Answer&& answer) noexcept override;

  // The log of a shard has applied what the clock waits for, or never will.
  void applied(const Shard& shard, Ticket ticket) noexcept;

  void wake() noexcept;

  // For the clock.
  struct Rung {
    const Shard* shard;
    std::int64_t due_ms;
    Ticket ticket;
  };
  struct Heard {
    std::vector<Rung> rung;
    std::vector<std::pair<std::uint64_t, Answer>> answers;
    std::vector<std::pair<const Shard*, Ticket>> applied;
    bool silenced = false;  // for good
  };
  void listen();                // one at a time
  std::uint64_t number_call();  // another one for each
  void silence();               // the clock is to end
  // What was heard since the last time; waits for something, but at most so long.
  Heard wait(std::chrono::milliseconds at_most);

 private:
  const Now now_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t last_call_ = 0;
  bool listening_ = false;
  bool woken_ = false;
  Heard heard_;
};

}  // namespace kontract
