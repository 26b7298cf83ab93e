#include "storage/detail/sql_guard.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "storage/detail/sql_common.hpp"
#include "storage/detail/sql_module.hpp"

namespace kontract {
namespace {

constexpr std::string_view kBlanks = " \t\n\f\r;";  // what SQLite skips, and what ends a statement

constexpr std::array<std::string_view, 7> kStatements = {"SELECT",  "VALUES", "WITH",  "INSERT",
                                                         "REPLACE", "UPDATE", "DELETE"};
constexpr std::array<std::string_view, 9> kOfDatabases = {
    "ATTACH", "DETACH", "PRAGMA", "CREATE", "DROP", "ALTER", "REINDEX", "ANALYZE", "VACUUM"};
constexpr std::array<std::string_view, 6> kOfTransactions = {"BEGIN",    "COMMIT",    "END",
                                                             "ROLLBACK", "SAVEPOINT", "RELEASE"};

// Sorted; besides those that all SQL has. What is in neither list reaches outside, reveals the
// inside or other callers (changes, last_insert_rowid) or makes large values of nothing (zeroblob).
// clang-format off
constexpr auto kFunctions = std::to_array<std::string_view>({
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "ceiling", "contains",
    "cos", "cosh", "cume_dist", "degrees", "exp", "floor", "json_insert", "json_patch",
    "json_remove", "json_replace", "json_set", "ln", "log", "log10", "log2", "mod",
    "percent_rank", "pi", "pow", "power", "radians", "random", "sin", "sinh", "soundex", "sqrt",
    "tan", "tanh", "trunc"});
// clang-format on
static_assert(std::is_sorted(kFunctions.begin(), kFunctions.end()));

// Behind blanks and comments.
std::string_view skip_blanks(std::string_view sql) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  for (;;) {
    const std::size_t from = sql.find_first_not_of(kBlanks);
    if (from == sql.npos) return {};
    sql.remove_prefix(from);
    std::size_t behind = 0;
    if (sql.starts_with("--")) {
      behind = sql.find('\n');
    } else if (sql.starts_with("/*")) {
      behind = sql.find("*/", 2);
      if (behind != sql.npos) behind += 2;
    } else if (sql.starts_with(kByteOrderMark)) {
      behind = kByteOrderMark.size();
    } else {
      return sql;
    }
    if (behind == sql.npos) return {};
    sql.remove_prefix(behind);
  }
}

// Takes the first word off, in capitals.
std::string take_word(std::string_view& sql) {
  sql = skip_blanks(sql);
  std::string word;
  for (const char c : sql) {
    if (c >= 'a' && c <= 'z') {
      word += static_cast<char>(c - 'a' + 'A');
    } else if (c >= 'A' && c <= 'Z') {
      word += c;
    } else {
      break;
    }
  }
  sql.remove_prefix(word.size());
  return word;
}

template <class Words>
bool in(const Words& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

int deny(SqlState& state, Error reason) {
  state.fail(std::move(reason));
  return SQLITE_DENY;
}

// Whether no record may have it set. Fields that are read-only once they are written are the
// table's to refuse.
bool read_only(const SqlState& state, std::string_view column) {
  if (column.starts_with('_') || sql_same_name(column, "rowid")) {
    // A declared field may begin so as well.
    return std::none_of(state.fields.begin(), state.fields.end(), [&](const SqlField& field) {
      return sql_same_name(field.column.path, column);
    });
  }
  return sql_same_name(column, "id");
}

// _order has the name rowid as well.
bool is_of_numbers(const SqlState& state, std::string_view column) {
  for (const std::string_view own : {"_order", "rowid", "_txid", "_deleted_txid"}) {
    if (sql_same_name(column, own)) return true;
  }
  return std::any_of(state.fields.begin(), state.fields.end(), [&](const SqlField& field) {
    return field.affinity == SqlAffinity::numeric && sql_same_name(field.column.path, column);
  });
}

// `database` is null where the statement gives only a name: for a table of which no column is read,
// but then for a common table expression of that name as well, which may be called anything.
int authorize_read(SqlState& state, std::string_view table, std::string_view column,
                   const char* database) {
  const bool in_main = database == nullptr || std::string_view(database) == "main";
  if (!in_main) return deny(state, sql_cross_table());
  if (sql_same_name(table, state.name)) {
    state.needs |= perms::R__;
    if (is_of_numbers(state, column)) state.shape.numbers = true;
    return SQLITE_OK;
  }
  if (table == "json_each" || table == "json_tree") {
    // Their other columns have no affinity.
    if (sql_same_name(column, "rowid")) state.shape.joins = state.shape.numbers = true;
    return SQLITE_OK;
  }
  const bool may_be_expression = database == nullptr && column.empty();
  const bool may_be_schema = sql_lower_case(table).starts_with("sqlite_");
  if (may_be_expression && !may_be_schema) return SQLITE_OK;
  return deny(state, sql_cross_table());
}

int authorize_write(SqlState& state, const char* table, const char* database, Perm needed) {
  if (!sql_same_name(table, state.name) || database == nullptr ||
      std::string_view(database) != "main") {
    return deny(state, sql_cross_table());
  }
  state.needs |= needed;
  return SQLITE_OK;
}

int authorize(void* context, int action, const char* first, const char* second,
              const char* database, const char* /*accessor*/) noexcept {
  SqlState& state = *static_cast<SqlState*>(context);
  if (state.time_is_over()) return SQLITE_DENY;
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_READ:
      return authorize_read(state, first, second, database);
    case SQLITE_INSERT:
      return authorize_write(state, first, database, perms::_W_);
    case SQLITE_DELETE:
      return authorize_write(state, first, database, perms::__X);
    case SQLITE_UPDATE:
      if (authorize_write(state, first, database, perms::_W_) != SQLITE_OK) return SQLITE_DENY;
      if (!read_only(state, second)) return SQLITE_OK;
      return deny(state, sql_read_only(second));
    case SQLITE_FUNCTION:
      if (is_common_sql_function(second) ||
          std::binary_search(kFunctions.begin(), kFunctions.end(), sql_lower_case(second))) {
        return SQLITE_OK;
      }
      return deny(state, {Errc::exec_failed, "Function " + std::string(second) + " is not allowed",
                          "docs/protocol.md says which functions are."});
    default:
      return deny(state, sql_cross_table());
  }
}

void set_limits(sqlite3* db, const SqlState& state) {
  const auto as_int = [](std::size_t value) { return static_cast<int>(value); };
  const std::pair<int, int> bounds[] = {
      {SQLITE_LIMIT_LENGTH, as_int(state.limits.value_bytes)},
      {SQLITE_LIMIT_SQL_LENGTH, as_int(state.limits.sql_bytes)},
      {SQLITE_LIMIT_COLUMN, as_int(200 + kSqlFirstField + state.fields.size())},
      {SQLITE_LIMIT_EXPR_DEPTH, 100},
      {SQLITE_LIMIT_COMPOUND_SELECT, 50},
      {SQLITE_LIMIT_VDBE_OP, 250'000},
      {SQLITE_LIMIT_FUNCTION_ARG, 100},
      {SQLITE_LIMIT_ATTACHED, 0},
      {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, as_int(kSqlPatternBytesMax)},
      {SQLITE_LIMIT_VARIABLE_NUMBER, as_int(state.limits.parameters)},
      {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
      {SQLITE_LIMIT_WORKER_THREADS, 0},
  };
  for (const auto& [which, value] : bounds) sqlite3_limit(db, which, value);
}

bool starts_with_any(std::string_view text, std::span<const std::string_view> starts) {
  return std::any_of(starts.begin(), starts.end(),
                     [&](std::string_view start) { return text.starts_with(start); });
}

}  // namespace

Result<SqlKind> sql_kind(std::string_view sql) {
  std::string word = take_word(sql);
  if (word == "EXPLAIN") {
    word = take_word(sql);
    const bool of_the_plan = word == "QUERY" && take_word(sql) == "PLAN";
    if (!of_the_plan)
      return Error(Errc::exec_failed, "EXPLAIN is only there as EXPLAIN QUERY PLAN");
    word = take_word(sql);
  }
  if (in(kStatements, word)) return SqlKind::allowed;
  if (in(kOfDatabases, word)) return sql_cross_table();
  if (in(kOfTransactions, word)) {
    return Error(Errc::exec_failed, "SQL does not begin or end transactions here",
                 "Each table.exec is one; table.batch makes one of several.");
  }
  return SqlKind::unknown;
}

bool sql_is_blank(std::string_view sql) { return skip_blanks(sql).empty(); }

Status install_sql_guard(sqlite3* db, SqlState& state) {
  const char* keep[] = {kSqlModule, "json_each", "json_tree", nullptr};
  sqlite3_drop_modules(db, keep);
  if (!switch_off_extras(db)) {
    return Error(Errc::internal, "SQLite does not know a setting that guards it");
  }
  set_limits(db, state);
  if (sqlite3_set_authorizer(db, authorize, &state) != SQLITE_OK) {
    return Error(Errc::internal, "SQLite takes no authorizer");
  }
  return {};
}

Error sql_error(sqlite3* db, int rc, const SqlState& state) {
  if (state.error) return *state.error;
  const std::string message = sqlite3_errmsg(db);
  switch (rc & 0xFF) {
    case SQLITE_NOMEM:
      return sql_limit("The statements that run have more than " +
                       std::to_string(state.limits.heap_bytes) + " bytes of memory");
    case SQLITE_TOOBIG:
      return sql_limit("A value has more than " + std::to_string(state.limits.value_bytes) +
                       " bytes");
    default:
      break;
  }
  static constexpr std::string_view kOtherTables[] = {
      "no such table", "unknown database", "no such module", "vtable constructor failed"};
  if (starts_with_any(message, kOtherTables) || message.ends_with("may not be modified")) {
    return sql_cross_table();
  }
  static constexpr std::string_view kLimits[] = {"too many terms in compound",
                                                 "too many columns",
                                                 "too many arguments on function",
                                                 "too many SQL variables",
                                                 "Expression tree is too large",
                                                 "LIKE or GLOB pattern too complex",
                                                 "at most 64",
                                                 "parser stack overflow",
                                                 "variable number must be between",
                                                 "string or blob",
                                                 "oversized"};
  if (starts_with_any(message, kLimits)) return Error(Errc::exec_limit, message);
  if (message.starts_with("UPSERT")) {
    return Error(Errc::exec_failed, "ON CONFLICT is not available",
                 "INSERT OR REPLACE and INSERT OR IGNORE go by the id; table.update merges into a "
                 "record, and makes it if it is not there.");
  }
  if (message.find("RETURNING is not available") != message.npos) return sql_no_returning();
  return Error(Errc::exec_failed, message);
}

Error sql_no_returning() {
  return {Errc::exec_failed, "RETURNING is not available",
          "Give the id yourself, or read the record before or afterwards; table.batch makes one "
          "transaction of several statements."};
}

}  // namespace kontract
