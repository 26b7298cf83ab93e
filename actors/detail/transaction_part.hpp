// TransactionPart: one table's part of a transaction that a connection has begun: what it has read
// of the table and what it will change. Between two calls it stands aside: nothing of it is in the
// table, no lock is held, and no reader of LMDB is open. The versions that it reads stay, since the
// session counts it as a reader at its txid.
//
// The session makes it and sends it along with calls; the table's actor alone touches it.

#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/table_operations.hpp"

namespace kontract::detail {

// What the parts of one transaction have in common. Thread-safe.
struct TransactionShare {
  explicit TransactionShare(std::function<void()> told_over) : tell_over(std::move(told_over)) {}

  // It can only conflict from here on.
  void set_over() {
    if (!over.exchange(true)) tell_over();
  }

  std::atomic<bool> over{false};
  std::atomic<std::size_t> bytes{0};  // that are staged, in all tables
  const std::function<void()> tell_over;
};

class TransactionPart {
 public:
  TransactionPart(Txid txid, std::shared_ptr<TransactionShare> share)
      : txid_(txid), share_(std::move(share)) {}
  ~TransactionPart() { count(0); }
  TransactionPart(const TransactionPart&) = delete;
  TransactionPart& operator=(const TransactionPart&) = delete;

  Txid txid() const { return txid_; }

  // A step is enter, any number of run, and leave or propose.
  // `in_halves`: an error may come when some of it is done, and all of it is to be undone then.
  // Errors: as Table::begin; txn_conflict, after which the transaction is over.
  Status enter(Table& table, Access access, bool in_halves);
  // Errors: as the function's; txn_conflict, as above; too_large if it has staged too much.
  Result<JsonText> run(const TableFunction& function, Table& table, const Json& args);
  // Takes what is staged along; `keep` is false: what was staged before the step.
  void leave(Table& table, bool keep);
  // The same, but whether it is kept is not known before settle(). REQUIRES: in halves.
  void propose(Table& table);
  void settle(bool keep);

  // The end. Begins at the old txid, for the caller to roll back, and asks whether what was read
  // still holds. Errors: txn_conflict; as Table::begin.
  Status validate(Table& table, Access access);
  bool has_changes() const { return overlay_ != nullptr || !redo_.empty(); }
  // Makes the changes in a transaction that is begun on the table. Errors: txn_conflict if they can
  // not be made any more; storage_full, overloaded, too_large.
  Status redo(Table& table);

 private:
  void count(std::size_t bytes);
  Status pass_conflict(Status status);

  const Txid txid_;
  const std::shared_ptr<TransactionShare> share_;
  std::optional<TableNo> number_;  // of the table that it began with
  ReadLog reads_;
  // What it changes, one or the other. Neither: nothing, or it is in the table.
  std::shared_ptr<StagedOverlay> overlay_;
  std::vector<RecordChange> redo_;
  std::size_t bytes_ = 0;  // of it, as share_ counts them

  bool inside_ = false;  // a step that never left: what it had is lost
  bool in_halves_ = false;
  std::vector<RecordChange> before_;         // the step
  std::shared_ptr<StagedOverlay> proposed_;  // by the step
};

using TransactionPartPtr = std::shared_ptr<TransactionPart>;

}  // namespace kontract::detail
