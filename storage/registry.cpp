#include "storage/registry.hpp"

#include <algorithm>

#include "storage/detail/purge_rows.hpp"
#include "storage/format.hpp"

namespace kontract {

Result<bool> purge_rows(const ReadTxn& txn, Keyspace space, std::string_view prefix,
                        std::size_t ops_end, WriteBatch& batch) {
  auto cursor = txn.cursor(space);
  if (!cursor) return std::move(cursor).error();
  auto on_row = cursor->seek(prefix);
  for (; on_row && *on_row && cursor->key().starts_with(prefix); on_row = cursor->next()) {
    if (batch.ops().size() >= ops_end) return true;
    batch.erase(space, std::string(cursor->key()));
  }
  if (!on_row) return std::move(on_row).error();
  return false;
}

namespace {

constexpr Keyspace kRowSpaces[] = {Keyspace::versions, Keyspace::order, Keyspace::garbage,
                                   Keyspace::indexes, Keyspace::changes};

// The same for all rows of a table.
Result<bool> purge_table(const ReadTxn& txn, SessionNo session, TableNo table, std::size_t ops_end,
                         WriteBatch& batch) {
  Result<bool> more = false;
  for (const Keyspace space : kRowSpaces) {
    more = purge_rows(txn, space, format::rows_prefix(session, table), ops_end, batch);
    if (!more || *more) return more;
  }
  return purge_rows(txn, Keyspace::registry, format::index_row_prefix(session, table), ops_end,
                    batch);
}

}  // namespace

Result<std::optional<SessionRow>> load_session(const ReadTxn& txn, const Identity& identity) {
  const format::Key key = format::session_key(identity);
  auto value = txn.get(Keyspace::sessions, key);
  if (!value) return std::move(value).error();
  if (!*value) return std::optional<SessionRow>{};
  auto row = format::parse_session(key, **value);
  if (!row) return std::move(row).error();
  return std::optional<SessionRow>(*std::move(row));
}

void put_session(WriteBatch& batch, const Identity& identity, const SessionRow& row) {
  const format::Key key = format::session_key(identity);
  const format::Key no_key = format::session_no_key(row.no);
  batch.put(Keyspace::sessions, key.str(), format::session_value(key, row));
  batch.put(Keyspace::sessions, no_key.str(), format::session_no_value(no_key, identity));
}

Result<std::vector<TableRow>> load_tables(const ReadTxn& txn, SessionNo session) {
  std::vector<TableRow> rows;
  auto cursor = txn.cursor(Keyspace::registry);
  if (!cursor) return std::move(cursor).error();
  const format::Key prefix = format::table_prefix(session);
  auto on_row = cursor->seek(prefix);
  for (; on_row && *on_row && cursor->key().starts_with(prefix); on_row = cursor->next()) {
    auto row = format::parse_table(cursor->key(), cursor->value());
    if (!row) return std::move(row).error();
    rows.push_back(*std::move(row));
  }
  if (!on_row) return std::move(on_row).error();
  return rows;
}

void put_table(WriteBatch& batch, SessionNo session, const TableRow& row) {
  const format::Key key = format::table_key(session, row.id);
  batch.put(Keyspace::registry, key.str(), format::table_value(key, row));
}

void drop_table(WriteBatch& batch, SessionNo session, const TableRow& row) {
  const format::Key dropped = format::dropped_key(session, row.no);
  batch.erase(Keyspace::registry, format::table_key(session, row.id).str());
  batch.put(Keyspace::registry, dropped.str(), format::dropped_value(dropped));
}

// The row that says a table is dropped comes after all batches of the table in the log. So where a
// snapshot shows that row, it shows all of the table, and one without rows stays so.
Result<bool> purge_dropped(const ReadTxn& txn, SessionNo session, std::size_t ops_max,
                           WriteBatch& batch) {
  const std::size_t ops_end = batch.ops().size() + ops_max;
  auto cursor = txn.cursor(Keyspace::registry);
  if (!cursor) return std::move(cursor).error();
  const format::Key prefix = format::dropped_prefix(session);
  auto on_row = cursor->seek(prefix);
  for (; on_row && *on_row && cursor->key().starts_with(prefix); on_row = cursor->next()) {
    auto dropped = format::parse_dropped_key(cursor->key());
    if (!dropped) return std::move(dropped).error();
    auto more = purge_table(txn, session, dropped->table, ops_end, batch);
    if (!more) return std::move(more).error();
    if (*more || batch.ops().size() + 2 > ops_end) return true;
    batch.erase(Keyspace::registry, format::count_key(session, dropped->table).str());
    batch.erase(Keyspace::registry, std::string(cursor->key()));
  }
  if (!on_row) return std::move(on_row).error();
  return false;
}

}  // namespace kontract
