// SqlEngine: SQL over one table, by SQLite.
//
// Each engine is a private SQLite database in memory whose only table is virtual: it has the
// table's logical name and reads and writes an SqlTable. Nothing is stored in SQLite. Its columns:
//
//   id TEXT, data TEXT, _txid, _deleted_txid, _owner, _order, and one for each declared field
//
// `data` is the record as JSON text, rowid is _order. An authorizer that denies by default decides
// before a statement runs; what is allowed are SELECT, INSERT, UPDATE, DELETE and EXPLAIN QUERY
// PLAN on this table, json_each and json_tree. Other tables cannot be named at all.
//
// A statement that fails half-way leaves behind what it had written: the caller rolls back the
// transaction of the table, which is why there is no savepoint in here.

#pragma once

#include <memory>
#include <string_view>

#include "storage/json.hpp"
#include "storage/sql_limits.hpp"
#include "storage/sql_table.hpp"

namespace kontract {

// Used by one thread at a time. Opens SQLite at the first exec(), and again if the table's
// schema_version() has changed.
class SqlEngine {
 public:
  // `table` outlives the engine.
  explicit SqlEngine(SqlTable& table, const SqlLimits& limits = {});
  ~SqlEngine();

  // Runs one statement in the transaction that is open on the table. `params` is null, an array
  // (for ?, ?NNN and $1, which goes by its number) or an object (for :name, @name, $name; its keys
  // with or without the sigil). Returns
  //
  //   {"columns":[...],"rows":[{...}...],"changes":n}
  //
  // An INTEGER is a number, or a string beyond +-(2^53 - 1); a BLOB is base64; of two columns with
  // one name the second is "name:1". Permissions are asked of the table: what reads columns, and
  // every query, needs R; INSERT and UPDATE need W; DELETE needs X.
  //
  // Errors: exec_cross_table, permission_denied, exec_failed (with SQLite's words), exec_limit,
  // invalid_request (parameters, `data` that is no JSON object), and what the table says.
  Result<JsonText> exec(std::string_view sql, const Json& params);

  // From now on a statement may take so long, if that is less than its limit.
  void set_time(std::chrono::milliseconds time) { time_ = time; }
  // Whether the last statement ended because its time was over.
  bool ran_out_of_time() const { return ran_out_of_time_; }

 private:
  class Connection;

  SqlTable& table_;
  const SqlLimits limits_;
  std::chrono::milliseconds time_ = std::chrono::milliseconds::max();
  bool ran_out_of_time_ = false;
  std::unique_ptr<Connection> connection_;  // null until needed
};

}  // namespace kontract
