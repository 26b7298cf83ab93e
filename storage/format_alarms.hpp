// The bytes of keyspace `alarms`, as storage/format.hpp has them for the others.
//
//   'a' u64(session) name               AlarmRow
//   'd' u64(due_ms) u64(session) name   -         an alarm that waits
//   'e' u64(session) u64(ended_ms) name -         an alarm that is done
//   'h' u64(session) name 00 u64(~n)    AlarmFireRow
//
// So what is due next in a shard is one seek away, however many alarms it has, and the last fire of
// an alarm comes first. Errors: storage_corrupt.

#pragma once

#include "storage/alarm_rows.hpp"
#include "storage/format.hpp"

namespace kontract::format {

struct AlarmKey {
  SessionNo session = 0;
  std::string_view name;
};
struct AlarmTimeKey {  // of 'd' and 'e'
  std::int64_t ms = 0;
  SessionNo session = 0;
  std::string_view name;
};
struct AlarmFireKey {
  SessionNo session = 0;
  std::string_view name;
  std::uint64_t number = 0;
};

Key alarm_key(SessionNo session, std::string_view name);
Key alarm_prefix(SessionNo session);
Key alarm_due_key(const AlarmTimeKey& due);
Key alarm_due_prefix();
Key alarm_due_from(std::int64_t ms);  // not after any that is due then or later
Key alarm_ended_key(const AlarmTimeKey& ended);
Key alarm_ended_prefix(SessionNo session);
Key alarm_fire_key(const AlarmFireKey& fire);
Key alarm_fire_prefix(SessionNo session, std::string_view name);
Key alarm_fires_prefix(SessionNo session);  // of all of its alarms

std::string alarm_value(const Key& key, const AlarmRow& row);
std::string alarm_entry_value(const Key& key);  // of 'd' and 'e'
std::string alarm_fire_value(const Key& key, const AlarmFireRow& row);

Result<AlarmKey> parse_alarm_key(std::string_view key);
Result<AlarmTimeKey> parse_alarm_due_key(std::string_view key);
Result<AlarmTimeKey> parse_alarm_ended_key(std::string_view key);
Result<AlarmFireKey> parse_alarm_fire_key(std::string_view key);
Result<AlarmRow> parse_alarm(std::string_view key, std::string_view value);
Status parse_alarm_entry(std::string_view key, std::string_view value);
Result<AlarmFireRow> parse_alarm_fire(std::string_view key, std::string_view value);

// For verify_row and describe of format.hpp.
Status verify_alarms_row(std::string_view key, std::string_view value);
std::string describe_alarms_row(std::string_view key);  // empty: the key does not parse

static_assert(1 + 8 + 8 + kAlarmNameBytesMax + 1 <= limits::kLmdbKeyBytesMax, "alarms");

}  // namespace kontract::format
