#include "storage/table.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "storage/format.hpp"
#include "tests/storage/json_text.hpp"
#include "tests/storage/table_driver.hpp"

namespace kontract {
namespace {

using testing::kSession;
using testing::ManualShard;
using testing::TableDriver;
using testing::users_row;

QueryOptions page(std::size_t limit, std::string after = {}, bool descending = false) {
  return {limit, std::move(after), descending};
}

QueryOptions after(const Json& page_before) {
  return page(limits::kQueryRowsMax, page_before["next"].get<std::string>());
}

// Each test runs with batches applied at once and with batches that stay pending: what a client
// sees is the same.
class TableTest : public ::testing::TestWithParam<bool> {
 protected:
  std::string run(const std::function<Result<JsonText>(Table&)>& operation) {
    std::string text = driver_.run(operation);
    step();
    return text;
  }
  std::string set(std::string_view id, const char* data) {
    return run([&](Table& t) { return t.set(id, json(data)); });
  }
  std::string erase(std::string_view id) {
    return run([&](Table& t) { return t.erase(id); });
  }
  void step() {
    if (GetParam()) {
      ASSERT_TRUE(shard_.log().flush());
    }
  }

  ManualShard shard_;
  TableDriver driver_{shard_};
};

INSTANTIATE_TEST_SUITE_P(Log, TableTest, ::testing::Bool(),
                         [](const auto& applied) { return applied.param ? "Applied" : "Pending"; });

TEST_P(TableTest, WhatWasSetIsGotAndADeletedRecordIsNot) {
  EXPECT_EQ(driver_.get("u1"), "null");
  EXPECT_EQ(set("u1", R"({"name":"Ada","n":1})"), "true");
  EXPECT_EQ(driver_.get("u1"), R"({"n":1,"name":"Ada"})");
  EXPECT_EQ(set("u1", R"({"n":2})"), "true");
  EXPECT_EQ(driver_.get("u1"), R"({"n":2})");
  EXPECT_EQ(driver_.get("u"), "null");
  EXPECT_EQ(driver_.get("u11"), "null");
  EXPECT_EQ(erase("u1"), "true");
  EXPECT_EQ(driver_.get("u1"), "null");
  EXPECT_EQ(erase("u1"), "false");
  EXPECT_EQ(erase("never"), "false");
}

TEST_P(TableTest, UpdateMergesTheTopLevelAndCreatesWhatIsAbsent) {
  EXPECT_EQ(driver_.update("u1", json(R"({"a":{"x":1},"b":1})")), "true");
  step();
  EXPECT_EQ(driver_.update("u1", json(R"({"a":{"y":2},"c":null})")), "true");
  step();
  EXPECT_EQ(driver_.get("u1"), R"({"a":{"y":2},"b":1,"c":null})");
  EXPECT_EQ(driver_.update("u1", json("{}")), "true");
  EXPECT_EQ(driver_.get("u1"), R"({"a":{"y":2},"b":1,"c":null})");
}

TEST_P(TableTest, AnUpdateKeepsThePlaceAndASetOnADeletedRecordIsAnInsert) {
  set("a", R"({"n":1})");
  set("b", R"({"n":2})");
  set("a", R"({"n":3})");
  EXPECT_EQ(driver_.query(),
            R"({"rows":[{"id":"a","data":{"n":3}},{"id":"b","data":{"n":2}}],"next":null})");
  erase("a");
  set("a", R"({"n":4})");
  EXPECT_EQ(driver_.query(),
            R"({"rows":[{"id":"b","data":{"n":2}},{"id":"a","data":{"n":4}}],"next":null})");
  EXPECT_EQ(driver_.count(), "2");
}

TEST_P(TableTest, PushPopAndShiftGoByOrder) {
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(run([&](Table& t) { return t.push({{"n", i}}); }));
  }
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  const std::string first = Json::parse(ids[0]).get<std::string>();
  EXPECT_EQ(first.size(), 36u);
  EXPECT_EQ(driver_.get(first), R"({"n":0})");
  EXPECT_EQ(run([](Table& t) { return t.pop(); }), R"({"n":3})");
  EXPECT_EQ(run([](Table& t) { return t.shift(); }), R"({"n":0})");
  EXPECT_EQ(driver_.count(), "2");
  set(Json::parse(ids[1]).get<std::string>(), R"({"n":"updated"})");
  EXPECT_EQ(run([](Table& t) { return t.shift(); }), R"({"n":"updated"})");
  EXPECT_EQ(run([](Table& t) { return t.pop(); }), R"({"n":2})");
  EXPECT_EQ(run([](Table& t) { return t.pop(); }), "null");
  EXPECT_EQ(run([](Table& t) { return t.shift(); }), "null");
  EXPECT_EQ(driver_.count(), "0");
}

TEST_P(TableTest, AQueryFiltersByContainmentInOrder) {
  for (int i = 0; i < 6; ++i) {
    set("u" + std::to_string(i), i % 2 == 0 ? R"({"even":true,"tags":["x","y"]})" : R"({"n":1})");
  }
  const auto ids = [&](const Json& filter, bool descending = false) {
    std::string out;
    const Json found = Json::parse(driver_.query(filter, page(1000, "", descending)));
    for (const Json& row : found["rows"]) out += row["id"].get<std::string>();
    return out;
  };
  EXPECT_EQ(ids(nullptr), "u0u1u2u3u4u5");
  EXPECT_EQ(ids(Json::object()), "u0u1u2u3u4u5");
  EXPECT_EQ(ids(nullptr, true), "u5u4u3u2u1u0");
  EXPECT_EQ(ids(json(R"({"even":true})")), "u0u2u4");
  EXPECT_EQ(ids(json(R"({"tags":["y"]})"), true), "u4u2u0");
  EXPECT_EQ(ids(json(R"({"n":1.0})")), "u1u3u5");
  EXPECT_EQ(ids(json(R"({"n":2})")), "");
}

TEST_P(TableTest, PagesFollowEachOtherWithoutGapOrRepetition) {
  for (int i = 0; i < 10; ++i) set("u" + std::to_string(i), R"({"n":1})");
  erase("u3");
  for (const bool descending : {false, true}) {
    std::string seen;
    QueryOptions options = page(2, "", descending);
    for (int pages = 0; pages < 10; ++pages) {
      const Json found = Json::parse(driver_.query(nullptr, options));
      EXPECT_LE(found["rows"].size(), 2u);
      for (const Json& row : found["rows"]) seen += row["id"].get<std::string>();
      if (found["next"].is_null()) break;
      options.after = found["next"].get<std::string>();
      // What changes between two pages does not disturb those that follow.
      set(descending ? "u9" : "u0", R"({"n":2})");
    }
    EXPECT_EQ(seen, descending ? "u9u8u7u6u5u4u2u1u0" : "u0u1u2u4u5u6u7u8u9");
  }
}

TEST_P(TableTest, ATransactionSeesItsOwnWritesAndOthersSeeThemTogether) {
  set("a", R"({"n":1})");
  set("b", R"({"n":2})");
  driver_.begin();
  Table& table = driver_.table();
  EXPECT_EQ(*table.set("a", json(R"({"n":10})")), "true");
  EXPECT_EQ(*table.get("a"), R"({"n":10})");
  EXPECT_EQ(*table.erase("b"), "true");
  EXPECT_EQ(*table.get("b"), "null");
  EXPECT_EQ(*table.set("c", json(R"({"n":3})")), "true");
  EXPECT_EQ(*table.set("c", json(R"({"n":4})")), "true");
  EXPECT_EQ(*table.update("c", json(R"({"m":5})")), "true");
  EXPECT_EQ(*table.set("b", json(R"({"n":20})")), "true");
  EXPECT_EQ(*table.query(nullptr, {}),
            R"({"rows":[{"id":"a","data":{"n":10}},{"id":"c","data":{"m":5,"n":4}},)"
            R"({"id":"b","data":{"n":20}}],"next":null})");
  EXPECT_EQ(*table.count(), 3u);
  EXPECT_EQ(*table.pop(), R"({"n":20})");
  EXPECT_EQ(*table.shift(), R"({"n":10})");
  EXPECT_EQ(*table.count(), 1u);
  driver_.end();
  step();
  EXPECT_EQ(driver_.query(), R"({"rows":[{"id":"c","data":{"m":5,"n":4}}],"next":null})");
  EXPECT_EQ(driver_.count(), "1");
}

TEST_P(TableTest, ARolledBackTransactionLeavesNoTrace) {
  set("a", R"({"n":1})");
  set("b", R"({"n":2})");
  const std::string before = driver_.query();
  driver_.begin();
  Table& table = driver_.table();
  EXPECT_TRUE(table.set("a", json("{}")) && table.erase("b") && table.push(json("{}")));
  EXPECT_FALSE(table.staged().empty());
  table.rollback();
  EXPECT_TRUE(table.staged().empty());
  EXPECT_EQ(driver_.query(), before);
  EXPECT_EQ(driver_.count(), "2");
  EXPECT_EQ(shard_.log().waiting(), GetParam() ? 0u : 2u);
}

TEST_P(TableTest, WhatCancelsOutStagesNothing) {
  driver_.begin();
  Table& table = driver_.table();
  EXPECT_EQ(*table.set("a", json("{}")), "true");
  EXPECT_EQ(*table.erase("a"), "true");
  EXPECT_EQ(*table.erase("b"), "false");
  EXPECT_EQ(*table.pop(), "null");
  EXPECT_TRUE(table.staged().empty());
}

TEST_P(TableTest, ReadersOfThePastSeeWhatWasSoThen) {
  const Txid reader = 1;  // holds everything back
  const auto put = [&](std::string_view id, const char* data) {
    driver_.run([&](Table& t) { return t.set(id, json(data)); }, reader);
    step();
  };
  const auto drop = [&](std::string_view id) {
    driver_.run([&](Table& t) { return t.erase(id); }, reader);
    step();
  };
  put("a", R"({"n":1})");  // 1
  put("b", R"({"n":2})");  // 2
  put("a", R"({"n":3})");  // 3
  drop("b");               // 4
  put("b", R"({"n":5})");  // 5
  drop("a");               // 6

  struct Case {
    Txid txid;
    const char *a, *b, *rows, *count;
  };
  const Case cases[] = {
      {1, "null", "null", "", "0"},
      {2, R"({"n":1})", "null", "a", "1"},
      {3, R"({"n":1})", R"({"n":2})", "ab", "2"},
      {4, R"({"n":3})", R"({"n":2})", "ab", "2"},
      {5, R"({"n":3})", "null", "a", "1"},
      {6, R"({"n":3})", R"({"n":5})", "ab", "2"},
      {7, "null", R"({"n":5})", "b", "1"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.txid);
    EXPECT_EQ(driver_.read_at(c.txid, [](Table& t) { return t.get("a"); }), c.a);
    EXPECT_EQ(driver_.read_at(c.txid, [](Table& t) { return t.get("b"); }), c.b);
    const Json seen = Json::parse(
        driver_.read_at(c.txid, [](Table& t) { return t.query(nullptr, QueryOptions{}); }));
    std::string rows;
    for (const Json& row : seen["rows"]) rows += row["id"].get<std::string>();
    EXPECT_EQ(rows, c.rows);
    EXPECT_EQ(driver_.read_at(c.txid, [](Table& t) { return t.count(); }), c.count);
  }
}

TEST_P(TableTest, AReopenedTableIsTheSame) {
  for (int i = 0; i < 5; ++i) set("u" + std::to_string(i), R"({"n":1})");
  erase("u2");
  const std::string rows = driver_.query();
  ASSERT_TRUE(shard_.log().flush());
  driver_.reopen();
  EXPECT_EQ(driver_.query(), rows);
  EXPECT_EQ(driver_.count(), "4");
}

// ---- what is left in LMDB

struct Rows {
  std::size_t versions, order, garbage;
  bool operator==(const Rows&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Rows& rows) {
  return out << rows.versions << " versions, " << rows.order << " order, " << rows.garbage
             << " garbage";
}

Rows rows_of(ManualShard& shard) {
  EXPECT_TRUE(shard.log().flush());
  return {shard.rows(Keyspace::versions).size(), shard.rows(Keyspace::order).size(),
          shard.rows(Keyspace::garbage).size()};
}

TEST_P(TableTest, WithoutReadersASupersededVersionGoesInTheSameBatch) {
  set("a", R"({"n":1})");
  EXPECT_EQ(rows_of(shard_), (Rows{1, 1, 0}));
  for (int i = 0; i < 5; ++i) set("a", R"({"n":2})");
  EXPECT_EQ(rows_of(shard_), (Rows{1, 1, 0}));
  erase("a");
  EXPECT_EQ(rows_of(shard_), (Rows{0, 0, 0}));
  set("a", R"({"n":3})");
  erase("a");
  set("a", R"({"n":4})");
  EXPECT_EQ(rows_of(shard_), (Rows{1, 1, 0}));
  run([](Table& t) { return t.pop(); });
  EXPECT_EQ(rows_of(shard_), (Rows{0, 0, 0}));
}

TEST_P(TableTest, ADeleteAndAnInsertInOneTransactionLeaveOneVersionWithItsNewOrder) {
  set("a", R"({"n":1})");
  driver_.begin();
  EXPECT_TRUE(driver_.table().erase("a") && driver_.table().set("a", json(R"({"n":2})")));
  driver_.end();
  EXPECT_EQ(rows_of(shard_), (Rows{1, 1, 0}));
  EXPECT_EQ(driver_.query(), R"({"rows":[{"id":"a","data":{"n":2}}],"next":null})");
}

TEST_P(TableTest, WhatAReaderHoldsBackIsCollectedOnceItIsGone) {
  const auto held = [&](const std::function<Result<JsonText>(Table&)>& operation) {
    driver_.run(operation, 2);
    step();
  };
  set("a", R"({"n":1})");                                 // 1
  held([](Table& t) { return t.set("a", json("{}")); });  // 2: version 1 stays
  held([](Table& t) { return t.set("a", json("{}")); });  // 3: version 2 stays
  EXPECT_EQ(rows_of(shard_), (Rows{3, 1, 2}));
  held([](Table& t) { return t.erase("a"); });  // 4: and 3, ended by a tombstone
  EXPECT_EQ(rows_of(shard_), (Rows{4, 1, 4}));
  held([](Table& t) { return t.set("a", json(R"({"n":5})")); });  // 5: with a new order
  EXPECT_EQ(rows_of(shard_), (Rows{5, 2, 4}));

  const auto collect = [&](Txid oldest_reader) {
    WriteBatch batch;
    const auto more = driver_.table().collect_garbage(oldest_reader,
                                                      std::chrono::system_clock::now(), 100, batch);
    ASSERT_TRUE(more);
    EXPECT_FALSE(*more);
    shard_.commit(std::move(batch));
  };
  collect(2);
  EXPECT_EQ(rows_of(shard_), (Rows{5, 2, 4}));
  collect(3);  // nobody reads at 2 any more: version 1 goes, 2 and 3 still need the order row
  EXPECT_EQ(rows_of(shard_), (Rows{4, 2, 3}));
  EXPECT_EQ(driver_.read_at(3, [](Table& t) { return t.get("a"); }), "{}");
  collect(4);
  EXPECT_EQ(rows_of(shard_), (Rows{3, 2, 2}));
  EXPECT_EQ(driver_.read_at(4, [](Table& t) { return t.get("a"); }), "{}");
  collect(5);  // version 3 and the tombstone
  EXPECT_EQ(rows_of(shard_), (Rows{1, 1, 0}));
  EXPECT_EQ(driver_.read_at(5, [](Table& t) { return t.get("a"); }), "null");
  EXPECT_EQ(driver_.get("a"), R"({"n":5})");
}

TEST_P(TableTest, ADeleteOverOlderVersionsDoesNotBringThemBack) {
  set("a", R"({"n":1})");                                                   // 1
  driver_.run([](Table& t) { return t.set("a", json(R"({"n":2})")); }, 2);  // 2: 1 stays
  step();
  erase("a");  // 3: there is something below, so a tombstone has to end it
  EXPECT_EQ(driver_.get("a"), "null");
  driver_.settle();
  EXPECT_EQ(rows_of(shard_), (Rows{0, 0, 0}));
  EXPECT_EQ(driver_.get("a"), "null");
}

TEST_P(TableTest, AnOrderRowStaysWhileAnOlderVersionUsesIt) {
  set("a", R"({"n":1})");                                                   // 1
  driver_.run([](Table& t) { return t.set("a", json(R"({"n":2})")); }, 2);  // 2: 1 stays
  step();
  driver_.begin();  // 3: nobody reads the past any more
  EXPECT_TRUE(driver_.table().erase("a") && driver_.table().set("a", json(R"({"n":3})")));
  driver_.end();
  EXPECT_EQ(rows_of(shard_), (Rows{3, 2, 2}));
  EXPECT_EQ(driver_.query(), R"({"rows":[{"id":"a","data":{"n":3}}],"next":null})");
  driver_.settle();
  EXPECT_EQ(rows_of(shard_), (Rows{1, 1, 0}));
}

TEST_P(TableTest, CollectionStopsAtTheNumberOfOperationsAndGoesOn) {
  for (int i = 0; i < 10; ++i) {
    driver_.run([](Table& t) { return t.set("a", Json::object()); }, 1);
    step();
  }
  ASSERT_EQ(rows_of(shard_), (Rows{10, 1, 9}));
  WriteBatch batch;
  const auto more = driver_.table().collect_garbage(driver_.last_txid() + 1,
                                                    std::chrono::system_clock::now(), 7, batch);
  ASSERT_TRUE(more);
  EXPECT_TRUE(*more);
  EXPECT_LE(batch.ops().size(), 7u);
  shard_.commit(std::move(batch));
  driver_.settle();
  EXPECT_EQ(rows_of(shard_), (Rows{1, 1, 0}));
}

TEST(TableRetentionTest, SupersededVersionsAreKeptForTheRetentionTime) {
  ManualShard shard(std::chrono::hours(1));
  TableDriver driver(shard);
  driver.set("a", json(R"({"n":1})"));
  driver.set("a", json(R"({"n":2})"));
  driver.erase("a");
  driver.settle();
  EXPECT_EQ(rows_of(shard), (Rows{3, 1, 3}));
  EXPECT_EQ(driver.read_at(2, [](Table& t) { return t.get("a"); }), R"({"n":1})");
  driver.settle(std::chrono::system_clock::now() + std::chrono::minutes(61));
  EXPECT_EQ(rows_of(shard), (Rows{0, 0, 0}));
}

// ---- pending

class PendingTest : public ::testing::Test {
 protected:
  ManualShard shard_;
  TableDriver driver_{shard_};
};

TEST_F(PendingTest, AReplyWaitsForThePendingVersionItSaw) {
  driver_.set("a", Json::object());  // ticket 1
  driver_.set("b", Json::object());  // ticket 2
  driver_.erase("a");                // ticket 3
  struct Case {
    const char* name;
    std::function<Result<JsonText>(Table&)> operation;
    Ticket observed;
  };
  const Case cases[] = {
      {"a record", [](Table& t) { return t.get("b"); }, 2},
      {"a deleted one", [](Table& t) { return t.get("a"); }, 3},
      {"one that never was", [](Table& t) { return t.get("c"); }, 0},
      {"all", [](Table& t) { return t.query(nullptr, QueryOptions{}); }, 3},
      {"a delete of nothing", [](Table& t) { return t.erase("a"); }, 3},
      {"the number of records",
       [](Table& t) -> Result<JsonText> { return TableDriver::text_of(t.count()); }, 3},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    driver_.begin();
    ASSERT_TRUE(c.operation(driver_.table()));
    EXPECT_EQ(driver_.table().observed(), c.observed);
  }
  ASSERT_TRUE(shard_.log().flush());
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    driver_.begin();
    ASSERT_TRUE(c.operation(driver_.table()));
    EXPECT_EQ(driver_.table().observed(), 0u);
  }
}

TEST_F(PendingTest, EachVersionOfAPendingChainIsSeenByItsReaders) {
  for (int n = 1; n <= 4; ++n) {
    driver_.run([&](Table& t) { return t.set("a", {{"n", n}}); }, 1);
  }
  for (int applied = 0; applied <= 4; ++applied) {
    SCOPED_TRACE(applied);
    for (int n = 1; n <= 4; ++n) {
      EXPECT_EQ(driver_.read_at(static_cast<Txid>(n) + 1, [](Table& t) { return t.get("a"); }),
                "{\"n\":" + std::to_string(n) + "}");
    }
    EXPECT_EQ(driver_.read_at(1, [](Table& t) { return t.get("a"); }), "null");
    shard_.log().apply();
  }
}

TEST_F(PendingTest, WhatTheLogLostIsForgotten) {
  driver_.set("a", json(R"({"n":1})"));
  ASSERT_TRUE(shard_.log().flush());
  driver_.set("a", json(R"({"n":2})"));
  driver_.set("b", json(R"({"n":3})"));
  driver_.erase("a");
  EXPECT_EQ(driver_.count(), "1");
  shard_.log().apply();  // a = 2; the rest fails
  shard_.log().fail();
  EXPECT_EQ(driver_.query(), R"({"rows":[{"id":"a","data":{"n":2}}],"next":null})");
  EXPECT_EQ(driver_.count(), "1");
  EXPECT_EQ(driver_.table().observed(), 0u);
  EXPECT_EQ(driver_.set("b", json(R"({"n":4})")), "true");
  ASSERT_TRUE(shard_.log().flush());
  EXPECT_EQ(driver_.query(),
            R"({"rows":[{"id":"a","data":{"n":2}},{"id":"b","data":{"n":4}}],"next":null})");
  EXPECT_EQ(driver_.count(), "2");
}

TEST_F(PendingTest, AFailureBetweenBeginAndAppendLosesThatTransactionOnly) {
  driver_.set("a", json(R"({"n":1})"));
  ASSERT_TRUE(shard_.log().flush());
  driver_.begin();
  EXPECT_TRUE(driver_.table().set("a", json(R"({"n":2})")));
  shard_.log().fail();
  driver_.end();  // appended with the epoch that is over
  EXPECT_EQ(driver_.get("a"), R"({"n":1})");
  ASSERT_TRUE(shard_.log().flush());
  EXPECT_EQ(driver_.get("a"), R"({"n":1})");
}

// ---- refusals

class RefusalTest : public PendingTest {};

TEST_F(RefusalTest, EachOperationNeedsItsBitsOfTheContextAndOfTheTable) {
  struct Case {
    const char* name;
    std::function<std::string(Table&)> operation;
    Perm needed;
  };
  const auto text = [](const auto& result) { return TableDriver::text_of(result); };
  const Case cases[] = {
      {"table.get", [&](Table& t) { return text(t.get("a")); }, perms::R__},
      {"table.set", [&](Table& t) { return text(t.set("a", Json::object())); }, perms::_W_},
      {"table.update", [&](Table& t) { return text(t.update("a", Json::object())); }, perms::_W_},
      {"table.delete", [&](Table& t) { return text(t.erase("a")); }, perms::__X},
      {"table.push", [&](Table& t) { return text(t.push(Json::object())); }, perms::_W_},
      {"table.pop", [&](Table& t) { return text(t.pop()); }, perms::R_X},
      {"table.shift", [&](Table& t) { return text(t.shift()); }, perms::R_X},
      {"table.query", [&](Table& t) { return text(t.query(nullptr, {})); }, perms::R__},
      {"table.list", [&](Table& t) { return text(t.count()); }, perms::R__},
  };
  Table& table = driver_.table();
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    for (Perm of_context = 0; of_context <= perms::RWX; ++of_context) {
      for (Perm of_table = 0; of_table <= perms::RWX; ++of_table) {
        ASSERT_TRUE(table.set_row(users_row(of_table)));
        ASSERT_TRUE(table.begin({"sid", "tenant", 1, of_context, 2}));
        const bool allowed = allows(of_context & of_table, c.needed);
        EXPECT_EQ(c.operation(table) != "KONTRACT_PERMISSION_DENIED", allowed)
            << int{of_context} << ' ' << int{of_table};
        table.rollback();
      }
    }
  }
}

TEST_F(RefusalTest, ADeniedPermissionSaysWhichBitsAreMissing) {
  ASSERT_TRUE(driver_.table().set_row(users_row(perms::R_X)));
  ASSERT_TRUE(driver_.table().begin({"sid", "tenant", 1, perms::RW_, 2}));
  const auto denied = driver_.table().set("a", Json::object());
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, Errc::permission_denied);
  EXPECT_EQ(denied.error().message, "Insufficient permissions");
  EXPECT_EQ(denied.error().hint,
            "table.set needs _W_; the context has RW_ and table users allows R_X.");
}

TEST_F(RefusalTest, AContextWithoutAPartIsToldWhich) {
  struct Case {
    Access access;
    const char* message;
  };
  const Case cases[] = {
      {{"", "tenant", 1, perms::RWX, 0}, "The context lacks sid"},
      {{"sid", "", 1, perms::RWX, 0}, "The context lacks owner"},
      {{"sid", "tenant", 0, perms::RWX, 0}, "The context lacks currentTxid"},
      {{"sid", "tenant", 1, std::nullopt, 0}, "The context lacks perm"},
      {{}, "The context lacks sid, owner, currentTxid, perm"},
  };
  for (const Case& c : cases) {
    const Status begun = driver_.table().begin(c.access);
    ASSERT_FALSE(begun);
    EXPECT_EQ(begun.error().code, Errc::ctx_missing);
    EXPECT_EQ(begun.error().message, c.message);
  }
}

TEST_F(RefusalTest, AnotherOwnersTableIsNotFound) {
  const Status begun = driver_.table().begin({"sid", "other", 1, perms::RWX, 0});
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().code, Errc::storage_ptr_not_found);
  EXPECT_EQ(begun.error().message, "Table users not found");
}

TEST_F(RefusalTest, WhatIsNotARecordIsRefusedWithTheReason) {
  const std::string big(limits::kRecordBytesMax, 'x');
  struct Case {
    const char* name;
    std::function<Result<JsonText>(Table&)> operation;
    Errc code;
    const char* message;
  };
  const Case cases[] = {
      {"data that is an array", [](Table& t) { return t.set("a", Json::array()); },
       Errc::invalid_request, "Data is a JSON object; this is of type array"},
      {"pushed data that is null", [](Table& t) { return t.push(nullptr); }, Errc::invalid_request,
       "Data is a JSON object; this is of type null"},
      {"a partial that is a string", [](Table& t) { return t.update("a", "x"); },
       Errc::invalid_request, "Data is a JSON object; this is of type string"},
      {"a record that is too large",
       [&](Table& t) {
         return t.set("a", {{"x", big}});
       },
       Errc::too_large, "The record has 262152 bytes as compact JSON; 262144 are allowed"},
      {"an empty id", [](Table& t) { return t.get(""); }, Errc::invalid_request, "A record id is"},
      {"a long id", [](Table& t) { return t.set(std::string(401, 'i'), Json::object()); },
       Errc::invalid_request, "A record id is 1 to 400 bytes of UTF-8 without NUL; it has 401"},
      {"a filter that is an array", [](Table& t) { return t.query(Json::array(), {}); },
       Errc::invalid_request, "A filter is a JSON object or null; this is of type array"},
      {"a filter of very many values",
       [](Table& t) {
         return t.query({{"a", Json(std::vector<int>(200))}}, {});
       },
       Errc::too_large, "The filter has 202 values; 100 are allowed"},
      {"no limit", [](Table& t) { return t.query(nullptr, page(0)); }, Errc::invalid_request,
       "`limit` is 1 to 1000; this is 0"},
      {"a large limit", [](Table& t) { return t.query(nullptr, page(1001)); },
       Errc::invalid_request, "`limit` is 1 to 1000; this is 1001"},
      {"a cursor that is none", [](Table& t) { return t.query(nullptr, page(1, "u1")); },
       Errc::invalid_request, "`after` is not a cursor"},
      {"a cursor with more behind it",
       [](Table& t) { return t.query(nullptr, page(1, "0000000000000400x")); },
       Errc::invalid_request, "`after` is not a cursor"},
      {"a cursor past all orders",
       [](Table& t) { return t.query(nullptr, page(1, "ffffffffffffffff")); },
       Errc::invalid_request, "`after` is not a cursor"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    driver_.begin();
    const auto result = c.operation(driver_.table());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, c.code);
    EXPECT_TRUE(result.error().message.starts_with(c.message)) << result.error().message;
    EXPECT_TRUE(driver_.table().staged().empty());
  }
}

TEST_F(RefusalTest, ARecordOfTheLargestSizeIsKept) {
  const Json data{{"x", std::string(limits::kRecordBytesMax - 8, 'x')}};
  EXPECT_EQ(driver_.set("a", data), "true");
  ASSERT_TRUE(shard_.log().flush());
  EXPECT_EQ(driver_.get("a"), to_text(data));
}

TEST_F(RefusalTest, ATransactionIsBoundedInChangesAndBytes) {
  driver_.begin();
  Table& table = driver_.table();
  for (std::size_t i = 0; i < limits::kInsertsPerTransactionMax; ++i) {
    ASSERT_TRUE(table.push(Json::object()));
  }
  auto refused = table.push(Json::object());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::too_large);
  EXPECT_NE(refused.error().message.find("1000"), std::string::npos);
  table.rollback();

  driver_.begin();
  const Json data{{"x", std::string(limits::kRecordBytesMax - 8, 'x')}};
  std::size_t written = 0;
  Result<JsonText> pushed = table.push(data);
  for (; pushed; pushed = table.push(data)) ++written;
  EXPECT_EQ(written, limits::kBatchBytesMax / limits::kRecordBytesMax - 1);  // ids count as well
  EXPECT_EQ(pushed.error().code, Errc::too_large);
  EXPECT_NE(pushed.error().message.find("4194304"), std::string::npos);
}

TEST_F(RefusalTest, AFullStoreRefusesWhatAddsAndLetsThroughWhatFrees) {
  driver_.set("a", Json::object());
  driver_.set("b", Json::object());
  driver_.set("c", Json::object());
  shard_.log().full = true;
  EXPECT_EQ(driver_.set("d", Json::object()), "KONTRACT_STORAGE_FULL");
  EXPECT_EQ(driver_.update("a", Json::object()), "KONTRACT_STORAGE_FULL");
  EXPECT_EQ(driver_.run([](Table& t) { return t.push(Json::object()); }), "KONTRACT_STORAGE_FULL");
  EXPECT_EQ(driver_.get("a"), "{}");
  EXPECT_EQ(driver_.erase("a"), "true");
  EXPECT_EQ(driver_.run([](Table& t) { return t.pop(); }), "{}");
  EXPECT_EQ(driver_.run([](Table& t) { return t.shift(); }), "{}");
}

TEST_F(RefusalTest, AWriteThatIsNotAfterTheLastOneConflicts) {
  driver_.set("a", Json::object());
  driver_.set("b", Json::object());
  driver_.begin_at(2, 3);
  const auto written = driver_.table().set("c", Json::object());
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::txn_conflict);
  EXPECT_EQ(driver_.table().get("a").value(), "{}");
}

TEST_F(RefusalTest, APageEndsWhereItsBytesOrTheRecordsLookedAtAreUsedUp) {
  const Json data{{"x", std::string(limits::kRecordBytesMax - 8, 'x')}};
  for (int i = 0; i < 6; ++i) driver_.set("u" + std::to_string(i), data);
  const Json first = Json::parse(driver_.query());
  EXPECT_EQ(first["rows"].size(), 3u);
  const Json second = Json::parse(driver_.query(nullptr, after(first)));
  EXPECT_EQ(second["rows"].size(), 3u);
  EXPECT_EQ(second["rows"][0]["id"], "u3");
  EXPECT_TRUE(second["next"].is_null());

  // A filter that nothing matches gives up after so many bytes, with a cursor to go on from.
  for (int i = 6; i < 40; ++i) driver_.set("u" + std::to_string(i), data);
  const Json none = Json::parse(driver_.query(json(R"({"y":1})")));
  EXPECT_TRUE(none["rows"].empty());
  ASSERT_TRUE(none["next"].is_string());
  const Json rest = Json::parse(driver_.query(json(R"({"y":1})"), after(none)));
  EXPECT_TRUE(rest["rows"].empty());
  EXPECT_TRUE(rest["next"].is_null());
}

TEST_F(RefusalTest, ADamagedRowIsAnErrorThatNamesIt) {
  driver_.set("a", json(R"({"n":1})"));
  driver_.set("b", json(R"({"n":2})"));
  ASSERT_TRUE(shard_.log().flush());
  auto [key, value] = shard_.rows(Keyspace::versions).at(0);
  value[value.size() - 6] = 'X';
  WriteBatch damage;
  damage.put(Keyspace::versions, key, value);
  shard_.commit(std::move(damage));

  driver_.begin();
  const auto got = driver_.table().get("a");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Errc::storage_corrupt);
  EXPECT_NE(got.error().message.find(R"(versions, session 1, table 1, record "a")"),
            std::string::npos)
      << got.error().message;
  EXPECT_EQ(driver_.query(), "KONTRACT_STORAGE_CORRUPT");
  EXPECT_EQ(driver_.set("a", Json::object()), "KONTRACT_STORAGE_CORRUPT");
  EXPECT_EQ(driver_.get("b"), R"({"n":2})");
}

}  // namespace
}  // namespace kontract
