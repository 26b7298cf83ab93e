// GroupWriter: batches into one LMDB transaction, with the record of what was written
// (format::CommitRow) that the next start verifies.
//
// Of several operations on one key in a group only the last is applied. Operations are applied in
// order of key, so that neighbours meet their page while it is at hand.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "storage/environment.hpp"

namespace kontract {

// A batch that was appended to the log.
struct LoggedBatch {
  Ticket ticket;
  WriteBatch batch;
  std::unique_ptr<Settled> waiter;
};

// REQUIRES: used by one thread only.
class GroupWriter {
 public:
  // `last_commit` is the number in the environment's commit record.
  GroupWriter(Environment& environment, std::uint64_t last_commit)
      : environment_(environment), commit_number_(last_commit) {}

  // Writes the batches into the transaction, which it begins if need be. After an error the
  // transaction must be aborted.
  Status apply(std::span<const LoggedBatch> group);

  // REQUIRES: `all` is what was applied since the transaction began. Ends it in any case.
  Status commit(std::span<const LoggedBatch> all);

  void abort() { txn_.reset(); }
  bool has_transaction() const { return txn_.has_value(); }

 private:
  struct OpRef {
    const WriteOp* op;
    std::uint32_t sequence;
  };
  void order_ops(std::span<const LoggedBatch> batches);

  Environment& environment_;
  std::optional<WriteTxn> txn_;
  std::vector<OpRef> ops_;  // of the batches last ordered: by key, the last one for each key
  std::size_t groups_ = 0;  // in txn_; with one, ops_ are all of it
  std::uint64_t commit_number_;
};

}  // namespace kontract
