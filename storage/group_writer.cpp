#include "storage/group_writer.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "storage/crc32c.hpp"
#include "storage/format.hpp"
#include "storage/owner_usage.hpp"

namespace kontract {
namespace {

// What a commit record may name, in bytes of keys: of a larger commit, only this part is verified
// at the next start.
constexpr std::size_t kCommitNamesBytesMax = 16 * limits::kKiB;

constexpr std::size_t kOwnersKnownMax = 65'536;  // sessions whose owner is remembered

// The newest operations on different keys.
std::vector<format::CommitRow::Name> newest_names(std::span<const LoggedBatch> batches) {
  std::vector<format::CommitRow::Name> names;
  std::set<std::pair<Keyspace, std::string_view>> seen;
  std::size_t bytes = 0;
  for (auto logged = batches.rbegin(); logged != batches.rend(); ++logged) {
    const std::vector<WriteOp>& ops = logged->batch.ops();
    for (auto op = ops.rbegin(); op != ops.rend(); ++op) {
      if (!seen.emplace(op->space, op->key).second) continue;
      bytes += op->key.size();
      if (bytes > kCommitNamesBytesMax) return names;
      names.push_back({op->space, op->erase, op->key, op->erase ? 0 : crc32c(op->value)});
    }
  }
  return names;
}

}  // namespace

Status GroupWriter::apply(std::span<const LoggedBatch> group) {
  if (!txn_) {
    auto txn = environment_.write();
    if (!txn) return std::move(txn).error();
    txn_.emplace(*std::move(txn));
    op_count_ = 0;
    changed_bytes_.clear();
  }
  order_ops(group);
  op_count_ += ops_.size();
  for (const WriteOp* op : ops_) {
    if (Status written = write(*op); !written) return written;
  }
  return {};
}

Status GroupWriter::write(const WriteOp& op) {
  if (usage_.of == nullptr || op.space != Keyspace::versions) {
    return op.erase ? txn_->erase(op.space, op.key) : txn_->put(op.space, op.key, op.value);
  }
  // A version is written once: a put adds.
  std::int64_t& bytes = changed_bytes_[format::session_of(op.key)];
  if (!op.erase) {
    bytes += static_cast<std::int64_t>(op.key.size() + op.value.size());
    return txn_->put(op.space, op.key, op.value);
  }
  std::size_t erased = 0;
  Status done = txn_->erase(op.space, op.key, &erased);
  bytes -= static_cast<std::int64_t>(erased);
  return done;
}

Result<GroupWriter::OwnerBytes> GroupWriter::bytes_of_owners() {
  OwnerBytes found;
  if (owners_.size() > kOwnersKnownMax) owners_.clear();
  for (const auto& [session, bytes] : changed_bytes_) {
    auto owner = owners_.find(session);
    if (owner == owners_.end()) {
      auto cursor = txn_->cursor(Keyspace::sessions);
      if (!cursor) return std::move(cursor).error();
      const format::Key key = format::session_no_key(session);
      auto there = cursor->seek(key);
      if (!there) return std::move(there).error();
      if (!*there || cursor->key() != key.view()) continue;
      auto identity = format::parse_session_no(key, cursor->value());
      if (!identity) return std::move(identity).error();
      owner = owners_.emplace(session, std::move(identity->owner)).first;
    }
    found.emplace_back(owner->second, bytes);
  }
  return found;
}

void GroupWriter::order_ops(std::span<const LoggedBatch> batches) {
  ops_.clear();
  for (const LoggedBatch& logged : batches) {
    for (const WriteOp& op : logged.batch.ops()) ops_.push_back(&op);
  }
  // The last operation of a key comes first, and unique() keeps it.
  std::reverse(ops_.begin(), ops_.end());
  const auto place = [](const WriteOp* op) {
    return std::pair(op->space, std::string_view(op->key));
  };
  std::stable_sort(ops_.begin(), ops_.end(),
                   [&](const WriteOp* a, const WriteOp* b) { return place(a) < place(b); });
  const auto same = [&](const WriteOp* a, const WriteOp* b) { return place(a) == place(b); };
  ops_.erase(std::unique(ops_.begin(), ops_.end(), same), ops_.end());
}

Result<bool> GroupWriter::log() {
  if (!journal_) return false;
  return journal_->append(ops_);
}

Status GroupWriter::commit(std::span<const LoggedBatch> all) {
  format::CommitRow row;
  row.number = all.empty() ? commit_number_ : commit_number_ + 1;
  row.batches = all.size();
  row.ops = op_count_;
  row.names = newest_names(all);
  Result<OwnerBytes> bytes = OwnerBytes();
  if (usage_.of != nullptr) bytes = bytes_of_owners();
  if (!bytes) {
    txn_.reset();
    return std::move(bytes).error();
  }
  Status done = txn_->put(Keyspace::meta, format::commit_key(), format::commit_value(row));
  if (done) done = std::move(*txn_).commit();
  txn_.reset();
  if (!done || row.number == commit_number_) return done;
  commit_number_ = row.number;
  if (usage_.of != nullptr) usage_.of->committed(usage_.shard, commit_number_, *bytes);
  if (journal_) journal_->restart(commit_number_);
  return done;
}

}  // namespace kontract
