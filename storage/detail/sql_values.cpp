#include "storage/detail/sql_values.hpp"

#include <sodium.h>

#include <cmath>

namespace kontract {
namespace {

Error not_in_json(std::string_view column, std::string_view why) {
  return {Errc::exec_failed, "Field '" + std::string(column) + "': " + std::string(why)};
}

Result<Json> json_of_text(std::string_view text, const SqlField& field) {
  const bool structured = text.starts_with('[') || text.starts_with('{');
  if (!field.column.json || !structured) {
    if (!is_utf8(text)) return not_in_json(field.column.path, "the text is not UTF-8");
    return Json(text);
  }
  return parse_json(text);
}

}  // namespace

std::string_view sql_text(sqlite3_value* value) {
  // In this order, as SQLite asks: the pointer first, then its size.
  const void* const begin = sqlite3_value_text(value);
  return {static_cast<const char*>(begin), static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

bool is_sql_value(sqlite3_value* value, const SqlValue& expected) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_NULL:
      return expected == SqlValue();
    case SQLITE_INTEGER:
      return expected == SqlValue(std::int64_t{sqlite3_value_int64(value)});
    case SQLITE_FLOAT:
      return expected == SqlValue(sqlite3_value_double(value));
    case SQLITE_TEXT: {
      const auto* text = std::get_if<std::string>(&expected);
      return text != nullptr && *text == sql_text(value);
    }
    default:
      return false;
  }
}

SqlFit fit_sql_value(sqlite3_value* value, SqlAffinity affinity, bool equality, SqlValue& out) {
  const int type = affinity == SqlAffinity::numeric ? sqlite3_value_numeric_type(value)
                                                    : sqlite3_value_type(value);
  switch (type) {
    case SQLITE_NULL:
      return SqlFit::nothing;
    case SQLITE_BLOB:
      // No record has one: it equals none, and is greater than all.
      return equality ? SqlFit::nothing : SqlFit::skip;
    case SQLITE_TEXT:
      out = std::string(sql_text(value));
      return SqlFit::use;
    default:
      break;
  }
  if (affinity == SqlAffinity::text) {
    if (!equality) return SqlFit::skip;
    out = std::string(sql_text(value));
  } else if (type == SQLITE_INTEGER) {
    out = std::int64_t{sqlite3_value_int64(value)};
  } else {
    out = sqlite3_value_double(value);
  }
  return SqlFit::use;
}

Result<Json> json_of(sqlite3_value* value, const SqlField& field) {
  int type = sqlite3_value_type(value);
  if (type == SQLITE_TEXT && field.affinity == SqlAffinity::numeric) {
    type = sqlite3_value_numeric_type(value);
  }
  if (field.affinity == SqlAffinity::text && (type == SQLITE_INTEGER || type == SQLITE_FLOAT)) {
    type = SQLITE_TEXT;
  }
  switch (type) {
    case SQLITE_NULL:
      return Json();
    case SQLITE_INTEGER: {
      const std::int64_t number = sqlite3_value_int64(value);
      if (field.column.boolean && (number == 0 || number == 1)) return Json(number == 1);
      if (number > limits::kSafeIntegerMax || number < -limits::kSafeIntegerMax) {
        return not_in_json(field.column.path, "integers are within +-(2^53 - 1)");
      }
      return Json(number);
    }
    case SQLITE_FLOAT: {
      const double number = sqlite3_value_double(value);
      if (!std::isfinite(number)) return not_in_json(field.column.path, "a number is not finite");
      return Json(number);
    }
    case SQLITE_BLOB: {
      std::string text;
      const void* const bytes = sqlite3_value_blob(value);
      append_base64(text, {static_cast<const char*>(bytes),
                           static_cast<std::size_t>(sqlite3_value_bytes(value))});
      return Json(std::move(text));
    }
    default:
      return json_of_text(sql_text(value), field);
  }
}

void set_sql_result(sqlite3_context* context, std::optional<std::string_view> json,
                    sqlite3_destructor_type destructor) {
  if (!json || json->empty()) return sqlite3_result_null(context);
  const char first = json->front();
  std::string_view text = *json;
  if (first == '"') {
    text = text.substr(1, text.size() - 2);
    if (text.find('\\') != text.npos) {
      const std::string unescaped = json_unquoted(*json);
      return sqlite3_result_text64(context, unescaped.data(), unescaped.size(), SQLITE_TRANSIENT,
                                   SQLITE_UTF8);
    }
  }
  if (first == '"' || first == '{' || first == '[') {
    return sqlite3_result_text64(context, text.data(), text.size(), destructor, SQLITE_UTF8);
  }
  const SqlValue value = sql_value(json);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    sqlite3_result_int64(context, *integer);
  } else if (const auto* number = std::get_if<double>(&value)) {
    sqlite3_result_double(context, *number);
  } else {
    sqlite3_result_null(context);
  }
}

void append_base64(std::string& out, std::string_view bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL;
  const std::size_t at = out.size();
  out.resize(at + sodium_base64_encoded_len(bytes.size(), kVariant));
  sodium_bin2base64(out.data() + at, out.size() - at,
                    reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), kVariant);
  out.pop_back();  // its NUL
}

}  // namespace kontract
