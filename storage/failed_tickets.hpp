// FailedTickets: which of the tickets that a commit log gave out will never be durable.

#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "storage/commit_log.hpp"

namespace kontract {

class FailedTickets {
 public:
  // All tickets from `first` to `last` failed. REQUIRES: `last` is the highest ticket given out.
  void add(Ticket first, Ticket last) {
    while (!ranges_.empty() && ranges_.back().last + 1 >= first) {
      first = std::min(first, ranges_.back().first);
      ranges_.pop_back();
    }
    ranges_.push_back({first, last});
    if (ranges_.size() <= kRangesMax) return;
    // What lies between the two oldest was durable; nobody asks any more, and "failed" is the safe
    // answer.
    ranges_[1].first = ranges_[0].first;
    ranges_.erase(ranges_.begin());
  }

  bool contains(Ticket ticket) const {
    const auto above = std::upper_bound(ranges_.begin(), ranges_.end(), ticket,
                                        [](Ticket t, const Range& r) { return t < r.first; });
    return above != ranges_.begin() && ticket <= std::prev(above)->last;
  }

 private:
  static constexpr std::size_t kRangesMax = 1024;
  struct Range {
    Ticket first, last;
  };
  std::vector<Range> ranges_;  // in order, neither touching nor overlapping
};

}  // namespace kontract
