#include "storage/group_writer.hpp"

#include <algorithm>
#include <utility>

#include "storage/crc32c.hpp"
#include "storage/format.hpp"

namespace kontract {
namespace {

// What a commit record may name, in bytes of keys: of a larger commit, only this part is verified
// at the next start.
constexpr std::size_t kCommitNamesBytesMax = 64 * limits::kKiB;

}  // namespace

Status GroupWriter::apply(std::span<const LoggedBatch> group) {
  if (!txn_) {
    auto txn = environment_.write();
    if (!txn) return std::move(txn).error();
    txn_.emplace(*std::move(txn));
    groups_ = 0;
  }
  ++groups_;
  order_ops(group);
  for (const OpRef& ref : ops_) {
    const WriteOp& op = *ref.op;
    Status written =
        op.erase ? txn_->erase(op.space, op.key) : txn_->put(op.space, op.key, op.value);
    if (!written) return written;
  }
  return {};
}

void GroupWriter::order_ops(std::span<const LoggedBatch> batches) {
  ops_.clear();
  for (const LoggedBatch& logged : batches) {
    for (const WriteOp& op : logged.batch.ops()) {
      ops_.push_back({&op, static_cast<std::uint32_t>(ops_.size())});
    }
  }
  const auto compare_keys = [](const OpRef& a, const OpRef& b) {
    return a.op->space != b.op->space ? (a.op->space < b.op->space ? -1 : 1)
                                      : a.op->key.compare(b.op->key);
  };
  std::sort(ops_.begin(), ops_.end(), [&](const OpRef& a, const OpRef& b) {
    const int order = compare_keys(a, b);
    return order != 0 ? order < 0 : a.sequence > b.sequence;
  });
  // The last operation of a key comes first now, and unique() keeps the first.
  const auto same_key = [&](const OpRef& a, const OpRef& b) { return compare_keys(a, b) == 0; };
  ops_.erase(std::unique(ops_.begin(), ops_.end(), same_key), ops_.end());
}

Status GroupWriter::commit(std::span<const LoggedBatch> all) {
  if (groups_ != 1) order_ops(all);
  format::CommitRow row;
  row.number = commit_number_ + 1;
  row.batches = all.size();
  row.ops = ops_.size();
  row.names.reserve(ops_.size());
  std::size_t names_bytes = 0;
  for (const OpRef& ref : ops_) {
    const WriteOp& op = *ref.op;
    names_bytes += op.key.size();
    if (names_bytes > kCommitNamesBytesMax) break;
    row.names.push_back({op.space, op.erase, op.key, op.erase ? 0 : crc32c(op.value)});
  }
  Status done = txn_->put(Keyspace::meta, format::commit_key(), format::commit_value(row));
  if (done) done = std::move(*txn_).commit();
  txn_.reset();
  if (done) commit_number_ = row.number;
  return done;
}

}  // namespace kontract
