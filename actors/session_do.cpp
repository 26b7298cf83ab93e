#include "actors/session_do.hpp"

#include <caf/all.hpp>

#include "actors/detail/continuation.hpp"
#include "actors/detail/send_when.hpp"
#include "actors/detail/session_actor_access.hpp"
#include "actors/settle.hpp"
#include "storage/schema.hpp"
#include "storage/wall_clock.hpp"

namespace kontract {

using namespace std::chrono_literals;

namespace {

Error invalid(std::string message, std::string hint = {}) {
  return {Errc::invalid_request, std::move(message), std::move(hint)};
}

Error denied(std::string_view function, Perm needs) {
  return {Errc::permission_denied, "Insufficient permissions",
          std::string(function) + " needs permission bits " + std::to_string(needs) +
              " (R=4, W=2, X=1), which this connection's token does not grant."};
}

Status check_count(const Call& call, std::size_t min, std::size_t max, std::string_view usage) {
  if (call.args.size() >= min && call.args.size() <= max) return {};
  return invalid("Wrong number of arguments: " + std::to_string(call.args.size()),
                 "Call it as " + std::string(usage) + ".");
}

}  // namespace

// The functions that the session answers itself.
struct SessionDO::SessionFunction {
  std::string_view name;
  Perm needs;
  std::size_t args_min, args_max;
  std::string_view usage;
  BuiltIn run;
};

const SessionDO::SessionFunction* SessionDO::find_session_function(std::string_view name) {
  static constexpr SessionFunction functions[] = {
      {"session.info", perms::R__, 0, 0, "session.info()", &SessionDO::facts},
      {"session.allocateTxid", perms::R__, 0, 0, "session.allocateTxid()",
       &SessionDO::allocate_txid},
      {"table.create", perms::RWX, 1, 2, "table.create(table, {permissions?, ptr?, schema?})",
       &SessionDO::create},
      {"table.schema", perms::R__, 1, 1, "table.schema(table)", &SessionDO::schema},
      {"schema.show", perms::R__, 0, 0, "schema.show()", &SessionDO::schema_show},
      {"table.drop", perms::RWX, 1, 1, "table.drop(table)", &SessionDO::drop},
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
  if (call->expired()) return call->reply.fail(ran_out_of_time());
  if (Status loaded = ensure_loaded(); !loaded) return call->reply.fail(std::move(loaded).error());
  call->context.session = facts_;
  if (call->kind == CallKind::open) return open(*call);
  if (const TableFunction* function = find_table_function(call->function)) {
    return to_table(call, *function);
  }
  if (call->function == "table.batch") return batch(call);
  if (call->function == "table.list") return list(call);
  if (call->function == "table.alter") return alter(call);
  if (call->function == "schema.apply") return schema_apply(call);
  if (call->function == "registry.exec") return registry_exec(*call);
  const SessionFunction* function = find_session_function(call->function);
  if (function == nullptr) {
    const BackendFunction* added =
        options_.backend ? options_.backend->find(call->function) : nullptr;
    if (added != nullptr) return run_function(call, *added);
    return call->reply.fail(Error(Errc::not_found, "No function " + shown(call->function),
                                  "`kontract routes` lists the functions that this server has."));
  }
  Status status = check_count(*call, function->args_min, function->args_max, function->usage);
  if (status) status = admit(*call, function->needs);
  if (!status) return call->reply.fail(std::move(status).error());
  (this->*function->run)(*call);
}

// Checks the permission and gives the call its txid. A read goes on when no txids can be reserved:
// it sees what the next transaction will, and tells the last one. Of the bits that the call may
// need, one is enough here: the table decides.
Status SessionDO::admit(Call& call, Perm needs, Perm may_need) {
  const bool may_run = may_need == perms::none || (call.context.perm & may_need) != 0;
  if (!allows(call.context.perm, needs) || !may_run) return denied(call.function, needs | may_need);
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

bool SessionDO::may_administer(const Call& call) const {
  return options_.owners_create_tables || call.context.peer->in_group("admin");
}

void SessionDO::to_table(const CallPtr& call, const TableFunction& function) {
  Status status = check_table_args(function, call->args);
  if (status) status = admit(*call, function.needs, function.may_need);
  if (!status) return call->reply.fail(std::move(status).error());
  const std::string& id = call->args[0].get_ref<const std::string&>();
  TableEntry* entry = find_table_of(*call, id);
  if (entry == nullptr) return not_found(*call, id);
  lent_.erase(id);
  caf::anon_send(actor_of(*entry), call);
}

void SessionDO::batch(const CallPtr& call) {
  const std::string hint = "Call it as table.batch([[function, arguments...], ...]).";
  if (call->args.size() != 1 || !call->args[0].is_array()) {
    return call->reply.fail(invalid("table.batch takes one array of operations", hint));
  }
  Json& operations = call->args[0];
  if (operations.size() > limits::kBatchOpsMax) {
    return call->reply.fail(Error(Errc::too_large,
                                  "The batch has " + std::to_string(operations.size()) +
                                      " operations; the limit is " +
                                      std::to_string(limits::kBatchOpsMax),
                                  "Split it into several calls."));
  }
  std::map<std::string, std::vector<JointPart::Operation>, std::less<>> parts;
  Perm needs = operations.empty() ? perms::R__ : perms::none;
  Perm may_need = perms::none;
  for (std::size_t slot = 0; slot < operations.size(); ++slot) {
    Json& operation = operations[slot];
    const std::string where = "Operation " + std::to_string(slot + 1) + ": ";
    if (!operation.is_array() || operation.empty() || !operation[0].is_string()) {
      return call->reply.fail(invalid(where + "must be [function, arguments...]", hint));
    }
    const std::string name = operation[0].get<std::string>();
    const TableFunction* function = find_table_function(name);
    if (function == nullptr) {
      return call->reply.fail(invalid(
          where + shown(name) + " cannot be part of a batch",
          "A batch takes table.get, set, update, delete, push, pop, shift, query and exec."));
    }
    operation.erase(0);
    if (Status checked = check_table_args(*function, operation); !checked) {
      return call->reply.fail(invalid(where + checked.error().message, checked.error().hint));
    }
    needs |= function->needs;
    may_need |= function->may_need;
    std::string table = operation[0].get<std::string>();
    parts[std::move(table)].push_back({slot, function, std::move(operation)});
  }
  if (Status status = admit(*call, needs, may_need); !status) {
    return call->reply.fail(std::move(status).error());
  }
  const auto combine = [](const std::vector<JsonText>& results) {
    JsonText text = "[";
    for (const JsonText& result : results) {
      if (text.size() > 1) text += ',';
      text += result;
    }
    return text += ']';
  };
  start_joint(call, std::move(parts), operations.size(), combine);
}

void SessionDO::list(const CallPtr& call) {
  Status status = check_count(*call, 0, 0, "table.list()");
  if (status) status = admit(*call, perms::R__);
  if (!status) return call->reply.fail(std::move(status).error());
  std::map<std::string, std::vector<JointPart::Operation>, std::less<>> parts;
  std::vector<std::pair<std::string, Perm>> rows;
  for (const auto& [id, entry] : tables_) {
    if (entry.row.owner != call->context.peer->owner) continue;
    parts[id].push_back({rows.size(), nullptr, Json::array()});
    rows.emplace_back(id, entry.row.permissions);
  }
  const std::size_t slots = rows.size();
  const auto combine = [rows = std::move(rows)](const std::vector<JsonText>& counts) {
    JsonText text = "[";
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i > 0) text += ',';
      text += R"({"id":)";
      append_json_string(text, rows[i].first);
      text += R"(,"permissions":)" + std::to_string(rows[i].second) + R"(,"records":)" + counts[i] +
              '}';
    }
    return text += ']';
  };
  start_joint(call, std::move(parts), slots, combine);
}

void SessionDO::start_joint(
    const CallPtr& call,
    std::map<std::string, std::vector<JointPart::Operation>, std::less<>> parts, std::size_t slots,
    Joint::Combine combine) {
  if (parts.empty()) {
    Answer answer{combine({}), call->told_txid};
    return deliver_when_settled(log_, call->settle_after, std::move(call->reply),
                                std::move(answer));
  }
  for (const auto& [id, operations] : parts) {
    if (find_table_of(*call, id) == nullptr) return not_found(*call, id);
  }
  const auto joint =
      std::make_shared<Joint>(call, log_, epoch_, parts.size(), slots, std::move(combine));
  for (auto& [id, operations] : parts) {
    const JointPartPtr part = std::make_shared<JointPart>(joint, std::move(operations));
    lent_.erase(id);
    caf::anon_send(actor_of(*find_table(id)), part);
  }
}

void SessionDO::open(Call& call) {
  JsonText text = R"({"sid":)";
  append_json_string(text, facts_->sid);
  text += R"(,"txid":)" + std::to_string(txids_->last()) + '}';
  const Ticket wait_for = std::max(unsettled_registry(), txids_->last_settles_after());
  deliver_when_settled(log_, wait_for, std::move(call.reply), {std::move(text), txids_->last()});
}

void SessionDO::create(Call& call) {
  const Txid txid = call.context.current_txid;
  if (!may_administer(call)) {
    return call.reply.fail(Error(Errc::forbidden, "Only the group admin may create tables",
                                 "Use a token whose ugroups has admin, or start the server with "
                                 "--owners-create-tables."),
                           txid);
  }
  if (!call.args[0].is_string()) return call.reply.fail(invalid("The table's id must be a string"));
  TableRow row;
  row.id = call.args[0].get<std::string>();
  row.owner = call.context.peer->owner;
  row.ptr = make_ptr(row.id);
  if (call.args.size() > 1 && !call.args[1].is_null()) {
    const Json& given = call.args[1];
    if (!given.is_object()) return call.reply.fail(invalid("The options must be an object"));
    for (const auto& [key, value] : given.items()) {
      if (key == "permissions" && value.is_number_integer() && value.get<std::int64_t>() >= 0 &&
          value.get<std::int64_t>() <= perms::RWX) {
        row.permissions = value.get<Perm>();
      } else if (key == "ptr" && value.is_string()) {
        row.ptr = value.get<std::string>();
      } else if (key == "schema") {
        if (value.is_null()) continue;
        Result<Schema> schema = Schema::parse(value);
        if (!schema) return call.reply.fail(std::move(schema).error(), txid);
        row.schema = schema->to_json();
      } else {
        return call.reply.fail(
            invalid("Option " + shown(key) + " is unknown or has a wrong value",
                    "Known are permissions, an integer 0..7, ptr, of A-Za-z0-9_, and schema."));
      }
    }
  }
  Status valid = validate_table_id(row.id);
  if (valid) valid = validate_ptr(row.ptr);
  if (!valid) return call.reply.fail(std::move(valid).error(), txid);
  // That a table is there may rest on a create that is not durable yet.
  const auto taken = [&](Error error) {
    deliver_when_settled(log_, call.settle_after, std::move(call.reply), {std::move(error), txid});
  };
  if (tables_.contains(row.id)) {
    return taken(
        invalid("Table " + row.id + " exists already", "Drop it first, or use another name."));
  }
  for (const auto& [id, entry] : tables_) {
    if (entry.row.ptr == row.ptr) return taken(invalid("ptr " + row.ptr + " belongs to " + id));
  }
  JsonText text = R"({"ptr":)";
  append_json_string(text, row.ptr);
  text += '}';
  change_registry(call, {.created = {std::move(row)}}, std::move(text));
}

void SessionDO::drop(Call& call) {
  const Txid txid = call.context.current_txid;
  if (!may_administer(call)) {
    return call.reply.fail(Error(Errc::forbidden, "Only the group admin may drop tables"), txid);
  }
  if (!call.args[0].is_string()) return call.reply.fail(invalid("The table's id must be a string"));
  const std::string id = call.args[0].get<std::string>();
  if (find_table_of(call, id) == nullptr) return not_found(call, id);
  change_registry(call, {.dropped = {id}}, "true");
}

void SessionDO::schema(Call& call) {
  if (!call.args[0].is_string()) return call.reply.fail(invalid("The table's id must be a string"));
  const std::string& id = call.args[0].get_ref<const std::string&>();
  const TableEntry* entry = find_table(id);
  if (entry == nullptr || entry->row.owner != call.context.peer->owner) return not_found(call, id);
  Answer answer{entry->row.schema.empty() ? JsonText("null") : entry->row.schema,
                call.context.current_txid};
  if (!allows(entry->row.permissions, perms::R__)) {
    answer.result = Error(Errc::permission_denied, "Insufficient permissions",
                          "table.schema needs R, which table " + id + " does not allow.");
  }
  deliver_when_settled(log_, call.settle_after, std::move(call.reply), std::move(answer));
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
        SessionActorAccess::workers(*handle_), SessionActorAccess::living(*handle_));
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

// ------------------------------------------------------------------------------------- life

Status SessionDO::ensure_loaded() {
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
  const Txid next_txid = txids_ ? txids_->peek() : 1;
  if (is_new) {
    if (Status admitted = log_.admit(/*frees_space=*/false); !admitted) return admitted;
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
    ticket = log_.append(std::move(batch), epoch, nullptr);
  }
  std::map<std::string, TableEntry, std::less<>> tables;
  for (TableRow& table : rows) {
    TableEntry entry{table, {}, again ? log_.appended() : ticket};
    // An actor that is still there goes on; after a restart of the session its table is the same.
    if (TableEntry* known = find_table(table.id); known != nullptr && known->row.no == table.no) {
      entry.actor = known->actor;
      if (entry.actor) entry.restart_after = known->restart_after;
      // What it knows of its row may be a change that failed.
      if (entry.actor) caf::anon_send(entry.actor, TableSetRow{table});
    }
    tables.emplace(table.id, std::move(entry));
  }
  facts_ = std::make_shared<const SessionFacts>(SessionFacts{handle_->identity(), row.sid, row.no});
  txids_.emplace(log_, epoch, handle_->identity(), row, ticket, first);
  tables_ = std::move(tables);
  epoch_ = epoch;
  registry_ticket_ = ticket;
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
  lent_.clear();
  const TableMaintain maintain{oldest_reader(txids_->peek())};
  for (const auto& [id, entry] : tables_) {
    if (entry.actor) caf::anon_send(entry.actor, maintain);
  }
}

void SessionDO::tick(bool timer) {
  if (timer) tick_scheduled_ = false;
  const bool stopping = SessionActorAccess::stopping(*handle_);
  if (stopping) wake_sleepers();
  const bool idle = stopping || Clock::now() - last_used_ >= options_.idle;
  const bool busy =
      SessionActorAccess::in_flight(*handle_) > 0 ||
      (!stopping && (holds_calls() || transactions_.size() > 0 || purging_ || tables_closing_ > 0));
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
    return purge_when_applied();
  }
  purging_ = false;
  if (!facts_ || tables_closing_ > 0) return;
  if (epoch_ != log_.epoch()) {
    guarded([&] { static_cast<void>(ensure_loaded()); });  // which comes back here
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
