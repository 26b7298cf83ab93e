// What a transaction has read, asked for later: whenever it would read something else by then, it
// must be told so.

#include <random>

#include "tests/storage/index_driver.hpp"

namespace kontract {
namespace {

using testing::kSession;
using testing::ManualShard;
using testing::TableDriver;

class ReadLogTest : public ::testing::Test {
 protected:
  ReadLogTest() {
    TableRow row = testing::users_row();
    row.schema = R"({"fields":{"g":{"type":"integer"},"k":{"type":"integer"}}})";
    WriteBatch batch;
    put_table(batch, kSession, row);
    shard_.commit(std::move(batch));
    EXPECT_TRUE(driver_.table().set_row(row));
    testing::want_indexes(shard_, driver_.table(), {{{"g"}, false}, {{"k", "g"}, false}});
    testing::finish_indexes(shard_, driver_.table());
  }

  int pick(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }
  std::string id() { return std::string(1, static_cast<char>('a' + pick(8))); }
  Json data() { return {{"g", pick(4)}, {"k", pick(3)}, {"n", pick(100)}}; }

  using Read = std::function<std::string(Table&)>;
  Read random_read() {
    const int a = pick(4), b = pick(4);
    const std::string one = id();
    switch (pick(9)) {
      case 0:
        return [=](Table& t) { return TableDriver::text_of(t.get(one)); };
      case 1:
        return [=](Table& t) { return TableDriver::text_of(t.query({{"g", a}}, {})); };
      case 2:
        return [=](Table& t) { return TableDriver::text_of(t.query({{"g", a}, {"k", b}}, 1)); };
      case 3:
        return [=](Table& t) { return TableDriver::text_of(t.query({{"n", a}}, {})); };
      case 4:
        return sql("SELECT id, data FROM users WHERE g >= ? AND g < ?", Json::array({a, b}));
      case 5:
        return sql("SELECT id FROM users WHERE k = ? ORDER BY g DESC LIMIT 1", Json::array({a}));
      case 6:
        return sql("SELECT count(*) AS c FROM users WHERE g IN (?, ?)", Json::array({a, b}));
      case 7:
        return sql("SELECT data FROM users WHERE id = ? OR id = 'b'", Json::array({one}));
      default:
        return sql("SELECT max(_order) AS m FROM users WHERE k > ?", Json::array({a}));
    }
  }
  static Read sql(std::string text, Json params) {
    return [text = std::move(text), params = std::move(params)](Table& t) {
      return TableDriver::text_of(t.exec(text, params));
    };
  }
  void random_write(Txid reader) {
    driver_.run(
        [&](Table& t) -> Result<JsonText> {
          switch (pick(5)) {
            case 0:
              return t.erase(id());
            case 1:
              return t.update(id(), {{"g", pick(4)}});
            case 2:
              return t.push(data());
            default:
              return t.set(id(), data());
          }
        },
        reader);
  }
  void begin_apart(Txid txid) {
    ASSERT_TRUE(
        driver_.table().begin({"sid", "tenant", txid, perms::RWX, txid, Access::Stand::apart, 0}));
  }

  ManualShard shard_;
  TableDriver driver_{shard_};
  std::mt19937 random_{11};
};

TEST_F(ReadLogTest, WhateverWouldReadDifferentlyIsAConflict) {
  std::size_t conflicts = 0, kept = 0;
  for (int round = 0; round < 1500; ++round) {
    if (pick(4) == 0) driver_.settle();
    for (int i = pick(3); i > 0; --i) random_write(0);
    driver_.begin();
    const Txid txid = driver_.last_txid();
    driver_.table().rollback();
    const Read read = random_read();
    const bool late = pick(2) == 0;  // it reads when others have written
    const auto write = [&] {
      for (int i = 1 + pick(2); i > 0; --i) random_write(txid);
      if (pick(2) == 0) {
        ASSERT_TRUE(shard_.log().flush());
      }
    };
    if (late) write();
    ReadLog log;
    begin_apart(txid);
    driver_.table().log_reads(log);
    const std::string was = read(driver_.table());
    driver_.table().rollback();
    if (!late) write();
    const bool reopened = pick(20) == 0;  // what it had in memory is gone
    if (reopened) {
      ASSERT_TRUE(shard_.log().flush());
      TableRow row = driver_.table().row();
      driver_.reopen();
      ASSERT_TRUE(driver_.table().set_row(std::move(row)));
    }
    begin_apart(txid);
    const Status same = driver_.table().require_as_read(log);
    driver_.table().rollback();
    driver_.begin(txid);
    const std::string is = read(driver_.table());
    driver_.table().rollback();
    if (same) {
      EXPECT_EQ(was, is) << "round " << round;
      ++kept;
    } else {
      EXPECT_EQ(same.error().code, Errc::txn_conflict);
      if (was == is) continue;
      ++conflicts;
    }
  }
  EXPECT_GT(conflicts, 100u);
  EXPECT_GT(kept, 100u);
}

TEST_F(ReadLogTest, AStagedOverlayIsTheSameWhenItIsLaidAgain) {
  driver_.set("a", {{"g", 1}});
  driver_.begin();
  const Txid txid = driver_.last_txid();
  driver_.table().rollback();
  begin_apart(txid);
  Table& table = driver_.table();
  ASSERT_TRUE(table.set("b", {{"g", 1}}));
  ASSERT_TRUE(table.erase("a"));
  const std::string staged = TableDriver::text_of(table.query({{"g", 1}}, {}));
  for (int step = 0; step < 3; ++step) {
    SCOPED_TRACE(step);
    auto overlay = table.lift();
    ASSERT_NE(overlay, nullptr);
    EXPECT_EQ(driver_.read_at(txid,
                              [](Table& t) {
                                return t.query({{"g", 1}}, {});
                              })
                  .find(R"("b")"),
              std::string::npos);
    driver_.set("c", {{"g", 1}});
    if (step == 2) {  // other indexes: the changes are made anew
      testing::want_indexes(shard_, table, {{{"g"}, false}});
    }
    begin_apart(txid);
    ASSERT_TRUE(table.lay(std::move(overlay)));
    EXPECT_EQ(TableDriver::text_of(table.query({{"g", 1}}, {})), staged);
  }
  EXPECT_EQ(TableDriver::text_of(table.update("c", {{"g", 2}})), "KONTRACT_TXN_CONFLICT");
  EXPECT_EQ(table.lift() == nullptr, false);
}

}  // namespace
}  // namespace kontract
