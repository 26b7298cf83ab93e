// What a table does for transactions that connections have begun.

#include <caf/all.hpp>

#include "actors/detail/transaction_part.hpp"
#include "actors/settle.hpp"
#include "actors/table_actor.hpp"

namespace kontract {

using detail::TransactionPart;

namespace {

bool in_halves(const TableFunction& function) { return function.name == "table.exec"; }

bool may_write(const JointPart::Operation& operation) {
  const TableFunction& function = *operation.function;
  return ((function.needs | function.may_need) & (perms::_W_ | perms::__X)) != 0;
}

}  // namespace

// As run_function. What is staged goes with the transaction, so the answer waits only for what the
// call has seen.
bool TableActor::run_in_transaction(Call& call, const TableFunction& function,
                                    std::chrono::milliseconds sql_time) {
  TransactionPart& part = *call.part;
  const Txid txid = call.told_txid;
  Status entered = part.enter(*table_, access_of(call.context), in_halves(function));
  if (entered) entered = same_epoch(call.epoch);
  if (!entered) {
    const Ticket seen = std::max(table_->observed(), call.settle_after);
    table_->rollback();
    deliver_when_settled(shard_.log(), seen, std::move(call.reply),
                         {std::move(entered).error(), txid});
    return true;
  }
  table_->set_sql_time(sql_time);
  Answer answer{part.run(function, *table_, call.args), txid};
  const Ticket wait_for = std::max(table_->observed(), call.settle_after);
  const bool too_long =
      !answer.result && sql_time < shard_.options().sql.time && table_->ran_out_of_time();
  part.leave(*table_, /*keep=*/answer.result.has_value());
  if (too_long) return false;
  deliver_when_settled(shard_.log(), wait_for, std::move(call.reply), std::move(answer));
  return true;
}

// A table's part of a batch. What it changes is kept if all tables' parts succeed.
void TableActor::run_part_in_transaction(JointPart& part) {
  Joint::Report report;
  const Call& call = part.joint()->call();
  TransactionPart& transaction = *part.transaction();
  Status status = ensure_open();
  if (status && call.expired()) status = ran_out_of_time();
  if (status) status = transaction.enter(*table_, access_of(call.context), /*in_halves=*/true);
  if (!status) {
    if (table_) table_->rollback();
    report.error.emplace(part.operations().front().slot, std::move(status).error());
    return part.finish(std::move(report));
  }
  status = same_epoch(call.epoch);
  bool writes = false;
  std::size_t slot = part.operations().front().slot;
  table_->set_sql_time(shard_.options().sql.time);
  for (const JointPart::Operation& operation : part.operations()) {
    if (!status) break;
    slot = operation.slot;
    writes = writes || may_write(operation);
    Result<JsonText> result = transaction.run(*operation.function, *table_, operation.args);
    if (result) {
      report.results.emplace_back(slot, *std::move(result));
    } else {
      status = std::move(result).error();
    }
  }
  report.observed = table_->observed();
  if (!status || !writes) transaction.leave(*table_, /*keep=*/status.has_value());
  if (!status) {
    report.error.emplace(slot, std::move(status).error());
  } else if (writes) {
    transaction.propose(*table_);
    proposed_ = part.transaction();
    await_outcome(part, report);
  }
  part.finish(std::move(report));
}

// The end of a transaction: at the commit's place in the order of this table, what the transaction
// has read must be as it was at its begin. Then its changes are made, as if it had begun here.
void TableActor::run_commit(JointPart& part) {
  Joint::Report report;
  const Call& call = part.joint()->call();
  TransactionPart& transaction = *part.transaction();
  Status status = ensure_open();
  if (status) status = same_epoch(call.epoch);
  if (status) {
    Status same = transaction.validate(*table_, access_of(call.context));
    report.observed = table_->observed();
    table_->rollback();
    if (!same && same.error().code == Errc::txn_conflict) {
      report.stale = std::move(same).error();
    } else {
      status = std::move(same);
    }
  }
  if (status && !report.stale && transaction.has_changes()) {
    status = begin(call);
    if (status) status = transaction.redo(*table_);
    report.observed = std::max(report.observed, table_->observed());
    if (!status) table_->rollback();
  } else if (status && report.stale && transaction.has_changes()) {
    status = *std::exchange(report.stale, {});
  }
  if (!status) {
    report.error.emplace(0, std::move(status).error());
    return part.finish(std::move(report));
  }
  if (!table_->staged().empty()) {
    report.staged = table_->take_staged();
    await_outcome(part, report);
  }
  part.finish(std::move(report));
}

}  // namespace kontract
