// table.alter: permissions and schema of one table, as far as its records may stay as they are.
// Those that are there are looked at if a field gets its type.

#include <caf/all.hpp>

#include "actors/session_do.hpp"
#include "actors/settle.hpp"
#include "storage/schema_diff.hpp"

namespace kontract {

namespace {

constexpr std::string_view kUsage = "Call it as table.alter(table, {permissions?, schema?}).";

Error wrong(std::string message) {
  return {Errc::invalid_request, std::move(message), std::string(kUsage)};
}

// The schema of a row; of one without, that of no fields.
Schema schema_of(const TableRow& row) {
  if (row.schema.empty()) return {};
  auto schema = Schema::parse(Json::parse(row.schema, nullptr, false));
  KONTRACT_ASSERT(schema.has_value());  // made from one
  return *std::move(schema);
}

// Takes the options over into `row`.
Status take_options(const Json& given, TableRow& row) {
  if (!given.is_object()) return wrong("The options must be an object");
  for (const auto& [key, value] : given.items()) {
    if (key == "permissions") {
      const bool bits = value.is_number_integer() && value >= 0 && value <= int{perms::RWX};
      if (!bits) return wrong("permissions must be an integer 0..7");
      row.permissions = value.get<Perm>();
    } else if (key == "schema" && value.is_null()) {
      row.schema.clear();
    } else if (key == "schema") {
      Result<Schema> schema = Schema::parse(value);
      if (!schema) return std::move(schema).error();
      row.schema = schema->to_json();
    } else {
      return wrong("Option " + shown(key) + " is unknown; known are permissions and schema");
    }
  }
  return {};
}

// Errors: schema_violation, for the first change that is not safe.
Status check_safe(const std::string& table, const std::vector<SchemaChange>& changes) {
  for (const SchemaChange& change : changes) {
    if (change.safe) continue;
    return Error{Errc::schema_violation,
                 "Table " + table + ", " + change.text + ": records that are there may not fit",
                 "Apply a document that says what becomes of them: `kontract schema apply`, with a "
                 "step for this change (Changing schemas in docs/protocol.md)."};
  }
  return {};
}

}  // namespace

void SessionDO::alter(const CallPtr& call) {
  if (call->args.size() != 2) return call->reply.fail(wrong("Wrong number of arguments"));
  if (!call->args[0].is_string()) return call->reply.fail(wrong("The table's id must be a string"));
  if (Status status = admit(*call, perms::RWX, perms::none, "alter tables"); !status) {
    return call->reply.fail(std::move(status).error());
  }
  const Txid txid = call->context.current_txid;
  const std::string& id = call->args[0].get_ref<const std::string&>();
  TableEntry* entry = find_table_of(*call, id);
  if (entry == nullptr) return not_found(*call, id);
  TableRow row = entry->row;
  const Schema from = schema_of(row);
  Status status = take_options(call->args[1], row);
  const Schema to = status ? schema_of(row) : Schema();
  const std::vector<SchemaChange> changes = diff(from, to);
  if (status) status = check_safe(id, changes);
  if (!status) {  // It may tell of a schema that is not durable yet.
    Answer refused{std::move(status).error(), txid};
    return deliver_when_settled(log_, call->settle_after, std::move(call->reply),
                                std::move(refused));
  }
  JsonText result = R"({"schema":)" + (row.schema.empty() ? "null" : row.schema) + '}';
  const auto check = std::make_shared<const FieldCheck>(to, typed_anew(changes));
  if (check->empty() && from.index_definitions() == to.index_definitions()) {
    RegistryChange change;
    const bool same = row.permissions == entry->row.permissions && row.schema == entry->row.schema;
    if (!same) change.changed.push_back(std::move(row));
    return change_registry(*call, std::move(change), std::move(result));
  }
  // Which records and indexes there are is known to the actor. What comes meanwhile waits, so that
  // changes of the registry are appended in the order of their calls.
  altering_ = true;
  auto end =
      std::make_shared<AlterEnd>([self = SessionAddress(this), row, epoch = epoch_](Ticket ticket) {
        caf::anon_send(self, SessionAltered{row, ticket, epoch});
      });
  lent_.erase(id);
  const TableAddress& actor = actor_of(*entry);
  caf::anon_send(actor, TableAlter{call, std::move(result), std::move(row), to.index_definitions(),
                                   check, std::move(end)});
}

void SessionDO::altered(const SessionAltered& outcome) {
  altering_ = false;
  TableEntry* entry = find_table(outcome.row.id);
  if (outcome.ticket != 0 && outcome.epoch == epoch_ && entry != nullptr) {
    entry->row = outcome.row;
    registry_ticket_ = std::max(registry_ticket_, outcome.ticket);
  }
  release_calls();
}

}  // namespace kontract
