// SqlStatement: one statement of SQL, run by SQLite within limits, its answer as JSON.
//
// What the statement may touch is the business of whoever opened the connection: its authorizer
// stays installed for as long as the statement lives. Limits are those of storage/limits.hpp.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/json.hpp"
#include "storage/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace kontract {

// Bounds and switches off what SQL from outside has no use for. Before the authorizer is set.
void harden_sqlite(sqlite3* db);

class SqlStatement {
 public:
  // Compiles `sql`, which holds one statement and nothing else. `db` must outlive it.
  // Errors: exec_failed, with SQLite's own words; exec_cross_table if it names a table that is not
  // there; exec_limit if it is too long.
  static Result<SqlStatement> prepare(sqlite3* db, std::string_view sql);

  bool returns_rows() const;

  // Values for the statement's parameters: an array for ? and $1, an object for :name, null for
  // none. Arrays and objects among them become their JSON text, true and false 1 and 0.
  // Errors: invalid_request if they are not those that the statement has.
  Status bind(const Json& params);

  // {"columns":[...],"rows":[{...}...],"changes":n}. A column whose name was there before has ":1"
  // (":2", ...) after it; a blob is text in base64; integers past 2^53 are text.
  // Errors: exec_failed; exec_limit. REQUIRES: called once.
  Result<JsonText> run();

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Handle = std::unique_ptr<sqlite3_stmt, Finalize>;

  SqlStatement(sqlite3* db, Handle statement) : db_(db), statement_(std::move(statement)) {}

  static Result<Handle> compile(sqlite3* db, std::string_view& sql);
  Status bind_list(const Json& params);
  Status bind_names(const Json& params);
  Status bind_value(int index, const Json& value);
  Result<JsonText> rows(const std::vector<std::string>& columns);  // their names as JSON strings

  sqlite3* db_;
  Handle statement_;
};

}  // namespace kontract
