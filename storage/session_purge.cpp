#include "storage/session_purge.hpp"

#include "storage/alarm_rows.hpp"
#include "storage/detail/purge_rows.hpp"
#include "storage/format.hpp"

namespace kontract {

namespace {

// Those whose keys begin with the session's number, besides the rows of tables.
constexpr Keyspace kOwnSpaces[] = {Keyspace::changes, Keyspace::replies};

// A mark that comes later, or a session: then this number is not the highest.
Result<bool> is_highest(const ReadTxn& txn, SessionNo session) {
  for (const bool marks : {false, true}) {
    auto cursor = txn.cursor(Keyspace::sessions);
    if (!cursor) return std::move(cursor).error();
    const format::Key prefix = marks ? format::destroyed_prefix() : format::session_no_prefix();
    const format::Key after =
        marks ? format::destroyed_key(session + 1) : format::session_no_key(session + 1);
    auto found = cursor->seek(after);
    if (!found) return std::move(found).error();
    if (*found && cursor->key().starts_with(prefix.view())) return false;
  }
  return true;
}

Result<bool> purge_session(const ReadTxn& txn, SessionNo session, std::size_t ops_end,
                           WriteBatch& batch) {
  auto more = purge_dropped(txn, session, ops_end - batch.ops().size(), batch);
  format::Key prefix;
  prefix.u64(session);
  for (const Keyspace space : kOwnSpaces) {
    if (!more || *more) return more;
    more = purge_rows(txn, space, prefix, ops_end, batch);
  }
  if (!more || *more) return more;
  return purge_alarms(txn, session, ops_end - batch.ops().size(), batch);
}

}  // namespace

void destroy_session(WriteBatch& batch, const Identity& identity, SessionNo session,
                     const std::vector<TableRow>& tables) {
  for (const TableRow& table : tables) drop_table(batch, session, table);
  batch.erase(Keyspace::sessions, format::session_key(identity).str());
  batch.erase(Keyspace::sessions, format::session_no_key(session).str());
  const format::Key mark = format::destroyed_key(session);
  batch.put(Keyspace::sessions, mark.str(), format::session_no_value(mark, identity));
}

// The mark comes after all batches of the session in the log. So where a snapshot shows it, it
// shows all that the session had, and a session without rows stays so.
Result<bool> purge_destroyed(const ReadTxn& txn, std::size_t ops_max, WriteBatch& batch) {
  const std::size_t ops_end = batch.ops().size() + ops_max;
  auto cursor = txn.cursor(Keyspace::sessions);
  if (!cursor) return std::move(cursor).error();
  const format::Key prefix = format::destroyed_prefix();
  auto on_row = cursor->seek(prefix);
  for (; on_row && *on_row && cursor->key().starts_with(prefix.view()); on_row = cursor->next()) {
    const auto session = format::parse_destroyed_key(cursor->key());
    if (!session) return session.error();
    auto more = purge_session(txn, *session, ops_end, batch);
    if (!more || *more) return more;
    const auto highest = is_highest(txn, *session);
    if (!highest) return highest.error();
    if (*highest) continue;
    if (batch.ops().size() >= ops_end) return true;
    batch.erase(Keyspace::sessions, std::string(cursor->key()));
  }
  if (!on_row) return std::move(on_row).error();
  return false;
}

}  // namespace kontract
