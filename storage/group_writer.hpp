// GroupWriter: batches into one LMDB transaction, with the record of what was written
// (format::CommitRow) that the next start verifies, and into the journal.
//
// Of several operations on one key in a group only the last is applied. Operations are applied in
// order of key, so that neighbours meet their page while it is at hand.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/environment.hpp"
#include "storage/journal.hpp"
#include "storage/store.hpp"

namespace kontract {

class OwnerUsage;

// Who is told what each commit brings to owners (storage/owner_usage.hpp), and as which shard.
struct UsageOfShard {
  OwnerUsage* of = nullptr;  // null: nobody
  std::size_t shard = 0;
};

// A batch that was appended to the log.
struct LoggedBatch {
  Ticket ticket;
  WriteBatch batch;
  std::unique_ptr<Settled> waiter;
};

// REQUIRES: used by one thread only.
class GroupWriter {
 public:
  using OwnerBytes = std::vector<std::pair<std::string, std::int64_t>>;

  // `last_commit` is the number in the environment's commit record. `journal` may be null.
  GroupWriter(Environment& environment, std::unique_ptr<Journal> journal, std::uint64_t last_commit,
              UsageOfShard usage = {})
      : environment_(environment),
        journal_(std::move(journal)),
        usage_(usage),
        commit_number_(last_commit) {
    if (journal_) journal_->restart(last_commit);
  }

  // Writes the batches into the transaction, which it begins if need be. After an error the
  // transaction must be aborted.
  Status apply(std::span<const LoggedBatch> group);

  // Makes durable what the last apply() wrote. False if only commit() can.
  Result<bool> log();

  // REQUIRES: `all` is what was applied since the transaction began. Ends it in any case. The
  // commit's number is a new one, unless `all` is empty: then what the journal holds is to come.
  Status commit(std::span<const LoggedBatch> all);

  void abort() { txn_.reset(); }
  bool has_transaction() const { return txn_.has_value(); }
  std::uint64_t op_count() const { return op_count_; }  // in the transaction

 private:
  void order_ops(std::span<const LoggedBatch> batches);
  Status write(const WriteOp& op);
  Result<OwnerBytes> bytes_of_owners();

  Environment& environment_;
  const std::unique_ptr<Journal> journal_;
  const UsageOfShard usage_;
  std::unordered_map<SessionNo, std::int64_t> changed_bytes_;  // in txn_, if there is a usage_
  std::unordered_map<SessionNo, std::string> owners_;          // of sessions, as far as known
  std::optional<WriteTxn> txn_;
  std::vector<const WriteOp*> ops_;  // of the last group: by key, the last one for each
  std::uint64_t op_count_ = 0;       // in txn_
  std::uint64_t commit_number_;
};

}  // namespace kontract
