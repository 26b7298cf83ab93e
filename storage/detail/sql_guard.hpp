// The guard of an SQL engine: decides what a statement may do before it runs.
//
// Three rings, each of which denies by default: the statement's first word, SQLite's authorizer
// (which stays installed while statements run), and SQLite itself, which has only the one table,
// json_each and json_tree left to name. Which permission bits a statement needs is gathered here;
// the table is asked for them before the statement runs, each time it does.

#pragma once

#include <sqlite3.h>

#include <optional>
#include <string_view>

#include "storage/detail/sql_state.hpp"

namespace kontract {

// The statement by its first word.
enum class SqlKind : std::uint8_t { allowed, unknown };

// Errors: exec_cross_table for statements on schemas, databases and settings; exec_failed for those
// that begin or end transactions, and for EXPLAIN without QUERY PLAN. What is unknown is left for
// SQLite to explain, and must not run if it does not.
Result<SqlKind> sql_kind(std::string_view sql);

// Whether there is nothing but blanks, comments and semicolons.
bool sql_is_blank(std::string_view sql);

// Takes all from the connection that a statement must not reach, sets its limits, and installs the
// authorizer. REQUIRES: the table is there, json_each and json_tree have been used.
Status install_sql_guard(sqlite3* db, SqlState& state);

// What SQLite says of a statement that failed, as an error of ours. `state.error` comes first.
Error sql_error(sqlite3* db, int rc, const SqlState& state);
Error sql_no_returning();

}  // namespace kontract
