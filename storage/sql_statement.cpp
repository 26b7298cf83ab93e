#include "storage/sql_statement.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/detail/sql_common.hpp"
#include "storage/detail/sql_result.hpp"

namespace kontract {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kStepsPerLook = 1000;  // of SQLite's machine, between two looks at the clock

Error failed(std::string message, std::string hint = {}) {
  return {Errc::exec_failed, std::move(message), std::move(hint)};
}

Error over_limit(std::string message) {
  return {Errc::exec_limit, std::move(message),
          "Narrow the WHERE clause, or add a LIMIT and page."};
}

// What SQLite says about its last failure.
Error sqlite_error(sqlite3* db) {
  const std::string message = sqlite3_errmsg(db);
  switch (sqlite3_errcode(db)) {
    case SQLITE_INTERRUPT:
      return over_limit("The statement took more than " + std::to_string(limits::kSqlTime.count()) +
                        " ms");
    case SQLITE_TOOBIG:
    case SQLITE_NOMEM:
      return over_limit(message);
    default:
      if (message.starts_with("no such table: ")) {
        return {Errc::exec_cross_table, "Cannot access other tables", message};
      }
      return failed(message);
  }
}

// The number in "$1" or "?1"; nothing for a name.
std::optional<std::size_t> place_of(std::string_view parameter) {
  parameter.remove_prefix(1);
  std::size_t place = 0;
  const char* const end = parameter.data() + parameter.size();
  const auto [at, error] = std::from_chars(parameter.data(), end, place);
  if (error != std::errc{} || at != end || place == 0) return std::nullopt;
  return place;
}

// Interrupts what runs on the connection when its time is over.
class TimeLimit {
 public:
  explicit TimeLimit(sqlite3* db) : db_(db), until_(Clock::now() + limits::kSqlTime) {
    sqlite3_progress_handler(
        db_, kStepsPerLook,
        [](void* self) { return Clock::now() > static_cast<TimeLimit*>(self)->until_ ? 1 : 0; },
        this);
  }
  ~TimeLimit() { sqlite3_progress_handler(db_, 0, nullptr, nullptr); }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

 private:
  sqlite3* db_;
  const Clock::time_point until_;
};

}  // namespace

void harden_sqlite(sqlite3* db) {
  switch_off_extras(db);
  // Those that https://www.sqlite.org/security.html recommends, wider where people would feel them.
  for (const auto& [limit, value] :
       {std::pair{SQLITE_LIMIT_LENGTH, static_cast<int>(limits::kSqlResultBytesMax)},
        std::pair{SQLITE_LIMIT_SQL_LENGTH, static_cast<int>(limits::kSqlBytesMax)},
        std::pair{SQLITE_LIMIT_COLUMN, 100}, std::pair{SQLITE_LIMIT_EXPR_DEPTH, 20},
        std::pair{SQLITE_LIMIT_COMPOUND_SELECT, 3}, std::pair{SQLITE_LIMIT_VDBE_OP, 25'000},
        std::pair{SQLITE_LIMIT_FUNCTION_ARG, 8}, std::pair{SQLITE_LIMIT_ATTACHED, 0},
        std::pair{SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50},
        std::pair{SQLITE_LIMIT_VARIABLE_NUMBER, static_cast<int>(limits::kSqlParametersMax)},
        std::pair{SQLITE_LIMIT_TRIGGER_DEPTH, 10}, std::pair{SQLITE_LIMIT_WORKER_THREADS, 0}}) {
    sqlite3_limit(db, limit, value);
  }
}

void SqlStatement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

// Takes the first statement off `sql`; null if there is none in it.
Result<SqlStatement::Handle> SqlStatement::compile(sqlite3* db, std::string_view& sql) {
  sqlite3_stmt* raw = nullptr;
  const char* rest = nullptr;
  const int status =
      sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()), 0, &raw, &rest);
  Handle statement(raw);
  if (status != SQLITE_OK) return sqlite_error(db);
  sql.remove_prefix(static_cast<std::size_t>(rest - sql.data()));
  return statement;
}

Result<SqlStatement> SqlStatement::prepare(sqlite3* db, std::string_view sql) {
  if (sql.size() > limits::kSqlBytesMax) {
    return Error(Errc::exec_limit,
                 "The statement has " + std::to_string(sql.size()) + " bytes; " +
                     std::to_string(limits::kSqlBytesMax) + " are allowed",
                 "Give long values as parameters.");
  }
  if (sql.find('\0') != sql.npos) return failed("The statement has a NUL byte in it");
  std::string_view rest = sql;
  auto first = compile(db, rest);
  if (!first) return std::move(first).error();
  if (*first == nullptr) return failed("There is no statement in it");
  while (!rest.empty()) {
    auto next = compile(db, rest);
    if (!next) return std::move(next).error();
    if (*next != nullptr) {
      return failed("Only one statement is run at a time", "Send each with a call of its own.");
    }
  }
  if (sqlite3_stmt_isexplain(first->get()) != 0) return failed("EXPLAIN is not allowed");
  return SqlStatement(db, std::move(*first));
}

bool SqlStatement::returns_rows() const { return sqlite3_column_count(statement_.get()) > 0; }

Status SqlStatement::bind(const Json& params) {
  if (params.is_object()) return bind_names(params);
  if (params.is_array()) return bind_list(params);
  if (params.is_null()) return bind_list(Json::array());
  return Error(Errc::invalid_request, "The parameters are an array, or an object with their names");
}

Status SqlStatement::bind_list(const Json& params) {
  std::size_t wanted = 0;
  const int count = sqlite3_bind_parameter_count(statement_.get());
  for (int i = 1; i <= count; ++i) {
    const char* const name = sqlite3_bind_parameter_name(statement_.get(), i);
    // SQLite numbers $1 by where it first stands; here it says which one is meant.
    const auto place = name == nullptr ? static_cast<std::size_t>(i) : place_of(name);
    if (!place) {
      return Error(Errc::invalid_request, "Parameter " + std::string(name) +
                                              " has a name, so the parameters must be an "
                                              "object with it");
    }
    wanted = std::max(wanted, *place);
    if (*place > params.size()) continue;
    if (Status bound = bind_value(i, params[*place - 1]); !bound) return bound;
  }
  if (wanted == params.size()) return {};
  return Error(Errc::invalid_request, "The statement has " + std::to_string(wanted) +
                                          " parameters, " + std::to_string(params.size()) +
                                          " were given");
}

Status SqlStatement::bind_names(const Json& params) {
  std::set<std::string, std::less<>> used;
  const int count = sqlite3_bind_parameter_count(statement_.get());
  for (int i = 1; i <= count; ++i) {
    const char* const name = sqlite3_bind_parameter_name(statement_.get(), i);
    const auto given = name == nullptr ? params.end() : params.find(name + 1);
    if (given == params.end()) {
      return Error(Errc::invalid_request,
                   "Parameter " + std::string(name == nullptr ? "?" : name) + " was not given");
    }
    if (Status bound = bind_value(i, *given); !bound) return bound;
    used.insert(given.key());
  }
  for (const auto& [name, value] : params.items()) {
    if (!used.contains(name)) {
      return Error(Errc::invalid_request, "The statement has no parameter of the name given");
    }
  }
  return {};
}

Status SqlStatement::bind_value(int index, const Json& value) {
  sqlite3_stmt* const statement = statement_.get();
  int status = SQLITE_OK;
  const auto bind_text = [&](const std::string& text) {
    return sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_TRANSIENT,
                               SQLITE_UTF8);
  };
  switch (value.type()) {
    case Json::value_t::null:
      status = sqlite3_bind_null(statement, index);
      break;
    case Json::value_t::boolean:
      status = sqlite3_bind_int64(statement, index, value.get<bool>() ? 1 : 0);
      break;
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      status = sqlite3_bind_int64(statement, index, value.get<std::int64_t>());
      break;
    case Json::value_t::number_float:
      status = sqlite3_bind_double(statement, index, value.get<double>());
      break;
    case Json::value_t::string:
      status = bind_text(value.get_ref<const std::string&>());
      break;
    default:
      status = bind_text(to_text(value));
  }
  return status == SQLITE_OK ? Status{} : sqlite_error(db_);
}

Result<JsonText> SqlStatement::run() {
  const std::int64_t changes_before = sqlite3_total_changes64(db_);
  const std::vector<std::string> columns = sql_column_names(statement_.get());
  JsonText text = R"({"columns":[)";
  for (const std::string& column : columns) {
    if (text.back() != '[') text += ',';
    text += column;
  }
  auto found = rows(columns);
  if (!found) return found;
  text += R"(],"rows":[)" + *found + R"(],"changes":)";
  return text += std::to_string(sqlite3_total_changes64(db_) - changes_before) + '}';
}

// The rows, without the brackets around them.
Result<JsonText> SqlStatement::rows(const std::vector<std::string>& columns) {
  const TimeLimit time_limit(db_);
  JsonText text;
  std::size_t count = 0;
  int status = SQLITE_OK;
  while ((status = sqlite3_step(statement_.get())) == SQLITE_ROW) {
    if (++count > limits::kSqlRowsMax) {
      return over_limit("The statement has more than " + std::to_string(limits::kSqlRowsMax) +
                        " rows");
    }
    text += count == 1 ? "{" : ",{";
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) text += ',';
      text += columns[i];
      text += ':';
      append_sql_column(text, statement_.get(), static_cast<int>(i));
    }
    text += '}';
    if (text.size() > limits::kSqlResultBytesMax) {
      return over_limit("The rows have more than " + std::to_string(limits::kSqlResultBytesMax) +
                        " bytes");
    }
  }
  if (status != SQLITE_DONE) return sqlite_error(db_);
  return text;
}

}  // namespace kontract
