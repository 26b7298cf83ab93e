// What an alarm may look like, and what becomes of its row as it fires.

#include "actors/alarm_spec.hpp"

#include <gmock/gmock.h>

#include "actors/alarm_progress.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kNow = 1'700'000'000'000;

AlarmSpec spec_of(const std::string& text) {
  auto spec = AlarmSpec::parse(Json::parse(text), kNow);
  EXPECT_TRUE(spec) << spec.error().message;
  return spec ? *std::move(spec) : AlarmSpec();
}

TEST(AlarmSpecTest, ATimeIsWhatWasGivenOrASpanFromNow) {
  struct Case {
    const char* text;
    std::int64_t first;
  };
  for (const Case& c :
       {Case{R"({"fn":"f","at":1800000000000})", 1'800'000'000'000},
        Case{R"({"fn":"f","at":"2027-01-15T08:00:00Z"})", 1'800'000'000'000},
        Case{R"({"fn":"f","at":"2027-01-15t10:00:00.250+02:00"})", 1'800'000'000'250},
        Case{R"({"fn":"f","after":0})", kNow}, Case{R"({"fn":"f","after":1500})", kNow + 1500},
        Case{R"({"fn":"f","every":1000})", kNow + 1000},
        Case{R"({"fn":"f","every":1000,"from":1800000000000})", 1'800'000'000'000},
        Case{R"({"fn":"f","every":60000,"from":0})", kNow + 40'000},
        Case{R"({"fn":"f","cron":"0 8 * * *"})", 1'700'035'200'000}}) {
    SCOPED_TRACE(c.text);
    const AlarmSpec spec = spec_of(c.text);
    EXPECT_EQ(spec.first(kNow), c.first);
    // What is stored says the same at any later time.
    const auto again = AlarmSpec::parse(Json::parse(spec.to_text()), kNow + 5);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->first(kNow), c.first);
    EXPECT_EQ(again->to_text(), spec.to_text());
  }
}

TEST(AlarmSpecTest, WhatIsWrongIsSaid) {
  struct Case {
    const char* text;
    const char* message;
  };
  for (const Case& c : {
           Case{R"([])", "must be an object"},
           Case{R"({"fn":"f"})", "one of at, after, every and cron"},
           Case{R"({"fn":"f","at":1,"every":1000})", "one of at, after, every and cron"},
           Case{R"({"at":1})", "fn must be"},
           Case{R"({"fn":7,"at":1})", "fn must be a string"},
           Case{R"({"fn":"f","at":-1})", "at must be"},
           Case{R"({"fn":"f","at":1.5})", "at must be"},
           Case{R"({"fn":"f","at":"tomorrow"})", "at must be"},
           Case{R"({"fn":"f","at":"2026-01-31"})", "at must be"},
           Case{R"({"fn":"f","after":-1})", "after must be"},
           Case{R"({"fn":"f","every":99})", "every must be an integer from 100"},
           Case{R"({"fn":"f","every":1000,"tz":"UTC"})", "tz goes with cron"},
           Case{R"({"fn":"f","after":1,"from":1})", "from goes with every"},
           Case{R"({"fn":"f","cron":"x"})", "cron: it has 1 fields"},
           Case{R"({"fn":"f","cron":7})", "cron must be a string"},
           Case{R"({"fn":"f","cron":"* * * * *","tz":"Moon"})", "no time zone"},
           Case{R"({"fn":"f","after":1,"args":{}})", "args must be an array"},
           Case{R"({"fn":"f","after":1,"missed":"never"})", "missed must be"},
           Case{R"({"fn":"f","after":1,"grace_ms":-1})", "grace_ms must be"},
           Case{R"({"fn":"f","after":1,"retries":3})", "retries must be an object"},
           Case{R"({"fn":"f","after":1,"retries":{"max":-1}})", "retries.max must be"},
           Case{R"({"fn":"f","after":1,"retries":{"min_ms":0}})", "retries.min_ms must be"},
           Case{R"({"fn":"f","after":1,"retries":{"min_ms":9,"max_ms":8}})", "must not be more"},
           Case{R"({"fn":"f","after":1,"retries":{"often":1}})", "often is unknown"},
           Case{R"({"fn":"f","after":1,"when":1})", "when is unknown"},
       }) {
    SCOPED_TRACE(c.text);
    const auto spec = AlarmSpec::parse(Json::parse(c.text), kNow);
    ASSERT_FALSE(spec);
    EXPECT_EQ(spec.error().code, Errc::invalid_request);
    EXPECT_THAT(spec.error().message, HasSubstr(c.message));
  }
  Json large = {{"fn", "f"}, {"after", 1}, {"args", {std::string(70'000, 'x')}}};
  const auto spec = AlarmSpec::parse(large, kNow);
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().code, Errc::too_large);
}

TEST(AlarmSpecTest, TheTimeBetweenAttemptsDoublesWithinItsBounds) {
  const AlarmSpec spec =
      spec_of(R"({"fn":"f","after":1,"retries":{"max":9,"min_ms":100,"max_ms":1000}})");
  struct Case {
    std::uint32_t failed;
    std::int64_t low, high;
  };
  for (const Case& c : {Case{1, 100, 200}, Case{2, 200, 400}, Case{3, 400, 800}, Case{4, 500, 1000},
                        Case{40, 500, 1000}}) {
    std::int64_t least = 1'000'000;
    std::int64_t most = 0;
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
      const std::int64_t wait = spec.backoff_ms(c.failed, seed);
      least = std::min(least, wait);
      most = std::max(most, wait);
    }
    EXPECT_EQ(least, c.low) << c.failed;
    EXPECT_EQ(most, c.high) << c.failed;
  }
}

// ------------------------------------------------------------------------------------ progress

AlarmRow set(const AlarmSpec& spec) {
  AlarmRow row;
  row.name = "a";
  row.occurrence_ms = row.due_ms = *spec.first(kNow);
  return row;
}

TEST(AlarmProgressTest, OneTimeIsDoneWhenItHasFired) {
  const AlarmSpec spec = spec_of(R"({"fn":"f","after":10})");
  AlarmRow row = set(spec);
  const AlarmFireRow fire = alarm_fired(row, spec, kNow + 12, kNow + 15);
  EXPECT_EQ(row.state, AlarmState::done);
  EXPECT_EQ(row.ended_ms, kNow + 15);
  EXPECT_EQ(fire.occurrence_ms, kNow + 10);
  EXPECT_EQ(fire.took_ms, 3);
  EXPECT_EQ(fire.outcome, AlarmOutcome::ok);
}

TEST(AlarmProgressTest, MissedOccurrencesFireEachOrTogetherOrNot) {
  const std::int64_t later = kNow + 5500;  // five occurrences have passed
  {
    SCOPED_TRACE("late");
    const AlarmSpec spec = spec_of(R"({"fn":"f","every":1000,"missed":"late"})");
    AlarmRow row = set(spec);
    for (int i = 1; i <= 5; ++i) {
      EXPECT_EQ(row.due_ms, kNow + 1000 * i);
      alarm_fired(row, spec, later, later);
    }
    EXPECT_EQ(row.due_ms, kNow + 6000);
  }
  {
    SCOPED_TRACE("coalesce");
    const AlarmSpec spec = spec_of(R"({"fn":"f","every":1000})");
    AlarmRow row = set(spec);
    EXPECT_FALSE(is_to_be_skipped(row, spec, later));
    alarm_fired(row, spec, later, later);
    EXPECT_EQ(row.due_ms, kNow + 6000);
  }
  {
    SCOPED_TRACE("skip");
    const AlarmSpec spec = spec_of(R"({"fn":"f","every":1000,"missed":"skip","grace_ms":2000})");
    AlarmRow row = set(spec);
    EXPECT_FALSE(is_to_be_skipped(row, spec, kNow + 3000));
    ASSERT_TRUE(is_to_be_skipped(row, spec, later));
    EXPECT_EQ(alarm_skipped(row, spec, later).outcome, AlarmOutcome::skipped);
    EXPECT_EQ(row.due_ms, kNow + 4000);  // the first within the grace
    EXPECT_FALSE(is_to_be_skipped(row, spec, later));
  }
  {
    SCOPED_TRACE("one time, skipped");
    const AlarmSpec spec = spec_of(R"({"fn":"f","after":0,"missed":"skip","grace_ms":2000})");
    AlarmRow row = set(spec);
    ASSERT_TRUE(is_to_be_skipped(row, spec, later));
    alarm_skipped(row, spec, later);
    EXPECT_EQ(row.state, AlarmState::done);
  }
}

TEST(AlarmProgressTest, OfVeryManyMissedOnesTheRestCountsAsOne) {
  const AlarmSpec spec = spec_of(R"({"fn":"f","every":1000,"missed":"late"})");
  AlarmRow row = set(spec);
  const std::int64_t later = kNow + 10'000'500;
  int fired = 0;
  while (row.due_ms <= later) {
    alarm_fired(row, spec, later, later);
    ++fired;
  }
  EXPECT_EQ(fired, 1001);
  EXPECT_EQ(row.due_ms, kNow + 10'001'000);
}

TEST(AlarmProgressTest, AfterSoManyFailuresItIsDead) {
  const AlarmSpec spec =
      spec_of(R"({"fn":"f","after":0,"retries":{"max":2,"min_ms":100,"max_ms":100}})");
  AlarmRow row = set(spec);
  const Error error(Errc::not_found, "No account");
  for (std::uint32_t attempt = 1; attempt <= 2; ++attempt) {
    const AlarmFireRow fire = kontract::alarm_failed(row, &spec, error, kNow, kNow);
    EXPECT_EQ(fire.attempt, attempt);
    EXPECT_EQ(fire.outcome, AlarmOutcome::failed);
    EXPECT_EQ(row.due_ms, kNow + 100);
    EXPECT_EQ(row.occurrence_ms, kNow);
  }
  const AlarmFireRow last = alarm_failed(row, &spec, error, kNow, kNow + 7);
  EXPECT_EQ(last.outcome, AlarmOutcome::dead);
  EXPECT_EQ(last.error, "KONTRACT_NOT_FOUND: No account");
  EXPECT_EQ(row.state, AlarmState::dead);
  EXPECT_EQ(row.dead_count, 1U);
  EXPECT_EQ(row.ended_ms, kNow + 7);
}

TEST(AlarmProgressTest, ARepeatingOneGoesOnBehindADeadOccurrence) {
  const AlarmSpec spec = spec_of(R"({"fn":"f","every":1000,"retries":{"max":0}})");
  AlarmRow row = set(spec);
  alarm_failed(row, &spec, Error(Errc::internal, "x"), kNow + 1000, kNow + 1001);
  EXPECT_EQ(row.state, AlarmState::waiting);
  EXPECT_EQ(row.due_ms, kNow + 2000);
  EXPECT_EQ(row.dead_ms, kNow + 1000);
  EXPECT_EQ(row.dead_count, 1U);
}

TEST(AlarmProgressTest, ALongErrorIsCutBetweenCharacters) {
  const AlarmSpec spec = spec_of(R"({"fn":"f","after":0})");
  AlarmRow row = set(spec);
  std::string long_text;
  for (int i = 0; i < 400; ++i) long_text += "é";
  alarm_failed(row, &spec, Error(Errc::internal, long_text), kNow, kNow);
  EXPECT_LE(row.error.size(), kAlarmErrorBytesMax);
  EXPECT_GE(row.error.size(), kAlarmErrorBytesMax - 1);
  EXPECT_TRUE(is_utf8(row.error));
}

}  // namespace
}  // namespace kontract
