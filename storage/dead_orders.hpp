// DeadOrders: where in a table's `_order` no record is any more, so that taking from an end does
// not pass over the same deleted records again and again until they are collected.
//
// An order is given once, above all before it, and a deleted record that comes back gets a new one:
// a range without records stays so. Only what was committed may be noted, and all of it is
// forgotten when a commit fails. It is a memory, not a record: what is forgotten is found again.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>

#include "storage/commit_log.hpp"

namespace kontract {

class DeadOrders {
 public:
  struct Range {
    std::uint64_t first, last;  // both are dead, and all between them
  };

  // The range that holds the order.
  std::optional<Range> around(std::uint64_t order) const {
    const auto behind = ranges_.upper_bound(order);
    if (behind == ranges_.begin()) return std::nullopt;
    const auto range = std::prev(behind);
    if (range->second < order) return std::nullopt;
    return Range{range->first, range->second};
  }

  // That these are dead was seen in batches up to `observed`. Joins what it overlaps.
  void add(Range range, Ticket observed) {
    observed_ = std::max(observed_, observed);
    auto at = ranges_.upper_bound(range.first);
    if (at != ranges_.begin() && std::prev(at)->second >= range.first) --at;
    while (at != ranges_.end() && at->first <= range.last) {
      range = {std::min(range.first, at->first), std::max(range.last, at->second)};
      at = ranges_.erase(at);
    }
    if (ranges_.size() >= kRangesMax) ranges_.clear();
    ranges_.emplace(range.first, range.last);
  }

  // What an answer that rests on any range waits for.
  Ticket observed() const { return observed_; }

  void clear() {
    ranges_.clear();
    observed_ = 0;
  }

 private:
  static constexpr std::size_t kRangesMax = 256;

  std::map<std::uint64_t, std::uint64_t> ranges_;  // first, last; apart from one another
  Ticket observed_ = 0;
};

}  // namespace kontract
