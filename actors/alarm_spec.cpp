#include "actors/alarm_spec.hpp"

#include <date/date.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <sstream>
#include <utility>

#include "storage/alarm_rows.hpp"
#include "storage/registry.hpp"
#include "storage/schema_values.hpp"

namespace kontract {

namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kSpanMsMax = 100 * 366 * kDayMs;
constexpr std::int64_t kTimeMsMax = 253'402'300'799'999;  // the year 9999
constexpr std::int64_t kEveryMsMin = 100;
constexpr std::int64_t kRetriesMax = 1000;
constexpr std::array<std::string_view, 3> kMissedNames = {"late", "skip", "coalesce"};

Error wrong_spec(const std::string& message) {
  return {Errc::invalid_request, message,
          "An alarm is {fn, args?, at | after | every, from? | cron, tz?, missed?, grace_ms?, "
          "retries?: {max, min_ms, max_ms}}."};
}

Result<std::int64_t> integer(const Json& value, std::string_view name, std::int64_t min,
                             std::int64_t max) {
  if (!value.is_number_integer() || value < min || value > max) {
    return wrong_spec(std::string(name) + " must be an integer from " + std::to_string(min) +
                      " to " + std::to_string(max));
  }
  return value.get<std::int64_t>();
}

// Milliseconds since 1970, or a date-time of RFC 3339.
Result<std::int64_t> time(const Json& value, std::string_view name) {
  if (!value.is_string()) return integer(value, name, 0, kTimeMsMax);
  const Error wrong = wrong_spec(std::string(name) +
                                 " must be milliseconds since 1970 or text as "
                                 "2026-01-31T08:00:00+01:00");
  std::string text = value.get<std::string>();
  // That it is one is known then, but for how it ends.
  if (!is_datetime(text) || text.size() < sizeof("2026-01-31")) return wrong;
  if (text.ends_with('Z') || text.ends_with('z')) text.replace(text.size() - 1, 1, "+00:00");
  text[10] = 'T';
  std::istringstream in(text);
  date::sys_time<std::chrono::milliseconds> parsed;
  in >> date::parse("%FT%T%Ez", parsed);
  const std::int64_t ms = parsed.time_since_epoch().count();
  if (in.fail() || ms < 0 || ms > kTimeMsMax) return wrong;
  return ms;
}

Status read_retries(const Json& given, AlarmSpec& spec) {
  if (!given.is_object()) return wrong_spec("retries must be an object");
  bool max_given = false;
  for (const auto& [key, value] : given.items()) {
    if (key == "max") {
      const auto max = integer(value, "retries.max", 0, kRetriesMax);
      if (!max) return max.error();
      spec.retries_max = static_cast<std::uint32_t>(*max);
    } else if (key == "min_ms" || key == "max_ms") {
      const auto ms = integer(value, "retries." + key, 1, kDayMs);
      if (!ms) return ms.error();
      (key == "min_ms" ? spec.retry_min_ms : spec.retry_max_ms) = *ms;
      max_given = max_given || key == "max_ms";
    } else {
      return wrong_spec("retries." + shown(key) + " is unknown");
    }
  }
  if (!max_given) spec.retry_max_ms = std::max(spec.retry_max_ms, spec.retry_min_ms);
  if (spec.retry_min_ms > spec.retry_max_ms) {
    return wrong_spec("retries.min_ms must not be more than retries.max_ms");
  }
  return {};
}

Status read_missed(const Json& value, AlarmSpec& spec) {
  for (std::size_t i = 0; i < kMissedNames.size(); ++i) {
    if (value != kMissedNames[i]) continue;
    spec.missed = static_cast<AlarmMissed>(i);
    return {};
  }
  return wrong_spec("missed must be \"late\", \"skip\" or \"coalesce\"");
}

Status read_text(const Json& value, std::string_view name, std::string& text) {
  if (!value.is_string()) return wrong_spec(std::string(name) + " must be a string");
  text = value.get<std::string>();
  return {};
}

Status read_time(const Json& value, std::string_view name, std::optional<std::int64_t>& ms) {
  const auto read = time(value, name);
  if (!read) return read.error();
  ms = *read;
  return {};
}

Status read_span(const Json& value, std::string_view name, std::int64_t min,
                 std::optional<std::int64_t>& ms) {
  const auto read = integer(value, name, min, kSpanMsMax);
  if (!read) return read.error();
  ms = *read;
  return {};
}

// One member of the object, but for `missed`, whose default hangs on the others.
Status read_member(const std::string& key, const Json& value, std::int64_t now_ms, AlarmSpec& spec,
                   std::optional<std::int64_t>& from) {
  if (key == "fn") return read_text(value, key, spec.function);
  if (key == "args") {
    if (!value.is_array()) return wrong_spec("args must be an array");
    spec.args = value;
    return {};
  }
  if (key == "at") return read_time(value, key, spec.at_ms);
  if (key == "after") {
    std::optional<std::int64_t> span;
    if (Status read = read_span(value, key, 0, span); !read) return read;
    spec.at_ms = now_ms + *span;
    return {};
  }
  if (key == "every") return read_span(value, key, kEveryMsMin, spec.every_ms);
  if (key == "from") return read_time(value, key, from);
  if (key == "cron") return read_text(value, key, spec.cron);
  if (key == "tz") return read_text(value, key, spec.zone);
  if (key == "missed") return read_missed(value, spec);
  if (key == "grace_ms") {
    const auto grace = integer(value, key, 0, kSpanMsMax);
    if (grace) spec.grace_ms = *grace;
    return grace ? Status() : Status(grace.error());
  }
  if (key == "retries") return read_retries(value, spec);
  return wrong_spec(shown(key) + " is unknown");
}

}  // namespace

Result<AlarmSpec> AlarmSpec::parse(const Json& given, std::int64_t now_ms) {
  if (!given.is_object()) return wrong_spec("An alarm must be an object");
  int plans = 0;
  for (const char* plan : {"at", "after", "every", "cron"}) plans += given.contains(plan) ? 1 : 0;
  if (plans != 1) return wrong_spec("An alarm has one of at, after, every and cron");
  AlarmSpec spec;
  const bool once = given.contains("at") || given.contains("after");
  spec.missed = once ? AlarmMissed::late : AlarmMissed::coalesce;
  std::optional<std::int64_t> from;
  for (const auto& [key, value] : given.items()) {
    if (Status read = read_member(key, value, now_ms, spec, from); !read) return read.error();
  }
  if (spec.function.empty()) return wrong_spec("fn must be the name of a function");
  if (from && !spec.every_ms) return wrong_spec("from goes with every only");
  if (!spec.zone.empty() && !given.contains("cron")) return wrong_spec("tz goes with cron only");
  spec.from_ms = from.value_or(now_ms);
  if (given.contains("cron")) {
    if (spec.zone.empty()) spec.zone = "UTC";
    auto schedule = CronSchedule::parse(spec.cron, spec.zone);
    if (!schedule) return std::move(schedule).error();
    spec.schedule = *schedule;
  }
  if (const std::size_t bytes = spec.to_text().size(); bytes > kAlarmSpecBytesMax) {
    return Error(Errc::too_large, "The alarm has " + std::to_string(bytes) +
                                      " bytes; the limit is " + std::to_string(kAlarmSpecBytesMax));
  }
  return spec;
}

JsonText AlarmSpec::to_text() const {
  Json text = {
      {"fn", function},
      {"args", args},
      {"missed", kMissedNames[static_cast<std::size_t>(missed)]},
      {"grace_ms", grace_ms},
      {"retries", {{"max", retries_max}, {"min_ms", retry_min_ms}, {"max_ms", retry_max_ms}}}};
  if (at_ms) {
    text["at"] = *at_ms;
  } else if (every_ms) {
    text["every"] = *every_ms;
    text["from"] = from_ms;
  } else {
    text["cron"] = cron;
    text["tz"] = zone;
  }
  return kontract::to_text(text);
}

std::optional<std::int64_t> AlarmSpec::first(std::int64_t now_ms) const {
  if (at_ms) return at_ms;
  return next_after(now_ms);
}

std::optional<std::int64_t> AlarmSpec::next_after(std::int64_t ms) const {
  if (at_ms) return *at_ms > ms ? at_ms : std::nullopt;
  if (schedule) return schedule->next_after(ms);
  if (ms < from_ms) return from_ms;
  const std::int64_t next = from_ms + ((ms - from_ms) / *every_ms + 1) * *every_ms;
  return next <= kTimeMsMax ? std::optional(next) : std::nullopt;
}

std::int64_t AlarmSpec::backoff_ms(std::uint32_t failed, std::uint64_t seed) const {
  std::int64_t low = retry_min_ms;
  for (std::uint32_t i = 1; i < failed && low < retry_max_ms; ++i) low *= 2;
  const std::int64_t high = std::min(2 * low, retry_max_ms);
  low = std::min(low, std::max(retry_min_ms, high / 2));
  const auto width = static_cast<std::uint64_t>(high - low) + 1;
  return low + static_cast<std::int64_t>(seed % width);
}

}  // namespace kontract
