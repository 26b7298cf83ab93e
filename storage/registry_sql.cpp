#include "storage/registry_sql.hpp"

#include <sqlite3.h>

#include <map>
#include <optional>

#include "storage/registry_guard.hpp"
#include "storage/sql_statement.hpp"

namespace kontract {
namespace {

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

std::string sql_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted += '\'';
}

// Without a rowid there is no column beside those that are named.
std::string tables_of(std::string_view owner) {
  return "CREATE TABLE storage (id TEXT PRIMARY KEY, ptr TEXT UNIQUE, owner TEXT NOT NULL "
         "DEFAULT " +
         sql_quoted(owner) +
         ", permissions INTEGER NOT NULL DEFAULT 7"
         " CONSTRAINT \"permissions is an integer 0..7\" CHECK (permissions BETWEEN 0 AND 7),"
         " schema TEXT) STRICT, WITHOUT ROWID;"
         "CREATE TABLE trxs (txid INTEGER PRIMARY KEY, owner TEXT NOT NULL) STRICT, WITHOUT ROWID;";
}

Error not_loaded(sqlite3* db) {
  return {Errc::internal, "The registry could not be loaded: " + std::string(sqlite3_errmsg(db))};
}

Status load(sqlite3* db, std::string_view insert, const std::vector<Json>& rows) {
  for (const Json& row : rows) {
    auto statement = SqlStatement::prepare(db, insert);
    if (!statement) return std::move(statement).error();
    if (Status bound = statement->bind(row); !bound) return bound;
    if (auto done = statement->run(); !done) return std::move(done).error();
  }
  return {};
}

struct Row {
  std::string id;
  std::optional<std::string> ptr;
  std::string owner;
  Perm permissions = perms::none;
  std::optional<std::string> schema;
};

// What stands in the table now. Past the limits of a statement: the schemas may be long.
Result<std::vector<Row>> rows_of(sqlite3* db) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db, "SELECT id, ptr, owner, permissions, schema FROM storage", -1, &raw,
                         nullptr) != SQLITE_OK) {
    return not_loaded(db);
  }
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(raw, sqlite3_finalize);
  const auto text = [&](int column) -> std::optional<std::string> {
    const void* at = sqlite3_column_blob(raw, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(raw, column));
    if (sqlite3_column_type(raw, column) == SQLITE_NULL) return std::nullopt;
    return std::string(static_cast<const char*>(at), size);
  };
  std::vector<Row> rows;
  int status = SQLITE_OK;
  while ((status = sqlite3_step(raw)) == SQLITE_ROW) {
    rows.push_back({text(0).value_or(""), text(1), text(2).value_or(""),
                    static_cast<Perm>(sqlite3_column_int(raw, 3)), text(4)});
  }
  if (status != SQLITE_DONE) return not_loaded(db);
  return rows;
}

Error read_only(std::string_view field, std::string hint) {
  return {Errc::permission_denied, "Field '" + std::string(field) + "' is read-only",
          std::move(hint)};
}

Status check_created(const TableRow& row) {
  if (Status valid = validate_table_id(row.id); !valid) return valid;
  if (Status valid = validate_ptr(row.ptr); !valid) return valid;
  return validate_owner(row.owner);
}

}  // namespace

struct RegistrySql::Parts {
  RegistryView view;
  Database db;
  RegistryGuard guard;
  std::optional<SqlStatement> statement;  // after db: it ends first

  Result<RegistryChange> difference() const;
  Status compare(const TableRow& before, const Row& after, RegistryChange& change) const;
  Error explained(Error error) const;
};

RegistrySql::RegistrySql(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

RegistrySql::~RegistrySql() = default;

Result<std::unique_ptr<RegistrySql>> RegistrySql::prepare(RegistryView view, std::string_view sql) {
  auto parts = std::make_unique<Parts>();
  parts->view = std::move(view);
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(
      ":memory:", &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX,
      nullptr);
  parts->db.reset(raw);
  if (opened != SQLITE_OK || sqlite3_exec(raw, tables_of(parts->view.owner).c_str(), nullptr,
                                          nullptr, nullptr) != SQLITE_OK) {
    return not_loaded(raw);
  }
  std::vector<Json> tables;
  for (const TableRow& row : parts->view.tables) {
    tables.push_back({row.id, row.ptr, row.owner, row.permissions,
                      row.schema.empty() ? Json() : Json(row.schema)});
  }
  std::vector<Json> transactions;
  for (const auto& [txid, owner] : parts->view.transactions) transactions.push_back({txid, owner});
  Status loaded = load(raw, "INSERT INTO storage VALUES (?, ?, ?, ?, ?)", tables);
  if (loaded) loaded = load(raw, "INSERT INTO trxs VALUES (?, ?)", transactions);
  if (!loaded) return std::move(loaded).error();

  harden_sqlite(raw);
  parts->guard.begin(raw);
  auto statement = SqlStatement::prepare(raw, sql);
  if (!statement) return parts->explained(std::move(statement).error());
  if (!parts->guard.is_statement()) {  // VACUUM and REINDEX ask nobody
    return parts->explained({Errc::exec_failed, "not authorized"});
  }
  parts->statement.emplace(std::move(*statement));
  return std::unique_ptr<RegistrySql>(new RegistrySql(std::move(parts)));
}

Perm RegistrySql::needs() const {
  const Perm reads = parts_->statement->returns_rows() ? perms::R__ : perms::none;
  return parts_->guard.writes() | reads;
}

Result<RegistrySql::Outcome> RegistrySql::run(const Json& params) {
  if (Status bound = parts_->statement->bind(params); !bound) return std::move(bound).error();
  auto result = parts_->statement->run();
  if (!result) return parts_->explained(std::move(result).error());
  parts_->statement.reset();
  parts_->guard.end(parts_->db.get());
  auto change = parts_->difference();
  if (!change) return std::move(change).error();
  return Outcome{*std::move(result), *std::move(change)};
}

Result<RegistryChange> RegistrySql::Parts::difference() const {
  RegistryChange change;
  if (guard.writes() == perms::none) return change;
  auto rows = rows_of(db.get());
  if (!rows) return std::move(rows).error();
  std::map<std::string_view, const TableRow*> gone;
  for (const TableRow& row : view.tables) gone.emplace(row.id, &row);
  for (const Row& row : *rows) {
    if (const auto known = gone.find(row.id); known != gone.end()) {
      if (Status same = compare(*known->second, row, change); !same) return std::move(same).error();
      gone.erase(known);
      continue;
    }
    if (row.schema) return read_only("schema", "table.create takes a schema.");
    TableRow created{row.id, row.ptr.value_or(make_ptr(row.id)), row.owner, row.permissions, 0, {}};
    if (Status valid = check_created(created); !valid) return std::move(valid).error();
    change.created.push_back(std::move(created));
  }
  for (const auto& [id, row] : gone) {
    if (!allows(guard.writes(), perms::__X)) {  // REPLACE makes room without saying so
      return Error(Errc::exec_failed, "The statement would drop table " + row->id,
                   "Its ptr is taken: choose another, or DELETE that table first.");
    }
    change.dropped.push_back(row->id);
  }
  return change;
}

// REPLACE can give a table that is there any field anew.
Status RegistrySql::Parts::compare(const TableRow& before, const Row& after,
                                   RegistryChange& change) const {
  if (after.ptr != before.ptr) {
    return read_only("ptr", "Table " + before.id + " is there; to begin anew, DELETE it first.");
  }
  if (after.schema && *after.schema != before.schema) {
    return read_only("schema", "table.create takes a schema.");
  }
  if (after.owner == before.owner && after.permissions == before.permissions) return {};
  if (Status valid = validate_owner(after.owner); !valid) return valid;
  TableRow& changed = change.changed.emplace_back(before);
  changed.owner = after.owner;
  changed.permissions = after.permissions;
  return {};
}

Error RegistrySql::Parts::explained(Error error) const {
  if (guard.refusal()) return *guard.refusal();
  constexpr std::string_view kWhatThereIs =
      "SELECT, INSERT, UPDATE and DELETE work on storage (id, ptr, owner, permissions, schema), "
      "SELECT on trxs (txid, owner).";
  if (error.code == Errc::exec_cross_table) {  // SQLite's words are in the hint
    error.hint += ". " + std::string(kWhatThereIs);
  } else if (error.code == Errc::exec_failed && error.hint.empty()) {
    error.hint = kWhatThereIs;
  }
  return error;
}

}  // namespace kontract
