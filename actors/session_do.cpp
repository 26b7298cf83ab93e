#include "actors/session_do.hpp"

#include <caf/all.hpp>

#include "actors/call_key.hpp"
#include "actors/detail/call_arguments.hpp"
#include "actors/detail/continuation.hpp"
#include "actors/detail/send_when.hpp"
#include "actors/detail/session_actor_access.hpp"
#include "actors/settle.hpp"

namespace kontract {

using namespace std::chrono_literals;

namespace {

constexpr auto kAlarmLinger = 1s;  // awake after its last alarm, if nothing else called it

Error denied(std::string_view function, Perm needs) {
  return {Errc::permission_denied, "Insufficient permissions",
          std::string(function) + " needs permission bits " + std::to_string(needs) +
              " (R=4, W=2, X=1), which this connection's token does not grant."};
}

}  // namespace

// The functions that the session answers itself.
struct SessionDO::SessionFunction {
  std::string_view name;
  Perm needs;
  std::size_t args_min, args_max;
  std::string_view usage;
  BuiltIn run;
  std::string_view admin_to = {};  // what only the group admin may
};

const SessionDO::SessionFunction* SessionDO::find_session_function(std::string_view name) {
  static constexpr SessionFunction functions[] = {
      {"session.info", perms::R__, 0, 0, "session.info()", &SessionDO::facts},
      {"session.allocateTxid", perms::R__, 0, 0, "session.allocateTxid()",
       &SessionDO::allocate_txid},
      {"table.create", perms::RWX, 1, 2, "table.create(table, {permissions?, ptr?, schema?})",
       &SessionDO::create, "create tables"},
      {"table.schema", perms::R__, 1, 1, "table.schema(table)", &SessionDO::schema},
      {"schema.show", perms::R__, 0, 0, "schema.show()", &SessionDO::schema_show},
      {"table.drop", perms::RWX, 1, 1, "table.drop(table)", &SessionDO::drop, "drop tables"},
  };
  for (const SessionFunction& function : functions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

SessionDO::SessionDO(caf::actor_config& config, std::shared_ptr<SessionHandle> handle)
    : SessionAddress::base(config),
      handle_(std::move(handle)),
      shard_(SessionActorAccess::store(*handle_).shard_of(handle_->identity())),
      log_(shard_.log()),
      options_(SessionActorAccess::options(*handle_)),
      alarms_(shard_, options_.alarm_bell, options_.backend.get()),
      transactions_(options_.open_transactions_max),
      last_used_(Clock::now()),
      living_(SessionActorAccess::living(*handle_)) {}

SessionDO::behavior_type SessionDO::make_behavior() {
  set_down_handler([this](const caf::down_msg& down) {
    // A table's actor died; the others do not care. The next call finds it on disk.
    for (auto& [id, entry] : tables_) {
      if (!entry.actor || entry.actor.address() != down.source) continue;
      lent_.erase(id);
      entry.actor = nullptr;
      entry.restart_after = log_.appended();
    }
  });
  return {
      [this](const CallPtr& call) { handle(call); },
      [this](const BeginTransaction& request) {
        auto reply = make_response_promise<Result<TransactionFacts>>();
        Status begun = guarded([&] { return begin(request, reply); });
        if (!begun) reply.deliver(Result<TransactionFacts>(std::move(begun).error()));
        return reply;
      },
      [this](const CommitTransaction& request) {
        auto reply = make_response_promise<Result<Txid>>();
        Status committed = guarded([&] { return commit(request, reply); });
        if (!committed) reply.deliver(Result<Txid>(std::move(committed).error()));
        return reply;
      },
      [this](const RollbackTransaction& request) {
        return guarded([&] { return end(request.txid, request.owner); });
      },
      [this](GetMinActiveTxid) -> Txid { return facts_ ? oldest_reader(txids_->peek()) : 0; },
      [this](const SessionSettled& message) { guarded([&] { message.then(message.status); }); },
      [this](const SessionAltered& message) { guarded([&] { altered(message); }); },
      [this](SessionReload message) { guarded([&] { reload(message.applied); }); },
      [this](const SessionLent& message) { guarded([&] { lent(message); }); },
      [this](const FunctionWorked& message) { guarded([&] { worked(message); }); },
      [this](const FunctionAnswered& message) { guarded([&] { answered(message); }); },
      [this](SessionTick message) { guarded([&] { tick(message.timer); }); },
      [this](SessionPurge message) { guarded([&] { purge(message.table_ended); }); },
  };
}

void SessionDO::on_exit() {
  abandon_function();
  returning_.clear();
  aside_.clear();
  begun_ = {};  // whose transactions know this actor
  for (const auto& [id, entry] : tables_) {
    if (entry.actor) caf::anon_send(entry.actor, TableClose{});
  }
  tables_.clear();
  held_.clear();
  living_.end();
}

// Runs what may throw, so that the actor does not die of it.
template <class Work>
auto SessionDO::guarded(Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& failure) {
    shard_.options().alarm("session " + handle_->identity().name + ": " + failure.what());
    abandon_function();
    if constexpr (!std::is_void_v<decltype(work())>) {
      return Error(Errc::internal, "The session could not do it");
    }
  }
}

// Runs `then` on this actor once everything up to `ticket` is durable, or failed.
void SessionDO::when_settled(Ticket ticket, std::function<void(const Status&)> then) {
  if (ticket == 0 || log_.acknowledged(ticket)) return then({});
  log_.when_settled(ticket, std::make_unique<Continuation>(SessionAddress(this), std::move(then)));
}

// An error is for the caller to answer; otherwise the reply comes when it may.
Status SessionDO::begin(const BeginTransaction& request,
                        caf::typed_response_promise<Result<TransactionFacts>> reply) {
  if (Status loaded = ensure_loaded(); !loaded) return loaded;
  const Result<TxidAllocator::Grant> grant = txids_->allocate();
  if (!grant) return grant.error();
  if (Status begun = transactions_.begin(grant->txid, request.owner); !begun) return begun;
  // The session, too, may rest on what is not durable yet.
  const Ticket wait_for = std::max(unsettled_registry(), grant->settle_after);
  TransactionFacts facts{facts_->sid, request.owner, grant->txid};
  when_settled(wait_for, [this, reply, facts = std::move(facts)](const Status& status) mutable {
    if (!status) static_cast<void>(end(facts.current_txid, facts.owner));
    reply.deliver(status ? Result<TransactionFacts>(facts)
                         : Result<TransactionFacts>(status.error()));
  });
  return {};
}

Status SessionDO::commit(const CommitTransaction& request,
                         caf::typed_response_promise<Result<Txid>> reply) {
  if (Status loaded = ensure_loaded(); !loaded) return loaded;
  if (Status ended = end(request.txid, request.owner); !ended) return ended;
  const Result<TxidAllocator::Grant> grant = txids_->allocate();
  if (!grant) return grant.error();
  when_settled(grant->settle_after, [reply, txid = grant->txid](const Status& status) mutable {
    reply.deliver(status ? Result<Txid>(txid) : Result<Txid>(status.error()));
  });
  return {};
}

Txid SessionDO::oldest_reader(Txid next) const {
  const Txid open = transactions_.min_active(next);
  return reads_at_.empty() ? open : std::min(open, *reads_at_.begin());
}

Status SessionDO::end(Txid txid, const std::string& owner) {
  Status ended = transactions_.end(txid, owner);
  // What only this one could still read may go.
  if (ended) maintain_tables();
  return ended;
}

// ------------------------------------------------------------------------------------- calls

void SessionDO::handle(const CallPtr& call) {
  last_used_ = Clock::now();
  only_alarms_ = only_alarms_ && call->kind == CallKind::alarm;
  // One that was woken for an alarm alone need not wait for more.
  if (only_alarms_) last_used_ -= std::max<Clock::duration>(options_.idle - kAlarmLinger, 0ms);
  quiet_since_.reset();
  schedule_tick(last_used_);
  if (holds_calls()) return held_.push_back(call);
  // A call that throws is answered as its reply is dropped.
  guarded([&] { dispatch(call); });
}

void SessionDO::release_calls() {
  if (reload_wanted_ && !holds_calls()) start_reload();
  while (!holds_calls() && !(returning_.empty() && held_.empty())) {
    if (!returning_.empty()) {
      const auto run = std::move(returning_.front());
      returning_.pop_front();
      guarded([&] { go_on(run); });
    } else {
      const CallPtr call = std::move(held_.front());
      held_.pop_front();
      guarded([&] { dispatch(call); });
    }
  }
}

void SessionDO::dispatch(const CallPtr& call) {
  if (call->kind == CallKind::leave) return leave(*call);
  if (call->expired()) return call->reply.fail(ran_out_of_time());
  if (Status loaded = ensure_loaded(); !loaded) return call->reply.fail(std::move(loaded).error());
  call->context.session = facts_;
  if (call->kind == CallKind::open) return open(*call);
  if (call->tx != 0 || call->at != 0) {
    if (Status may = check_apart(*call); !may) return call->reply.fail(std::move(may).error());
  }
  if (call->key) {
    if (call->tx != 0 || call->at != 0 || call->function.starts_with("tx.")) {
      return call->reply.fail(Error(Errc::invalid_request, "A call of a transaction takes no key",
                                    "Repeat the whole transaction."));
    }
    call->key->fingerprint = call_fingerprint(call->context.peer->user, call->function, call->args);
  }
  if (call->kind == CallKind::alarm) return fire_alarm(call);
  if (const TableFunction* function = find_table_function(call->function)) {
    return to_table(call, *function);
  }
  if (call->subscribe) return subscribe(call);
  if (call->function == "session.destroy") return destroy(call);
  if (call->function == "table.batch") return batch(call);
  if (call->function == "table.list") return list(call);
  if (call->function.starts_with("tx.")) return transaction(call);
  if (call->function == "table.alter") return alter(call);
  if (call->function == "schema.apply") return schema_apply(call);
  if (call->function == "registry.exec") return registry_exec(*call);
  if (call->function.starts_with("alarm.")) return alarm_function(*call);
  const SessionFunction* function = find_session_function(call->function);
  if (function == nullptr) {
    const BackendFunction* added =
        options_.backend ? options_.backend->find(call->function) : nullptr;
    if (added != nullptr) return run_function(call, *added);
    return call->reply.fail(Error(Errc::not_found, "No function " + shown(call->function),
                                  "`kontract routes` lists the functions that this server has."));
  }
  Status status = check_count(*call, function->args_min, function->args_max, function->usage);
  if (status) status = admit(*call, function->needs, perms::none, function->admin_to);
  if (!status) return call->reply.fail(std::move(status).error());
  (this->*function->run)(*call);
}

// Checks the permission and gives the call its txid. A read goes on when no txids can be reserved:
// it sees what the next transaction will, and tells the last one. Of the bits that the call may
// need, one is enough here: the table decides.
Status SessionDO::admit(Call& call, Perm needs, Perm may_need, std::string_view admin_to) {
  const bool may_run = may_need == perms::none || (call.context.perm & may_need) != 0;
  if (!allows(call.context.perm, needs) || !may_run) return denied(call.function, needs | may_need);
  if (!admin_to.empty()) {
    if (Status may = check_admin(call, admin_to); !may) return may;
  }
  if (call.tx != 0 || call.at != 0) return admit_apart(call);
  if (call.key) {
    if (Status first = check_repeat(call); !first) return first;
  }
  Result<TxidAllocator::Grant> grant = txids_->allocate();
  call.epoch = epoch_;
  call.settle_after = unsettled_registry();
  if (grant) {
    call.context.current_txid = call.told_txid = grant->txid;
    call.settle_after = std::max(call.settle_after, grant->settle_after);
  } else if ((needs | may_need) == perms::R__) {
    call.context.current_txid = txids_->peek();
    call.told_txid = txids_->last();
    call.settle_after = std::max(call.settle_after, txids_->last_settles_after());
  } else {
    return std::move(grant).error();
  }
  call.context.oldest_reader = oldest_reader(txids_->peek());
  return {};
}

Status SessionDO::check_admin(const Call& call, std::string_view to) const {
  if (options_.owners_create_tables || call.context.peer->in_group("admin")) return {};
  return Error(Errc::forbidden, "Only the group admin may " + std::string(to),
               "Use a token whose ugroups has admin, or start the server with "
               "--owners-create-tables.");
}

void SessionDO::to_table(const CallPtr& call, const TableFunction& function) {
  Status status = check_table_args(function, call->args);
  if (status) status = admit(*call, function.needs, function.may_need);
  if (!status) return call->reply.fail(std::move(status).error());
  const std::string& id = call->args[0].get_ref<const std::string&>();
  TableEntry* entry = find_table_of(*call, id);
  if (entry == nullptr) return not_found(*call, id);
  lent_.erase(id);
  if (call->tx != 0) call->part = part_of(*call, id);
  caf::anon_send(actor_of(*entry), call);
}

void SessionDO::open(Call& call) {
  JsonText text = R"({"sid":)";
  append_json_string(text, facts_->sid);
  text += R"(,"txid":)" + std::to_string(txids_->last()) + '}';
  const Ticket wait_for = std::max(unsettled_registry(), txids_->last_settles_after());
  deliver_when_settled(log_, wait_for, std::move(call.reply), {std::move(text), txids_->last()});
}

void SessionDO::facts(Call& call) {
  const Txid txid = call.told_txid;
  Json tables = Json::array();
  for (const auto& [id, entry] : tables_) tables.push_back(id);
  Json facts = {{"sid", facts_->sid},
                {"name", facts_->identity.name},
                {"owner", facts_->identity.owner},
                {"txid", txid},
                {"minActiveTxid", oldest_reader(txids_->peek())},
                {"openTransactions", transactions_.size()},
                {"createdMs", txids_->row().created_ms},
                {"schemaVersion", txids_->row().schema_version},
                {"tables", std::move(tables)}};
  if (!schema_error_.empty()) facts["schemaError"] = schema_error_;
  deliver_when_settled(log_, call.settle_after, std::move(call.reply), {to_text(facts), txid});
}

void SessionDO::allocate_txid(Call& call) {
  const Txid txid = call.told_txid;
  if (txid != call.context.current_txid) {  // admitted as a read, without one
    return call.reply.fail(Error(Errc::overloaded, "No transaction id can be reserved now"));
  }
  deliver_when_settled(log_, call.settle_after, std::move(call.reply),
                       {std::to_string(txid), txid});
}

// ------------------------------------------------------------------------------------- tables

SessionDO::TableEntry* SessionDO::find_table(std::string_view id) {
  const auto found = tables_.find(id);
  return found == tables_.end() ? nullptr : &found->second;
}

SessionDO::TableEntry* SessionDO::find_table_of(const Call& call, std::string_view id) {
  TableEntry* entry = find_table(id);
  return entry != nullptr && entry->row.owner == call.context.peer->owner ? entry : nullptr;
}

const TableAddress& SessionDO::actor_of(TableEntry& entry) {
  if (!entry.actor) {
    entry.actor = home_system().spawn<TableActor, caf::lazy_init>(
        shard_, facts_->no, entry.row, entry.restart_after, &options_.on_table_call,
        SessionActorAccess::workers(*handle_), SessionActorAccess::living(*handle_),
        SessionActorAccess::events(*handle_));
    monitor(entry.actor);
  }
  return entry.actor;
}

// That a table is gone may rest on a drop that is not durable yet.
void SessionDO::not_found(Call& call, std::string_view table) {
  const Identity& session = handle_->identity();
  Error error = find_table(table) == nullptr ? table_not_found(table, session)
                                             : table_of_another_owner(table, session);
  deliver_when_settled(log_, call.settle_after, std::move(call.reply),
                       {std::move(error), call.told_txid});
}

// It finishes what was sent to it; what it still writes is purged with the rest, since the purge
// begins after its end.
void SessionDO::close_table(const TableAddress& actor) {
  ++tables_closing_;
  actor->attach_functor(
      [self = SessionAddress(this)] { caf::anon_send(self, SessionPurge{true}); });
  caf::anon_send(actor, TableClose{});
}

}  // namespace kontract
