#include "actors/built_in_functions.hpp"

#include <algorithm>

namespace kontract {

std::span<const BuiltInFunction> built_in_functions() {
  using perms::none;
  using perms::R__;
  using perms::RWX;
  static constexpr BuiltInFunction functions[] = {
      {"alarm.cancel", "name: string", "boolean", perms::_W_, "Takes an alarm away."},
      {"alarm.get", "name: string", "object?", R__, "An alarm, as it is."},
      {"alarm.history", "name: string", "object[]", R__, "The last fires of an alarm."},
      {"alarm.list", "options: object?", "object", R__, "The session's alarms by name."},
      {"alarm.retry", "name: string", "boolean", perms::_W_, "Fires again what has failed."},
      {"alarm.set", "name: string, alarm: object", "object", perms::_W_,
       "Sets an alarm, once or repeating."},
      {"registry.exec", "sql: string, params: any?", "object", none,
       "One statement of SQL over the session's registry."},
      {"schema.apply", "document: object, options: object?", "object", RWX,
       "Changes the tables of all sessions of the owner."},
      {"schema.show", "", "object?", R__, "The document that was applied last."},
      {"session.allocateTxid", "", "integer", R__, "A fresh transaction id."},
      {"session.destroy", "", "boolean", RWX, "Removes the session and all that it has."},
      {"session.info", "", "object", R__, "What the session is and has."},
      {"table.alter", "table: string, changes: object", "object", RWX,
       "Changes permissions and schema of a table."},
      {"table.batch", "operations: any[]", "any[]", none, "Record functions; all or none."},
      {"table.create", "table: string, options: object?", "object", RWX, "Makes a table."},
      {"table.delete", "table: string, id: string", "boolean", perms::__X, "Deletes a record."},
      {"table.drop", "table: string", "boolean", RWX, "Drops a table with its records."},
      {"table.exec", "table: string, sql: string, params: any?", "object", none,
       "One statement of SQL over a table."},
      {"table.get", "table: string, id: string", "object?", R__, "A record's data."},
      {"table.list", "", "object[]", R__, "The tables, with their numbers of records."},
      {"table.pop", "table: string", "object?", perms::R_X, "Takes out the last record."},
      {"table.push", "table: string, data: object", "string", perms::_W_,
       "Adds a record; gives its id."},
      {"table.query", "table: string, filter: object?, options: object?", "object", R__,
       "Records that contain the filter."},
      {"table.schema", "table: string", "object?", R__, "A table's schema."},
      {"table.set", "table: string, id: string, data: object", "boolean", perms::_W_,
       "Writes a record."},
      {"table.shift", "table: string", "object?", perms::R_X, "Takes out the first record."},
      {"table.update", "table: string, id: string, partial: object", "boolean", perms::_W_,
       "Merges into a record."},
      {"tx.begin", "", "object", R__, "Begins a transaction of the connection."},
      {"tx.commit", "tx: integer", "object", R__, "Makes what a transaction changed, or nothing."},
      {"tx.rollback", "tx: integer", "boolean", R__, "Ends a transaction without a trace."},
  };
  return functions;
}

const BuiltInFunction* find_built_in(std::string_view name) {
  const auto all = built_in_functions();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const BuiltInFunction& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace kontract
