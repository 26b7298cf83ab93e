// AlarmSpec: what an alarm runs, when, and what becomes of fires that are missed or fail. As it is
// given and as it is stored, a JSON object:
//
//   {"fn": "mail.remind", "args": ["u1"],
//    "at": 1700000000000 | "2026-01-31T08:00:00+01:00"   once, at this time
//    "after": 60000                                      once, so many milliseconds from now
//    "every": 60000, "from": time?                       at `from` (now) + n × every
//    "cron": "30 8 * * MON-FRI", "tz": "Europe/Berlin"?  see actors/cron.hpp; UTC
//    "missed": "late" | "skip" | "coalesce",  "grace_ms": 60000,
//    "retries": {"max": 5, "min_ms": 1000, "max_ms": 300000}}
//
// Times are in milliseconds since 1970.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "actors/cron.hpp"
#include "storage/json.hpp"
#include "storage/result.hpp"

namespace kontract {

// Of occurrences whose time has passed, because no server was there or it was late.
enum class AlarmMissed : std::uint8_t {
  late,      // each fires, one behind the other; of very many the rest counts as one
  skip,      // those that are later than the grace do not fire
  coalesce,  // all of them together fire once
};

struct AlarmSpec {
  std::string function;
  Json args = Json::array();
  std::optional<std::int64_t> at_ms;     // once
  std::optional<std::int64_t> every_ms;  // or again and again, from
  std::int64_t from_ms = 0;
  std::string cron, zone;  // or by these
  std::optional<CronSchedule> schedule;
  AlarmMissed missed = AlarmMissed::late;
  std::int64_t grace_ms = 60'000;
  std::uint32_t retries_max = 5;
  std::int64_t retry_min_ms = 1000, retry_max_ms = 300'000;

  // Errors: invalid_request, saying which member is wrong; too_large.
  static Result<AlarmSpec> parse(const Json& given, std::int64_t now_ms);
  // What parse() reads again, whatever the time is then.
  JsonText to_text() const;

  bool repeats() const { return !at_ms.has_value(); }
  // The first occurrence of one that is set now.
  std::optional<std::int64_t> first(std::int64_t now_ms) const;
  // The first occurrence after this time; nothing if there is none.
  std::optional<std::int64_t> next_after(std::int64_t ms) const;

  // How long to wait after so many failed attempts: it doubles from one to the next, within the
  // bounds, and differs by `seed`, so that what failed together does not come again together.
  std::int64_t backoff_ms(std::uint32_t failed, std::uint64_t seed) const;
};

}  // namespace kontract
