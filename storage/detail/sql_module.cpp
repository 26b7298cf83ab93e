#include "storage/detail/sql_module.hpp"

#include <cmath>
#include <string>

#include "storage/detail/sql_bounds.hpp"
#include "storage/detail/sql_values.hpp"

namespace kontract {
namespace {

struct SqlCursor : sqlite3_vtab_cursor {
  std::vector<RecordScan> scans;
  std::size_t scan = 0;                   // that which is read
  std::unique_ptr<RecordCursor> records;  // of it; null for a single record
  RecordView record;
  bool at_end = true;

  // Shows this one, whose views do not stay.
  void keep(const RecordView& shown) {
    id_ = shown.id;
    data_ = shown.data;
    record = shown;
    record.id = id_;
    record.data = data_;
  }

 private:
  std::string id_, data_;
};

SqlState& state_of(sqlite3_vtab_cursor* cursor) {
  return static_cast<SqlVirtualTable*>(cursor->pVtab)->state;
}
SqlCursor& cursor_of(sqlite3_vtab_cursor* cursor) { return *static_cast<SqlCursor*>(cursor); }

int fail(SqlState& state, Error error) {
  state.fail(std::move(error));
  return SQLITE_ERROR;
}

int connect(sqlite3* db, void* context, int /*argc*/, const char* const* /*argv*/,
            sqlite3_vtab** table, char** /*message*/) noexcept {
  SqlState& state = *static_cast<SqlState*>(context);
  int rc = sqlite3_declare_vtab(db, sql_declaration(state).c_str());
  // INSERT OR IGNORE and OR REPLACE are decided in sql_update().
  if (rc == SQLITE_OK) rc = sqlite3_vtab_config(db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
  if (rc == SQLITE_OK) rc = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  if (rc == SQLITE_OK) *table = std::make_unique<SqlVirtualTable>(db, state).release();
  return rc;
}

// Another address than connect(): a module with both alike is a table under its own name, too.
int create(sqlite3* db, void* context, int argc, const char* const* argv, sqlite3_vtab** table,
           char** message) noexcept {
  return connect(db, context, argc, argv, table, message);
}

int disconnect(sqlite3_vtab* table) noexcept {
  std::unique_ptr<SqlVirtualTable>(static_cast<SqlVirtualTable*>(table)).reset();
  return SQLITE_OK;
}

int open(sqlite3_vtab* /*table*/, sqlite3_vtab_cursor** cursor) noexcept {
  *cursor = std::make_unique<SqlCursor>().release();
  return SQLITE_OK;
}

int close(sqlite3_vtab_cursor* cursor) noexcept {
  std::unique_ptr<SqlCursor>(static_cast<SqlCursor*>(cursor)).reset();
  return SQLITE_OK;
}

int start(SqlCursor& cursor, SqlState& state) {
  // A scan may be short and begun often, with few steps of SQLite's own in between.
  if (state.time_is_over()) return SQLITE_ERROR;
  auto records = state.table.scan(cursor.scans[cursor.scan]);
  if (!records) return fail(state, std::move(records).error());
  cursor.records = *std::move(records);
  return SQLITE_OK;
}

int next(sqlite3_vtab_cursor* its) noexcept {
  SqlCursor& cursor = cursor_of(its);
  cursor.at_end = true;
  while (cursor.records) {
    const Result<bool> found = cursor.records->next();
    if (!found) return fail(state_of(its), found.error());
    if (*found) {
      cursor.record = cursor.records->record();
      // What one of several scans yields besides, another one may yield as well.
      if (cursor.scans.size() > 1 && !sql_scan_asks(cursor.scans[cursor.scan], cursor.record)) {
        continue;
      }
      cursor.at_end = false;
      return SQLITE_OK;
    }
    cursor.records.reset();
    if (++cursor.scan == cursor.scans.size()) break;
    if (const int rc = start(cursor, state_of(its)); rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

int find_order(SqlCursor& cursor, SqlState& state, const SqlValue& value) {
  std::int64_t order = -1;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) order = *integer;
  if (const auto* number = std::get_if<double>(&value)) {
    constexpr double kOrderEnd = 9223372036854775808.0;
    if (*number >= 0 && *number < kOrderEnd && std::trunc(*number) == *number) {
      order = static_cast<std::int64_t>(*number);
    }
  }
  if (order < 0) return SQLITE_OK;  // nothing has it
  auto record = state.table.by_order(static_cast<std::uint64_t>(order));
  if (!record) return fail(state, std::move(record).error());
  cursor.at_end = !record->has_value();
  if (*record) cursor.keep(**record);
  return SQLITE_OK;
}

int filter(sqlite3_vtab_cursor* its, int number, const char* /*text*/, int /*argc*/,
           sqlite3_value** values) noexcept {
  SqlState& state = state_of(its);
  SqlCursor& cursor = cursor_of(its);
  cursor.records.reset();
  cursor.at_end = true;
  const SqlPlan& plan = state.plans[static_cast<std::size_t>(number)].plan;
  cursor.scan = 0;
  if (const int rc = sql_scans(state, plan, values, cursor.scans); rc != SQLITE_OK) return rc;
  if (cursor.scans.empty()) return SQLITE_OK;
  if (plan.single && plan.by == RecordScan::By::order) {
    if (state.time_is_over()) return SQLITE_ERROR;
    return find_order(cursor, state, cursor.scans.front().equal.front());
  }
  const int rc = start(cursor, state);
  return rc == SQLITE_OK ? next(its) : rc;
}

int eof(sqlite3_vtab_cursor* cursor) noexcept { return cursor_of(cursor).at_end ? 1 : 0; }

int column(sqlite3_vtab_cursor* its, sqlite3_context* context, int number) noexcept {
  // An UPDATE that does not change this column.
  if (sqlite3_vtab_nochange(context) != 0) return SQLITE_OK;
  const SqlState& state = state_of(its);
  const RecordView& record = cursor_of(its).record;
  const auto set_text = [&](std::string_view text, bool lasting) {
    sqlite3_result_text64(context, text.data(), text.size(),
                          lasting ? SQLITE_STATIC : SQLITE_TRANSIENT, SQLITE_UTF8);
  };
  const bool lasting = record.lasts;
  switch (number) {
    case kSqlId:
      set_text(record.id, false);
      break;
    case kSqlData:
      set_text(record.data, lasting);
      break;
    case kSqlTxid:
      sqlite3_result_int64(context, static_cast<sqlite3_int64>(record.txid));
      break;
    case kSqlDeletedTxid:
      break;  // NULL: it is visible
    case kSqlOwner:
      set_text(state.table.owner(), false);
      break;
    case kSqlOrder:
      sqlite3_result_int64(context, static_cast<sqlite3_int64>(record.order));
      break;
    default: {
      const auto& field = state.fields[static_cast<std::size_t>(number - kSqlFirstField)];
      set_sql_result(context, json_field(record.data, field.column.path),
                     lasting ? SQLITE_STATIC : SQLITE_TRANSIENT);
    }
  }
  return SQLITE_OK;
}

int rowid(sqlite3_vtab_cursor* cursor, sqlite3_int64* id) noexcept {
  *id = static_cast<sqlite3_int64>(cursor_of(cursor).record.order);
  return SQLITE_OK;
}

constexpr sqlite3_module make_module() {
  sqlite3_module module{};
  module.iVersion = 3;
  module.xCreate = create;
  module.xConnect = connect;
  module.xBestIndex = sql_best_index;
  module.xDisconnect = disconnect;
  module.xDestroy = disconnect;
  module.xOpen = open;
  module.xClose = close;
  module.xFilter = filter;
  module.xNext = next;
  module.xEof = eof;
  module.xColumn = column;
  module.xRowid = rowid;
  module.xUpdate = sql_update;
  return module;
}
constexpr sqlite3_module kModule = make_module();

Error refused(sqlite3* db, const SqlState& state) {
  return {Errc::exec_failed,
          "SQLite refuses table " + state.name + ": " + std::string(sqlite3_errmsg(db)),
          "Read it with table.query."};
}

}  // namespace

Error sql_read_only(std::string_view column) {
  return {Errc::permission_denied, "Field '" + std::string(column) + "' is read-only"};
}

Status create_sql_table(sqlite3* db, SqlState& state) {
  if (sqlite3_create_module_v2(db, kSqlModule, &kModule, &state, nullptr) != SQLITE_OK) {
    return refused(db, state);
  }
  // A table's name holds no quote (validate_table_id).
  const std::string sql =
      "CREATE VIRTUAL TABLE \"" + state.name + "\" USING " + std::string(kSqlModule);
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return refused(db, state);
  }
  return {};
}

}  // namespace kontract
