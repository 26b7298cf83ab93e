// Transactions that connections have begun: tx.begin, calls with `tx`, tx.commit, tx.rollback; and
// calls with `at`, which read the past.
//
// What such a transaction has read and changed is in its parts, one for each table, which go to the
// tables with its calls. The session counts it as a reader at its txid from begin to end.

#include <caf/all.hpp>

#include "actors/detail/call_arguments.hpp"
#include "actors/detail/transaction_part.hpp"
#include "actors/session_do.hpp"
#include "actors/settle.hpp"

namespace kontract {

using namespace std::chrono_literals;
namespace {

constexpr const char* kBeginAnother = "Begin another one with tx.begin and do its work again.";

Error needs_connection() {
  return invalid_call("Transactions belong to a WebSocket connection",
                      "Open one on /ws/{session}, or put what belongs together into table.batch.");
}

bool reads_only(std::string_view function) {
  return function == "table.get" || function == "table.query" || function == "table.exec";
}

JsonText txid_text(std::string_view name, Txid txid) {
  return "{\"" + std::string(name) + "\":" + std::to_string(txid) + "}";
}

}  // namespace

// The transaction, if it is open and the caller's. Errors: txid_invalid; txn_conflict if what it
// has seen is gone.
Result<OpenTransactions::One*> SessionDO::find_transaction(const Call& call, Txid txid) {
  const auto found = begun_.all().find(txid);
  const bool own = found != begun_.all().end() && call.connection != 0 &&
                   found->second.connection == call.connection &&
                   found->second.owner == call.context.peer->owner;
  if (!own) {
    const std::string why = begun_.why_ended(txid);
    return Error(Errc::txid_invalid,
                 std::to_string(txid) + " is not an open transaction of this connection" +
                     (why.empty() ? "" : ": " + why),
                 why.empty() ? "Calls of a transaction come on the connection that began it, and "
                               "before its end."
                             : kBeginAnother);
  }
  if (found->second.share->over) {
    drop_transaction(txid, "it came to a conflict");
    return find_transaction(call, txid);
  }
  if (found->second.epoch != epoch_) {
    drop_transaction(txid, "a commit that it may have seen failed");
    return Error(Errc::txn_conflict, "A commit that the transaction may have seen failed",
                 kBeginAnother);
  }
  return &found->second;
}

// Whether the call may have its `tx` or `at`.
Status SessionDO::check_apart(const Call& call) {
  if (call.tx != 0 && call.at != 0) {
    return invalid_call("A call has `tx` or `at`, not both",
                        "A transaction reads as of its own begin.");
  }
  if (call.at != 0) {
    if (reads_only(call.function)) return {};
    return invalid_call(shown(call.function) + " can not read the past",
                        "`at` is for table.get, table.query and table.exec.");
  }
  auto open = find_transaction(call, call.tx);
  if (!open) return std::move(open).error();
  if (find_table_function(call.function) != nullptr || call.function == "table.batch") return {};
  return invalid_call(
      shown(call.function) + " can not run in a transaction",
      "In one run table.get, set, update, delete, push, pop, shift, query, exec and batch.");
}

// Instead of a txid of its own the call gets the one at which it reads.
Status SessionDO::admit_apart(Call& call) {
  call.epoch = epoch_;
  call.settle_after = unsettled_registry();
  call.context.oldest_reader = oldest_reader(txids_->peek());
  if (call.tx != 0) {
    auto open = find_transaction(call, call.tx);
    if (!open) return std::move(open).error();
    (*open)->used = Clock::now();
    call.context.current_txid = call.told_txid = call.tx;
    return {};
  }
  if (call.at > txids_->last()) {
    return Error(Errc::txid_invalid, "There is no transaction " + std::to_string(call.at) + " yet",
                 "The last one was " + std::to_string(txids_->last()) + ".");
  }
  call.context.current_txid = call.at + 1;
  call.context.present = txids_->peek();
  call.told_txid = call.at;
  return {};
}

detail::TransactionPartPtr SessionDO::part_of(const Call& call, const std::string& table) {
  OpenTransactions::One& open = begun_.all().at(call.tx);
  detail::TransactionPartPtr& part = open.parts[table];
  if (!part) part = std::make_shared<detail::TransactionPart>(call.tx, open.share);
  return part;
}

void SessionDO::transaction(const CallPtr& call) {
  const bool begins = call->function == "tx.begin";
  const bool commits = call->function == "tx.commit";
  if (!begins && !commits && call->function != "tx.rollback") {
    return call->reply.fail(Error(Errc::not_found, "No function " + shown(call->function),
                                  "Those of transactions are tx.begin, tx.commit, tx.rollback."));
  }
  const std::string usage = call->function + (begins ? "()" : "(tx)");
  Status status = check_count(*call, begins ? 0 : 1, begins ? 0 : 1, usage);
  if (status && call->connection == 0) status = needs_connection();
  const auto is_txid = [](const Json& arg) {
    return arg.is_number_integer() && arg.get<std::int64_t>() > 0;
  };
  if (status && !begins && !is_txid(call->args[0])) {
    status = invalid_call("Argument 1 (tx) must be what tx.begin answered as tx",
                          "Call it as " + usage + ".");
  }
  if (!status) return call->reply.fail(std::move(status).error());
  const Txid txid = begins ? 0 : call->args[0].get<Txid>();
  if (!begins) {
    auto open = find_transaction(*call, txid);
    if (!open) return call->reply.fail(std::move(open).error());
  }
  if (commits) return commit_transaction(call, txid);
  if (status = admit(*call, perms::R__); !status) {
    return call->reply.fail(std::move(status).error());
  }
  if (begins) return begin_transaction(*call);
  drop_transaction(txid, "it was rolled back");
  deliver_when_settled(log_, call->settle_after, std::move(call->reply),
                       {JsonText("true"), call->told_txid});
}

void SessionDO::begin_transaction(Call& call) {
  const Txid txid = call.told_txid;
  if (txid != call.context.current_txid) {  // admitted as a read, without one
    return call.reply.fail(Error(Errc::overloaded, "No transaction id can be reserved now"));
  }
  const std::string& owner = call.context.peer->owner;
  if (Status begun = transactions_.begin(txid, owner); !begun) {
    return call.reply.fail(std::move(begun).error(), txid);
  }
  const Clock::time_point now = Clock::now();
  auto over = [self = SessionAddress(this)] { caf::anon_send(self, SessionTick{}); };
  begun_.all().emplace(
      txid, OpenTransactions::One{owner, call.connection, epoch_, now, now,
                                  std::make_shared<detail::TransactionShare>(std::move(over))});
  watch_transactions();
  JsonText text = "{\"tx\":" + std::to_string(txid) + ",\"txid\":" + std::to_string(txid) + "}";
  deliver_when_settled(log_, call.settle_after, std::move(call.reply), {std::move(text), txid});
}

// Whatever comes of it, the transaction is over. Each table has its part come to it at the commit's
// place; what they write is one batch.
void SessionDO::commit_transaction(const CallPtr& call, Txid txid) {
  const auto parts = std::move(begun_.all().at(txid).parts);
  Status status;
  for (const auto& [table, part] : parts) {
    if (find_table_of(*call, table) != nullptr) continue;
    status = Error(Errc::txn_conflict, "Table " + table + " was dropped", kBeginAnother);
  }
  if (status) status = admit(*call, perms::R__);
  if (status && call->told_txid != call->context.current_txid) {
    status = Error(Errc::overloaded, "No transaction id can be reserved now", kBeginAnother);
  }
  if (status) {
    const auto combine = [committed = call->told_txid](const std::vector<JsonText>&) {
      return txid_text("txid", committed);
    };
    if (parts.empty()) {
      deliver_when_settled(log_, call->settle_after, std::move(call->reply),
                           {combine({}), call->told_txid});
    } else {
      const auto joint = std::make_shared<Joint>(call, log_, epoch_, parts.size(), 0, combine);
      for (const auto& [table, part] : parts) {
        lent_.erase(table);
        caf::anon_send(actor_of(*find_table(table)),
                       std::make_shared<JointPart>(joint, std::vector<JointPart::Operation>(), part,
                                                   /*commits=*/true));
      }
    }
  } else {
    call->reply.fail(std::move(status).error());
  }
  // After the parts: until they come to them, tables keep what the transaction reads.
  drop_transaction(txid, "it was committed, or could not be");
}

void SessionDO::drop_transaction(Txid txid, std::string why) {
  const auto found = begun_.all().find(txid);
  if (found == begun_.all().end()) return;
  static_cast<void>(transactions_.end(txid, found->second.owner));
  begun_.end(txid, std::move(why));
  maintain_tables();
}

void SessionDO::leave(Call& call) {
  std::vector<Txid> ending;
  for (const auto& [txid, open] : begun_.all()) {
    if (open.connection == call.connection) ending.push_back(txid);
  }
  for (const Txid txid : ending) drop_transaction(txid, {});
  if (call.reply.pending()) call.reply.deliver({JsonText("true"), 0});
}

void SessionDO::end_overdue_transactions() {
  const Clock::time_point now = Clock::now();
  if (transaction_tick_ && *transaction_tick_ <= now) transaction_tick_.reset();
  std::vector<std::pair<Txid, std::string>> ending;
  for (const auto& [txid, open] : begun_.all()) {
    if (open.share->over) {
      ending.emplace_back(txid, "it came to a conflict");
    } else if (now - open.begun >= options_.transaction_time) {
      ending.emplace_back(txid, "it was open for longer than " +
                                    std::to_string(options_.transaction_time.count()) + " ms");
    } else if (now - open.used >= options_.transaction_idle) {
      ending.emplace_back(txid, "no call of it came for " +
                                    std::to_string(options_.transaction_idle.count()) + " ms");
    }
  }
  for (auto& [txid, why] : ending) drop_transaction(txid, std::move(why));
  watch_transactions();
}

// A tick comes when the first of them is due, as far as is known now.
void SessionDO::watch_transactions() {
  std::optional<Clock::time_point> due;
  for (const auto& [txid, open] : begun_.all()) {
    const Clock::time_point end = std::min<Clock::time_point>(
        open.begun + options_.transaction_time, open.used + options_.transaction_idle);
    due = due ? std::min(*due, end) : end;
  }
  if (!due || (transaction_tick_ && *transaction_tick_ <= *due)) return;
  transaction_tick_ = due;
  delayed_anon_send(SessionAddress(this), std::max<Clock::duration>(*due - Clock::now(), 1ms),
                    SessionTick{});
}

}  // namespace kontract
