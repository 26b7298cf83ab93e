// EventLimits: what is kept in memory of a table that is followed.

#pragma once

#include <cstddef>

#include "storage/limits.hpp"

namespace kontract {

// Of the latest transactions. Whoever is farther behind than that is slow.
struct EventLimits {
  std::size_t ring_units = 4096;
  std::size_t ring_bytes = 8 * limits::kMiB;
};

}  // namespace kontract
