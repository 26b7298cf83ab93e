// Rows of alarms: what is written is read, damage is found, and what is not applied yet is seen.

#include "storage/alarm_rows.hpp"

#include <gmock/gmock.h>

#include <map>
#include <random>

#include "storage/alarm_check.hpp"
#include "storage/format_alarms.hpp"
#include "storage/pending_rows.hpp"
#include "tests/storage/manual_shard.hpp"

namespace kontract {
namespace {

using kontract::testing::ManualShard;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

AlarmRow some_alarm(const std::string& name = "wake up") {
  AlarmRow row;
  row.name = name;
  row.revision = 41;
  row.occurrence_ms = 1'700'000'000'000;
  row.due_ms = 1'700'000'001'000;
  row.resume_ms = 5;
  row.attempts = 2;
  row.late_in_row = 3;
  row.fires = 25;
  row.dead_count = 1;
  row.dead_ms = 7;
  row.error = "KONTRACT_NOT_FOUND: no";
  row.spec = R"({"fn":"f"})";
  row.by = R"({"user":"u"})";
  return row;
}

std::vector<std::string> keys(ManualShard& shard) {
  std::vector<std::string> found;
  for (const auto& [key, value] : shard.rows(Keyspace::alarms)) {
    found.push_back(format::describe(Keyspace::alarms, key));
    EXPECT_TRUE(format::verify_row(Keyspace::alarms, key, value));
  }
  return found;
}

std::vector<std::string> problems(ManualShard& shard) {
  std::vector<std::string> found;
  const auto txn = shard.environment().read();
  EXPECT_TRUE(check_alarms(*txn, [&](const std::string& what) { found.push_back(what); }));
  return found;
}

TEST(AlarmRowsTest, WhatIsWrittenIsRead) {
  const AlarmRow row = some_alarm();
  const format::Key key = format::alarm_key(3, row.name);
  const auto read = format::parse_alarm(key, format::alarm_value(key, row));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->name, row.name);
  EXPECT_EQ(read->revision, row.revision);
  EXPECT_EQ(read->state, row.state);
  EXPECT_EQ(read->occurrence_ms, row.occurrence_ms);
  EXPECT_EQ(read->due_ms, row.due_ms);
  EXPECT_EQ(read->resume_ms, row.resume_ms);
  EXPECT_EQ(read->attempts, row.attempts);
  EXPECT_EQ(read->late_in_row, row.late_in_row);
  EXPECT_EQ(read->fires, row.fires);
  EXPECT_EQ(read->dead_count, row.dead_count);
  EXPECT_EQ(read->dead_ms, row.dead_ms);
  EXPECT_EQ(read->error, row.error);
  EXPECT_EQ(read->spec, row.spec);
  EXPECT_EQ(read->by, row.by);

  const AlarmFireRow fire{.number = 9,
                          .occurrence_ms = 1,
                          .started_ms = 2,
                          .took_ms = 3,
                          .attempt = 4,
                          .outcome = AlarmOutcome::dead,
                          .error = "x"};
  const format::Key fire_key = format::alarm_fire_key({3, row.name, fire.number});
  const auto read_fire =
      format::parse_alarm_fire(fire_key, format::alarm_fire_value(fire_key, fire));
  ASSERT_TRUE(read_fire) << read_fire.error().message;
  EXPECT_EQ(read_fire->number, 9U);
  EXPECT_EQ(read_fire->started_ms, 2);
  EXPECT_EQ(read_fire->took_ms, 3);
  EXPECT_EQ(read_fire->attempt, 4U);
  EXPECT_EQ(read_fire->outcome, AlarmOutcome::dead);
  EXPECT_EQ(read_fire->error, "x");
}

TEST(AlarmRowsTest, NoFlippedBitAndNoCutGoesUnseen) {
  const AlarmRow row = some_alarm();
  WriteBatch batch;
  put_alarm(batch, 3, nullptr, row);
  put_alarm_fire(batch, 3, row.name, {.number = 1});
  AlarmRow done = some_alarm("done");
  done.state = AlarmState::done;
  put_alarm(batch, 3, nullptr, done);
  for (const WriteOp& op : batch.ops()) {
    if (op.erase) continue;
    ASSERT_TRUE(format::verify_row(Keyspace::alarms, op.key, op.value));
    for (std::size_t bit = 0; bit < 8 * op.value.size(); ++bit) {
      std::string flipped = op.value;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      EXPECT_FALSE(format::verify_row(Keyspace::alarms, op.key, flipped)) << bit;
    }
    for (std::size_t bit = 0; bit < 8 * op.key.size(); ++bit) {
      std::string flipped = op.key;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      EXPECT_FALSE(format::verify_row(Keyspace::alarms, flipped, op.value)) << bit;
      format::describe(Keyspace::alarms, flipped);
    }
    for (std::size_t size = 0; size < op.value.size(); ++size) {
      EXPECT_FALSE(format::verify_row(Keyspace::alarms, op.key, op.value.substr(0, size)));
    }
    for (std::size_t size = 0; size < op.key.size(); ++size) {
      EXPECT_FALSE(format::verify_row(Keyspace::alarms, op.key.substr(0, size), op.value));
      format::describe(Keyspace::alarms, op.key.substr(0, size));
    }
  }
}

TEST(AlarmRowsTest, EachIsFoundByItsTimeAsLongAsItWaits) {
  ManualShard shard;
  AlarmRow row = some_alarm("a");
  WriteBatch set;
  put_alarm(set, 3, nullptr, row);
  shard.commit(std::move(set));
  EXPECT_THAT(keys(shard), ElementsAre("row of alarms, session 3, alarm \"a\"",
                                       "row of alarms, session 3, alarm \"a\", due 1700000001000"));
  const AlarmRow before = row;
  row.due_ms += 1000;
  WriteBatch later;
  put_alarm(later, 3, &before, row);
  shard.commit(std::move(later));
  EXPECT_THAT(keys(shard), ElementsAre("row of alarms, session 3, alarm \"a\"",
                                       "row of alarms, session 3, alarm \"a\", due 1700000002000"));
  AlarmRow done = row;
  done.state = AlarmState::done;
  done.ended_ms = 77;
  done.fires = 1;
  WriteBatch fired;
  put_alarm(fired, 3, &row, done);
  put_alarm_fire(fired, 3, "a", {.number = 1});
  shard.commit(std::move(fired));
  EXPECT_THAT(keys(shard), ElementsAre("row of alarms, session 3, alarm \"a\"",
                                       "row of alarms, session 3, alarm \"a\", ended 77",
                                       "row of alarms, session 3, alarm \"a\", fire 1"));
  EXPECT_THAT(problems(shard), IsEmpty());
  WriteBatch gone;
  erase_alarm(gone, 3, done);
  shard.commit(std::move(gone));
  EXPECT_THAT(keys(shard), IsEmpty());
}

TEST(AlarmRowsTest, OnlyTheLastFiresAreKept) {
  ManualShard shard;
  AlarmRow row = some_alarm("a");
  row.fires = 0;
  WriteBatch set;
  put_alarm(set, 3, nullptr, row);
  shard.commit(std::move(set));
  for (row.fires = 1; row.fires <= kAlarmFiresKept + 7; ++row.fires) {
    WriteBatch fire;
    put_alarm_fire(fire, 3, "a", {.number = row.fires});
    shard.commit(std::move(fire));
  }
  --row.fires;
  EXPECT_EQ(keys(shard).size(), 2 + kAlarmFiresKept);
  EXPECT_THAT(keys(shard)[2], HasSubstr("fire 27"));  // the newest comes first
  WriteBatch gone;
  erase_alarm(gone, 3, row);
  shard.commit(std::move(gone));
  EXPECT_THAT(keys(shard), IsEmpty());
}

TEST(AlarmRowsTest, ACheckFindsWhatDoesNotAgree) {
  struct Case {
    const char* name;
    std::function<void(WriteBatch&, const AlarmRow&)> damage;
    const char* problem;
  };
  const std::vector<Case> cases = {
      {"no entry",
       [](WriteBatch& batch, const AlarmRow& row) {
         batch.erase(Keyspace::alarms, format::alarm_due_key({row.due_ms, 3, row.name}).str());
       },
       "has no entry"},
      {"an entry too many",
       [](WriteBatch& batch, const AlarmRow& row) {
         const format::Key key = format::alarm_due_key({row.due_ms + 1, 3, row.name});
         batch.put(Keyspace::alarms, key.str(), format::alarm_entry_value(key));
       },
       "is of no alarm that says so"},
      {"an end that is not",
       [](WriteBatch& batch, const AlarmRow& row) {
         const format::Key key = format::alarm_ended_key({1, 3, row.name});
         batch.put(Keyspace::alarms, key.str(), format::alarm_entry_value(key));
       },
       "is of no alarm that says so"},
      {"a fire of none",
       [](WriteBatch& batch, const AlarmRow&) {
         put_alarm_fire(batch, 3, "nobody", {.number = 1});
       },
       "is of no alarm"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ManualShard shard;
    const AlarmRow row = some_alarm();
    WriteBatch set;
    put_alarm(set, 3, nullptr, row);
    shard.commit(std::move(set));
    ASSERT_THAT(problems(shard), IsEmpty());
    WriteBatch damage;
    c.damage(damage, row);
    shard.commit(std::move(damage));
    EXPECT_THAT(problems(shard), ElementsAre(HasSubstr(c.problem)));
  }
}

TEST(AlarmRowsTest, APurgeTakesAllOfASessionAndNothingElse) {
  ManualShard shard;
  WriteBatch batch;
  for (SessionNo session = 2; session <= 4; ++session) {
    for (const char* name : {"a", "b", "c"}) {
      put_alarm(batch, session, nullptr, some_alarm(name));
      put_alarm_fire(batch, session, name, {.number = 1});
    }
    AlarmRow done = some_alarm("done");
    done.state = AlarmState::done;
    put_alarm(batch, session, nullptr, done);
  }
  shard.commit(std::move(batch));
  const std::size_t all = keys(shard).size();
  int rounds = 0;
  for (bool more = true; more; ++rounds) {
    WriteBatch purged;
    const auto txn = shard.environment().read();
    const auto outcome = purge_alarms(*txn, 3, 4, purged);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_LE(purged.ops().size(), 4U);
    more = *outcome;
    shard.commit(std::move(purged));
  }
  EXPECT_GT(rounds, 1);
  EXPECT_EQ(keys(shard).size(), all / 3 * 2);
  for (const std::string& key : keys(shard)) EXPECT_THAT(key, Not(HasSubstr("session 3")));
  EXPECT_THAT(problems(shard), IsEmpty());
}

// ------------------------------------------------------------------------------------ pending

TEST(PendingRowsTest, AReaderSeesWhatWasAppendedWhateverIsApplied) {
  ManualShard shard;
  PendingRows pending(Keyspace::alarms);
  std::map<std::string, std::string> model;
  std::mt19937 random(7);
  const auto name = [&] { return "k" + std::to_string(random() % 30); };
  for (int step = 0; step < 2000; ++step) {
    switch (random() % 4) {
      case 0:
        shard.log().apply();
        break;
      case 1:
        pending.drop_applied(shard.log().applied());
        break;
      default: {
        WriteBatch batch;
        const std::string key = name();
        if (random() % 3 == 0) {
          batch.erase(Keyspace::alarms, key);
          model.erase(key);
        } else {
          model[key] = std::to_string(step);
          batch.put(Keyspace::alarms, key, model[key]);
        }
        batch.put(Keyspace::meta, "other", "x");
        pending.stage(batch);
        pending.appended(shard.log().append(std::move(batch), shard.log().epoch(), nullptr));
      }
    }
    const auto txn = shard.environment().read();
    const std::string asked = name();
    const auto found = pending.get(*txn, asked);
    ASSERT_TRUE(found);
    const auto expected = model.find(asked);
    ASSERT_EQ(*found, expected == model.end() ? std::nullopt : std::optional(expected->second));
    const std::string from = name();
    std::map<std::string, std::string> scanned;
    std::size_t left = 1 + random() % 20;
    const Status done =
        pending.scan(*txn, "k", from, [&](std::string_view key, std::string_view value) {
          scanned.emplace(key, value);
          return Result<bool>(--left > 0);
        });
    ASSERT_TRUE(done);
    auto row = model.lower_bound(from);
    for (const auto& [key, value] : scanned) {
      ASSERT_NE(row, model.end());
      ASSERT_EQ(key, row->first);
      ASSERT_EQ(value, row->second);
      ++row;
    }
    if (left > 0) {
      ASSERT_EQ(row, model.end());
    }
  }
}

TEST(PendingRowsTest, WhatFailedIsForgotten) {
  ManualShard shard;
  PendingRows pending(Keyspace::alarms);
  WriteBatch batch;
  batch.put(Keyspace::alarms, "k", "v");
  pending.stage(batch);
  pending.appended(shard.log().append(std::move(batch), shard.log().epoch(), nullptr));
  shard.log().fail();
  pending.clear();
  EXPECT_TRUE(pending.empty());
  const auto txn = shard.environment().read();
  EXPECT_EQ(*pending.get(*txn, "k"), std::nullopt);
}

}  // namespace
}  // namespace kontract
