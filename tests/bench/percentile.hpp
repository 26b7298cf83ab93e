// percentile: the value below which a share of the samples lies, by the nearest-rank method.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace kontract::bench {

// `sorted` ascends and `share` is 0..1; 0.5 is the median. 0 if there are no samples.
template <typename T>
T percentile(const std::vector<T>& sorted, double share) {
  if (sorted.empty()) return T{};
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::min(std::max<std::size_t>(rank, 1), sorted.size()) - 1];
}

}  // namespace kontract::bench
