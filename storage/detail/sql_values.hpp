// Values between SQLite, JSON and the scans of a table.

#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>

#include "storage/detail/sql_state.hpp"

namespace kontract {

// What a value that a column is compared with means for a scan.
enum class SqlFit : std::uint8_t {
  use,      // it bounds the scan
  nothing,  // no record can match
  skip,     // it does not compare as the scan does: scan without it
};

// Converts the value as SQLite's affinity would before it compares. A number that bounds a text
// column from one side is skipped: SQLite may compare the two as numbers or as text, which cannot
// be seen from here.
SqlFit fit_sql_value(sqlite3_value* value, SqlAffinity affinity, bool equality, SqlValue& out);

// The text or bytes of a value; valid until it is converted.
std::string_view sql_text(sqlite3_value* value);

bool is_sql_value(sqlite3_value* value, const SqlValue& expected);

// A value on its way into a column. Errors: exec_failed for what JSON has no number for;
// invalid_request for text in a JSON column that is not what it begins as.
Result<Json> json_of(sqlite3_value* value, const SqlField& field);

// The SQL value of a field's JSON text as the result of `context`. `destructor` says whether the
// text stays where it is.
void set_sql_result(sqlite3_context* context, std::optional<std::string_view> json,
                    sqlite3_destructor_type destructor);

void append_base64(std::string& out, std::string_view bytes);

}  // namespace kontract
