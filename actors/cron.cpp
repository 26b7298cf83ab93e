#include "actors/cron.hpp"

#include <date/tz.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <stdexcept>
#include <string>
#include <vector>

#include "storage/registry.hpp"

namespace kontract {

namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using SystemTime = date::sys_time<seconds>;
using LocalTime = date::local_time<seconds>;

constexpr int kSearchDays = 41 * 366;
constexpr std::uint64_t kAllHours = (std::uint64_t{1} << 24) - 1;

struct CronField {
  std::string_view name;
  unsigned min, max;
  std::string_view names;  // of values from `min` on, three letters each
};
constexpr std::array<CronField, 5> kFields = {
    CronField{"minute", 0, 59, ""}, CronField{"hour", 0, 23, ""},
    CronField{"day of the month", 1, 31, ""},
    CronField{"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
    CronField{"day of the week", 0, 7, "SUNMONTUEWEDTHUFRISAT"}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kShorthands = {
    std::pair{"@hourly", "0 * * * *"}, std::pair{"@daily", "0 0 * * *"},
    std::pair{"@weekly", "0 0 * * 0"}, std::pair{"@monthly", "0 0 1 * *"},
    std::pair{"@yearly", "0 0 1 1 *"}, std::pair{"@annually", "0 0 1 1 *"}};

Error wrong_cron(const std::string& message) {
  return {Errc::invalid_request, "cron: " + message,
          "Give five fields: minute hour day-of-month month day-of-week, for example "
          "\"30 8 * * MON-FRI\"."};
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (const std::string_view word : split(text, ' ')) {
    if (!word.empty()) found.push_back(word);
  }
  return found;
}

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<unsigned> value_of(const CronField& field, std::string_view text) {
  if (text.size() == 3) {
    for (std::size_t at = 0; at < field.names.size(); at += 3) {
      const bool same = std::equal(text.begin(), text.end(), field.names.begin() + at,
                                   [](unsigned char a, char b) { return std::toupper(a) == b; });
      if (same) return field.min + static_cast<unsigned>(at / 3);
    }
  }
  const auto value = number(text);
  return value && *value >= field.min && *value <= field.max ? value : std::nullopt;
}

// The values of a field as bits.
Result<std::uint64_t> parse_field(const CronField& field, std::string_view text) {
  const auto wrong = [&](std::string_view part) {
    return wrong_cron("the " + std::string(field.name) + " " + shown(part) +
                      " is not a value, range or step from " + std::to_string(field.min) + " to " +
                      std::to_string(field.max));
  };
  std::uint64_t bits = 0;
  for (const std::string_view part : split(text, ',')) {
    const std::size_t slash = part.find('/');
    const std::string_view range = part.substr(0, slash);
    unsigned step = 1;
    if (slash != part.npos) {
      const auto given = number(part.substr(slash + 1));
      if (!given || *given == 0 || *given > field.max) return wrong(part);
      step = *given;
    }
    unsigned first = field.min;
    unsigned last = field.max;
    if (range != "*") {
      const std::size_t dash = range.find('-');
      const auto from = value_of(field, range.substr(0, dash));
      if (!from) return wrong(part);
      first = *from;
      if (dash != range.npos) {
        const auto to = value_of(field, range.substr(dash + 1));
        if (!to || *to < first) return wrong(part);
        last = *to;
      } else if (slash == part.npos) {
        last = first;
      }
    }
    for (unsigned value = first; value <= last; value += step) bits |= std::uint64_t{1} << value;
  }
  return bits;
}

bool has(std::uint64_t bits, unsigned value) { return (bits >> value & 1) != 0; }

// The first instant at which clocks show this time or, if they never do, a later one.
SystemTime first_instant(const date::time_zone& zone, LocalTime local) {
  const date::local_info info = zone.get_info(local);
  if (info.result == date::local_info::nonexistent) return info.first.end;
  return SystemTime(local.time_since_epoch() - info.first.offset);
}

std::int64_t ms_of(SystemTime time) { return time.time_since_epoch().count() * 1000; }

}  // namespace

Result<CronSchedule> CronSchedule::parse(std::string_view expression, std::string_view zone) {
  for (const auto& [name, meaning] : kShorthands) {
    if (expression == name) expression = meaning;
  }
  const auto fields = words(expression);
  if (fields.size() != kFields.size()) {
    return wrong_cron("it has " + std::to_string(fields.size()) + " fields");
  }
  CronSchedule schedule;
  const std::array<std::uint64_t*, 5> all = {&schedule.minutes_, &schedule.hours_, &schedule.days_,
                                             &schedule.months_, &schedule.weekdays_};
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    const auto bits = parse_field(kFields[i], fields[i]);
    if (!bits) return bits.error();
    *all[i] = *bits;
  }
  if (has(schedule.weekdays_, 7)) schedule.weekdays_ |= 1;
  schedule.either_day_ = !fields[2].starts_with('*') && !fields[4].starts_with('*');
  try {
    schedule.zone_ = date::locate_zone(zone);
  } catch (const std::runtime_error&) {
    return Error(Errc::invalid_request, "tz: there is no time zone " + shown(zone),
                 "Give a name of the IANA database, for example Europe/Berlin or UTC.");
  }
  if (!schedule.next_after(0)) return wrong_cron("no month has such a day, so it never fires");
  return schedule;
}

bool CronSchedule::is_on(int month, unsigned day, unsigned weekday) const {
  if (!has(months_, static_cast<unsigned>(month))) return false;
  const bool by_day = has(days_, day);
  const bool by_weekday = has(weekdays_, weekday);
  return either_day_ ? by_day || by_weekday : by_day && by_weekday;
}

std::optional<std::int64_t> CronSchedule::next_after(std::int64_t ms) const {
  const SystemTime after(std::chrono::floor<seconds>(std::chrono::milliseconds(ms)));
  const auto today = std::chrono::floor<date::days>(zone_->to_local(after));
  for (int i = 0; i < kSearchDays; ++i) {
    const date::local_days day = today + date::days(i);
    const date::year_month_day on(day);
    const auto month = static_cast<unsigned>(on.month());
    if (!is_on(static_cast<int>(month), static_cast<unsigned>(on.day()),
               date::weekday(day).c_encoding())) {
      continue;
    }
    const auto found = first_on(day.time_since_epoch().count(), after.time_since_epoch().count());
    if (found) return found;
  }
  return std::nullopt;
}

// The first on this day (of the local calendar, since 1970) after this second.
std::optional<std::int64_t> CronSchedule::first_on(int day, std::int64_t after) const {
  const date::local_days date{date::days(day)};
  const SystemTime later_than{seconds(after)};
  if (hours_ != kAllHours) {
    // Instants rise with local times, since each of these has one.
    for (unsigned hour = 0; hour < 24; ++hour) {
      if (!has(hours_, hour)) continue;
      for (unsigned minute = 0; minute < 60; ++minute) {
        if (!has(minutes_, minute)) continue;
        const auto at = first_instant(*zone_, date + std::chrono::hours(hour) + minutes(minute));
        if (at > later_than) return ms_of(at);
      }
    }
    return std::nullopt;
  }
  const SystemTime begin = first_instant(*zone_, date);
  const SystemTime end = first_instant(*zone_, date + date::days(1));
  const SystemTime next = std::chrono::floor<minutes>(later_than) + minutes(1);
  for (SystemTime at = std::max(begin, next); at < end; at += minutes(1)) {
    const auto local = zone_->to_local(at);
    const auto minute_of_day = std::chrono::floor<minutes>(local - date);
    if (std::chrono::floor<date::days>(local) != date) continue;
    if (has(minutes_, static_cast<unsigned>(minute_of_day.count() % 60))) return ms_of(at);
  }
  return std::nullopt;
}

}  // namespace kontract
