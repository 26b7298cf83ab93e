// When an expression of cron fires, clocks that change included.

#include "actors/cron.hpp"

#include <date/date.h>
#include <gmock/gmock.h>

#include <chrono>
#include <sstream>
#include <string>
#include <vector>

namespace kontract {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using Time = date::sys_time<std::chrono::seconds>;

std::int64_t ms_of(const std::string& text) {
  std::istringstream in(text);
  Time time;
  in >> date::parse("%F %R", time);
  EXPECT_FALSE(in.fail()) << text;
  return time.time_since_epoch().count() * 1000;
}

std::string text_of(std::int64_t ms) {
  return date::format("%F %R", Time(std::chrono::seconds(ms / 1000)));
}

// That these, in UTC, are the first times after `after`.
void expect_fires(const char* expression, const char* zone, const std::string& after,
                  const std::vector<std::string>& expected) {
  const auto schedule = CronSchedule::parse(expression, zone);
  ASSERT_TRUE(schedule) << schedule.error().message;
  std::vector<std::string> fired;
  std::int64_t at = ms_of(after);
  while (fired.size() < expected.size()) {
    const auto next = schedule->next_after(at);
    ASSERT_TRUE(next);
    at = *next;
    fired.push_back(text_of(at));
  }
  EXPECT_THAT(fired, ElementsAreArray(expected));
}

TEST(CronTest, FiresWhereTheFieldsMatch) {
  struct Case {
    const char* name;
    const char* expression;
    const char* after;
    std::vector<std::string> expected;
  };
  const std::vector<Case> cases = {
      {"each minute",
       "* * * * *",
       "2026-01-31 23:58",
       {"2026-01-31 23:59", "2026-02-01 00:00", "2026-02-01 00:01"}},
      {"a step", "*/20 * * * *", "2026-01-01 00:00", {"2026-01-01 00:20", "2026-01-01 00:40"}},
      {"a step from a value",
       "10/25 9 * * *",
       "2026-01-01 00:00",
       {"2026-01-01 09:10", "2026-01-01 09:35", "2026-01-02 09:10"}},
      {"ranges and lists",
       "0,30 8-10/2 * * *",
       "2026-01-01 08:00",
       {"2026-01-01 08:30", "2026-01-01 10:00", "2026-01-01 10:30", "2026-01-02 08:00"}},
      {"names in any case",
       "0 0 * feb sun",
       "2026-01-01 00:00",
       {"2026-02-01 00:00", "2026-02-08 00:00"}},
      {"a range of names",
       "0 12 * * MON-FRI",
       "2026-01-02 12:00",
       {"2026-01-05 12:00", "2026-01-06 12:00"}},
      {"seven is Sunday", "0 0 * * 7", "2026-01-01 00:00", {"2026-01-04 00:00"}},
      {"a range to seven",
       "0 0 * * 6-7",
       "2026-01-01 00:00",
       {"2026-01-03 00:00", "2026-01-04 00:00", "2026-01-10 00:00"}},
      {"either of two restricted days",
       "0 0 13 * FRI",
       "2026-02-06 00:00",
       {"2026-02-13 00:00", "2026-02-20 00:00", "2026-02-27 00:00", "2026-03-06 00:00",
        "2026-03-13 00:00"}},
      {"both days where one field begins with a star",
       "0 0 */2 * MON",
       "2026-01-01 00:00",
       {"2026-01-05 00:00", "2026-01-19 00:00", "2026-02-09 00:00"}},
      {"only months with such a day",
       "0 0 31 * *",
       "2026-01-31 00:00",
       {"2026-03-31 00:00", "2026-05-31 00:00"}},
      {"leap days", "0 0 29 2 *", "2096-02-29 00:00", {"2104-02-29 00:00"}},
      {"a shorthand", "@weekly", "2026-01-01 00:00", {"2026-01-04 00:00"}},
      {"spaces do not matter", "  0   0 1  1 * ", "2026-01-01 00:00", {"2027-01-01 00:00"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    expect_fires(c.expression, "UTC", c.after, c.expected);
  }
}

TEST(CronTest, ATimeThatClocksSkipFiresAfterTheGapAndOneThatTheyRepeatFiresOnce) {
  struct Case {
    const char* name;
    const char* expression;
    const char* zone;
    const char* after;
    std::vector<std::string> expected;  // in UTC
  };
  const std::vector<Case> cases = {
      // Clocks go from 02:00 to 03:00 at 01:00 UTC, and from 03:00 to 02:00 at 01:00 UTC.
      {"skipped in Berlin",
       "30 2 * * *",
       "Europe/Berlin",
       "2026-03-28 00:00",
       {"2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"}},
      {"skipped in Berlin, several in the gap",
       "0,20,40 2 * * *",
       "Europe/Berlin",
       "2026-03-28 12:00",
       {"2026-03-29 01:00", "2026-03-30 00:00"}},
      {"the gap's end itself fires once",
       "0 2,3 * * *",
       "Europe/Berlin",
       "2026-03-28 12:00",
       {"2026-03-29 01:00", "2026-03-30 00:00", "2026-03-30 01:00"}},
      {"repeated in Berlin",
       "30 2 * * *",
       "Europe/Berlin",
       "2026-10-24 12:00",
       {"2026-10-25 00:30", "2026-10-26 01:30"}},
      {"asked within the repeated hour",
       "30 2 * * *",
       "Europe/Berlin",
       "2026-10-25 01:15",
       {"2026-10-26 01:30"}},
      {"before and after the repeated hour",
       "30 1,3 * * *",
       "Europe/Berlin",
       "2026-10-24 12:00",
       {"2026-10-24 23:30", "2026-10-25 02:30"}},
      {"each hour goes on as time does",
       "0 * * * *",
       "Europe/Berlin",
       "2026-10-24 22:30",
       {"2026-10-24 23:00", "2026-10-25 00:00", "2026-10-25 01:00", "2026-10-25 02:00"}},
      {"each hour through the gap",
       "30 * * * *",
       "Europe/Berlin",
       "2026-03-29 00:00",
       {"2026-03-29 00:30", "2026-03-29 01:30"}},
      // From 02:00 to 03:00 at 07:00 UTC, and from 02:00 to 01:00 at 06:00 UTC.
      {"skipped in New York",
       "15 2 * * *",
       "America/New_York",
       "2026-03-07 12:00",
       {"2026-03-08 07:00", "2026-03-09 06:15"}},
      {"repeated in New York",
       "15 1 * * *",
       "America/New_York",
       "2026-10-31 12:00",
       {"2026-11-01 05:15", "2026-11-02 06:15"}},
      // By half an hour: from 02:00 to 02:30 at 15:30 UTC, and from 02:00 to 01:30 at 15:00 UTC.
      {"skipped on Lord Howe",
       "10 2 * * *",
       "Australia/Lord_Howe",
       "2026-10-02 16:00",
       {"2026-10-03 15:30", "2026-10-04 15:10"}},
      {"after the gap on Lord Howe",
       "45 2 * * *",
       "Australia/Lord_Howe",
       "2026-10-03 12:00",
       {"2026-10-03 15:45"}},
      {"repeated on Lord Howe",
       "45 1 * * *",
       "Australia/Lord_Howe",
       "2026-04-04 00:00",
       {"2026-04-04 14:45", "2026-04-05 15:15"}},
      {"a midnight that there is not",
       "0 0 * * *",
       "America/Sao_Paulo",
       "2018-11-03 12:00",
       {"2018-11-04 03:00", "2018-11-05 02:00"}},
      {"a day that there is not",
       "0 12 30 12 *",
       "Pacific/Apia",
       "2011-12-29 00:00",
       {"2011-12-30 10:00", "2012-12-29 22:00"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    expect_fires(c.expression, c.zone, c.after, c.expected);
  }
}

TEST(CronTest, WhatIsWrongIsRefused) {
  struct Case {
    const char* expression;
    const char* zone;
    const char* message;
  };
  for (const Case& c : {
           Case{"", "UTC", "it has 0 fields"},
           Case{"* * * *", "UTC", "it has 4 fields"},
           Case{"* * * * * *", "UTC", "it has 6 fields"},
           Case{"60 * * * *", "UTC", "the minute 60 is not"},
           Case{"-1 * * * *", "UTC", "the minute"},
           Case{"* 24 * * *", "UTC", "the hour 24"},
           Case{"* * 0 * *", "UTC", "the day of the month 0"},
           Case{"* * * 13 *", "UTC", "the month 13"},
           Case{"* * * JA *", "UTC", "the month JA"},
           Case{"* * * * 8", "UTC", "the day of the week 8"},
           Case{"* * * * FRI-MON", "UTC", "the day of the week FRI-MON"},
           Case{"*/0 * * * *", "UTC", "the minute */0"},
           Case{"*/ * * * *", "UTC", "the minute */"},
           Case{"1-2-3 * * * *", "UTC", "the minute 1-2-3"},
           Case{"1,,2 * * * *", "UTC", "the minute  is not"},
           Case{"? * * * *", "UTC", "the minute ?"},
           Case{"@reboot", "UTC", "it has 1 fields"},
           Case{"0 0 30 2 *", "UTC", "never fires"},
           Case{"0 0 31 4,6,9,11 *", "UTC", "never fires"},
           Case{"* * * * *", "Europe/Atlantis", "there is no time zone Europe/Atlantis"},
           Case{"* * * * *", "", "there is no time zone"},
           Case{"* * * * *", "../../etc/passwd", "there is no time zone"},
       }) {
    SCOPED_TRACE(c.expression);
    const auto schedule = CronSchedule::parse(c.expression, c.zone);
    ASSERT_FALSE(schedule);
    EXPECT_EQ(schedule.error().code, Errc::invalid_request);
    EXPECT_THAT(schedule.error().message, HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace kontract
