// Sessions as their callers see them: functions, permissions, order, wake and passivation, restart.

#include <gmock/gmock.h>

#include "session_fixture.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

class SessionTest : public SessionFixture {
 protected:
  void restart() {
    stop();
    start();
  }
};

TEST_F(SessionTest, ATableThatIsNotRegisteredIsNotFoundWithTheCureAsHint) {
  const Answer answer = call("room", "table.get", {"users", "u1"});
  ASSERT_FALSE(answer.result);
  EXPECT_EQ(answer.result.error().name(), "KONTRACT_STORAGE_PTR_NOT_FOUND");
  EXPECT_EQ(answer.result.error().message, "Table users not found");
  EXPECT_THAT(std::string(answer.result.error().hint_or_cure()), HasSubstr("kontract sql"));
}

TEST_F(SessionTest, RecordFunctionsDoWhatTheProtocolSays) {
  EXPECT_TRUE(ok("room", "table.create", {"users"}).contains("ptr"));
  EXPECT_EQ(ok("room", "table.get", {"users", "u1"}), nullptr);
  EXPECT_EQ(ok("room", "table.set", {"users", "u1", {{"name", "Ann"}, {"age", 30}}}), true);
  EXPECT_EQ(ok("room", "table.update", {"users", "u1", {{"age", 31}}}), true);
  EXPECT_EQ(ok("room", "table.get", {"users", "u1"}), Json({{"name", "Ann"}, {"age", 31}}));
  const Json pushed = ok("room", "table.push", {"users", {{"name", "Bob"}}});
  EXPECT_TRUE(pushed.is_string());
  EXPECT_EQ(ok("room", "table.query", {"users", {{"name", "Bob"}}})["rows"][0]["id"], pushed);
  EXPECT_EQ(ok("room", "table.list")[0],
            Json({{"id", "users"}, {"permissions", 7}, {"records", 2}}));
  EXPECT_EQ(ok("room", "table.pop", {"users"}), Json({{"name", "Bob"}}));
  EXPECT_EQ(ok("room", "table.shift", {"users"})["name"], "Ann");
  EXPECT_EQ(ok("room", "table.shift", {"users"}), nullptr);
  EXPECT_EQ(ok("room", "table.delete", {"users", "u1"}), false);
}

TEST_F(SessionTest, ASchemaHoldsFromItsCreationOnAndAcrossRestarts) {
  const Json schema = {{"fields",
                        {{"email", {{"type", "string"}, {"primkey", true}}},
                         {"age", {{"type", "integer"}, {"required", false}}}}}};
  ok("room", "table.create", {"users", {{"schema", schema}}});
  ok("room", "table.create", {"free", {{"schema", nullptr}}});
  ok("room", "table.create", {"blind", {{"schema", schema}, {"permissions", 2}}});
  restart();
  EXPECT_EQ(ok("room", "table.schema", {"users"}),
            Json::parse(R"({"fields":{"age":{"type":"integer"},
                                      "email":{"primkey":true,"type":"string"}}})"));
  EXPECT_EQ(ok("room", "table.schema", {"free"}), nullptr);
  EXPECT_EQ(error("room", "table.schema", {"blind"}), "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(ok("room", "table.set", {"users", {{"email", "a"}, {"age", 1}}}), true);
  EXPECT_EQ(ok("room", "table.push", {"users", {{"email", "b"}}}), "b");
  EXPECT_EQ(error("room", "table.set", {"users", {{"age", 1}}}), "KONTRACT_SCHEMA_VIOLATION");
  const Json both = ok("room", "table.batch",
                       {Json::array({Json::array({"table.set", "users", {{"email", "c"}}}),
                                     Json::array({"table.get", "users", "c"})})});
  EXPECT_EQ(both, Json::array({true, {{"email", "c"}}}));
  EXPECT_EQ(ok("room", "table.list")[2]["records"], 3);
  peer_.perm = perms::_WX;
  EXPECT_EQ(error("room", "table.schema", {"users"}), "KONTRACT_PERMISSION_DENIED");
}

TEST_F(SessionTest, BadCallsGetTheErrorThatSaysWhatIsWrong) {
  ok("room", "table.create", {"users"});
  struct Case {
    const char* name;
    const char* function;
    Json args;
    const char* error;
  };
  for (const Case& c : std::vector<Case>{
           {"unknown function", "table.frobnicate", Json::array(), "KONTRACT_NOT_FOUND"},
           {"broken sql", "table.exec", {"users", "select"}, "KONTRACT_EXEC_FAILED"},
           {"no connection", "tx.begin", Json::array(), "KONTRACT_INVALID_REQUEST"},
           {"too few arguments", "table.get", {"users"}, "KONTRACT_INVALID_REQUEST"},
           {"too many arguments", "table.get", {"users", "a", "b"}, "KONTRACT_INVALID_REQUEST"},
           {"table is no string", "table.get", {1, "a"}, "KONTRACT_INVALID_REQUEST"},
           {"id is no string", "table.get", {"users", 1}, "KONTRACT_INVALID_REQUEST"},
           {"data is no object", "table.set", {"users", "a", 1}, "KONTRACT_INVALID_REQUEST"},
           {"limit too high",
            "table.query",
            {"users", nullptr, {{"limit", 1001}}},
            "KONTRACT_INVALID_REQUEST"},
           {"limit of a wrong type",
            "table.query",
            {"users", nullptr, {{"limit", "x"}}},
            "KONTRACT_INVALID_REQUEST"},
           {"order unknown",
            "table.query",
            {"users", nullptr, {{"order", "up"}}},
            "KONTRACT_INVALID_REQUEST"},
           {"option unknown",
            "table.query",
            {"users", nullptr, {{"offset", 3}}},
            "KONTRACT_INVALID_REQUEST"},
           {"filter is no object", "table.query", {"users", 5}, "KONTRACT_INVALID_REQUEST"},
           {"batch is no array", "table.batch", {"users"}, "KONTRACT_INVALID_REQUEST"},
           {"batch of no functions", "table.batch", {Json::array({1})}, "KONTRACT_INVALID_REQUEST"},
           {"batch in a batch",
            "table.batch",
            {Json::array({Json::array({"table.batch", Json::array()})})},
            "KONTRACT_INVALID_REQUEST"},
           {"batch on no table",
            "table.batch",
            {Json::array({Json::array({"table.get", "nobody", "x"})})},
            "KONTRACT_STORAGE_PTR_NOT_FOUND"},
           {"table exists", "table.create", {"users"}, "KONTRACT_INVALID_REQUEST"},
           {"ptr with a dash",
            "table.create",
            {"t2", {{"ptr", "a-b"}}},
            "KONTRACT_INVALID_REQUEST"},
           {"permissions out of range",
            "table.create",
            {"t2", {{"permissions", 8}}},
            "KONTRACT_INVALID_REQUEST"},
           {"unknown option", "table.create", {"t2", {{"colour", 8}}}, "KONTRACT_INVALID_REQUEST"},
           {"schema that is none",
            "table.create",
            {"t2", {{"schema", {{"fields", {{"a", {{"type", "int"}}}}}}}}},
            "KONTRACT_INVALID_REQUEST"},
           {"schema of no table", "table.schema", {"nobody"}, "KONTRACT_STORAGE_PTR_NOT_FOUND"},
           {"schema of what is no string", "table.schema", {1}, "KONTRACT_INVALID_REQUEST"},
           {"no id and no primary key",
            "table.set",
            {"users", {{"n", 1}}},
            "KONTRACT_INVALID_REQUEST"},
           {"neither id nor data", "table.set", {"users", "a"}, "KONTRACT_INVALID_REQUEST"},
           {"drop of no table", "table.drop", {"nobody"}, "KONTRACT_STORAGE_PTR_NOT_FOUND"},
           {"arguments to none", "session.info", {1}, "KONTRACT_INVALID_REQUEST"},
       }) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(error("room", c.function, c.args), c.error);
  }
}

TEST_F(SessionTest, ACallNeedsItsBitsInTheContextAndInTheTable) {
  struct Case {
    const char* function;
    Json args;
    Perm needs;
  };
  const std::vector<Case> cases = {
      {"table.get", {"T", "a"}, perms::R__},
      {"table.set", {"T", "a", Json::object()}, perms::_W_},
      {"table.update", {"T", "a", Json::object()}, perms::_W_},
      {"table.delete", {"T", "a"}, perms::__X},
      {"table.push", {"T", Json::object()}, perms::_W_},
      {"table.pop", {"T"}, perms::R_X},
      {"table.shift", {"T"}, perms::R_X},
      {"table.query", {"T"}, perms::R__},
  };
  for (Perm table = 0; table <= perms::RWX; ++table) {
    const std::string id = "t" + std::to_string(table);
    ok("room", "table.create", {id, {{"permissions", table}}});
  }
  for (Perm context = 0; context <= perms::RWX; ++context) {
    for (Perm table = 0; table <= perms::RWX; ++table) {
      peer_.perm = context;
      for (Case c : cases) {
        SCOPED_TRACE(std::string(c.function) + " context " + std::to_string(context) + " table " +
                     std::to_string(table));
        c.args[0] = "t" + std::to_string(table);
        const Answer answer = call("room", c.function, c.args);
        if (allows(context, c.needs) && allows(table, c.needs)) {
          EXPECT_TRUE(answer.result) << answer.result.error().message;
        } else {
          ASSERT_FALSE(answer.result);
          EXPECT_EQ(answer.result.error().name(), "KONTRACT_PERMISSION_DENIED");
          EXPECT_EQ(answer.result.error().message, "Insufficient permissions");
        }
      }
    }
  }
}

TEST_F(SessionTest, OnlyTheGroupAdminCreatesAndDropsTables) {
  peer_.ugroups.clear();
  EXPECT_EQ(error("room", "table.create", {"users"}), "KONTRACT_FORBIDDEN");
  peer_.ugroups = {"admin"};
  ok("room", "table.create", {"users"});
  peer_.ugroups.clear();
  EXPECT_EQ(error("room", "table.drop", {"users"}), "KONTRACT_FORBIDDEN");
}

TEST_F(SessionTest, TwoOwnersUsingOneNameHaveTwoSessions) {
  ok("room", "table.create", {"users"});
  ok("room", "table.set", {"users", "a", {{"of", 1}}});
  const Json mine = ok("room", "session.info");
  handles_.clear();
  peer_.owner = "tenant-2";
  EXPECT_EQ(error("room", "table.get", {"users", "a"}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
  EXPECT_NE(ok("room", "session.info")["sid"], mine["sid"]);
}

TEST_F(SessionTest, TxidsRiseStrictlyAndAcrossARestart) {
  std::uint64_t last = 0;
  for (int round = 0; round < 3; ++round) {
    // More than a block, so that reservations happen on the way.
    for (std::uint64_t i = 0; i < limits::kTxidBlock + 10; ++i) {
      const auto txid = ok("room", "session.allocateTxid").get<std::uint64_t>();
      ASSERT_GT(txid, last);
      last = txid;
    }
    restart();
  }
}

TEST_F(SessionTest, WhatWasAcknowledgedIsThereAfterARestart) {
  ok("room", "table.create", {"users", {{"permissions", 6}, {"ptr", "tbl_users_abc123"}}});
  const Json sid = ok("room", "session.info")["sid"];
  for (int i = 0; i < 100; ++i)
    ok("room", "table.set", {"users", "u" + std::to_string(i), {{"n", i}}});
  restart();
  EXPECT_EQ(ok("room", "session.info")["sid"], sid);
  EXPECT_EQ(ok("room", "table.list"),
            Json::array({{{"id", "users"}, {"permissions", 6}, {"records", 100}}}));
  EXPECT_EQ(ok("room", "table.get", {"users", "u42"})["n"], 42);
}

TEST_F(SessionTest, CallsOfOneSenderTakeEffectInTheirOrder) {
  ok("room", "table.create", {"log"});
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 2000; ++i)
    ids.push_back(send("room", "table.update", {"log", "last", {{"n", i}}}));
  Txid last = 0;
  for (const std::uint64_t id : ids) {
    const Answer answer = answers_->wait(id);
    ASSERT_TRUE(answer.result) << answer.result.error().message;
    ASSERT_GT(answer.txid, last);
    last = answer.txid;
  }
  EXPECT_EQ(ok("room", "table.get", {"log", "last"})["n"], 1999);
}

TEST_F(SessionTest, ABatchOverTwoTablesTakesEffectWhollyOrNotAtAll) {
  ok("room", "table.create", {"a"});
  ok("room", "table.create", {"b", {{"permissions", 4}}});  // read-only
  EXPECT_EQ(error("room", "table.batch",
                  {Json::array({Json::array({"table.set", "a", "x", {{"n", 1}}}),
                                Json::array({"table.set", "b", "x", {{"n", 1}}})})}),
            "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(ok("room", "table.get", {"a", "x"}), nullptr);

  ok("room", "table.create", {"c"});
  const Json results = ok(
      "room", "table.batch",
      {Json::array({Json::array({"table.set", "a", "x", {{"n", 1}}}),
                    Json::array({"table.push", "c", {{"n", 2}}}),
                    Json::array({"table.get", "a", "x"}), Json::array({"table.get", "b", "x"})})});
  ASSERT_EQ(results.size(), 4U);
  EXPECT_EQ(results[0], true);
  EXPECT_EQ(results[2], Json({{"n", 1}}));
  EXPECT_EQ(results[3], nullptr);
  restart();
  EXPECT_EQ(ok("room", "table.get", {"a", "x"})["n"], 1);
  EXPECT_EQ(ok("room", "table.get", {"c", results[1]})["n"], 2);
}

TEST_F(SessionTest, ABatchWhoseResultsAreTooLargeIsRefused) {
  ok("room", "table.create", {"a"});
  ok("room", "table.create", {"b"});
  for (const char* table : {"a", "b"}) {
    ok("room", "table.set", {table, "x", {{"text", std::string(200'000, 'x')}}});
  }
  Json operations = Json::array();
  for (int i = 0; i < 12; ++i) operations.push_back({"table.get", "a", "x"});
  EXPECT_EQ(ok("room", "table.batch", Json::array({operations})).size(), 12U);
  // Too much in all, though neither table gives too much; then one alone does.
  for (int i = 0; i < 12; ++i) operations.push_back({"table.get", "b", "x"});
  EXPECT_EQ(error("room", "table.batch", Json::array({operations})), "KONTRACT_TOO_LARGE");
  for (Json& operation : operations) operation[1] = "a";
  EXPECT_EQ(error("room", "table.batch", Json::array({operations})), "KONTRACT_TOO_LARGE");
}

TEST_F(SessionTest, ABatchThatWritesTooMuchIsRefusedAndWritesNothing) {
  Json operations = Json::array();
  for (const char* table : {"a", "b"}) {
    ok("room", "table.create", {table});
    for (int i = 0; i < 12; ++i) {
      operations.push_back(
          {"table.set", table, std::to_string(i), {{"text", std::string(200'000, 'x')}}});
    }
  }
  EXPECT_EQ(error("room", "table.batch", Json::array({operations})), "KONTRACT_TOO_LARGE");
  for (const Json& table : ok("room", "table.list")) EXPECT_EQ(table["records"], 0);
}

TEST_F(SessionTest, SqlDoesNotShowWhatNobodyMayRead) {
  const Json schema = {{"fields",
                        {{"email", {{"type", "string"}, {"unique", true}}},
                         {"pin", {{"type", "integer"}, {"perm", perms::_W_}}}}}};
  ok("room", "table.create", {"users", {{"schema", schema}}});
  for (int i = 0; i < 3; ++i) {
    ok("room", "table.set",
       {"users", "u" + std::to_string(i), {{"email", std::to_string(i)}, {"pin", 1234}}});
  }
  for (const char* where :
       {"", " WHERE id = 'u1'", " WHERE email = '1'", " WHERE data->>'pin' IS NULL"}) {
    SCOPED_TRACE(where);
    const Json rows =
        ok("room", "table.exec", {"users", std::string("SELECT * FROM users") + where})["rows"];
    EXPECT_GE(rows.size(), 1U);
    EXPECT_EQ(rows.dump().find("1234"), std::string::npos) << rows;
  }
  EXPECT_EQ(error("room", "table.exec", {"users", "SELECT pin FROM users"}),
            "KONTRACT_EXEC_FAILED");
}

TEST_F(SessionTest, BatchesOverTablesAndSingleCallsMixInOrder) {
  ok("room", "table.create", {"a"});
  ok("room", "table.create", {"b"});
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 300; ++i) {
    ids.push_back(send("room", "table.batch",
                       {Json::array({Json::array({"table.set", "a", "x", {{"n", i}}}),
                                     Json::array({"table.set", "b", "x", {{"n", i}}})})}));
    ids.push_back(send("room", "table.get", {i % 2 == 0 ? "a" : "b", "x"}));
  }
  for (std::size_t i = 0; i < ids.size(); i += 2) {
    ASSERT_TRUE(answers_->wait(ids[i]).result);
    const Answer read = answers_->wait(ids[i + 1]);
    ASSERT_TRUE(read.result);
    EXPECT_EQ(Json::parse(*read.result)["n"], i / 2);
  }
}

TEST_F(SessionTest, ADroppedTableIsGoneAndItsNameIsFreeForAnEmptyOne) {
  ok("room", "table.create", {"users"});
  for (int i = 0; i < 50; ++i) ok("room", "table.push", {"users", {{"n", i}}});
  EXPECT_EQ(ok("room", "table.drop", {"users"}), true);
  EXPECT_EQ(error("room", "table.get", {"users", "x"}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
  ok("room", "table.create", {"users"});
  EXPECT_EQ(ok("room", "table.query", {"users"})["rows"].size(), 0U);
  EXPECT_EQ(ok("room", "table.list")[0]["records"], 0);
  stop();
  const Result<CheckReport> report = check_data_directory(store_options_.data);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->problems, ::testing::IsEmpty());
  EXPECT_EQ(report->records, 0U);
  start();
}

TEST_F(SessionTest, TheRecordsOfADroppedTableGoWhileTheSessionIsAwake) {
  const auto rows = [this] {
    const auto txn = store_->shard(0).environment().read();
    auto cursor = txn->cursor(Keyspace::versions);
    std::size_t count = 0;
    for (auto on_row = cursor->seek(""); on_row && *on_row; on_row = cursor->next()) ++count;
    return count;
  };
  for (int round = 0; round < 10; ++round) {
    ok("room", "table.create", {"log"});
    // Pushes that are still under way when the table is dropped.
    for (int i = 0; i < 1500; ++i) send("room", "table.push", {"log", {{"n", i}}});
    ok("room", "table.drop", {"log"});
    EXPECT_TRUE(eventually([&] { return rows() == 0; })) << rows() << " are left";
  }
  stop();
  const Result<CheckReport> report = check_data_directory(store_options_.data);
  ASSERT_TRUE(report);
  EXPECT_THAT(report->problems, ::testing::IsEmpty());
  start();
}

TEST_F(SessionTest, ACallWhoseTimeIsOverIsNotRun) {
  ok("room", "table.create", {"users"});
  CallPtr late = make_call("table.set", {"users", "late", Json::object()});
  const std::uint64_t id = last_call_;
  late->deadline = Clock::now() - 1s;
  handle("room")->send(std::move(late));
  EXPECT_EQ(answers_->wait(id).result.error().name(), "KONTRACT_TIMEOUT");
  EXPECT_EQ(ok("room", "table.get", {"users", "late"}), nullptr);
}

TEST_F(SessionTest, ADroppedCallAnswersInternal) {
  make_call("table.get", {"users", "x"});
  EXPECT_EQ(answers_->wait(last_call_).result.error().name(), "KONTRACT_INTERNAL");
}

TEST_F(SessionTest, NamesThatAreNotAllowedAreRefused) {
  for (const std::string& name : {std::string(), std::string(129, 'a'), std::string("a b"),
                                  std::string("a/b"), std::string("ä")}) {
    SCOPED_TRACE(name);
    const auto found = directory_->find({"o", name});
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().name(), "KONTRACT_INVALID_REQUEST");
  }
}

class FaultTest : public SessionTest {
 protected:
  void SetUp() override {
    session_options_.on_table_call = [this](const Call& call) {
      if (call.function == "table.get" && call.args[1] == "boom" && armed_.exchange(false)) {
        throw std::runtime_error("boom");
      }
    };
    SessionTest::SetUp();
  }
  std::atomic<bool> armed_{false};
};

TEST_F(FaultTest, AHandlerThatThrowsCostsThatCallAndNothingElse) {
  ok("room", "table.create", {"a"});
  ok("room", "table.create", {"b"});
  for (int round = 0; round < 20; ++round) {
    armed_ = true;
    std::vector<std::uint64_t> before, after;
    for (int i = 0; i < 20; ++i) {
      before.push_back(send("room", "table.set", {"a", "x", {{"n", i}}}));
      send("room", "table.set", {"b", "x", {{"n", i}}});
    }
    const std::uint64_t bad = send("room", "table.get", {"a", "boom"});
    for (int i = 0; i < 20; ++i) after.push_back(send("room", "table.get", {"a", "x"}));
    EXPECT_EQ(answers_->wait(bad).result.error().name(), "KONTRACT_INTERNAL");
    for (const std::uint64_t id : before) EXPECT_TRUE(answers_->wait(id).result);
    for (const std::uint64_t id : after) {
      const Answer read = answers_->wait(id);
      ASSERT_TRUE(read.result) << read.result.error().message;
      EXPECT_EQ(Json::parse(*read.result)["n"], 19);
    }
    EXPECT_EQ(ok("room", "table.get", {"b", "x"})["n"], 19);
  }
}

class PassivationTest : public SessionTest {
 protected:
  void SetUp() override {
    session_options_.idle = 1ms;
    SessionTest::SetUp();
  }
};

TEST_F(PassivationTest, AnIdleSessionSleepsAndTheNextCallWakesIt) {
  ok("room", "table.create", {"users"});
  ok("room", "table.set", {"users", "a", {{"n", 1}}});
  const Json sid = ok("room", "session.info")["sid"];
  EXPECT_TRUE(eventually([&] { return !handle("room")->awake(); }));
  EXPECT_EQ(ok("room", "table.get", {"users", "a"})["n"], 1);
  EXPECT_EQ(ok("room", "session.info")["sid"], sid);
  EXPECT_GE(directory_->metrics().wakes, 2U);
}

TEST_F(PassivationTest, CallsThatRaceWithPassivationAreNeitherLostNorRunTwice) {
  constexpr int kSenders = 4;
  constexpr int kCalls = 400;
  ok("room", "table.create", {"log"});
  std::vector<std::thread> senders;
  std::vector<std::shared_ptr<Answers>> answers(kSenders);
  const std::shared_ptr<SessionHandle> session = handle("room");
  const auto peer = std::make_shared<const Peer>(peer_);
  for (int s = 0; s < kSenders; ++s) {
    answers[s] = std::make_shared<Answers>();
    senders.emplace_back([&, s] {
      std::uint64_t rng = 88172645463325252ULL + static_cast<std::uint64_t>(s);
      for (int i = 1; i <= kCalls; ++i) {
        auto one = std::make_shared<Call>();
        one->context.peer = peer;
        one->context.perm = perms::RWX;
        one->function = "table.push";
        one->args = {"log", {{"s", s}, {"i", i}}};
        one->reply = Reply(answers[s], static_cast<std::uint64_t>(i));
        session->send(std::move(one));
        rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
        // Now and then waits until the session is about to sleep, or asleep.
        if (rng % 8 == 0) {
          answers[s]->wait(static_cast<std::uint64_t>(i));
          const auto pause =
              std::chrono::steady_clock::now() + std::chrono::microseconds(rng % 10'000);
          while (session->awake() && std::chrono::steady_clock::now() < pause)
            std::this_thread::yield();
        }
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  for (int s = 0; s < kSenders; ++s) {
    for (int i = 1; i <= kCalls; ++i) {
      const Answer answer = answers[s]->wait(static_cast<std::uint64_t>(i));
      ASSERT_TRUE(answer.result) << answer.result.error().message;
    }
  }
  // Each once, and those of one sender in its order.
  std::vector<int> seen(kSenders, 0);
  Json after;
  do {
    const Json page = ok("room", "table.query", {"log", nullptr, {{"after", after}}});
    for (const Json& row : page["rows"]) {
      const int s = row["data"]["s"];
      ASSERT_EQ(row["data"]["i"], ++seen[s]);
    }
    after = page["next"];
  } while (!after.is_null());
  for (int s = 0; s < kSenders; ++s) EXPECT_EQ(seen[s], kCalls);
  EXPECT_GT(directory_->metrics().passivations, 0U);
}

TEST_F(PassivationTest, ASessionNobodyHoldsCostsNoHandleOnceAsleep) {
  for (int i = 0; i < 50; ++i) ok("s" + std::to_string(i), "session.info");
  handles_.clear();
  EXPECT_TRUE(eventually([&] { return directory_->metrics().known == 0; }));
  EXPECT_EQ(directory_->metrics().awake, 0U);
}

class RelaxedTest : public SessionTest {
 protected:
  void SetUp() override {
    store_options_.durability = Durability::relaxed;
    store_options_.sync_interval = 20ms;
    session_options_.idle = 5ms;
    SessionTest::SetUp();
  }
};

TEST_F(RelaxedTest, WritesAreSeenAtOnceThroughSleepAndStop) {
  ok("room", "table.create", {"t"});
  for (int i = 0; i < 200; ++i) {
    ok("room", "table.set", {"t", "x", {{"n", i}}});
    ASSERT_EQ(ok("room", "table.get", {"t", "x"})["n"], i);
    if (i % 50 == 49) {
      EXPECT_TRUE(eventually([&] { return !handle("room")->awake(); }));
    }
  }
  restart();
  EXPECT_EQ(ok("room", "table.get", {"t", "x"})["n"], 199);
}

class FullMapTest : public SessionTest {
 protected:
  void SetUp() override {
    store_options_.map_bytes = 2 * limits::kMiB;
    SessionTest::SetUp();
  }
};

TEST_F(FullMapTest, AFullMapRefusesWritesWhileReadsGoOnAndDeletesFreeIt) {
  ok("room", "table.create", {"t"});
  const std::string text(20'000, 'x');
  int stored = 0;
  std::string refusal;
  for (; stored < 1000; ++stored) {
    const Answer answer =
        call("room", "table.set", {"t", "r" + std::to_string(stored), {{"v", text}}});
    if (answer.result) continue;
    refusal = answer.result.error().name();
    break;
  }
  EXPECT_EQ(refusal, "KONTRACT_STORAGE_FULL");
  ASSERT_GT(stored, 10);
  for (int i = 0; i < stored; ++i) {
    ASSERT_EQ(ok("room", "table.get", {"t", "r" + std::to_string(i)})["v"], text);
  }
  for (int i = 0; i < stored; ++i) ok("room", "table.delete", {"t", "r" + std::to_string(i)});
  EXPECT_TRUE(eventually([&] {
    return call("room", "table.set", {"t", "again", {{"v", text}}}).result.has_value();
  }));
}

TEST_F(FullMapTest, NothingRestsOnATableWhoseCreateFailed) {
  // Fill the map to the brim, past admission, so that groups fail: what is admitted at once is more
  // than there is room for.
  ok("room", "table.create", {"t"});
  const std::string text(60'000, 'x');
  for (int round = 0; round < 20; ++round) {
    std::vector<std::uint64_t> sets;
    for (int i = 0; i < 60; ++i) {
      sets.push_back(send("room", "table.set",
                          {"t", std::to_string(round) + "-" + std::to_string(i), {{"v", text}}}));
    }
    const std::string name = "new" + std::to_string(round);
    const std::uint64_t create = send("room", "table.create", {name});
    const std::uint64_t set = send("room", "table.set", {name, "secret", {{"n", round}}});
    const bool created = answers_->wait(create).result.has_value();
    const bool was_set = answers_->wait(set).result.has_value();
    EXPECT_FALSE(was_set && !created) << "a write into a table that is not there was acknowledged";
    if (!created) {
      EXPECT_EQ(error("room", "table.get", {name, "secret"}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
    }
    for (const std::uint64_t id : sets) answers_->wait(id);
    for (int i = 0; i < 60; ++i) {
      call("room", "table.delete", {"t", std::to_string(round) + "-" + std::to_string(i)});
    }
  }
  stop();
  const Result<CheckReport> report = check_data_directory(store_options_.data);
  ASSERT_TRUE(report);
  EXPECT_THAT(report->problems, ::testing::IsEmpty());
  start();
}

}  // namespace
}  // namespace kontract
