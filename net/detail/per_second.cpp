#include "net/detail/per_second.hpp"

#include <algorithm>

namespace kontract::detail {

namespace {

using std::chrono::nanoseconds;

std::int64_t ns_of(PerSecond::Time time) {
  return std::chrono::duration_cast<nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

std::optional<std::chrono::milliseconds> PerSecond::take(std::size_t per_second, Time now) {
  if (per_second == 0) return std::nullopt;
  const std::int64_t second_ns = nanoseconds(std::chrono::seconds(1)).count();
  const std::int64_t each_ns =
      std::max<std::int64_t>(second_ns / static_cast<std::int64_t>(per_second), 1);
  const std::int64_t ahead_ns = 2 * each_ns * static_cast<std::int64_t>(per_second);
  const std::int64_t now_ns = ns_of(now);
  std::int64_t paid_ns = paid_ns_.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t next_ns = std::max(paid_ns, now_ns) + each_ns;
    if (next_ns - now_ns > ahead_ns) {
      return std::chrono::ceil<std::chrono::milliseconds>(nanoseconds(next_ns - now_ns - ahead_ns));
    }
    if (paid_ns_.compare_exchange_weak(paid_ns, next_ns, std::memory_order_relaxed)) {
      return std::nullopt;
    }
  }
}

bool PerSecond::full(Time now) const {
  return paid_ns_.load(std::memory_order_relaxed) <= ns_of(now);
}

}  // namespace kontract::detail
