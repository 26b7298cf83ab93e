#include "actors/detail/transaction_part.hpp"

#include <utility>

#include "storage/staged_set.hpp"

namespace kontract::detail {

namespace {

Error over() {
  return {Errc::txn_conflict, "An earlier call of the transaction came to a conflict",
          "Begin another transaction and do its work again."};
}

Error another(const Table& table) {
  return {Errc::txn_conflict, "Table " + table.row().id + " is another one by now"};
}

std::vector<RecordChange> changes_of(const std::shared_ptr<StagedOverlay>& overlay,
                                     const std::vector<RecordChange>& otherwise) {
  return overlay ? overlay->changes() : otherwise;
}

bool writes(const TableFunction& function) {
  return ((function.needs | function.may_need) & (perms::_W_ | perms::__X)) != 0;
}

}  // namespace

// Whatever makes the commit impossible is a conflict, and ends the transaction.
Status TransactionPart::pass_conflict(Status status) {
  if (!status && status.error().code == Errc::txn_conflict) share_->set_over();
  return status;
}

Status TransactionPart::enter(Table& table, Access access, bool in_halves) {
  if (share_->over) return over();
  if (inside_) {
    return pass_conflict(
        Error(Errc::txn_conflict, "Table " + table.row().id + " had to be read again"));
  }
  access.current_txid = txid_;
  access.stand = Access::Stand::apart;
  if (Status begun = table.begin(access); !begun) return begun;
  if (!number_) number_ = table.row().no;
  if (*number_ != table.row().no) return pass_conflict(another(table));
  table.log_reads(reads_);
  in_halves_ = in_halves;
  if (in_halves) before_ = changes_of(overlay_, redo_);
  inside_ = true;
  const std::vector<RecordChange> again = std::exchange(redo_, {});
  Status laid = overlay_ ? table.lay(std::exchange(overlay_, nullptr)) : table.redo(again);
  if (laid) return laid;
  share_->set_over();
  return Error(Errc::txn_conflict, laid.error().message);
}

Result<JsonText> TransactionPart::run(const TableFunction& function, Table& table,
                                      const Json& args) {
  if (writes(function) && share_->bytes > limits::kBatchBytesMax) {
    return Error(Errc::too_large,
                 "The transaction writes more than " + std::to_string(limits::kBatchBytesMax) +
                     " bytes, which is the limit",
                 "Split it into several transactions.");
  }
  Result<JsonText> result = function.run(table, args);
  if (result) return result;
  // What must be unique is looked at as it is now, which the transaction must not be told.
  if (result.error().code == Errc::schema_violation && table.last_write() >= txid_) {
    result = Error(Errc::txn_conflict, "Table " + table.row().id + " was changed by transaction " +
                                           std::to_string(table.last_write()) + ": " +
                                           result.error().message);
  }
  if (result.error().code == Errc::txn_conflict) share_->set_over();
  return result;
}

void TransactionPart::leave(Table& table, bool keep) {
  inside_ = false;
  if (!keep && in_halves_) {
    table.rollback();
    redo_ = std::exchange(before_, {});
    return;
  }
  overlay_ = table.lift();
  count(overlay_ ? overlay_->bytes() : 0);
  before_.clear();
}

void TransactionPart::propose(Table& table) {
  KONTRACT_ASSERT(in_halves_);
  proposed_ = table.lift();
}

void TransactionPart::settle(bool keep) {
  inside_ = false;
  if (keep) {
    overlay_ = std::exchange(proposed_, nullptr);
    count(overlay_ ? overlay_->bytes() : 0);
    before_.clear();
  } else {
    proposed_ = nullptr;
    redo_ = std::exchange(before_, {});
  }
}

Status TransactionPart::validate(Table& table, Access access) {
  if (share_->over || inside_) return over();
  access.current_txid = txid_;
  access.stand = Access::Stand::apart;
  if (Status begun = table.begin(access); !begun) return begun;
  if (!number_) return {};
  return *number_ == table.row().no ? table.require_as_read(reads_) : Status(another(table));
}

Status TransactionPart::redo(Table& table) {
  Status done = table.redo(changes_of(overlay_, redo_));
  if (done || done.error().code != Errc::schema_violation) return done;
  return Error(Errc::txn_conflict, done.error().message);  // it was let in when it was made
}

void TransactionPart::count(std::size_t bytes) {
  share_->bytes += bytes - bytes_;
  bytes_ = bytes;
}

}  // namespace kontract::detail
