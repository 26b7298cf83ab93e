// The virtual table through which SQLite reads and writes an SqlTable. Its callbacks are C: an
// exception in one (there is none but for want of memory) ends the process.

#pragma once

#include <sqlite3.h>

#include <memory>

#include "storage/detail/sql_state.hpp"

namespace kontract {

inline constexpr const char* kSqlModule = "kontract_table";
inline constexpr std::size_t kSqlPatternBytesMax = 1000;  // of LIKE and GLOB

struct SqlVirtualTable : sqlite3_vtab {
  SqlVirtualTable(sqlite3* its_db, SqlState& its_state)
      : sqlite3_vtab(), db(its_db), state(its_state) {}
  sqlite3* const db;
  SqlState& state;
};

// Makes the module known to the connection, and the table.
Status create_sql_table(sqlite3* db, SqlState& state);

// Registers contains(), and SQLite's functions whose time grows with the product of their
// arguments' sizes in a form that is bounded.
Status add_sql_functions(sqlite3* db, SqlState& state);

// Callbacks of the module.
int sql_best_index(sqlite3_vtab* table, sqlite3_index_info* info) noexcept;
int sql_update(sqlite3_vtab* table, int argc, sqlite3_value** argv, sqlite3_int64* rowid) noexcept;

// printf() and format() of SQL.
void sql_printf(sqlite3_context* context, int argc, sqlite3_value** argv) noexcept;

Error sql_read_only(std::string_view column);

}  // namespace kontract
