// The session's own tables: create, drop, and what schema one has.

#include <caf/all.hpp>

#include "actors/detail/call_arguments.hpp"
#include "actors/session_do.hpp"
#include "actors/settle.hpp"
#include "storage/schema.hpp"

namespace kontract {

void SessionDO::create(Call& call) {
  const Txid txid = call.context.current_txid;
  if (!call.args[0].is_string())
    return call.reply.fail(invalid_call("The table's id must be a string"));
  TableRow row;
  row.id = call.args[0].get<std::string>();
  row.owner = call.context.peer->owner;
  row.ptr = make_ptr(row.id);
  if (call.args.size() > 1 && !call.args[1].is_null()) {
    const Json& given = call.args[1];
    if (!given.is_object()) return call.reply.fail(invalid_call("The options must be an object"));
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
        return call.reply.fail(invalid_call(
            "Option " + shown(key) + " is unknown or has a wrong value",
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
        invalid_call("Table " + row.id + " exists already", "Drop it first, or use another name."));
  }
  for (const auto& [id, entry] : tables_) {
    if (entry.row.ptr == row.ptr)
      return taken(invalid_call("ptr " + row.ptr + " belongs to " + id));
  }
  JsonText text = R"({"ptr":)";
  append_json_string(text, row.ptr);
  text += '}';
  change_registry(call, {.created = {std::move(row)}}, std::move(text));
}

void SessionDO::drop(Call& call) {
  if (!call.args[0].is_string())
    return call.reply.fail(invalid_call("The table's id must be a string"));
  const std::string id = call.args[0].get<std::string>();
  if (find_table_of(call, id) == nullptr) return not_found(call, id);
  change_registry(call, {.dropped = {id}}, "true");
}

void SessionDO::schema(Call& call) {
  if (!call.args[0].is_string())
    return call.reply.fail(invalid_call("The table's id must be a string"));
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

}  // namespace kontract
