#include "storage/change_log.hpp"

#include <gmock/gmock.h>

#include "storage/registry.hpp"
#include "tests/storage/table_driver.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kSession;
using testing::ManualShard;
using testing::TableDriver;

// What LMDB has of the log of the table: "floor 3", then "5/0 update u1 {..} <- {..}".
std::vector<std::string> log_of(ManualShard& shard) {
  std::vector<std::string> out;
  for (const auto& [key, value] : shard.rows(Keyspace::changes)) {
    EXPECT_TRUE(format::verify_row(Keyspace::changes, key, value));
    const auto at = format::parse_change_key(key);
    if (at->txid == 0) {
      out.push_back("floor " + std::to_string(format::parse_change_head(key, value)->floor));
      continue;
    }
    const auto row = format::parse_change(key, value);
    std::string text = std::to_string(at->txid) + '/' + std::to_string(at->n) + ' ';
    text += row->kind == format::ChangeKind::insert   ? "insert"
            : row->kind == format::ChangeKind::update ? "update"
                                                      : "delete";
    text += ' ' + std::string(row->id) + ' ' + std::string(row->data) + "<-";
    out.push_back(text + std::string(row->old_data));
  }
  return out;
}

TEST(ChangeLogTest, EachTransactionLeavesWhatItDidToEachRecordInTheSameBatch) {
  ManualShard shard;
  TableDriver users(shard);
  users.set("b", {{"n", 1}});
  users.begin();
  ASSERT_TRUE(users.table().set("c", {{"n", 2}}));
  ASSERT_TRUE(users.table().update("b", {{"m", 3}}));
  ASSERT_TRUE(users.table().set("passing", {{"n", 0}}));
  ASSERT_TRUE(users.table().erase("passing"));
  users.end();
  users.erase("b");
  users.get("b");
  users.erase("b");  // is not there: no change
  ASSERT_THAT(log_of(shard), IsEmpty());
  ASSERT_TRUE(shard.log().flush());
  EXPECT_THAT(
      log_of(shard),
      ElementsAre("floor 0", R"(1/0 insert b {"n":1}<-)", R"(2/0 update b {"m":3,"n":1}<-{"n":1})",
                  R"(2/1 insert c {"n":2}<-)", R"(3/0 delete b <-{"m":3,"n":1})"));
}

TEST(ChangeLogTest, ARolledBackOrFailedTransactionLeavesNothing) {
  ManualShard shard;
  TableDriver users(shard);
  users.set("a", {{"n", 1}});
  ASSERT_TRUE(shard.log().flush());
  users.begin();
  ASSERT_TRUE(users.table().set("a", {{"n", 2}}));
  static_cast<void>(users.table().staged());
  users.table().rollback();
  users.set("a", {{"n", 3}});
  shard.log().fail();
  users.set("a", {{"n", 4}});
  ASSERT_TRUE(shard.log().flush());
  EXPECT_THAT(log_of(shard), ElementsAre("floor 0", R"(1/0 insert a {"n":1}<-)",
                                         R"(4/0 update a {"n":4}<-{"n":1})"));
  const auto last = shard.rows(Keyspace::changes).back();
  EXPECT_EQ(format::parse_change(last.first, last.second)->totals.changes, 2u)
      << "the totals go on from what is stored";
}

TEST(ChangeLogTest, OldChangesGoWithLaterWritesAndTheFloorSaysSoAcrossRestarts) {
  ManualShard shard(0ms, {.changes = 4});
  TableDriver users(shard);
  for (int i = 0; i < 20; ++i) {
    users.set("a", {{"n", i}});
    if (i % 7 == 0) {
      ASSERT_TRUE(shard.log().flush());
    }
    if (i % 5 == 0) {
      ASSERT_TRUE(shard.log().flush());
      users.reopen();
    }
  }
  ASSERT_TRUE(shard.log().flush());
  users.set("a", {{"n", 20}});
  users.set("a", {{"n", 21}});
  ASSERT_TRUE(shard.log().flush());
  const auto log = log_of(shard);
  const Txid floor = users.table().followed().floor.value();
  ASSERT_FALSE(log.empty());
  EXPECT_EQ(log.front(), "floor " + std::to_string(floor));
  EXPECT_GE(floor, 16u);
  EXPECT_LE(floor, 18u);
  // Complete after the floor.
  ASSERT_EQ(log.size(), 1 + (users.last_txid() - floor));
  for (std::size_t i = 1; i < log.size(); ++i) {
    EXPECT_TRUE(log[i].starts_with(std::to_string(floor + i) + "/0 ")) << log[i];
  }
  users.reopen();
  EXPECT_EQ(users.table().followed().floor, floor);
}

TEST(ChangeLogTest, BytesAndAgeAreLimitsToo) {
  ManualShard shard(0ms, {.changes = 1000, .bytes = 2000});
  TableDriver users(shard);
  for (int i = 0; i < 40; ++i) {
    users.set("a", {{"text", std::string(100, 'x')}});
    ASSERT_TRUE(shard.log().flush());
  }
  const std::size_t rows = log_of(shard).size();
  EXPECT_LE(rows, 1 + 2000 / 200 + 2);
  EXPECT_GE(rows, 1 + 2000 / 400);
  users.settle();
  const std::size_t kept = log_of(shard).size();
  EXPECT_LE(kept, rows);
  users.settle(std::chrono::system_clock::now() + 23h);
  EXPECT_EQ(log_of(shard).size(), kept);
  users.settle(std::chrono::system_clock::now() + 25h);
  EXPECT_THAT(log_of(shard), ElementsAre("floor " + std::to_string(users.last_txid())));
}

TEST(ChangeLogTest, ATransactionBeyondTheLimitsCutsTheLog) {
  ManualShard shard(0ms, {.changes = 3});
  TableDriver users(shard);
  users.set("a", {{"n", 1}});
  users.begin();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(users.table().set("b" + std::to_string(i), {{"n", i}}));
  users.end();
  EXPECT_EQ(users.table().followed().floor, 2u);
  ASSERT_TRUE(shard.log().flush());
  users.set("a", {{"n", 3}});
  ASSERT_TRUE(shard.log().flush());
  EXPECT_THAT(log_of(shard), ElementsAre("floor 2", R"(3/0 update a {"n":3}<-{"n":1})"));
}

TEST(ChangeLogTest, AFullStoreIsEmptiedWithoutWritingToTheLog) {
  ManualShard shard;
  TableDriver users(shard);
  users.set("a", {{"n", 1}});
  users.set("b", {{"n", 1}});
  ASSERT_TRUE(shard.log().flush());
  shard.log().full = true;
  EXPECT_EQ(users.erase("a"), "true");
  ASSERT_TRUE(shard.log().flush());
  EXPECT_THAT(log_of(shard), ElementsAre("floor 3"));
}

TEST(ChangeLogTest, WithoutALogNothingIsWrittenAndWhatWasThereGoes) {
  const testing::TempDir directory;
  ManualShard shard(0ms, {.changes = 0});
  TableDriver users(shard);
  users.set("a", {{"n", 1}});
  ASSERT_TRUE(shard.log().flush());
  EXPECT_THAT(log_of(shard), IsEmpty());

  // As if it had been kept before.
  WriteBatch batch;
  const format::Key head = format::change_head_key(kSession, 1);
  batch.put(Keyspace::changes, head.str(), format::change_head_value(head, {7, {9, 900}}));
  const format::Key row = format::change_key({kSession, 1, 8, 0});
  batch.put(Keyspace::changes, row.str(),
            format::change_value(row, {format::ChangeKind::insert, {10, 1000}, 1, "x", "{}", ""}));
  shard.commit(std::move(batch));
  users.reopen();
  users.set("a", {{"n", 2}});
  ASSERT_TRUE(shard.log().flush());
  users.settle();
  EXPECT_THAT(log_of(shard), IsEmpty());
  users.reopen();
  EXPECT_EQ(users.table().followed().floor, std::nullopt) << "its past is not known";
}

TEST(ChangeLogTest, ADroppedTableLosesItsLog) {
  ManualShard shard;
  TableDriver users(shard);
  for (int i = 0; i < 5; ++i) users.set("a", {{"n", i}});
  ASSERT_TRUE(shard.log().flush());
  WriteBatch dropped;
  drop_table(dropped, kSession, testing::users_row());
  shard.commit(std::move(dropped));
  for (bool more = true; more;) {
    auto txn = shard.environment().read();
    ASSERT_TRUE(txn);
    WriteBatch batch;
    const auto left = purge_dropped(*txn, kSession, 4, batch);
    ASSERT_TRUE(left);
    more = *left;
    shard.commit(std::move(batch));
  }
  EXPECT_THAT(log_of(shard), IsEmpty());
}

TEST(ChangeLogTest, ARowThatIsDamagedDoesNotParse) {
  const format::Key key = format::change_key({1, 2, 3, 4});
  const format::ChangeRow row{format::ChangeKind::update, {5, 600}, 7, "id", "{\"n\":1}", "{}"};
  const std::string value = format::change_value(key, row);
  ASSERT_TRUE(format::parse_change(key, value));
  for (std::size_t at = 0; at < value.size(); ++at) {
    std::string flipped = value;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    EXPECT_FALSE(format::parse_change(key, flipped)) << at;
    EXPECT_FALSE(format::parse_change(key, std::string_view(value).substr(0, at))) << at;
  }
  EXPECT_FALSE(format::parse_change_key(std::string_view(key).substr(1)));
}

}  // namespace
}  // namespace kontract
