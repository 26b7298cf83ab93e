// The life of a session: read from the store, kept tidy, put to sleep.

#include <caf/all.hpp>

#include "actors/detail/send_when.hpp"
#include "actors/detail/session_actor_access.hpp"
#include "actors/event_hub.hpp"
#include "actors/session_do.hpp"
#include "storage/owner_usage.hpp"
#include "storage/wall_clock.hpp"

namespace kontract {

using namespace std::chrono_literals;

Status SessionDO::ensure_loaded() {
  if (destroying_) return Error(Errc::overloaded, "The session is being destroyed", "Try again.");
  // A failed group took with it what was not durable: the registry and the reservation are read
  // again. The tables see to themselves.
  if (facts_ && epoch_ == log_.epoch()) return {};
  return load(/*may_migrate=*/facts_ == nullptr);
}

// A migration takes it that LMDB has all of the session, and that no table has an actor.
Status SessionDO::load(bool may_migrate) {
  // The actor of a table whose drop failed may still write; what it writes must be read then.
  if (tables_closing_ > 0) {
    return Error(Errc::overloaded, "A table of the session is being dropped", "Try again at once.");
  }
  lent_.clear();
  const bool again = facts_ != nullptr;
  const Epoch epoch = log_.epoch();
  const Result<ReadTxn> txn = shard_.environment().read();
  if (!txn) return txn.error();
  Result<std::optional<SessionRow>> stored = load_session(*txn, handle_->identity());
  if (!stored) return std::move(stored).error();
  const bool is_new = !*stored;
  SessionRow row;
  std::vector<TableRow> rows;
  std::unique_ptr<SessionGrant> grant;  // of a new one, if there are limits
  const Txid next_txid = txids_ ? txids_->peek() : 1;
  if (is_new) {
    if (Status admitted = log_.admit(/*frees_space=*/false); !admitted) return admitted;
    if (OwnerUsage* const usage = shard_.usage()) {
      auto taken = usage->take_session(handle_->identity().owner);
      if (!taken) return std::move(taken).error();
      grant = *std::move(taken);
    }
    row.no = shard_.allocate_session_no();
    row.sid = make_uuid_v7();
    row.created_ms = now_ms();
  } else {
    row = **std::move(stored);
    Result<std::vector<TableRow>> there = load_tables(*txn, row.no);
    if (!there) return std::move(there).error();
    rows = *std::move(there);
  }
  Txid first = std::max(is_new ? 1 : row.reserved_until, next_txid);
  WriteBatch batch;
  std::optional<Migration> migration;
  if (may_migrate) {
    auto pending = pending_migration(*txn, row, rows, first);
    if (!pending) return std::move(pending).error();
    migration = *std::move(pending);
  }
  if (txids_ && row.schema_version < txids_->row().schema_version) {
    schema_error_ = "The migration could not be stored; the next wake tries again";
  }
  if (migration) {
    row = migration->session;
    rows = std::move(migration->tables);
    batch = std::move(migration->batch);
    ++first;
  }
  Ticket ticket = 0;
  if (is_new || migration) {
    row.reserved_until = first + limits::kTxidBlock;
    put_session(batch, handle_->identity(), row);
    const auto account = grant ? grant->account() : nullptr;
    ticket = log_.append(std::move(batch), epoch, std::move(grant));
    if (account) account->created(log_, ticket);
  }
  std::map<std::string, TableEntry, std::less<>> tables;
  for (const TableRow& table : rows) {
    TableEntry entry{table, {}, again ? log_.appended() : ticket};
    // An actor that is still there goes on; after a restart of the session its table is the same.
    if (TableEntry* known = find_table(table.id); known != nullptr && known->row.no == table.no) {
      entry.actor = known->actor;
      if (entry.actor) entry.restart_after = known->restart_after;
      // What it knows of its row may be a change that failed.
      if (entry.actor) caf::anon_send(entry.actor, TableSetRow{table});
      SessionActorAccess::events(*handle_)->changed(table);
    }
    tables.emplace(table.id, std::move(entry));
  }
  facts_ = std::make_shared<const SessionFacts>(SessionFacts{handle_->identity(), row.sid, row.no});
  txids_.emplace(log_, epoch, handle_->identity(), row, ticket, first);
  tables_ = std::move(tables);
  epoch_ = epoch;
  alarms_.open(row.no);
  registry_ticket_ = ticket;
  if (migration) {
    SessionActorAccess::events(*handle_)->migrated(rows, first - 1, ticket);
  }
  if (ticket == 0 && !purging_) anon_send(SessionAddress(this), SessionPurge{});
  if (migration && migration->drops) purge_when_applied();
  return {};
}

Ticket SessionDO::unsettled_registry() const {
  return log_.acknowledged(registry_ticket_) ? 0 : registry_ticket_;
}

void SessionDO::schedule_tick(Clock::time_point from) {
  if (std::exchange(tick_scheduled_, true)) return;
  const Clock::duration wait = from + options_.idle - Clock::now();
  delayed_anon_send(SessionAddress(this), std::max<Clock::duration>(wait, 1ms), SessionTick{true});
}

void SessionDO::maintain_tables() {
  if (!txids_) return;
  forget_replies();
  lent_.clear();
  const TableMaintain maintain{oldest_reader(txids_->peek())};
  for (const auto& [id, entry] : tables_) {
    if (entry.actor) caf::anon_send(entry.actor, maintain);
  }
}

void SessionDO::tick(bool timer) {
  if (timer) tick_scheduled_ = false;
  end_overdue_transactions();
  const bool stopping = SessionActorAccess::stopping(*handle_);
  if (stopping) wake_sleepers();
  const bool idle = stopping || Clock::now() - last_used_ >= options_.idle;
  const bool busy = SessionActorAccess::in_flight(*handle_) > 0 ||
                    (!stopping && (holds_calls() || transactions_.size() > 0 || purging_ ||
                                   forgetting_ || tables_closing_ > 0));
  if (!idle || busy) {
    maintain_tables();
    // When stopping, the last answer ticks.
    if (!stopping) schedule_tick(idle ? Clock::now() : last_used_);
    return;
  }
  // Quiet: what the session and its tables wrote has been appended. The store alone must tell
  // the next actor all of it.
  if (!quiet_since_) {
    maintain_tables();
    quiet_since_ = log_.appended();
  }
  if (!stopping && log_.applied() < *quiet_since_) {
    // A log that is broken would tell it at once, again and again.
    if (!log_.admit(/*frees_space=*/true)) return schedule_tick(Clock::now());
    log_.when_applied(*quiet_since_, send_when(SessionAddress(this), SessionTick{}));
    return;
  }
  if (SessionActorAccess::try_passivate(*handle_)) {
    quit();
  } else if (!stopping) {
    schedule_tick(Clock::now());
  }
}

// What was appended so far may belong to the dropped tables, and the drop itself must be seen.
void SessionDO::purge_when_applied() {
  purging_ = true;
  log_.when_applied(log_.appended(), send_when(SessionAddress(this), SessionPurge{}));
}

// A round removes some records of dropped tables; the next comes when it is applied.
void SessionDO::purge(bool table_ended) {
  if (table_ended) {
    --tables_closing_;
    continue_reload();
    continue_destroy();
    return purge_when_applied();
  }
  purging_ = false;
  if (!facts_ || tables_closing_ > 0) return;
  if (epoch_ != log_.epoch()) {
    static_cast<void>(ensure_loaded());  // which comes back here
    return;
  }
  // With no room left, the next wake goes on.
  if (!log_.admit(/*frees_space=*/true)) return;
  const Result<ReadTxn> txn = shard_.environment().read();
  if (!txn) return;
  WriteBatch batch;
  const Result<bool> more = purge_dropped(*txn, facts_->no, limits::kBatchOpsMax, batch);
  if (!more) shard_.options().alarm(more.error().message);
  if (!more || batch.empty()) return;
  const Ticket ticket = log_.append(std::move(batch), epoch_, nullptr);
  if (!*more) return;
  purging_ = true;
  log_.when_applied(ticket, send_when(SessionAddress(this), SessionPurge{}));
}

}  // namespace kontract
