// Taking from the ends of a table whose deleted records wait to be collected.

#include <gtest/gtest.h>

#include "storage/dead_orders.hpp"
#include "tests/storage/table_driver.hpp"

namespace kontract {
namespace {

using testing::ManualShard;
using testing::TableDriver;

TEST(DeadOrdersTest, RangesJoinWhereTheyOverlapAndHoldTheirEnds) {
  DeadOrders dead;
  dead.add({10, 20}, 1);
  dead.add({30, 40}, 7);
  dead.add({50, 50}, 3);
  EXPECT_FALSE(dead.around(9));
  EXPECT_FALSE(dead.around(21));
  EXPECT_FALSE(dead.around(51));
  EXPECT_EQ(dead.around(50)->last, 50U);
  EXPECT_EQ(dead.observed(), 7U);
  dead.add({15, 35}, 0);
  for (const std::uint64_t order : {10, 20, 25, 40}) {
    ASSERT_TRUE(dead.around(order)) << order;
    EXPECT_EQ(dead.around(order)->first, 10U);
    EXPECT_EQ(dead.around(order)->last, 40U);
  }
  dead.add({0, 100}, 0);
  EXPECT_EQ(dead.around(50)->first, 0U);
  dead.clear();
  EXPECT_FALSE(dead.around(50));
  EXPECT_EQ(dead.observed(), 0U);
}

TEST(DeadOrdersTest, ItForgetsRatherThanGrows) {
  DeadOrders dead;
  for (std::uint64_t i = 0; i < 100'000; ++i) dead.add({3 * i, 3 * i}, 0);
  EXPECT_TRUE(dead.around(3 * 99'999));
  EXPECT_FALSE(dead.around(0));
}

// The readers are at 1, so that nothing goes.
constexpr Txid kOldReader = 1;

class TakeTest : public ::testing::Test {
 protected:
  std::string shift() {
    return driver_.run([](Table& t) { return t.shift(); }, kOldReader);
  }
  std::string pop() {
    return driver_.run([](Table& t) { return t.pop(); }, kOldReader);
  }
  void push(int n) {
    driver_.run([n](Table& t) { return t.push({{"n", n}}); }, kOldReader);
  }
  // Pushes and deletes `count` records, which stay in the way.
  void leave_dead(std::size_t count) {
    for (std::size_t done = 0; done < count; done += limits::kBatchOpsMax) {
      driver_.begin(kOldReader);
      std::vector<std::string> ids;
      for (std::size_t i = 0; i < limits::kBatchOpsMax; ++i) {
        ids.push_back("dead-" + std::to_string(done + i));
        ASSERT_TRUE(driver_.table().set(ids.back(), Json::object()));
      }
      driver_.end();
      driver_.begin(kOldReader);
      for (const std::string& id : ids) ASSERT_TRUE(driver_.table().erase(id));
      driver_.end();
    }
    ASSERT_TRUE(shard_.log().flush());
  }

  ManualShard shard_;
  TableDriver driver_{shard_};
};

TEST_F(TakeTest, ACallPassesOverSoManyDeletedRecordsAndTheNextGoesOn) {
  for (const bool from_the_end : {false, true}) {
    SCOPED_TRACE(from_the_end);
    push(1);
    leave_dead(2 * limits::kQueryScanMax + 500);
    push(2);
    const auto take = [&] { return from_the_end ? pop() : shift(); };
    EXPECT_EQ(take(), from_the_end ? R"({"n":2})" : R"({"n":1})");
    EXPECT_EQ(take(), "KONTRACT_OVERLOADED");
    EXPECT_EQ(driver_.count(), "1") << "nothing was taken";
    EXPECT_EQ(take(), "KONTRACT_OVERLOADED");
    EXPECT_EQ(take(), from_the_end ? R"({"n":1})" : R"({"n":2})");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(take(), "null") << "the way is known now";
  }
}

TEST_F(TakeTest, WhatComesAfterwardsIsFoundFromBothEnds) {
  leave_dead(1000);
  EXPECT_EQ(shift(), "null");
  for (int n = 1; n <= 4; ++n) push(n);
  EXPECT_EQ(driver_.run([](Table& t) { return t.set("dead-7", {{"n", 5}}); }, kOldReader), "true");
  EXPECT_EQ(pop(), R"({"n":5})") << "it came back behind the others";
  EXPECT_EQ(shift(), R"({"n":1})");
  EXPECT_EQ(pop(), R"({"n":4})");
  EXPECT_EQ(shift(), R"({"n":2})");
  EXPECT_EQ(shift(), R"({"n":3})");
  EXPECT_EQ(pop(), "null");
  driver_.settle();
  EXPECT_EQ(shift(), "null");
  push(6);
  EXPECT_EQ(pop(), R"({"n":6})");
}

TEST_F(TakeTest, WhatATransactionTookComesBackWhenItRollsBack) {
  for (int n = 1; n <= 3; ++n) push(n);
  driver_.begin(kOldReader);
  EXPECT_EQ(TableDriver::text_of(driver_.table().shift()), R"({"n":1})");
  EXPECT_EQ(TableDriver::text_of(driver_.table().shift()), R"({"n":2})");
  driver_.table().rollback();
  EXPECT_EQ(shift(), R"({"n":1})");
}

TEST_F(TakeTest, WhatAFailedCommitHadTakenIsFoundAgain) {
  push(1);
  push(2);
  ASSERT_TRUE(shard_.log().flush());
  EXPECT_EQ(shift(), R"({"n":1})");
  EXPECT_EQ(shift(), R"({"n":2})");
  EXPECT_EQ(shift(), "null");  // rests on deletes that are then lost
  shard_.log().fail();
  EXPECT_EQ(shift(), R"({"n":1})");
}

TEST_F(TakeTest, ThatNothingIsLeftWaitsForTheDeletesThatSayIt) {
  push(1);
  ASSERT_TRUE(shard_.log().flush());
  EXPECT_EQ(shift(), R"({"n":1})");
  const Ticket taken = shard_.log().appended();
  for (int i = 0; i < 2; ++i) {  // the second time from memory
    driver_.begin(kOldReader);
    EXPECT_EQ(TableDriver::text_of(driver_.table().shift()), "null");
    EXPECT_EQ(driver_.table().observed(), taken);
  }
}

}  // namespace
}  // namespace kontract
