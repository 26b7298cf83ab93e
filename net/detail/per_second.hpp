// PerSecond: so many a second, and twice as many at once; on average never more. Remembers one
// point of time: that at which all that was taken is paid off (the generic cell rate algorithm).
// Thread-safe; the clock is the caller's.

#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace kontract::detail {

class PerSecond {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Takes one; nothing, or the time until there is one again. 0 a second: there is no limit.
  std::optional<std::chrono::milliseconds> take(std::size_t per_second, Time now);
  bool full(Time now) const;  // as if nothing had ever been taken

 private:
  std::atomic<std::int64_t> paid_ns_{0};  // on the clock
};

}  // namespace kontract::detail
