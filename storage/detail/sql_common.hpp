// What all SQL from outside has in common: over one table (storage/sql_engine.hpp) and over the
// registry (storage/registry_sql.hpp).

#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>
#include <vector>

namespace kontract {

// Switches off what SQL from outside has no use for. False if SQLite does not know a switch.
bool switch_off_extras(sqlite3* db);

// Whether this is a function of SQLite's own that computes a value from values. Others may load
// code, read files or reveal the inside, and a new version may bring more. Names have no case.
bool is_common_sql_function(std::string_view name);

std::string sql_lower_case(std::string_view name);  // of ASCII, as SQLite compares names

// The columns' names as JSON strings; one that was there before has ":1" (":2", ...) after it.
std::vector<std::string> sql_column_names(sqlite3_stmt* statement);

}  // namespace kontract
