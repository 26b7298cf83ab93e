#include "storage/detail/sql_state.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>

namespace kontract {
namespace {

constexpr std::array<std::string_view, 6> kOwnColumns = {
    "id", "data", "_txid", "_deleted_txid", "_owner", "_order"};

SqlAffinity affinity_of(std::string_view type) {
  if (type.empty()) return SqlAffinity::none;
  return type == "TEXT" ? SqlAffinity::text : SqlAffinity::numeric;
}

std::string in_quotes(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"') text += '"';
    text += c;
  }
  return text += '"';
}

}  // namespace

SqlState::SqlState(SqlTable& its_table, const SqlLimits& its_limits)
    : table(its_table), limits(its_limits), name(table.name()), indexes(table.indexes()) {
  for (SqlColumn& column : table.columns()) {
    const auto same = [&](std::string_view other) { return sql_same_name(other, column.path); };
    // SQLite tells no names apart that differ in case only. The first keeps it; the other's field
    // can still be read from `data`.
    if (std::any_of(kOwnColumns.begin(), kOwnColumns.end(), same)) continue;
    if (std::any_of(fields.begin(), fields.end(),
                    [&](const SqlField& field) { return same(field.column.path); })) {
      continue;
    }
    const SqlAffinity affinity = affinity_of(column.type);
    fields.push_back({std::move(column), affinity});
  }
}

bool SqlState::time_is_over() {
  if (std::chrono::steady_clock::now() < deadline) return false;
  timed_out = true;
  fail(sql_limit("The statement took more than " + std::to_string(limits.time.count()) + " ms"));
  return true;
}

Error sql_limit(std::string what) {
  return {Errc::exec_limit, std::move(what) + ", which is the limit"};
}

Error sql_cross_table() { return {Errc::exec_cross_table, "Cannot access other tables"}; }

std::string sql_declaration(const SqlState& state) {
  std::string text =
      "CREATE TABLE t(id TEXT, data TEXT, _txid INTEGER, _deleted_txid INTEGER, _owner TEXT, "
      "_order INTEGER";
  for (const SqlField& field : state.fields) {
    text += ", " + in_quotes(field.column.path) + ' ' + field.column.type;
  }
  return text += ')';
}

bool sql_same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         sqlite3_strnicmp(a.data(), b.data(), static_cast<int>(a.size())) == 0;
}

}  // namespace kontract
