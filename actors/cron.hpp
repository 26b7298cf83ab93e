// CronSchedule: when an expression of cron fires, in a time zone.
//
// Five fields, separated by spaces: minute (0-59), hour (0-23), day of the month (1-31), month
// (1-12 or JAN-DEC), day of the week (0-7 or SUN-SAT; 0 and 7 are Sunday). A field is a list, with
// commas, of `*`, a value or a range a-b, each with a step if need be (`*/15`, `8-18/2`; a/n is
// a-max/n). @hourly, @daily, @weekly, @monthly and @yearly stand for what they say.
//
// As in Vixie's cron: if both days are restricted, that is, neither field begins with `*`, one of
// them is enough; otherwise both must match.
//
// When clocks change: a local time that is skipped fires at the first instant after the gap, and
// one that comes twice fires the first time only. With `*` as the hour it goes on as time does: by
// the minutes that clocks show, through the gap and both times through the hour that is repeated.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/result.hpp"

namespace date {
class time_zone;
}

namespace kontract {

class CronSchedule {
 public:
  // `zone` is a name of the IANA database, such as Europe/Berlin, as the system's tzdata has it.
  // Errors: invalid_request, saying which field is wrong; also for one that never fires.
  static Result<CronSchedule> parse(std::string_view expression, std::string_view zone);

  // The first time that is later, both in milliseconds since 1970; nothing if there is none within
  // 41 years, the most that lies between two of the 29th of February on one weekday.
  std::optional<std::int64_t> next_after(std::int64_t ms) const;

 private:
  CronSchedule() = default;
  bool is_on(int month, unsigned day, unsigned weekday) const;
  std::optional<std::int64_t> first_on(int day, std::int64_t after) const;

  // A bit for each value.
  std::uint64_t minutes_ = 0, hours_ = 0, days_ = 0, months_ = 0, weekdays_ = 0;
  bool either_day_ = false;  // the day of the month or that of the week is enough
  const date::time_zone* zone_ = nullptr;
};

}  // namespace kontract
