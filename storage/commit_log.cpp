#include "storage/commit_log.hpp"

#include <iterator>

namespace kontract {

void WriteBatch::merge(WriteBatch&& other) {
  bytes_ += other.bytes_;
  log_bytes_ += other.log_bytes_;
  if (ops_.empty()) {
    ops_ = std::move(other.ops_);
  } else {
    ops_.insert(ops_.end(), std::make_move_iterator(other.ops_.begin()),
                std::make_move_iterator(other.ops_.end()));
  }
  other.ops_.clear();
  other.bytes_ = 0;
  other.log_bytes_ = 0;
}

}  // namespace kontract
