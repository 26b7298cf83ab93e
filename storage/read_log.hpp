// ReadLog: what a transaction has read of one table, as the table notes it, so that it can be asked
// later whether others have changed it: some records by their ids, ranges of indexes, or else maybe
// all of it. What would have been found where nothing is counts as much as what was found.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kontract {

class ReadLog {
 public:
  struct Range {
    std::string from, to;  // keys of IndexOverlay: from <= key < to
  };

  void note(std::string_view id) {
    if (all_) return;
    if (ids_.size() == kIdsMax) return note_all();
    ids_.emplace_back(id);
  }
  // Of indexes that are in this state: see MvccTable. A range holds for one state only.
  void note_range(std::uint64_t indexes, std::string from, std::string to) {
    if (all_) return;
    if (ranges_.size() == kRangesMax || (!ranges_.empty() && indexes != indexes_)) {
      return note_all();
    }
    indexes_ = indexes;
    ranges_.push_back({std::move(from), std::move(to)});
  }
  void note_all() {
    all_ = true;
    ids_ = {};
    ranges_ = {};
  }

  bool all() const { return all_; }
  const std::vector<std::string>& ids() const { return ids_; }
  const std::vector<Range>& ranges() const { return ranges_; }
  std::uint64_t indexes() const { return indexes_; }  // of the ranges

 private:
  // Beyond them, all records count as read.
  static constexpr std::size_t kIdsMax = 10'000;
  static constexpr std::size_t kRangesMax = 1000;

  std::vector<std::string> ids_;
  std::vector<Range> ranges_;
  std::uint64_t indexes_ = 0;
  bool all_ = false;
};

}  // namespace kontract
