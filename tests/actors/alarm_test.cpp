// Alarms of sessions, with a clock that only the test moves.

#include <gmock/gmock.h>

#include <atomic>
#include <latch>

#include "actors/alarm_bell.hpp"
#include "actors/alarm_clock.hpp"
#include "actors/backend.hpp"
#include "storage/alarm_rows.hpp"
#include "storage/registry.hpp"
#include "tests/actors/session_fixture.hpp"

namespace kontract {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""h;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kStart = 1'700'000'000'000;

class AlarmTest : public SessionFixture {
 protected:
  void SetUp() override {
    session_options_.idle = 1h;
    session_options_.alarm_bell = bell_;
    Backend backend;
    add_functions(backend);
    ASSERT_TRUE(backend.check()) << backend.check().error().message;
    session_options_.backend = std::make_shared<const Backend>(std::move(backend));
    SessionFixture::SetUp();
    start_clock();
    create("log");
  }
  void TearDown() override {
    clock_.reset();
    SessionFixture::TearDown();
  }

  void add_functions(Backend& backend) {
    backend.function({.name = "note", .args = {"text"}},
                     [](FunctionContext& ctx, std::string text) { return note(ctx, text); });
    backend.function({.name = "flaky"},
                     [this](FunctionContext& ctx) { return flaky(ctx, fails_); });
    backend.function({.name = "gate"}, [this](FunctionContext& ctx) { return gate(ctx, *this); });
    backend.function({.name = "reader"},
                     [this](FunctionContext& ctx) { return reader(ctx, *this); });
    backend.function({.name = "plan", .args = {"name", "fail"}},
                     [](FunctionContext& ctx, std::string name, bool fail) {
                       return plan(ctx, std::move(name), fail);
                     });
    backend.function({.name = "plan_slowly", .args = {"name"}},
                     [this](FunctionContext& ctx, std::string name) {
                       return plan_slowly(ctx, std::move(name), *this);
                     });
    backend.function({.name = "again"}, [](FunctionContext& ctx) { return again(ctx); });
    backend.function({.name = "staff_only", .ugroup = "staff"},
                     [](FunctionContext& ctx) { return note(ctx, "staff"); });
  }

  // Adds a record that tells of the alarm.
  static Task<void> note(FunctionContext& ctx, std::string text) {
    Json data = {{"text", std::move(text)}, {"user", ctx.peer().user}, {"perm", ctx.perm()}};
    if (const AlarmFiring* alarm = ctx.alarm()) {
      data["alarm"] = alarm->name;
      data["attempt"] = alarm->attempt;
      data["occurrence"] = alarm->occurrence_ms;
    }
    auto log = ctx.table("log");
    co_await log.push(data);
  }
  static Task<void> flaky(FunctionContext& ctx, const std::atomic<int>& fails) {
    co_await note(ctx, "flaky");
    if (static_cast<int>(ctx.alarm()->attempt) <= fails) throw NotFound("No luck");
  }
  // Writes, and stands aside until the test lets it go on.
  static Task<void> gate(FunctionContext& ctx, AlarmTest& test) {
    co_await note(ctx, "gate");
    const int running = ++test.at_gate_;
    int most = test.most_at_gate_.load();
    while (running > most && !test.most_at_gate_.compare_exchange_weak(most, running)) {
    }
    while (!test.gate_is_open_) co_await ctx.sleep(1ms);
    --test.at_gate_;
  }
  static Task<void> reader(FunctionContext& ctx, AlarmTest& test) {
    auto log = ctx.table("log");
    const std::uint64_t records = co_await log.count();
    co_await gate(ctx, test);
    if (records > 1) throw NotFound("Too many");
  }
  static Task<void> plan(FunctionContext& ctx, std::string name, bool fail) {
    const Json alarm = {{"fn", "note"}, {"args", {"planned"}}, {"after", 1000}};
    ctx.alarms().set(name, alarm);
    co_await note(ctx, "plan");
    if (fail) throw NotFound("No plan");
  }
  static Task<void> plan_slowly(FunctionContext& ctx, std::string name, AlarmTest& test) {
    const Json alarm = {{"fn", "note"}, {"args", {"slow"}}, {"after", 1000}};
    ctx.alarms().set(std::move(name), alarm);
    ++test.at_gate_;
    while (!test.gate_is_open_) co_await ctx.sleep(1ms);
  }
  // Sets itself anew, three times in all.
  static Task<void> again(FunctionContext& ctx) {
    co_await note(ctx, "again");
    const Json alarm = {{"fn", "again"}, {"after", 10}};
    const Json records = ctx.alarms().history(ctx.alarm()->name);
    if (records.size() < 2) ctx.alarms().set(ctx.alarm()->name, alarm);
  }

  void start_clock(AlarmClockOptions options = {}) {
    clock_ = std::make_unique<AlarmClock>(*store_, *directory_, options);
  }
  void go_down() {
    clock_.reset();
    stop();
  }
  void come_up(AlarmClockOptions options = {}) {
    start();
    start_clock(options);
  }
  void advance(std::int64_t ms) {
    now_ += ms;
    bell_->wake();
  }

  void create(const std::string& table, const std::string& session = "s") {
    ok(session, "table.create", {table});
  }
  Json set(const std::string& name, const Json& alarm, const std::string& session = "s") {
    return ok(session, "alarm.set", {name, alarm});
  }
  Json get(const std::string& name) { return ok("s", "alarm.get", {name}); }
  static Json note_after(std::int64_t ms, const std::string& text) {
    return {{"fn", "note"}, {"args", {text}}, {"after", ms}};
  }
  // What was noted, in order.
  std::vector<std::string> notes(const std::string& session = "s") {
    std::vector<std::string> texts;
    const Json page = ok(session, "table.query", {"log"});
    for (const Json& row : page["rows"]) {
      texts.push_back(row["data"]["text"].get<std::string>());
    }
    return texts;
  }
  Json last_note() { return ok("s", "table.query", {"log"})["rows"].back()["data"]; }
  // Waits until so many alarms have done so since the clock was made.
  bool fired(std::uint64_t count) {
    return eventually([&] { return clock_->metrics().fired >= count; });
  }
  std::vector<std::string> names(const Json& options = nullptr) {
    std::vector<std::string> found;
    const Json page = ok("s", "alarm.list", {options});
    for (const Json& one : page["alarms"]) found.push_back(one["name"]);
    return found;
  }
  std::vector<std::string> outcomes(const std::string& name) {
    std::vector<std::string> found;
    const Json fires = ok("s", "alarm.history", {name});
    for (const Json& one : fires) found.push_back(one["outcome"]);
    return found;
  }
  void expect_sound() {
    go_down();
    const Result<CheckReport> report = check_data_directory(store_options_.data);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_THAT(report->problems, IsEmpty());
    come_up();
  }

  std::atomic<std::int64_t> now_{kStart};
  std::shared_ptr<AlarmBell> bell_ = std::make_shared<AlarmBell>([this] { return now_.load(); });
  std::unique_ptr<AlarmClock> clock_;
  std::atomic<int> fails_{0};
  std::atomic<int> at_gate_{0}, most_at_gate_{0};
  std::atomic<bool> gate_is_open_{false};
};

// ------------------------------------------------------------------------------------ set and fire

TEST_F(AlarmTest, ItFiresWhenItIsDueAndNotBefore) {
  EXPECT_EQ(set("later", note_after(1000, "later"))["due"], kStart + 1000);
  set("sooner", note_after(999, "sooner"));
  advance(999);
  ASSERT_TRUE(fired(1));
  EXPECT_THAT(notes(), ElementsAre("sooner"));
  EXPECT_EQ(get("later")["state"], "waiting");
  advance(1);
  ASSERT_TRUE(fired(2));
  EXPECT_THAT(notes(), ElementsAre("sooner", "later"));
  const Json note = last_note();
  EXPECT_EQ(note["alarm"], "later");
  EXPECT_EQ(note["attempt"], 1);
  EXPECT_EQ(note["occurrence"], kStart + 1000);
  EXPECT_EQ(note["user"], "u");
  const Json done = get("later");
  EXPECT_EQ(done["state"], "done");
  EXPECT_EQ(done["due"], nullptr);
  EXPECT_EQ(done["fires"], 1);
  expect_sound();
}

TEST_F(AlarmTest, ARepeatingOneGoesOn) {
  set("tick", {{"fn", "note"}, {"args", {"tick"}}, {"every", 1000}});
  for (std::uint64_t i = 1; i <= 3; ++i) {
    advance(1000);
    ASSERT_TRUE(fired(i));
  }
  EXPECT_THAT(notes(), ElementsAre("tick", "tick", "tick"));
  EXPECT_EQ(get("tick")["due"], kStart + 4000);
  EXPECT_TRUE(ok("s", "alarm.cancel", {"tick"}));
  EXPECT_FALSE(ok("s", "alarm.cancel", {"tick"}));
  set("after all", note_after(5000, "after all"));
  advance(5000);
  ASSERT_TRUE(fired(4));
  EXPECT_THAT(notes(), ElementsAre("tick", "tick", "tick", "after all"));
  expect_sound();
}

TEST_F(AlarmTest, ACronAlarmFiresByTheClocksOfItsZone) {
  now_ = 1'774'742'400'000;  // 2026-03-29 00:00 UTC, an hour before clocks change
  const Json alarm = {
      {"fn", "note"}, {"args", {"cron"}}, {"cron", "30 2 * * *"}, {"tz", "Europe/Berlin"}};
  EXPECT_EQ(set("nightly", alarm)["due"], 1'774'746'000'000);  // 01:00 UTC
  advance(3'600'000);
  ASSERT_TRUE(fired(1));
  EXPECT_EQ(get("nightly")["due"], 1'774'830'600'000);  // 00:30 UTC of the next day
}

TEST_F(AlarmTest, OneNameIsOneAlarm) {
  set("a", note_after(1000, "first"));
  set("a", note_after(2000, "second"));
  set("b", note_after(1500, "b"));
  advance(1500);
  ASSERT_TRUE(fired(1));
  advance(500);
  ASSERT_TRUE(fired(2));
  EXPECT_THAT(notes(), ElementsAre("b", "second"));
  expect_sound();
}

TEST_F(AlarmTest, AHandlerMaySetItsOwnAlarmAnewAndItsHistoryGoesOn) {
  set("a", {{"fn", "again"}, {"after", 10}});
  for (std::uint64_t i = 1; i <= 3; ++i) {
    advance(10);
    ASSERT_TRUE(fired(i));
  }
  EXPECT_THAT(notes(), ElementsAre("again", "again", "again"));
  EXPECT_THAT(outcomes("a"), ElementsAre("ok", "ok", "ok"));
  EXPECT_EQ(get("a")["state"], "done");
  expect_sound();
}

TEST_F(AlarmTest, ItMayRunARecordFunction) {
  set("write", {{"fn", "table.set"}, {"args", {"log", "x", {{"text", "written"}}}}, {"after", 5}});
  set("sql", {{"fn", "table.exec"},
              {"args", {"log", "UPDATE log SET data = ? WHERE id = 'x'", {R"({"text":"sql"})"}}},
              {"after", 10}});
  advance(5);
  ASSERT_TRUE(fired(1));
  EXPECT_THAT(notes(), ElementsAre("written"));
  advance(5);
  ASSERT_TRUE(fired(2));
  EXPECT_THAT(notes(), ElementsAre("sql"));
}

TEST_F(AlarmTest, WhatIsWrongIsRefusedWhenItIsSet) {
  EXPECT_EQ(error("s", "alarm.set", {"a", {{"fn", "nobody"}, {"after", 1}}}), "KONTRACT_NOT_FOUND");
  EXPECT_EQ(error("s", "alarm.set", {"a", {{"fn", "note"}}}), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(error("s", "alarm.set", {"a"}), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(error("s", "alarm.set", {7, note_after(1, "x")}), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(error("s", "alarm.set", {"", note_after(1, "x")}), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(error("s", "alarm.set", {std::string(129, 'n'), note_after(1, "x")}),
            "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(error("s", "alarm.set", {"a", {{"fn", "table.get"}, {"after", 1}}}),
            "KONTRACT_INVALID_REQUEST");  // its arguments
  EXPECT_EQ(error("s", "alarm.set", {"a", {{"fn", "staff_only"}, {"after", 1}}}),
            "KONTRACT_FORBIDDEN");
  EXPECT_EQ(error("s", "alarm.often", {"a"}), "KONTRACT_NOT_FOUND");
  EXPECT_EQ(error("s", "alarm.retry", {"a"}), "KONTRACT_NOT_FOUND");
  EXPECT_EQ(error("s", "alarm.list", {{{"state", "asleep"}}}), "KONTRACT_INVALID_REQUEST");
  peer_.perm = perms::_W_;
  EXPECT_EQ(error("s", "alarm.set", {"a", note_after(1, "x")}), "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(error("s", "alarm.get", {"a"}), "KONTRACT_PERMISSION_DENIED");
  peer_.perm = perms::R__;
  EXPECT_EQ(error("s", "alarm.cancel", {"a"}), "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(ok("s", "alarm.get", {"a"}), nullptr);
}

TEST_F(AlarmTest, ItRunsWithTheBitsOfWhoSetIt) {
  peer_.perm = perms::_W_;
  peer_.user = "writer";
  ok("s", "alarm.set",
     {"push", {{"fn", "table.push"}, {"args", {"log", {{"text", "pushed"}}}}, {"after", 1}}});
  peer_.perm = perms::RWX;
  advance(1);
  ASSERT_TRUE(fired(1));
  EXPECT_THAT(notes(), ElementsAre("pushed"));
  EXPECT_EQ(get("push")["by"], (Json{{"user", "writer"}, {"perm", 2}}));
}

// ------------------------------------------------------------------------------------ transactions

TEST_F(AlarmTest, WhatAFunctionSetsIsSetWithItsWritesOrNotAtAll) {
  ok("s", "plan", {"good", false});
  EXPECT_EQ(error("s", "plan", {"bad", true}), "KONTRACT_NOT_FOUND");
  EXPECT_THAT(names(), ElementsAre("good"));
  EXPECT_THAT(notes(), ElementsAre("plan"));
  advance(1000);
  ASSERT_TRUE(fired(1));
  EXPECT_THAT(notes(), ElementsAre("plan", "planned"));
}

TEST_F(AlarmTest, ABatchOverRecordsAndAlarmsIsOneTransaction) {
  const Json results = ok("s", "table.batch",
                          {{{"table.set", "log", "x", {{"text", "x"}}},
                            {"alarm.set", "a", note_after(10, "a")},
                            {"alarm.get", "a"},
                            {"table.get", "log", "x"}}});
  EXPECT_EQ(results[0], true);
  EXPECT_EQ(results[1]["due"], kStart + 10);
  EXPECT_EQ(results[2]["state"], "waiting");
  EXPECT_EQ(results[3]["text"], "x");
  EXPECT_EQ(
      error("s", "table.batch",
            {{{"alarm.set", "b", note_after(10, "b")}, {"table.set", "nowhere", "x", {{"a", 1}}}}}),
      "KONTRACT_STORAGE_PTR_NOT_FOUND");
  EXPECT_EQ(
      error("s", "table.batch", {{{"alarm.set", "b", note_after(10, "b")}, {"session.info"}}}),
      "KONTRACT_INVALID_REQUEST");
  EXPECT_THAT(names(), ElementsAre("a"));
}

TEST_F(AlarmTest, WhatAFunctionHasSetIsAConflictIfItWasChangedWhileItStoodAside) {
  const auto slow = send("s", "plan_slowly", {"a"});
  ASSERT_TRUE(eventually([&] { return at_gate_ == 1; }));
  EXPECT_EQ(get("a"), nullptr);  // nobody sees it yet
  set("a", note_after(2000, "quick"));
  gate_is_open_ = true;
  const Answer answer = answers_->wait(slow);
  ASSERT_FALSE(answer.result);
  EXPECT_EQ(answer.result.error().code, Errc::txn_conflict);
  EXPECT_EQ(get("a")["args"], Json::array({"quick"}));
  ok("s", "plan_slowly", {"b"});  // nobody is in its way
  EXPECT_EQ(get("b")["args"], Json::array({"slow"}));
}

TEST_F(AlarmTest, OneThatIsCancelledWhileItRunsHasNoEffect) {
  set("a", {{"fn", "gate"}, {"after", 1}});
  set("marker", note_after(1, "marker"));
  advance(1);
  ASSERT_TRUE(eventually([&] { return at_gate_ == 1; }));
  EXPECT_TRUE(ok("s", "alarm.cancel", {"a"}));
  gate_is_open_ = true;
  ASSERT_TRUE(eventually([&] { return clock_->metrics().in_flight == 0; }));
  EXPECT_THAT(notes(), ElementsAre("marker"));
  EXPECT_EQ(clock_->metrics().fired, 1U);
  EXPECT_EQ(get("a"), nullptr);
  expect_sound();
}

// ------------------------------------------------------------------------------------ failures

TEST_F(AlarmTest, OneThatFailsIsTriedAgainAndLeavesNothingOfTheAttempt) {
  fails_ = 2;
  set("a",
      {{"fn", "flaky"}, {"after", 0}, {"retries", {{"max", 3}, {"min_ms", 100}, {"max_ms", 100}}}});
  ASSERT_TRUE(eventually([&] { return clock_->metrics().failed == 1; }));
  Json alarm = get("a");
  EXPECT_EQ(alarm["state"], "retrying");
  EXPECT_EQ(alarm["attempts"], 1);
  EXPECT_EQ(alarm["due"], kStart + 100);
  EXPECT_EQ(alarm["error"], "KONTRACT_NOT_FOUND: No luck");
  EXPECT_THAT(notes(), IsEmpty());
  advance(100);
  ASSERT_TRUE(eventually([&] { return clock_->metrics().failed == 2; }));
  ok("s", "alarm.retry", {"a"});  // at once
  ASSERT_TRUE(fired(1));
  EXPECT_THAT(notes(), ElementsAre("flaky"));
  EXPECT_THAT(outcomes("a"), ElementsAre("ok", "failed", "failed"));
  alarm = get("a");
  EXPECT_EQ(alarm["state"], "done");
  EXPECT_FALSE(alarm.contains("error"));
  EXPECT_EQ(error("s", "alarm.retry", {"a"}), "KONTRACT_INVALID_REQUEST");
  expect_sound();
}

TEST_F(AlarmTest, OneThatFailsTooOftenIsDeadUntilItIsRetried) {
  fails_ = 1000;
  set("a", {{"fn", "flaky"}, {"after", 0}, {"retries", {{"max", 0}}}});
  set("b", note_after(0, "b"));
  ASSERT_TRUE(eventually([&] { return clock_->metrics().dead == 1; }));
  ASSERT_TRUE(fired(1));  // b, so that it does not after the restart
  const Json dead = get("a");
  EXPECT_EQ(dead["state"], "dead");
  EXPECT_EQ(dead["dead"], (Json{{"count", 1}, {"occurrence", kStart}}));
  EXPECT_THAT(names({{"state", "dead"}}), ElementsAre("a"));
  expect_sound();  // and after a restart
  fails_ = 0;
  advance(500);
  ok("s", "alarm.retry", {"a"});
  ASSERT_TRUE(fired(1));
  EXPECT_EQ(get("a")["state"], "done");
  EXPECT_EQ(last_note()["occurrence"], kStart);
  EXPECT_THAT(outcomes("a"), ElementsAre("ok", "dead"));
  expect_sound();
}

TEST_F(AlarmTest, ARepeatingOneGoesOnBehindItsDeadOccurrenceWhichMayBeRetried) {
  fails_ = 1000;
  set("a", {{"fn", "flaky"}, {"every", 1000}, {"retries", {{"max", 0}}}});
  advance(1000);
  ASSERT_TRUE(eventually([&] { return clock_->metrics().dead == 1; }));
  EXPECT_EQ(get("a")["state"], "waiting");
  EXPECT_EQ(get("a")["due"], kStart + 2000);
  EXPECT_THAT(names({{"state", "dead"}}), ElementsAre("a"));
  fails_ = 0;
  ok("s", "alarm.retry", {"a"});
  ASSERT_TRUE(fired(1));
  EXPECT_EQ(last_note()["occurrence"], kStart + 1000);
  EXPECT_EQ(get("a")["due"], kStart + 2000);
  EXPECT_FALSE(get("a").contains("dead"));
  advance(1000);
  ASSERT_TRUE(fired(2));
  EXPECT_EQ(last_note()["occurrence"], kStart + 2000);
  expect_sound();
}

TEST_F(AlarmTest, AConflictIsNobodysFaultAndDoesNotCount) {
  set("a", {{"fn", "reader"}, {"after", 1}, {"retries", {{"max", 0}}}});
  advance(1);
  ASSERT_TRUE(eventually([&] { return at_gate_ == 1; }));
  ok("s", "table.push", {"log", {{"text", "in its way"}}});
  gate_is_open_ = true;
  ASSERT_TRUE(eventually([&] { return clock_->metrics().deferred == 1; }));
  EXPECT_EQ(get("a")["attempts"], 0);
  advance(60'000);
  ASSERT_TRUE(fired(1));
  EXPECT_THAT(notes(), ElementsAre("in its way", "gate"));
  EXPECT_EQ(clock_->metrics().dead, 0U);
}

// ------------------------------------------------------------------------------------ downtime

TEST_F(AlarmTest, WhatWasMissedFiresByItsPolicy) {
  const auto every = [](const std::string& missed) {
    return Json{
        {"fn", "note"}, {"args", {missed}}, {"every", 1000}, {"missed", missed}, {"grace_ms", 100}};
  };
  set("late", every("late"));
  set("coalesce", every("coalesce"));
  set("skip", every("skip"));
  set("once", note_after(1000, "once"));
  go_down();
  now_ += 3500;
  come_up();
  ASSERT_TRUE(fired(5));
  ASSERT_TRUE(eventually([&] { return clock_->metrics().skipped == 1; }));
  for (const char* name : {"late", "coalesce", "skip"}) EXPECT_EQ(get(name)["due"], kStart + 4000);
  std::vector<std::string> texts = notes();
  std::sort(texts.begin(), texts.end());
  EXPECT_THAT(texts, ElementsAre("coalesce", "late", "late", "late", "once"));
  EXPECT_THAT(outcomes("skip"), ElementsAre("skipped"));
  EXPECT_THAT(outcomes("late"), ElementsAre("ok", "ok", "ok"));
  expect_sound();
}

TEST_F(AlarmTest, ItWakesASessionThatSleeps) {
  session_options_.idle = 1ms;
  go_down();
  come_up();
  set("a", note_after(1000, "a"));
  ASSERT_TRUE(eventually([&] { return directory_->metrics().awake == 0; }));
  advance(1000);
  ASSERT_TRUE(fired(1));
  EXPECT_THAT(notes(), ElementsAre("a"));
}

TEST_F(AlarmTest, TheHistoryKeepsTheLastFires) {
  set("a", {{"fn", "note"}, {"args", {"x"}}, {"every", 1000}});
  for (std::uint64_t i = 1; i <= kAlarmFiresKept + 5; ++i) {
    advance(1000);
    ASSERT_TRUE(fired(i));
  }
  const Json history = ok("s", "alarm.history", {"a"});
  ASSERT_EQ(history.size(), kAlarmFiresKept);
  EXPECT_EQ(history[0]["occurrence"], kStart + 25'000);
  EXPECT_EQ(history.back()["occurrence"], kStart + 6000);
  EXPECT_THAT(ok("s", "alarm.history", {"nobody"}), IsEmpty());
  expect_sound();
  EXPECT_EQ(ok("s", "alarm.history", {"a"}), history);
  ok("s", "alarm.cancel", {"a"});
  EXPECT_THAT(ok("s", "alarm.history", {"a"}), IsEmpty());
  expect_sound();
}

TEST_F(AlarmTest, WhatIsDoneIsKeptForADay) {
  set("a", note_after(0, "a"));
  ASSERT_TRUE(fired(1));
  advance(23 * 3'600'000);
  set("b", note_after(0, "b"));
  ASSERT_TRUE(fired(2));
  EXPECT_THAT(names({{"state", "done"}}), ElementsAre("a", "b"));
  advance(2 * 3'600'000);
  set("c", note_after(1000, "c"));
  EXPECT_THAT(names(), ElementsAre("b", "c"));
  expect_sound();
}

TEST_F(AlarmTest, TheListHasPages) {
  for (const char* name : {"a", "b", "c", "d"}) set(name, note_after(1000, name));
  const Json first = ok("s", "alarm.list", {{{"limit", 3}}});
  EXPECT_EQ(first["alarms"].size(), 3U);
  EXPECT_EQ(first["next"], "c");
  const Json rest = ok("s", "alarm.list", {{{"after", first["next"]}}});
  ASSERT_EQ(rest["alarms"].size(), 1U);
  EXPECT_EQ(rest["alarms"][0]["name"], "d");
  EXPECT_EQ(rest["next"], nullptr);
}

// ------------------------------------------------------------------------------------ many

// Alarms as they are stored, in LMDB on return, by sessions "m0", "m1", ... that do not exist
// otherwise.
void store_alarms(Store& store, const std::string& owner, int sessions, int alarms_each,
                  std::int64_t first_due_ms, std::int64_t apart_ms, const char* function) {
  const JsonText by = R"({"owner":")" + owner + R"(","user":"u","perm":7,"ugroups":[]})";
  std::int64_t due = first_due_ms;
  for (int i = 0; i < sessions; ++i) {
    const Identity identity{owner, "m" + std::to_string(i)};
    Shard& shard = store.shard_of(identity);
    SessionRow session;
    session.no = shard.allocate_session_no();
    session.sid = make_uuid_v7();
    WriteBatch batch;
    put_session(batch, identity, session);
    for (int k = 0; k < alarms_each; ++k, due += apart_ms) {
      AlarmRow row;
      row.name = "alarm " + std::to_string(k);
      row.occurrence_ms = row.due_ms = due;
      row.spec = std::string(R"({"fn":")") + function + R"(","at":)" + std::to_string(due) + '}';
      row.by = by;
      put_alarm(batch, session.no, nullptr, row);
    }
    shard.log().append(std::move(batch), shard.log().epoch(), nullptr);
  }
  for (std::size_t i = 0; i < store.shards(); ++i) {
    const CommitLog& log = store.shard(i).log();
    while (log.applied() < log.appended()) std::this_thread::yield();
  }
}

TEST_F(AlarmTest, AStartReadsOfVeryManyOnlyWhatIsDue) {
  clock_.reset();
  store_alarms(*store_, peer_.owner, 1000, 100, kStart + 1000, 10, "note");
  go_down();
  come_up({.page_rows = 64});
  set("marker", note_after(1, "marker"));
  advance(1);
  ASSERT_TRUE(fired(1));
  EXPECT_EQ(clock_->metrics().rows_read, 1U);
  EXPECT_EQ(directory_->metrics().awake, 1U);
  // Some are due: they wake their sessions, which have no table to note it in.
  advance(1999);
  ASSERT_TRUE(eventually([&] { return clock_->metrics().failed == 101; }));
  EXPECT_EQ(clock_->metrics().rows_read, 102U);
  EXPECT_LE(directory_->metrics().wakes, 3U);
}

TEST_F(AlarmTest, OnlySoManyRunAtOnceHoweverManyAreDue) {
  clock_.reset();
  store_alarms(*store_, peer_.owner, 300, 1, kStart, 0, "gate");
  for (int i = 0; i < 300; ++i) create("log", "m" + std::to_string(i));
  start_clock({.in_flight_max = 20, .page_rows = 32});
  ASSERT_TRUE(eventually([&] { return at_gate_ == 20; }));
  EXPECT_EQ(clock_->metrics().in_flight, 20U);
  EXPECT_LE(clock_->metrics().rows_read, 32U);
  gate_is_open_ = true;
  ASSERT_TRUE(fired(300));
  EXPECT_EQ(most_at_gate_, 20);
}

TEST_F(AlarmTest, OneSessionDoesNotTakeThePlacesOfAll) {
  clock_.reset();
  store_alarms(*store_, peer_.owner, 1, 400, kStart, 0, "gate");
  create("log", "m0");
  start_clock({.in_flight_max = 20, .session_in_flight_max = 5, .page_rows = 32});
  ASSERT_TRUE(eventually([&] { return at_gate_ == 5; }));
  set("other", note_after(1, "other"));
  advance(1);
  ASSERT_TRUE(fired(1));
  EXPECT_THAT(notes(), ElementsAre("other"));
  EXPECT_EQ(most_at_gate_, 5);
  gate_is_open_ = true;
  ASSERT_TRUE(fired(401));
  EXPECT_LE(most_at_gate_, 5);
  EXPECT_EQ(notes("m0").size(), 400U);  // each once
}

}  // namespace
}  // namespace kontract
