#include "storage/format_alarms.hpp"

#include "storage/format_frame.hpp"

namespace kontract::format {
namespace {

constexpr Keyspace kSpace = Keyspace::alarms;
constexpr char kAlarm = 'a';
constexpr char kDue = 'd';
constexpr char kEnded = 'e';
constexpr char kFire = 'h';

bool name_fits(std::string_view name) { return id_fits(name, kAlarmNameBytesMax); }

Key prefix_of(char letter, SessionNo session) {
  Key key;
  key.u8(letter).u64(session);
  return key;
}

std::uint64_t stored(std::int64_t ms) { return static_cast<std::uint64_t>(ms); }

std::int64_t time_in(ByteReader& in) { return static_cast<std::int64_t>(in.be<std::uint64_t>()); }

// Names have no NUL, but what is parsed here may be anything.
std::string_view name_before_number(ByteReader& in) {
  if (in.left() < 1 + 1 + sizeof(std::uint64_t)) return {};
  const std::string_view name = in.bytes(in.left() - 1 - sizeof(std::uint64_t));
  return in.be<char>() == '\0' ? name : std::string_view();
}

}  // namespace

// ---- keys

Key alarm_prefix(SessionNo session) { return prefix_of(kAlarm, session); }

Key alarm_key(SessionNo session, std::string_view name) {
  Key key = alarm_prefix(session);
  key.bytes(name);
  return key;
}

Key alarm_due_prefix() {
  Key key;
  key.u8(kDue);
  return key;
}

Key alarm_due_from(std::int64_t ms) {
  Key key = alarm_due_prefix();
  key.u64(stored(ms));
  return key;
}

Key alarm_due_key(const AlarmTimeKey& due) {
  Key key = alarm_due_from(due.ms);
  key.u64(due.session).bytes(due.name);
  return key;
}

Key alarm_ended_prefix(SessionNo session) { return prefix_of(kEnded, session); }

Key alarm_ended_key(const AlarmTimeKey& ended) {
  Key key = alarm_ended_prefix(ended.session);
  key.u64(stored(ended.ms)).bytes(ended.name);
  return key;
}

Key alarm_fires_prefix(SessionNo session) { return prefix_of(kFire, session); }

Key alarm_fire_prefix(SessionNo session, std::string_view name) {
  Key key = alarm_fires_prefix(session);
  key.bytes(name).u8('\0');
  return key;
}

Key alarm_fire_key(const AlarmFireKey& fire) {
  Key key = alarm_fire_prefix(fire.session, fire.name);
  key.u64(~fire.number);
  return key;
}

Result<AlarmKey> parse_alarm_key(std::string_view key) {
  ByteReader in(key);
  const char letter = in.be<char>();
  AlarmKey parsed{in.be<SessionNo>(), in.rest()};
  if (in.failed() || letter != kAlarm || !name_fits(parsed.name)) return bad_key(kSpace, key);
  return parsed;
}

Result<AlarmTimeKey> parse_alarm_due_key(std::string_view key) {
  ByteReader in(key);
  const char letter = in.be<char>();
  AlarmTimeKey parsed{time_in(in), in.be<SessionNo>(), in.rest()};
  if (in.failed() || letter != kDue || parsed.ms < 0 || !name_fits(parsed.name)) {
    return bad_key(kSpace, key);
  }
  return parsed;
}

Result<AlarmTimeKey> parse_alarm_ended_key(std::string_view key) {
  ByteReader in(key);
  const char letter = in.be<char>();
  AlarmTimeKey parsed;
  parsed.session = in.be<SessionNo>();
  parsed.ms = time_in(in);
  parsed.name = in.rest();
  if (in.failed() || letter != kEnded || parsed.ms < 0 || !name_fits(parsed.name)) {
    return bad_key(kSpace, key);
  }
  return parsed;
}

Result<AlarmFireKey> parse_alarm_fire_key(std::string_view key) {
  ByteReader in(key);
  const char letter = in.be<char>();
  AlarmFireKey parsed{in.be<SessionNo>(), name_before_number(in), ~in.be<std::uint64_t>()};
  if (!in.done() || letter != kFire || parsed.number == 0 || !name_fits(parsed.name)) {
    return bad_key(kSpace, key);
  }
  return parsed;
}

// ---- values

std::string alarm_value(const Key& key, const AlarmRow& row) {
  ByteWriter out = begin_value(92 + row.error.size() + row.spec.size() + row.by.size());
  out.be(row.revision).be(static_cast<std::uint8_t>(row.state));
  out.be(stored(row.occurrence_ms)).be(stored(row.due_ms));
  out.be(stored(row.ended_ms)).be(stored(row.resume_ms));
  out.be(row.attempts).be(row.late_in_row).be(row.fires);
  out.be(row.dead_count).be(stored(row.dead_ms));
  out.counted<std::uint16_t>(row.error).counted<std::uint32_t>(row.spec).bytes(row.by);
  return seal(kSpace, key, std::move(out));
}

Result<AlarmRow> parse_alarm(std::string_view key, std::string_view value) {
  const auto parsed_key = parse_alarm_key(key);
  if (!parsed_key) return parsed_key.error();
  auto payload = open(kSpace, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  AlarmRow row;
  row.name = parsed_key->name;
  row.revision = in.be<Txid>();
  const auto state = in.be<std::uint8_t>();
  row.state = static_cast<AlarmState>(state);
  row.occurrence_ms = time_in(in);
  row.due_ms = time_in(in);
  row.ended_ms = time_in(in);
  row.resume_ms = time_in(in);
  row.attempts = in.be<std::uint32_t>();
  row.late_in_row = in.be<std::uint32_t>();
  row.fires = in.be<std::uint64_t>();
  row.dead_count = in.be<std::uint64_t>();
  row.dead_ms = time_in(in);
  row.error = in.counted<std::uint16_t>();
  row.spec = in.counted<std::uint32_t>();
  row.by = in.rest();
  const bool known = state >= static_cast<std::uint8_t>(AlarmState::waiting) &&
                     state <= static_cast<std::uint8_t>(AlarmState::done);
  if (!in.done() || !known || row.spec.empty() || row.by.empty() || row.due_ms < 0 ||
      row.ended_ms < 0) {
    return bad_value(kSpace, key);
  }
  return row;
}

std::string alarm_entry_value(const Key& key) { return seal(kSpace, key, begin_value(0)); }

Status parse_alarm_entry(std::string_view key, std::string_view value) {
  auto payload = open(kSpace, key, value);
  if (!payload) return std::move(payload).error();
  if (!payload->empty()) return bad_value(kSpace, key);
  return {};
}

std::string alarm_fire_value(const Key& key, const AlarmFireRow& row) {
  ByteWriter out = begin_value(29 + row.error.size());
  out.be(stored(row.occurrence_ms)).be(stored(row.started_ms)).be(stored(row.took_ms));
  out.be(row.attempt).be(static_cast<std::uint8_t>(row.outcome)).bytes(row.error);
  return seal(kSpace, key, std::move(out));
}

Result<AlarmFireRow> parse_alarm_fire(std::string_view key, std::string_view value) {
  const auto parsed_key = parse_alarm_fire_key(key);
  if (!parsed_key) return parsed_key.error();
  auto payload = open(kSpace, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  AlarmFireRow row;
  row.number = parsed_key->number;
  row.occurrence_ms = time_in(in);
  row.started_ms = time_in(in);
  row.took_ms = time_in(in);
  row.attempt = in.be<std::uint32_t>();
  const auto outcome = in.be<std::uint8_t>();
  row.outcome = static_cast<AlarmOutcome>(outcome);
  row.error = in.rest();
  if (!in.done() || outcome < static_cast<std::uint8_t>(AlarmOutcome::ok) ||
      outcome > static_cast<std::uint8_t>(AlarmOutcome::skipped)) {
    return bad_value(kSpace, key);
  }
  return row;
}

// ---- any row

Status verify_alarms_row(std::string_view key, std::string_view value) {
  const char letter = key.empty() ? '\0' : key[0];
  if (letter == kAlarm) {
    const auto row = parse_alarm(key, value);
    return row ? Status() : Status(row.error());
  }
  if (letter == kFire) {
    const auto row = parse_alarm_fire(key, value);
    return row ? Status() : Status(row.error());
  }
  const auto entry = letter == kDue ? parse_alarm_due_key(key) : parse_alarm_ended_key(key);
  if (!entry) return entry.error();
  return parse_alarm_entry(key, value);
}

// By hand, not with the parse functions, since their errors come from here.
std::string describe_alarms_row(std::string_view key) {
  const auto text = [](std::uint64_t session, std::string_view name) {
    return ", session " + std::to_string(session) + ", alarm \"" + std::string(name) + '"';
  };
  ByteReader in(key);
  const char letter = in.be<char>();
  const auto first = in.be<std::uint64_t>();
  if (letter == kAlarm && in.left() > 0) return text(first, in.rest());
  if (letter == kFire && in.left() > 9) {
    const std::string_view name = in.bytes(in.left() - 9);
    in.bytes(1);
    return text(first, name) + ", fire " + std::to_string(~in.be<std::uint64_t>());
  }
  const auto second = in.be<std::uint64_t>();
  if (in.left() == 0) return {};
  if (letter == kDue) return text(second, in.rest()) + ", due " + std::to_string(first);
  if (letter == kEnded) return text(first, in.rest()) + ", ended " + std::to_string(second);
  return {};
}

}  // namespace kontract::format
