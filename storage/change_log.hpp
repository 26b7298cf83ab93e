// ChangeLog: what transactions did to the records of one table, kept for those who follow it
// (`subscribe`). The table writes it in the batches of its records, so that one is never without
// the other, and the same batches take out what is too old: no round of its own, no wait.
//
// The log is complete after its *floor*: whoever has seen all up to a txid that is not below it can
// be told the rest. What it holds is counted by totals that each row has, so the last row and the
// head tell how much there is.
//
// A transaction is not logged, and the floor is its txid, if the limits are below what it alone
// would take, or if the store has no room: then what there was of the log goes as well.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "storage/change_log_limits.hpp"
#include "storage/commit_log.hpp"
#include "storage/environment.hpp"
#include "storage/format.hpp"
#include "storage/staged_set.hpp"

namespace kontract {

// What was done to one record, as those who follow the table may see it.
struct Change {
  format::ChangeKind kind;
  std::string id;
  std::string data;      // empty if it was deleted
  std::string old_data;  // empty if it was inserted
};

// Where a table tells what it sealed. Thread-safe.
class ChangeSink {
 public:
  virtual ~ChangeSink() = default;
  // Whether anybody follows. It does not change while a table is at hand, but from false to true by
  // whoever has it.
  virtual bool listens() const noexcept = 0;
  // The changes of a transaction, under the ticket of its batch; txids and tickets rise.
  virtual void sealed(Ticket ticket, Txid txid, std::vector<Change> changes) noexcept = 0;
};

class ChangeLog {
 public:
  ChangeLog(SessionNo session, TableNo table, const ChangeLogLimits& limits)
      : session_(session), table_(table), limits_(limits) {}

  bool keeps() const { return limits_.keeps(); }

  // Reads where the log stands. `virgin`: the table never had a record. Errors: storage_corrupt.
  Status load(const ReadTxn& txn, bool virgin);

  // Adds the rows for what is staged, and takes out old ones. Counts when settle() says so; may be
  // built again before.
  void append(const StagedSet& staged, Txid txid, bool has_room, Environment& environment,
              WriteBatch& batch);
  void settle() { state_ = next_; }
  // Takes out what is old; at most `ops_max` rows. Returns whether more is left.
  Result<bool> trim(const ReadTxn& txn, std::int64_t now_ms, std::size_t ops_max,
                    WriteBatch& batch);

  // All changes after this one can be told; nothing: none of the past can.
  std::optional<Txid> floor() const { return state_.floor; }

 private:
  struct State {
    std::optional<Txid> floor;
    bool has_head = false;
    format::ChangeTotals at_floor, last;
    Txid stale = 0;  // rows up to this one may be there, and are of no use
    // Rows up to this one are erased already, maybe in a batch that is not applied.
    Txid erased_txid = 0;
    std::uint32_t erased_n = 0;
  };

  bool overdue() const;
  void cut(Txid txid, WriteBatch& batch);
  void put_head(WriteBatch& batch) const;
  Result<bool> erase_old(const ReadTxn& txn, std::int64_t now_ms, std::size_t ops_max,
                         WriteBatch& batch);

  const SessionNo session_;
  const TableNo table_;
  const ChangeLogLimits limits_;
  State state_, next_;
};

}  // namespace kontract
