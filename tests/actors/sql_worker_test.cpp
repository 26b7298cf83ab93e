// SQL that runs for long: on a worker, where it holds up its own table only.

#include <gtest/gtest.h>

#include "tests/actors/session_fixture.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;

// Far longer than limits::kSqlInlineTime.
constexpr const char* kCount =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000) "
    "SELECT count(*) AS n FROM n";
constexpr const char* kEndless =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

class SqlWorkerTest : public SessionFixture {
 protected:
  void SetUp() override {
    SessionFixture::SetUp();
    for (const char* table : {"a", "b"}) {
      ok("room", "table.create", {table});
      ok("room", "table.set", {table, "x", {{"n", 1}}});
    }
  }
};

TEST_F(SqlWorkerTest, ALongStatementIsAnsweredAndWhatComesBehindItAfterIt) {
  const std::uint64_t counted = send("room", "table.exec", {"a", kCount});
  const std::uint64_t set = send("room", "table.set", {"a", "x", {{"n", 2}}});
  const std::uint64_t got = send("room", "table.get", {"a", "x"});
  const Answer answer = answers_->wait(counted);
  ASSERT_TRUE(answer.result) << answer.result.error().message;
  EXPECT_EQ(Json::parse(*answer.result)["rows"][0]["n"], 1'000'000);
  EXPECT_TRUE(answers_->wait(set).result);
  EXPECT_EQ(Json::parse(*answers_->wait(got).result)["n"], 2);
}

TEST_F(SqlWorkerTest, ALongWriteHappensOnce) {
  const std::string insert = std::string("INSERT INTO a(data) SELECT json_object('n', (") +
                             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                             "LIMIT 300000) SELECT count(*) FROM n)) FROM a";
  EXPECT_EQ(ok("room", "table.exec", {"a", insert})["changes"], 1);
  EXPECT_EQ(ok("room", "table.exec", {"a", "SELECT count(*) AS n FROM a"})["rows"][0]["n"], 2);
  EXPECT_EQ(ok("room", "table.list")[0]["records"], 2);
}

class ShortSqlTest : public SqlWorkerTest {
 protected:
  void SetUp() override {
    SqlWorkerTest::SetUp();
    limit(1s);
  }
  void limit(std::chrono::milliseconds time) {
    stop();
    store_options_.sql.time = time;
    start();
  }
};

TEST_F(ShortSqlTest, OtherTablesGoOnMeanwhile) {
  // As many as there are I/O threads, and more: they would wait for one another there.
  const auto sessions = {"one", "two", "three"};
  for (const char* session : sessions) ok(session, "table.create", {"t"});
  limit(3s);  // a busy machine has to answer the two below in this time
  std::vector<std::uint64_t> endless;
  for (const char* session : sessions) {
    endless.push_back(send(session, "table.exec", {"t", kEndless}));
  }
  EXPECT_EQ(ok("room", "table.get", {"b", "x"})["n"], 1);
  EXPECT_EQ(ok("room", "table.set", {"b", "x", {{"n", 2}}}), true);
  const std::size_t answered = answers_->count();
  for (const std::uint64_t id : endless) {
    const Answer answer = answers_->wait(id);
    EXPECT_EQ(answer.result.error().code, Errc::exec_limit);
    EXPECT_NE(answer.result.error().message.find("ms"), std::string::npos);
  }
  EXPECT_EQ(answers_->count(), answered + endless.size()) << "none of them had been answered";
}

TEST_F(ShortSqlTest, AStatementWithoutEndMeetsItsLimitAndTheTableGoesOn) {
  EXPECT_EQ(error("room", "table.exec", {"a", kEndless}), "KONTRACT_EXEC_LIMIT");
  EXPECT_EQ(error("room", "table.exec",
                  {"a", std::string("UPDATE a SET data = '{}' WHERE (") + kEndless + ") > 0"}),
            "KONTRACT_EXEC_LIMIT");
  EXPECT_EQ(ok("room", "table.get", {"a", "x"})["n"], 1);
}

}  // namespace
}  // namespace kontract
