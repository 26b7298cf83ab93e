#include "storage/alarm_check.hpp"

#include "storage/detail/each_row.hpp"
#include "storage/format_alarms.hpp"

namespace kontract {
namespace {

constexpr Keyspace kSpace = Keyspace::alarms;

Result<std::optional<AlarmRow>> find_row(const ReadTxn& txn, SessionNo session,
                                         std::string_view name) {
  const format::Key key = format::alarm_key(session, name);
  const auto value = txn.get(kSpace, key);
  if (!value) return value.error();
  if (!*value) return std::optional<AlarmRow>{};
  auto row = format::parse_alarm(key, **value);
  if (!row) return std::optional<AlarmRow>{};
  return std::optional(*std::move(row));
}

}  // namespace

Status check_alarms(const ReadTxn& txn, const std::function<void(const std::string&)>& problem) {
  const auto about = [&](std::string_view key, const std::string& what) {
    problem("the " + format::describe(kSpace, key) + ' ' + what);
  };
  return each_row(txn, kSpace, [&](std::string_view key, std::string_view value) -> Status {
    if (const auto row = format::parse_alarm(key, value)) {
      const SessionNo session = format::parse_alarm_key(key)->session;
      if (row->state == AlarmState::dead) return {};
      const format::Key entry = row->waits()
                                    ? format::alarm_due_key({row->due_ms, session, row->name})
                                    : format::alarm_ended_key({row->ended_ms, session, row->name});
      const auto found = txn.get(kSpace, entry);
      if (!found) return found.error();
      if (!*found) about(key, "has no entry under its time");
      return {};
    }
    if (const auto fire = format::parse_alarm_fire_key(key)) {
      const auto row = find_row(txn, fire->session, fire->name);
      if (!row) return row.error();
      if (!*row) about(key, "is of no alarm");
      return {};
    }
    const auto due = format::parse_alarm_due_key(key);
    const auto entry = due ? due : format::parse_alarm_ended_key(key);
    if (!entry) return {};
    const auto row = find_row(txn, entry->session, entry->name);
    if (!row) return row.error();
    const bool agrees =
        *row && (due ? (*row)->waits() && (*row)->due_ms == entry->ms
                     : (*row)->state == AlarmState::done && (*row)->ended_ms == entry->ms);
    if (!agrees) about(key, "is of no alarm that says so");
    return {};
  });
}

}  // namespace kontract
