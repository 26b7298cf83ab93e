#include "storage/detail/sql_result.hpp"

#include <charconv>
#include <cmath>

#include "storage/detail/sql_state.hpp"
#include "storage/detail/sql_values.hpp"

namespace kontract {
namespace {

void append_integer(JsonText& out, std::int64_t value) {
  const bool safe = value <= limits::kSafeIntegerMax && value >= -limits::kSafeIntegerMax;
  char digits[24];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), value).ptr;
  if (!safe) out += '"';
  out.append(std::begin(digits), end);
  if (!safe) out += '"';
}

void append_number(JsonText& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char digits[32];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), value).ptr;
  const std::string_view text(digits, static_cast<std::size_t>(end - digits));
  out += text;
  if (text.find_first_of(".e") == text.npos) out += ".0";  // as JSON from elsewhere has it
}

}  // namespace

void append_sql_column(JsonText& out, sqlite3_stmt* statement, int column) {
  const auto bytes = [&](const void* begin) {
    const int size = sqlite3_column_bytes(statement, column);
    return std::string_view(static_cast<const char*>(begin), static_cast<std::size_t>(size));
  };
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return append_integer(out, sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
      return append_number(out, sqlite3_column_double(statement, column));
    case SQLITE_TEXT:
      // As a blob it is not copied for the sake of a NUL at its end.
      return append_json_string(out, bytes(sqlite3_column_blob(statement, column)));
    case SQLITE_BLOB:
      out += '"';
      append_base64(out, bytes(sqlite3_column_blob(statement, column)));
      out += '"';
      return;
    default:
      out += "null";
  }
}

SqlResult::SqlResult(const CachedStatement& statement, const SqlLimits& limits)
    : statement_(statement), limits_(limits), text_(R"({"columns":[)") {
  for (std::size_t i = 0; i < statement.columns.size(); ++i) {
    if (i > 0) text_ += ',';
    text_ += statement.columns[i];
  }
  text_ += R"(],"rows":[)";
}

Status SqlResult::add_row() {
  if (rows_ == limits_.rows) {
    return sql_limit("The result has more than " + std::to_string(limits_.rows) + " rows");
  }
  text_ += rows_++ == 0 ? "{" : ",{";
  for (std::size_t i = 0; i < statement_.columns.size(); ++i) {
    if (i > 0) text_ += ',';
    text_ += statement_.columns[i];
    text_ += ':';
    append_sql_column(text_, statement_.prepared.get(), static_cast<int>(i));
    if (text_.size() > limits_.result_bytes) {
      return sql_limit("The result has more than " + std::to_string(limits_.result_bytes) +
                       " bytes");
    }
  }
  text_ += '}';
  return {};
}

JsonText SqlResult::take(std::int64_t changes) && {
  text_ += R"(],"changes":)" + std::to_string(changes) + '}';
  return std::move(text_);
}

}  // namespace kontract
