// SessionDO's registry: registry.exec, and the one way in which tables are created, changed and
// dropped.

#include <algorithm>
#include <caf/all.hpp>

#include "actors/call_key.hpp"
#include "actors/detail/session_actor_access.hpp"
#include "actors/event_hub.hpp"
#include "actors/session_do.hpp"
#include "actors/settle.hpp"
#include "storage/index_registry.hpp"
#include "storage/schema.hpp"

namespace kontract {

namespace {

Error wrong_arguments(std::string message) {
  return {Errc::invalid_request, std::move(message), "Call it as registry.exec(sql, params?)."};
}

// The indexes that a new table's schema asks for: there is nothing to put into them yet.
bool put_schema_indexes(WriteBatch& batch, SessionNo session, const TableRow& row) {
  if (row.schema.empty()) return false;
  const auto schema = Schema::parse(Json::parse(row.schema, nullptr, false));
  KONTRACT_ASSERT(schema.has_value());  // made from one
  const auto changes = plan_index_changes({}, schema->index_definitions(), IndexState::ready);
  KONTRACT_ASSERT(changes.has_value());  // a schema has no more than a table may have
  for (const IndexRow& index : changes->put) put_index(batch, session, row.no, index);
  return !changes->put.empty();
}

}  // namespace

void SessionDO::registry_exec(Call& call) {
  const Json& args = call.args;
  if (args.empty() || args.size() > 2) {
    return call.reply.fail(
        wrong_arguments("Wrong number of arguments: " + std::to_string(args.size())));
  }
  if (!args[0].is_string()) return call.reply.fail(wrong_arguments("The SQL must be a string"));
  if (Status may = check_admin(call, "use the registry"); !may) {
    return call.reply.fail(std::move(may).error());
  }
  RegistryView view{.owner = handle_->identity().owner, .tables = {}, .transactions = {}};
  for (const auto& [id, entry] : tables_) view.tables.push_back(entry.row);
  const auto& open = transactions_.open();
  view.transactions.assign(open.begin(), open.end());

  auto statement = RegistrySql::prepare(std::move(view), args[0].get_ref<const std::string&>());
  if (!statement) return call.reply.fail(std::move(statement).error());
  if (Status status = admit(call, (*statement)->needs()); !status) {
    return call.reply.fail(std::move(status).error());
  }
  auto outcome = (*statement)->run(args.size() > 1 ? args[1] : Json());
  if (!outcome) {
    // It may tell of a table that is not durable yet.
    return deliver_when_settled(log_, call.settle_after, std::move(call.reply),
                                {std::move(outcome).error(), call.told_txid});
  }
  change_registry(call, std::move(outcome->change), std::move(outcome->result));
}

// All of the change in one batch; the answer waits for it. REQUIRES: admitted; created tables are
// valid and new, the others are there.
void SessionDO::change_registry(Call& call, RegistryChange change, JsonText result) {
  const Txid txid = call.context.current_txid;
  Answer answer{std::move(result), call.told_txid};
  if (change.empty()) {
    return deliver_when_settled(log_, call.settle_after, std::move(call.reply), std::move(answer));
  }
  const bool frees_space = change.created.empty() && change.changed.empty();
  if (Status admitted = log_.admit(frees_space); !admitted) {
    return call.reply.fail(std::move(admitted).error(), txid);
  }
  if (!change.created.empty() &&
      tables_.size() + change.created.size() > limits::kTablesPerSessionMax) {
    return call.reply.fail(
        Error(Errc::too_large, "A session has at most " +
                                   std::to_string(limits::kTablesPerSessionMax) +
                                   " tables; this one has " + std::to_string(tables_.size())),
        txid);
  }

  WriteBatch batch;
  std::vector<TableAddress> closing;
  for (const std::string& id : change.dropped) {
    const auto entry = tables_.find(id);
    drop_table(batch, facts_->no, entry->second.row);
    lent_.erase(id);
    SessionActorAccess::events(*handle_)->dropped(entry->second.row);
    if (entry->second.actor) closing.push_back(entry->second.actor);
    tables_.erase(entry);
  }
  for (TableRow& row : change.changed) {
    put_table(batch, facts_->no, row);
    TableEntry& entry = *find_table(row.id);
    lent_.erase(row.id);
    if (entry.actor) caf::anon_send(entry.actor, TableSetRow{row});
    SessionActorAccess::events(*handle_)->changed(row);
    entry.row = std::move(row);
  }
  std::vector<std::string> indexed;
  for (TableRow& row : change.created) {
    row.no = txids_->row().next_table_no++;
    put_table(batch, facts_->no, row);
    if (put_schema_indexes(batch, facts_->no, row)) indexed.push_back(row.id);
    std::string id = row.id;
    tables_.emplace(std::move(id), TableEntry{std::move(row), {}, 0});
  }
  if (!change.created.empty()) txids_->put_row(batch);
  keep_reply(call, answer, batch);
  registry_ticket_ =
      log_.append(std::move(batch), epoch_,
                  std::make_unique<HeldAnswer>(std::move(call.reply), std::move(answer)));
  // An actor reads the rows of its indexes from the store.
  for (const std::string& id : indexed) find_table(id)->restart_after = registry_ticket_;
  for (const TableAddress& actor : closing) close_table(actor);
  if (!change.dropped.empty() && closing.empty()) purge_when_applied();
}

}  // namespace kontract
