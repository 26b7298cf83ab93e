#include <gtest/gtest.h>

#include "tests/storage/index_driver.hpp"

namespace kontract {
namespace {

using testing::ids;
using testing::index_problems;
using testing::kSession;
using testing::ManualShard;
using testing::mvcc;
using testing::TableDriver;
using testing::want_indexes;

const IndexDefinition kByEmail{{"email"}, true};
const IndexDefinition kByAge{{"age"}, false};
const IndexDefinition kByCityAndAge{{"address.city", "age"}, false};

class TableIndexTest : public ::testing::Test {
 protected:
  TableIndexTest() {
    WriteBatch batch;
    put_table(batch, kSession, testing::users_row());
    shard_.commit(std::move(batch));
  }

  Table& table() { return driver_.table(); }
  void index(const std::vector<IndexDefinition>& wanted) {
    want_indexes(shard_, table(), wanted);
    testing::finish_indexes(shard_, table());
  }
  std::string set(std::string_view id, const char* data) {
    return driver_.set(id, Json::parse(data));
  }
  Error refused(std::string_view id, const char* data) {
    driver_.begin();
    const auto result = table().set(id, Json::parse(data));
    EXPECT_FALSE(result);
    table().rollback();
    return result ? Error() : result.error();
  }
  std::vector<IndexState> states() {
    std::vector<IndexState> states;
    for (const IndexRow& row : table().index_rows()) states.push_back(row.state);
    return states;
  }
  std::size_t entries() {
    EXPECT_TRUE(shard_.log().flush());
    return shard_.rows(Keyspace::indexes).size();
  }
  // Versions of one record with these ages, which a reader holds back.
  void hold(std::vector<int> ages) {
    for (const int age : ages) {
      driver_.run([&](Table& t) { return t.set("a", {{"age", age}}); }, 1);
    }
  }
  WriteBatch round() {
    WriteBatch batch;
    EXPECT_TRUE(table().maintain_indexes(100, batch));
    return batch;
  }
  WriteBatch garbage(Txid oldest_reader) {
    WriteBatch batch;
    EXPECT_TRUE(
        table().collect_garbage(oldest_reader, std::chrono::system_clock::now(), 100, batch));
    return batch;
  }
  std::vector<std::string> by(IndexNo index, std::vector<SqlValue> equal = {}) {
    RecordScan scan;
    scan.by = RecordScan::By::index;
    scan.index = index;
    scan.equal = std::move(equal);
    driver_.begin();
    return ids(mvcc(driver_), scan);
  }

  ManualShard shard_;
  TableDriver driver_{shard_};
};

using Strings = std::vector<std::string>;

// ---- uniqueness

TEST_F(TableIndexTest, ASecondRecordWithAUniqueValueIsRefusedByNameAndIdOnly) {
  index({kByEmail});
  set("ann", R"({"email":"a@x","secret":1})");
  const Error error = refused("bob", R"({"email":"a@x"})");
  EXPECT_EQ(error.code, Errc::schema_violation);
  EXPECT_EQ(error.message, "Field 'email' must be unique; record 'ann' has this value");
  EXPECT_EQ(set("bob", R"({"email":"b@x"})"), "true");
  EXPECT_EQ(refused("bob", R"({"email":"a@x"})").code, Errc::schema_violation);
  EXPECT_EQ(set("ann", R"({"email":"a@x","n":2})"), "true") << "it is its own value";
}

TEST_F(TableIndexTest, UniqueFieldsTogetherAreNamedTogether) {
  index({{{"a", "b"}, true}});
  set("x", R"({"a":1,"b":1})");
  EXPECT_EQ(set("y", R"({"a":1,"b":2})"), "true");
  EXPECT_EQ(refused("z", R"({"a":1.0,"b":true})").message,
            "Fields 'a', 'b' must be unique together; record 'x' has these values");
}

TEST_F(TableIndexTest, NullsAreNotEqual) {
  index({kByEmail});
  EXPECT_EQ(set("a", R"({"email":null})"), "true");
  EXPECT_EQ(set("b", R"({"email":null})"), "true");
  EXPECT_EQ(set("c", "{}"), "true");
}

TEST_F(TableIndexTest, WithinATransactionTheOrderOfOperationsCounts) {
  index({kByEmail});
  set("a", R"({"email":"1"})");
  ASSERT_TRUE(shard_.log().flush());
  driver_.begin();
  EXPECT_TRUE(table().erase("a"));
  EXPECT_TRUE(table().set("b", {{"email", "1"}})) << "it is free now";
  EXPECT_FALSE(table().set("c", {{"email", "1"}}));
  EXPECT_TRUE(table().set("b", {{"email", "2"}}));
  EXPECT_TRUE(table().set("c", {{"email", "1"}}));
  driver_.end();
  EXPECT_EQ(by(1), (Strings{"c", "b"}));
  EXPECT_EQ(index_problems(shard_), Strings{});
}

TEST_F(TableIndexTest, APendingRecordCountsAndOneThatIsLostDoesNot) {
  index({kByEmail});
  set("a", R"({"email":"1"})");
  EXPECT_EQ(shard_.log().waiting(), 1u);
  EXPECT_EQ(refused("b", R"({"email":"1"})").code, Errc::schema_violation);
  shard_.log().fail();
  EXPECT_EQ(set("b", R"({"email":"1"})"), "true");
}

TEST_F(TableIndexTest, OldVersionsDoNotHoldAValue) {
  index({kByEmail});
  driver_.run([](Table& t) { return t.set("a", {{"email", "1"}}); }, 1);
  driver_.run([](Table& t) { return t.set("a", {{"email", "2"}}); }, 1);
  ASSERT_TRUE(shard_.log().flush());
  EXPECT_EQ(set("b", R"({"email":"1"})"), "true");
  EXPECT_EQ(refused("c", R"({"email":"2"})").code, Errc::schema_violation);
}

// ---- what fits

TEST_F(TableIndexTest, AValueThatIsTooLongIsRefusedAndTheErrorSaysHowLongItMayBe) {
  index({kByEmail});
  const auto with = [](std::size_t bytes) {
    return to_text(Json{{"email", std::string(bytes, 'x')}});
  };
  EXPECT_EQ(set("a", with(477).c_str()), "true");
  const Error error = refused("b", with(478).c_str());
  EXPECT_EQ(error.code, Errc::schema_violation);
  EXPECT_EQ(error.message, "Field 'email' is indexed and may have 477 bytes");
  EXPECT_EQ(entries(), 1u);
  EXPECT_EQ(by(1, {std::string(478, 'x')}), Strings{});
}

// ---- building and removing

TEST_F(TableIndexTest, AnIndexOnAFilledTableIsBuiltInRoundsWhileCallsGoOn) {
  for (int i = 0; i < 100; ++i) {
    driver_.set("id" + std::to_string(i), {{"age", i % 10}});
  }
  want_indexes(shard_, table(), {kByAge});
  int rounds = 0;
  for (bool more = true; more; ++rounds) {
    WriteBatch batch;
    const auto left = table().maintain_indexes(10, batch);
    ASSERT_TRUE(left);
    more = *left;
    EXPECT_LE(batch.ops().size(), 10u);
    shard_.commit(std::move(batch));
    if (more) {
      EXPECT_TRUE(mvcc(driver_).indexes().empty());
      driver_.set("id" + std::to_string(rounds * 7 % 100), {{"age", 77}});
    }
  }
  EXPECT_GE(rounds, 10);
  EXPECT_EQ(states(), std::vector{IndexState::ready});
  EXPECT_EQ(by(1).size(), 100u);
  EXPECT_EQ(index_problems(shard_), Strings{});
}

TEST_F(TableIndexTest, WhatAWriteThatIsNotAppliedErasesDoesNotComeBack) {
  set("a", R"({"age":1})");
  want_indexes(shard_, table(), {kByAge});
  ASSERT_TRUE(shard_.log().flush());
  set("a", R"({"age":2})");  // erases the version with 1 in the same batch, which waits
  WriteBatch round;
  ASSERT_TRUE(table().maintain_indexes(10, round));
  shard_.commit(std::move(round));
  EXPECT_EQ(entries(), 1u);
  testing::finish_indexes(shard_, table());
  EXPECT_EQ(by(1, {std::int64_t{2}}), Strings{"a"});
  EXPECT_EQ(index_problems(shard_), Strings{});
}

TEST_F(TableIndexTest, ARoundDoesNotMakeAnEntryOlderThanItIs) {
  hold({1, 2});
  ASSERT_TRUE(shard_.log().flush());
  want_indexes(shard_, table(), {kByAge});
  EXPECT_TRUE(round().empty()) << "the index's own row is not applied";
  hold({1});  // takes the entry up again, and waits
  shard_.log().apply();
  EXPECT_EQ(shard_.log().waiting(), 1u);
  WriteBatch filling = round();
  EXPECT_FALSE(filling.empty());
  shard_.commit(std::move(filling));
  testing::finish_indexes(shard_, table());
  driver_.get("a");  // forgets what was pending
  shard_.commit(garbage(3));
  EXPECT_EQ(by(1, {std::int64_t{1}}), Strings{"a"});
  EXPECT_EQ(index_problems(shard_), Strings{});
}

TEST_F(TableIndexTest, GarbageWaitsForARoundThatIsNotApplied) {
  hold({1, 2, 1});
  want_indexes(shard_, table(), {kByAge});
  ASSERT_TRUE(shard_.log().flush());
  driver_.get("a");
  shard_.log().append(round(), table().epoch(), nullptr);
  EXPECT_TRUE(garbage(3).empty());
  testing::finish_indexes(shard_, table());
  EXPECT_FALSE(garbage(3).empty());
  EXPECT_EQ(by(1, {std::int64_t{1}}), Strings{"a"});
  EXPECT_EQ(index_problems(shard_), Strings{});
}

TEST_F(TableIndexTest, ARoundWaitsForGarbageThatIsNotApplied) {
  hold({1, 2});
  want_indexes(shard_, table(), {kByAge});
  ASSERT_TRUE(shard_.log().flush());
  driver_.get("a");
  shard_.log().append(garbage(3), table().epoch(), nullptr);
  EXPECT_TRUE(round().empty());
  testing::finish_indexes(shard_, table());
  EXPECT_EQ(entries(), 1u);
  EXPECT_EQ(index_problems(shard_), Strings{});
}

TEST_F(TableIndexTest, ABuildThatWasInterruptedStartsOver) {
  for (int i = 0; i < 30; ++i) driver_.set("id" + std::to_string(i), {{"age", i}});
  want_indexes(shard_, table(), {kByAge});
  ASSERT_TRUE(shard_.log().flush());
  WriteBatch round;
  ASSERT_TRUE(table().maintain_indexes(10, round));
  shard_.commit(std::move(round));
  driver_.reopen();
  EXPECT_EQ(states(), std::vector{IndexState::building});
  EXPECT_TRUE(table().indexes_unfinished());
  testing::finish_indexes(shard_, table());
  EXPECT_EQ(by(1).size(), 30u);
}

TEST_F(TableIndexTest, AUniqueIndexOverEqualRecordsFailsAndIsNotKeptUp) {
  set("a", R"({"email":"1"})");
  set("b", R"({"email":"1"})");
  index({kByEmail});
  EXPECT_EQ(states(), std::vector{IndexState::failed});
  EXPECT_EQ(entries(), 0u);
  EXPECT_EQ(set("c", R"({"email":"1"})"), "true");
  EXPECT_EQ(entries(), 0u);

  // Wanted once more, it is built anew.
  driver_.erase("a");
  driver_.erase("b");
  index({kByEmail});
  EXPECT_EQ(states(), std::vector{IndexState::ready}) << "and the row of the failed one is gone";
  EXPECT_EQ(table().index_rows()[0].no, 2);
  EXPECT_EQ(entries(), 1u);
}

TEST_F(TableIndexTest, AnIndexWhoseValuesDoNotFitFails) {
  driver_.set("a", {{"email", std::string(500, 'x')}});
  set("b", R"({"email":"b"})");
  index({kByEmail, kByAge});
  EXPECT_EQ(states(), (std::vector{IndexState::failed, IndexState::ready}));
  EXPECT_EQ(entries(), 2u);
}

TEST_F(TableIndexTest, ADroppedIndexLosesItsEntriesAndItsNumberIsNotGivenOutAgain) {
  set("a", R"({"age":1,"email":"1"})");
  index({kByAge, kByEmail});
  EXPECT_EQ(entries(), 2u);
  index({kByAge});
  EXPECT_EQ(entries(), 1u);
  EXPECT_EQ(states(), (std::vector{IndexState::ready, IndexState::dropped})) << "the highest stays";
  driver_.reopen();
  testing::finish_indexes(shard_, table());
  index({kByAge, kByCityAndAge});
  EXPECT_EQ(states(), (std::vector{IndexState::ready, IndexState::ready}));
  EXPECT_EQ(table().index_rows()[1].no, 3);
  EXPECT_EQ(index_problems(shard_), Strings{});
}

TEST_F(TableIndexTest, GarbageTakesItsEntriesWithItButNotThoseThatCameBack) {
  index({kByAge});
  const auto write = [&](int age) {
    driver_.run([&](Table& t) { return t.set("a", {{"age", age}}); }, 1);
  };
  for (const int age : {1, 2, 1, 3, 1}) write(age);
  EXPECT_EQ(entries(), 3u);
  driver_.settle();
  EXPECT_EQ(entries(), 1u);
  EXPECT_EQ(by(1, {std::int64_t{1}}), Strings{"a"});
}

TEST_F(TableIndexTest, GarbageLeavesAnEntryThatAPendingVersionHasTakenUpAgain) {
  index({kByAge});
  const auto write = [&](int age, Txid oldest_reader) {
    driver_.run([&](Table& t) { return t.set("a", {{"age", age}}); }, oldest_reader);
  };
  write(1, 1);
  write(2, 1);
  ASSERT_TRUE(shard_.log().flush());
  write(1, 1);
  WriteBatch garbage;
  ASSERT_TRUE(table().collect_garbage(3, std::chrono::system_clock::now(), 100, garbage));
  EXPECT_FALSE(garbage.empty());
  shard_.commit(std::move(garbage));
  EXPECT_EQ(by(1, {std::int64_t{1}}), Strings{"a"});
  EXPECT_EQ(index_problems(shard_), Strings{});
}

TEST_F(TableIndexTest, ADroppedTableIsPurgedOfItsIndexes) {
  index({kByAge});
  set("a", R"({"age":1})");
  WriteBatch drop;
  drop_table(drop, kSession, testing::users_row());
  shard_.commit(std::move(drop));
  for (bool more = true; more;) {
    WriteBatch purge;
    {
      auto txn = shard_.environment().read();
      const auto left = purge_dropped(*txn, kSession, 2, purge);
      ASSERT_TRUE(left);
      more = *left;
    }
    EXPECT_LE(purge.ops().size(), 2u);
    shard_.commit(std::move(purge));
  }
  EXPECT_EQ(shard_.rows(Keyspace::indexes).size(), 0u);
  EXPECT_EQ(shard_.rows(Keyspace::registry).size(), 0u);
}

// ---- reading

TEST_F(TableIndexTest, AQueryThatFixesAllFieldsOfAnIndexReadsIt) {
  index({kByAge, kByCityAndAge});
  set("a", R"({"age":1,"address":{"city":"Bonn"}})");
  set("b", R"({"age":1,"address":{"city":"Ulm"}})");
  ASSERT_TRUE(shard_.log().flush());
  const auto found = [&](const char* filter) {
    Strings ids;
    const Json page = Json::parse(driver_.query(Json::parse(filter)));
    for (const Json& row : page["rows"]) {
      ids.push_back(row["id"].get<std::string>());
    }
    return ids;
  };
  EXPECT_EQ(found(R"({"age":1})"), (Strings{"a", "b"}));
  // An entry that is gone tells which way a query goes.
  const auto lose = [&](IndexNo index) {
    WriteBatch batch;
    for (const auto& [key, value] : shard_.rows(Keyspace::indexes)) {
      const auto entry = format::parse_index_key(key)->entry;
      if (format::index_of(entry) == index) batch.erase(Keyspace::indexes, key);
    }
    shard_.commit(std::move(batch));
  };
  lose(2);
  EXPECT_EQ(found(R"({"age":1,"address":{"city":"Bonn"}})"), Strings{}) << "by most fields";
  EXPECT_EQ(found(R"({"address":{"city":"Bonn"}})"), Strings{"a"}) << "by none";
  lose(1);
  EXPECT_EQ(found(R"({"age":1})"), Strings{});
  EXPECT_EQ(found(R"({"age":{"x":1}})"), Strings{});
  EXPECT_EQ(index_problems(shard_).size(), 4u);
}

TEST_F(TableIndexTest, AMemberNamedLikeAPathKeepsFiltersFromTheIndex) {
  index({{{"address.city"}, false}});
  set("a", R"({"address":{"city":"Bonn"},"address.city":"Ulm"})");
  set("b", R"({"address":{"city":"Bonn"}})");
  const auto rows = [&](const char* filter) {
    return Json::parse(driver_.query(Json::parse(filter)))["rows"].size();
  };
  EXPECT_EQ(rows(R"({"address":{"city":"Bonn"}})"), 2u);
  EXPECT_EQ(rows(R"({"address.city":"Ulm"})"), 1u);
}

TEST_F(TableIndexTest, ACursorOutlivesWhatTheTransactionWrites) {
  index({kByAge});
  for (int i = 0; i < 6; ++i) driver_.set("id" + std::to_string(i), {{"age", i}});
  for (const auto by : {RecordScan::By::id, RecordScan::By::order, RecordScan::By::index}) {
    driver_.begin();
    ASSERT_TRUE(table().set("id7", {{"age", 7}}));
    RecordScan scan;
    scan.by = by;
    scan.index = 1;
    auto cursor = mvcc(driver_).scan(scan);
    ASSERT_TRUE(cursor);
    Strings seen;
    for (;;) {
      const auto found = (*cursor)->next();
      ASSERT_TRUE(found);
      if (!*found) break;
      const RecordView record = (*cursor)->record();
      // The record itself and those behind it: what is staged is the scan's own overlay.
      const std::string data(record.data);
      ASSERT_TRUE(table().set(record.id, Json::parse(data)));
      EXPECT_EQ(record.data, data);
      seen.emplace_back(record.id);
      if (seen.size() > 1) continue;
      ASSERT_TRUE(table().erase("id7"));
      ASSERT_TRUE(table().set("id8", {{"age", 8}}));
    }
    EXPECT_EQ(seen, (Strings{"id0", "id1", "id2", "id3", "id4", "id5", "id8"}));
    table().rollback();
  }
}

// ---- which indexes there are

TEST(IndexRegistryTest, WhatIsThereStaysAndWhatIsNotWantedIsDropped) {
  const std::vector<IndexRow> existing = {{2, kByEmail, IndexState::ready},
                                          {4, kByAge, IndexState::building},
                                          {5, kByCityAndAge, IndexState::dropped}};
  const auto changes =
      plan_index_changes(existing, {kByEmail, kByCityAndAge, kByEmail}, IndexState::building);
  ASSERT_TRUE(changes);
  ASSERT_EQ(changes->put.size(), 2u);
  EXPECT_EQ(changes->put[0].no, 4);
  EXPECT_EQ(changes->put[0].state, IndexState::dropped);
  EXPECT_EQ(changes->put[1].no, 6);
  EXPECT_EQ(changes->put[1].definition, kByCityAndAge);
  EXPECT_EQ(changes->put[1].state, IndexState::building);
  EXPECT_EQ(changes->after.size(), 4u);
}

TEST(IndexRegistryTest, WhatCannotBeAnIndexIsRefused) {
  const auto refused = [](const std::vector<IndexDefinition>& wanted,
                          const std::vector<IndexRow>& existing = {}) {
    const auto changes = plan_index_changes(existing, wanted, IndexState::ready);
    return changes ? std::string() : std::string(changes.error().name());
  };
  EXPECT_EQ(refused({{{}, false}}), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(refused({{{""}, false}}), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(refused({{std::vector<std::string>(9, "a"), false}}), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(refused({{{std::string(256, 'a')}, false}}), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(refused({kByAge}, {{65535, kByEmail, IndexState::ready}}), "KONTRACT_TOO_LARGE");
  std::vector<IndexDefinition> many;
  for (int i = 0; i < 17; ++i) many.push_back({{std::to_string(i)}, false});
  EXPECT_EQ(refused(many), "KONTRACT_TOO_LARGE");
  many.pop_back();
  EXPECT_EQ(refused(many), "");
}

}  // namespace
}  // namespace kontract
