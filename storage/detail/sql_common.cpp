#include "storage/detail/sql_common.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "storage/json.hpp"

namespace kontract {
namespace {

// Sorted.
// clang-format off
constexpr auto kFunctions = std::to_array<std::string_view>({
    "->", "->>", "abs", "avg", "char", "coalesce", "count", "current_date", "current_time",
    "current_timestamp", "date", "datetime", "dense_rank", "first_value", "format", "glob",
    "group_concat", "hex", "ifnull", "iif", "instr", "json", "json_array", "json_array_length",
    "json_extract", "json_group_array", "json_group_object", "json_object", "json_quote",
    "json_type", "json_valid", "julianday", "lag", "last_value", "lead", "length", "like",
    "likelihood", "likely", "lower", "ltrim", "max", "min", "nth_value", "ntile", "nullif",
    "printf", "quote", "rank", "replace", "round", "row_number", "rtrim", "sign", "strftime",
    "substr", "substring", "sum", "time", "total", "trim", "typeof", "unicode", "unixepoch",
    "unlikely", "upper"});
// clang-format on
static_assert(std::is_sorted(kFunctions.begin(), kFunctions.end()));

}  // namespace

bool switch_off_extras(sqlite3* db) {
  constexpr std::pair<int, int> kSwitches[] = {
      {SQLITE_DBCONFIG_DEFENSIVE, 1},
      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
      {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
      {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
      {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
      {SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0},
      // A misspelled "column" is an error, not a string.
      {SQLITE_DBCONFIG_DQS_DML, 0},
      {SQLITE_DBCONFIG_DQS_DDL, 0},
  };
  return std::all_of(std::begin(kSwitches), std::end(kSwitches), [&](const auto& its) {
    return sqlite3_db_config(db, its.first, its.second, nullptr) == SQLITE_OK;
  });
}

bool is_common_sql_function(std::string_view name) {
  return std::binary_search(kFunctions.begin(), kFunctions.end(), sql_lower_case(name));
}

std::string sql_lower_case(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

std::vector<std::string> sql_column_names(sqlite3_stmt* statement) {
  std::vector<std::string> columns;
  std::set<std::string> taken;
  const int count = sqlite3_column_count(statement);
  for (int i = 0; i < count; ++i) {
    const char* const given = sqlite3_column_name(statement, i);
    const std::string name = given != nullptr ? given : "";
    std::string unique = name;
    for (std::size_t more = 1; !taken.insert(unique).second; ++more) {
      unique = name + ':' + std::to_string(more);
    }
    append_json_string(columns.emplace_back(), unique);
  }
  return columns;
}

}  // namespace kontract
