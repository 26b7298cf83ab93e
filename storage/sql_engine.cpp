#include "storage/sql_engine.hpp"

#include <sqlite3.h>

#include <mutex>

#include "storage/detail/sql_common.hpp"
#include "storage/detail/sql_guard.hpp"
#include "storage/detail/sql_module.hpp"
#include "storage/detail/sql_result.hpp"
#include "storage/detail/statement_cache.hpp"

namespace kontract {
namespace {

constexpr int kStepsBetweenLooks = 1000;  // at the clock; some 20 us of ordinary steps

// The heap limit is the process's. One that the program has set for itself stays.
void limit_heap(std::size_t bytes) {
  static std::once_flag once;
  std::call_once(once, [bytes] {
    if (sqlite3_hard_heap_limit64(-1) == 0) {
      sqlite3_hard_heap_limit64(static_cast<sqlite3_int64>(bytes));
    }
  });
}

int look_at_clock(void* state) noexcept {
  return static_cast<SqlState*>(state)->time_is_over() ? 1 : 0;
}

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};

// Ends the run of a statement: closes its cursors and lets go of the parameters.
struct EndRun {
  void operator()(sqlite3_stmt* statement) const {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
  }
};

}  // namespace

class SqlEngine::Connection {
 public:
  Connection(SqlTable& table, const SqlLimits& limits)
      : schema_version_(table.schema_version()), state_(table, limits), statements_(limits) {}

  std::uint64_t schema_version() const { return schema_version_; }
  bool timed_out() const { return state_.timed_out; }

  Status open() {
    limit_heap(state_.limits.heap_bytes);
    sqlite3* db = nullptr;
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY |
                           SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    const int rc = sqlite3_open_v2(":memory:", &db, kFlags, nullptr);
    db_.reset(db);
    if (rc != SQLITE_OK) return Error(Errc::exec_limit, "There is no memory for SQLite");
    // Sorts stay in memory, where the heap limit holds them. Small pages: the schema takes two.
    Status done = run("PRAGMA temp_store=MEMORY; PRAGMA page_size=512");
    if (done) done = add_sql_functions(db, state_);
    // Under the guard their first use would be refused. The table may be named like one of them.
    if (done) done = run("SELECT 1 FROM json_each('[]'), json_tree('[]')");
    if (done) done = create_sql_table(db, state_);
    if (done) done = install_sql_guard(db, state_);
    sqlite3_progress_handler(db, kStepsBetweenLooks, look_at_clock, &state_);
    return done;
  }

  Result<JsonText> exec(std::string_view sql, const Json& params, std::chrono::milliseconds time) {
    state_.error.reset();
    state_.timed_out = false;
    state_.deadline = std::chrono::steady_clock::now() + std::min(time, state_.limits.time);
    CachedStatement* statement = statements_.find(sql);
    if (statement == nullptr) {
      auto prepared = prepare(sql);
      if (!prepared) return std::move(prepared).error();
      statement = &statements_.keep(*std::move(prepared));
    }
    auto result = run(*statement, params);
    statements_.trim();
    return result;
  }

 private:
  Status run(const char* sql) {
    state_.deadline = std::chrono::steady_clock::now() + state_.limits.time;
    if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
    return Error(Errc::internal,
                 "SQLite could not be set up: " + std::string(sqlite3_errmsg(db_.get())));
  }

  Result<CachedStatement> prepare(std::string_view sql) {
    if (sql.size() > state_.limits.sql_bytes) {
      return sql_limit("The statement has more than " + std::to_string(state_.limits.sql_bytes) +
                       " bytes");
    }
    if (sql.find('\0') != sql.npos) return Error(Errc::exec_failed, "The statement has a NUL byte");
    if (sql_is_blank(sql)) return Error(Errc::exec_failed, "There is no statement");
    const auto kind = sql_kind(sql);
    if (!kind) return kind.error();

    state_.needs = perms::none;
    state_.shape = sql_shape(sql, state_.name);
    sqlite3_stmt* raw = nullptr;
    const char* tail = nullptr;
    const int rc = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, &tail);
    CachedStatement statement;
    statement.sql = sql;
    statement.prepared.reset(raw);
    if (rc != SQLITE_OK || state_.error) return sql_error(db_.get(), rc, state_);
    if (raw == nullptr || *kind != SqlKind::allowed) {
      return Error(Errc::exec_failed, "The statement is of a kind that is not allowed");
    }
    if (!sql_is_blank({tail, static_cast<std::size_t>(sql.data() + sql.size() - tail)})) {
      return Error(Errc::exec_failed, "More than one statement", "Run each with its own call.");
    }
    statement.columns = sql_column_names(raw);
    const bool explains = sqlite3_stmt_isexplain(raw) != 0;
    statement.writes = sqlite3_stmt_readonly(raw) == 0 && !explains;
    if (statement.writes && !statement.columns.empty()) {
      return sql_no_returning();
    }
    statement.shape = state_.shape;
    statement.needs = statement.writes ? state_.needs : state_.needs | perms::R__;
    return statement;
  }

  Result<JsonText> run(const CachedStatement& statement, const Json& params) {
    if (auto allowed = state_.table.require(statement.needs, "table.exec"); !allowed) {
      return std::move(allowed).error();
    }
    state_.shape = statement.shape;  // SQLite may prepare it anew
    const std::unique_ptr<sqlite3_stmt, EndRun> running(statement.prepared.get());
    if (auto bound = bind_sql(running.get(), params); !bound) return std::move(bound).error();
    SqlResult result(statement, state_.limits);
    for (;;) {
      const int rc = sqlite3_step(running.get());
      if (state_.error) return *state_.error;
      if (rc == SQLITE_DONE) break;
      if (rc != SQLITE_ROW) return sql_error(db_.get(), rc, state_);
      if (auto added = result.add_row(); !added) return std::move(added).error();
    }
    return std::move(result).take(statement.writes ? sqlite3_changes64(db_.get()) : 0);
  }

  const std::uint64_t schema_version_;
  SqlState state_;
  std::unique_ptr<sqlite3, CloseDatabase> db_;
  StatementCache statements_;  // go before the database
};

SqlEngine::SqlEngine(SqlTable& table, const SqlLimits& limits) : table_(table), limits_(limits) {}

SqlEngine::~SqlEngine() = default;

Result<JsonText> SqlEngine::exec(std::string_view sql, const Json& params) {
  ran_out_of_time_ = false;
  if (connection_ && connection_->schema_version() != table_.schema_version()) connection_.reset();
  if (!connection_) {
    connection_ = std::make_unique<Connection>(table_, limits_);
    if (auto opened = connection_->open(); !opened) {
      connection_.reset();
      return std::move(opened).error();
    }
  }
  auto result = connection_->exec(sql, params, time_);
  ran_out_of_time_ = connection_->timed_out();
  return result;
}

}  // namespace kontract
