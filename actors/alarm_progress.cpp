#include "actors/alarm_progress.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

namespace kontract {

namespace {

constexpr std::uint32_t kLateInRowMax = 1000;

AlarmFireRow new_fire(AlarmRow& row, std::int64_t started_ms, std::int64_t now_ms,
                      AlarmOutcome outcome) {
  return {.number = ++row.fires,
          .occurrence_ms = row.occurrence_ms,
          .started_ms = started_ms,
          .took_ms = std::max<std::int64_t>(now_ms - started_ms, 0),
          .attempt = row.attempts + 1,
          .outcome = outcome};
}

// The occurrence is over, for better or worse: the next one, if there is one.
bool go_to_next(AlarmRow& row, const AlarmSpec& spec, std::int64_t now_ms) {
  row.attempts = 0;
  std::optional<std::int64_t> next;
  if (row.resume_ms > 0) {
    next = row.resume_ms;
  } else if (spec.repeats() && spec.missed != AlarmMissed::late) {
    next = spec.next_after(std::max(now_ms, row.occurrence_ms));
  } else if (spec.repeats()) {
    next = spec.next_after(row.occurrence_ms);
    row.late_in_row = next && *next <= now_ms ? row.late_in_row + 1 : 0;
    if (row.late_in_row > kLateInRowMax) {
      row.late_in_row = 0;
      next = spec.next_after(now_ms);
    }
  }
  row.resume_ms = 0;
  if (!next) return false;
  row.state = AlarmState::waiting;
  row.occurrence_ms = row.due_ms = *next;
  return true;
}

void end(AlarmRow& row, AlarmState state, std::int64_t now_ms) {
  row.state = state;
  row.ended_ms = now_ms;
}

std::string text_of(const Error& error) {
  std::string text = std::string(error.name()) + ": " + error.message;
  if (text.size() <= kAlarmErrorBytesMax) return text;
  std::size_t size = kAlarmErrorBytesMax;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  text.resize(size);
  return text;
}

}  // namespace

bool is_to_be_skipped(const AlarmRow& row, const AlarmSpec& spec, std::int64_t now_ms) {
  return spec.missed == AlarmMissed::skip && row.due_ms == row.occurrence_ms &&
         now_ms - row.occurrence_ms > spec.grace_ms;
}

AlarmFireRow alarm_fired(AlarmRow& row, const AlarmSpec& spec, std::int64_t started_ms,
                         std::int64_t now_ms) {
  AlarmFireRow fire = new_fire(row, started_ms, now_ms, AlarmOutcome::ok);
  row.error.clear();
  if (!go_to_next(row, spec, now_ms)) end(row, AlarmState::done, now_ms);
  return fire;
}

// The next is the first that is not later than the grace itself.
AlarmFireRow alarm_skipped(AlarmRow& row, const AlarmSpec& spec, std::int64_t now_ms) {
  AlarmFireRow fire = new_fire(row, now_ms, now_ms, AlarmOutcome::skipped);
  if (!go_to_next(row, spec, now_ms - spec.grace_ms)) end(row, AlarmState::done, now_ms);
  return fire;
}

AlarmFireRow alarm_failed(AlarmRow& row, const AlarmSpec* spec, const Error& error,
                          std::int64_t started_ms, std::int64_t now_ms) {
  AlarmFireRow fire = new_fire(row, started_ms, now_ms, AlarmOutcome::failed);
  fire.error = row.error = text_of(error);
  ++row.attempts;
  if (spec != nullptr && row.attempts <= spec->retries_max) {
    const std::uint64_t seed =
        std::hash<std::string>{}(row.name) ^ row.revision * 0x9E3779B97F4A7C15;
    row.due_ms = now_ms + spec->backoff_ms(row.attempts, seed);
    return fire;
  }
  fire.outcome = AlarmOutcome::dead;
  ++row.dead_count;
  row.dead_ms = row.occurrence_ms;
  if (spec == nullptr || !go_to_next(row, *spec, now_ms)) {
    row.attempts = 0;
    end(row, AlarmState::dead, now_ms);
  }
  return fire;
}

}  // namespace kontract
