#include "storage/alarm_rows.hpp"

#include <array>

#include "storage/format_alarms.hpp"

namespace kontract {
namespace {

void put_entry(WriteBatch& batch, const format::Key& key) {
  batch.put(Keyspace::alarms, key.str(), format::alarm_entry_value(key));
}

void erase_entries(WriteBatch& batch, SessionNo session, const AlarmRow& row) {
  if (row.state == AlarmState::waiting) {
    batch.erase(Keyspace::alarms, format::alarm_due_key({row.due_ms, session, row.name}).str());
  } else if (row.state == AlarmState::done) {
    batch.erase(Keyspace::alarms, format::alarm_ended_key({row.ended_ms, session, row.name}).str());
  }
}

// Of an alarm that waits, its entry goes with its row.
Result<bool> purge_under(const ReadTxn& txn, SessionNo session, std::string_view prefix,
                         std::size_t ops_end, WriteBatch& batch) {
  auto cursor = txn.cursor(Keyspace::alarms);
  if (!cursor) return std::move(cursor).error();
  auto on_row = cursor->seek(prefix);
  for (; on_row && *on_row && cursor->key().starts_with(prefix); on_row = cursor->next()) {
    if (batch.ops().size() + 2 > ops_end) return true;
    const auto row = format::parse_alarm(cursor->key(), cursor->value());
    if (row && row->waits()) erase_entries(batch, session, *row);
    batch.erase(Keyspace::alarms, std::string(cursor->key()));
  }
  if (!on_row) return std::move(on_row).error();
  return false;
}

}  // namespace

void put_alarm(WriteBatch& batch, SessionNo session, const AlarmRow* before, const AlarmRow& row) {
  const bool same_entry = before != nullptr && before->state == row.state &&
                          before->due_ms == row.due_ms && before->ended_ms == row.ended_ms;
  if (before != nullptr && !same_entry) erase_entries(batch, session, *before);
  if (row.state == AlarmState::waiting) {
    put_entry(batch, format::alarm_due_key({row.due_ms, session, row.name}));
  } else if (row.state == AlarmState::done) {
    put_entry(batch, format::alarm_ended_key({row.ended_ms, session, row.name}));
  }
  const format::Key key = format::alarm_key(session, row.name);
  batch.put(Keyspace::alarms, key.str(), format::alarm_value(key, row));
}

void put_alarm_fire(WriteBatch& batch, SessionNo session, std::string_view name,
                    const AlarmFireRow& fire) {
  const format::Key key = format::alarm_fire_key({session, name, fire.number});
  batch.put(Keyspace::alarms, key.str(), format::alarm_fire_value(key, fire));
  if (fire.number <= kAlarmFiresKept) return;
  const std::uint64_t oldest = fire.number - kAlarmFiresKept;
  batch.erase(Keyspace::alarms, format::alarm_fire_key({session, name, oldest}).str());
}

void erase_alarm(WriteBatch& batch, SessionNo session, const AlarmRow& row) {
  erase_entries(batch, session, row);
  batch.erase(Keyspace::alarms, format::alarm_key(session, row.name).str());
  std::uint64_t number = row.fires > kAlarmFiresKept ? row.fires - kAlarmFiresKept : 0;
  while (++number <= row.fires) {
    batch.erase(Keyspace::alarms, format::alarm_fire_key({session, row.name, number}).str());
  }
}

Result<bool> purge_alarms(const ReadTxn& txn, SessionNo session, std::size_t ops_max,
                          WriteBatch& batch) {
  const std::size_t ops_end = batch.ops().size() + ops_max;
  const std::array prefixes = {format::alarm_prefix(session), format::alarm_ended_prefix(session),
                               format::alarm_fires_prefix(session)};
  for (const format::Key& prefix : prefixes) {
    auto more = purge_under(txn, session, prefix, ops_end, batch);
    if (!more || *more) return more;
  }
  return false;
}

}  // namespace kontract
