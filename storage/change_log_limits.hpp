// ChangeLogLimits: how much each table keeps of what was done to it.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "storage/limits.hpp"

namespace kontract {

// The oldest changes go when any of these is exceeded, some later than that: with the next write or
// round of maintenance. A transaction that alone exceeds one leaves nothing in the log.
struct ChangeLogLimits {
  std::uint64_t changes = 10'000;  // 0: no log is kept
  std::uint64_t bytes = 16 * limits::kMiB;
  std::chrono::milliseconds age = std::chrono::hours(24);

  bool keeps() const { return changes > 0 && bytes > 0 && age.count() > 0; }
};

}  // namespace kontract
