#include "tests/bench/native_sqlite.hpp"

#include <charconv>
#include <stdexcept>
#include <string_view>

#include "storage/json.hpp"
#include "tests/bench/sql_records.hpp"

namespace kontract::bench {

namespace {

void append_value(std::string& out, sqlite3_stmt* statement, int column) {
  if (sqlite3_column_type(statement, column) == SQLITE_INTEGER) {
    char digits[24];
    const auto end =
        std::to_chars(std::begin(digits), std::end(digits), sqlite3_column_int64(statement, column))
            .ptr;
    out.append(std::begin(digits), end);
    return;
  }
  const void* const text = sqlite3_column_text(statement, column);
  append_json_string(out, {static_cast<const char*>(text),
                           static_cast<std::size_t>(sqlite3_column_bytes(statement, column))});
}

}  // namespace

NativeSqlite::NativeSqlite(const std::filesystem::path& file, std::uint64_t records) {
  sqlite3* db = nullptr;
  const int rc = sqlite3_open_v2(
      file.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  db_.reset(db);
  check(rc, SQLITE_OK);
  run("PRAGMA journal_mode=WAL; PRAGMA cache_size=-65536;"
      "CREATE TABLE t (id TEXT PRIMARY KEY, data TEXT, city INTEGER); BEGIN");
  sqlite3_stmt* const insert = prepared("INSERT INTO t VALUES (?, ?, ?)");
  for (std::uint64_t turn = 0; turn < records; ++turn) {
    const std::uint64_t number = sql_number(turn, records);
    const std::string id = sql_id(number);
    const nlohmann::json data = sql_data(number, records);
    const std::string text = to_text(data);
    sqlite3_bind_text(insert, 1, id.c_str(), -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 2, text.c_str(), -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 3, data["city"].get<std::int64_t>());
    check(sqlite3_step(insert), SQLITE_DONE);
    sqlite3_reset(insert);
  }
  run("COMMIT; CREATE INDEX c ON t (city); PRAGMA wal_checkpoint(TRUNCATE)");
}

void NativeSqlite::check(int rc, int expected) const {
  if (rc == expected) return;
  throw std::runtime_error("SQLite: " + std::string(sqlite3_errmsg(db_.get())));
}

void NativeSqlite::run(const char* sql) {
  check(sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr), SQLITE_OK);
}

sqlite3_stmt* NativeSqlite::prepared(const std::string& sql) {
  auto& statement = statements_[sql];
  if (!statement) {
    sqlite3_stmt* raw = nullptr;
    check(sqlite3_prepare_v3(db_.get(), sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr),
          SQLITE_OK);
    statement.reset(raw);
  }
  return statement.get();
}

std::string NativeSqlite::exec(const std::string& sql, const Parameter& parameter) {
  sqlite3_stmt* const statement = prepared(sql);
  if (const auto* text = std::get_if<std::string>(&parameter)) {
    sqlite3_bind_text(statement, 1, text->data(), static_cast<int>(text->size()), SQLITE_STATIC);
  } else {
    sqlite3_bind_int64(statement, 1, std::get<std::int64_t>(parameter));
  }
  const int columns = sqlite3_column_count(statement);
  std::string out = R"({"columns":[)";
  for (int i = 0; i < columns; ++i) {
    if (i > 0) out += ',';
    append_json_string(out, sqlite3_column_name(statement, i));
  }
  out += R"(],"rows":[)";
  int rc = sqlite3_step(statement);
  for (bool first = true; rc == SQLITE_ROW; rc = sqlite3_step(statement), first = false) {
    out += first ? "{" : ",{";
    for (int i = 0; i < columns; ++i) {
      if (i > 0) out += ',';
      append_json_string(out, sqlite3_column_name(statement, i));
      out += ':';
      append_value(out, statement, i);
    }
    out += '}';
  }
  check(rc, SQLITE_DONE);
  sqlite3_reset(statement);
  out += R"(],"changes":0})";
  return out;
}

}  // namespace kontract::bench
