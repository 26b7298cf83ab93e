// Transactions that connections have begun, and reads of the past.

#include <random>

#include "session_fixture.hpp"

namespace kontract {
namespace {

constexpr ConnectionNo kHere = 1, kElsewhere = 2;

class TransactionTest : public SessionFixture {
 protected:
  void SetUp() override {
    // None ends because the machine is busy.
    session_options_.transaction_idle = session_options_.transaction_time = kPatience;
    SessionFixture::SetUp();
    ok("s", "table.create", {"t", Json::object()});
    ok("s", "table.create", {"u", Json::object()});
    ok("s", "table.set", {"t", "a", {{"n", 1}}});
    ok("s", "table.set", {"t", "b", {{"n", 2}}});
  }

  Answer ask(const std::string& function, Json args, Txid tx, ConnectionNo from = kHere) {
    return answers_->wait(post(function, std::move(args), tx, from));
  }
  std::uint64_t post(const std::string& function, Json args, Txid tx, ConnectionNo from = kHere) {
    CallPtr call = make_call(function, std::move(args));
    call->connection = from;
    call->tx = tx;
    handle("s")->send(std::move(call));
    return last_call_;
  }
  static std::string shown(const Answer& answer) {
    return answer.result ? *answer.result : std::string(answer.result.error().name());
  }
  std::string in(Txid tx, const std::string& function, Json args) {
    return shown(ask(function, std::move(args), tx));
  }
  Txid begin(ConnectionNo from = kHere) {
    const Answer answer = ask("tx.begin", Json::array(), 0, from);
    EXPECT_TRUE(answer.result) << answer.result.error().message;
    const Json begun = Json::parse(*answer.result);
    EXPECT_EQ(begun["tx"], begun["txid"]);
    EXPECT_EQ(begun["tx"], answer.txid);
    return begun["tx"].get<Txid>();
  }
  // "ok" or the error's name.
  std::string commit(Txid tx) {
    const Answer answer = ask("tx.commit", {tx}, 0);
    if (!answer.result) return std::string(answer.result.error().name());
    EXPECT_EQ(Json::parse(*answer.result)["txid"], answer.txid);
    return "ok";
  }
  std::string at(Txid txid, const std::string& function, Json args) {
    CallPtr call = make_call(function, std::move(args));
    call->at = txid;
    handle("s")->send(std::move(call));
    return shown(answers_->wait(last_call_));
  }
  Txid put(const std::string& id, int n) {
    return call("s", "table.set", {"t", id, {{"n", n}}}).txid;
  }
  std::size_t open_transactions() {
    return ok("s", "session.info")["openTransactions"].get<std::size_t>();
  }
  std::size_t rows(Keyspace space) {
    EXPECT_TRUE(store_->flush());
    auto txn = store_->shard(0).environment().read();
    auto cursor = txn->cursor(space);
    std::size_t count = 0;
    for (auto on_row = cursor->seek(""); on_row && *on_row; on_row = cursor->next()) ++count;
    return count;
  }
};

TEST_F(TransactionTest, ReadsWhatWasThereAtItsBeginAndItsOwnWrites) {
  const Txid tx = begin();
  put("a", 10);
  ok("s", "table.delete", {"t", "b"});
  put("c", 30);
  EXPECT_EQ(in(tx, "table.get", {"t", "a"}), R"({"n":1})");
  EXPECT_EQ(in(tx, "table.get", {"t", "b"}), R"({"n":2})");
  EXPECT_EQ(in(tx, "table.get", {"t", "c"}), "null");
  EXPECT_EQ(in(tx, "table.set", {"t", "d", {{"n", 4}}}), "true");
  EXPECT_EQ(in(tx, "table.get", {"t", "d"}), R"({"n":4})");
  EXPECT_EQ(in(tx, "table.query", {"t"}),
            R"({"rows":[{"id":"a","data":{"n":1}},{"id":"b","data":{"n":2}},)"
            R"({"id":"d","data":{"n":4}}],"next":null})");
  EXPECT_EQ(in(tx, "table.exec", {"t", "SELECT sum(data->>'n') AS n FROM t"}),
            R"({"columns":["n"],"rows":[{"n":7}],"changes":0})");
  EXPECT_EQ(ask("table.get", {"t", "a"}, tx).txid, tx);
  EXPECT_EQ(ok("s", "table.get", {"t", "d"}), nullptr) << "nobody else sees it";
  EXPECT_EQ(commit(tx), "KONTRACT_TXN_CONFLICT") << "it has read all of t, which was changed";
  EXPECT_EQ(ok("s", "table.get", {"t", "d"}), nullptr);
}

TEST_F(TransactionTest, CommitsAllTablesAtOneTxid) {
  const Txid tx = begin();
  EXPECT_EQ(in(tx, "table.update", {"t", "a", {{"m", 5}}}), "true");
  EXPECT_EQ(in(tx, "table.delete", {"t", "b"}), "true");
  EXPECT_EQ(in(tx, "table.exec", {"u", "INSERT INTO u (id, data) VALUES ('x', '{\"k\":1}')"}),
            R"({"columns":[],"rows":[],"changes":1})");
  EXPECT_EQ(in(tx, "table.exec", {"u", "UPDATE u SET data = json_set(data, '$.k', 2)"}),
            R"({"columns":[],"rows":[],"changes":1})");
  EXPECT_EQ(in(tx, "table.exec", {"u", "INSERT INTO u (id, data) VALUES ('y', '{}'), ('x', '{}')"}),
            "KONTRACT_EXEC_FAILED");
  EXPECT_EQ(in(tx, "table.query", {"u"}), R"({"rows":[{"id":"x","data":{"k":2}}],"next":null})")
      << "of a statement that fails nothing stays, of those before it all";
  ASSERT_EQ(commit(tx), "ok");
  EXPECT_EQ(ok("s", "table.get", {"t", "a"}), Json({{"n", 1}, {"m", 5}}));
  EXPECT_EQ(ok("s", "table.get", {"t", "b"}), nullptr);
  const Json first = ok("s", "table.exec", {"t", "SELECT _txid FROM t WHERE id = 'a'"});
  const Json second = ok("s", "table.exec", {"u", "SELECT _txid FROM u WHERE id = 'x'"});
  EXPECT_EQ(first["rows"], second["rows"]);
  EXPECT_GT(first["rows"][0]["_txid"].get<Txid>(), tx);
  EXPECT_EQ(commit(tx), "KONTRACT_TXID_INVALID");
}

TEST_F(TransactionTest, ConflictsExactlyIfWhatItHasSeenWasChanged) {
  struct Case {
    const char* name;
    const char* function;
    Json args;
    bool writes_too;
    const char* other;
    Json other_args;
    const char* outcome;
  };
  const char* const kConflict = "KONTRACT_TXN_CONFLICT";
  const Json n9 = {{"n", 9}};
  const Case cases[] = {
      {"a record that was read",
       "table.get",
       {"t", "a"},
       true,
       "table.set",
       {"t", "a", n9},
       kConflict},
      {"another record", "table.get", {"t", "a"}, true, "table.set", {"t", "b", n9}, "ok"},
      {"one that was not there",
       "table.get",
       {"t", "z"},
       true,
       "table.set",
       {"t", "z", n9},
       kConflict},
      {"one that went", "table.get", {"t", "b"}, true, "table.delete", {"t", "b"}, kConflict},
      {"one that was written",
       "table.set",
       {"t", "a", n9},
       true,
       "table.update",
       {"t", "a", n9},
       kConflict},
      {"a phantom of a query",
       "table.query",
       {"t", {{"n", 9}}},
       true,
       "table.push",
       {"t", n9},
       kConflict},
      {"one that left a query",
       "table.query",
       {"t", {{"n", 1}}},
       true,
       "table.set",
       {"t", "a", n9},
       kConflict},
      {"a phantom of SQL",
       "table.exec",
       {"t", "SELECT count(*) AS c FROM t"},
       true,
       "table.push",
       {"t", n9},
       kConflict},
      {"an end of the table", "table.pop", {"t"}, true, "table.push", {"t", n9}, kConflict},
      {"two pushes", "table.push", {"t", n9}, true, "table.push", {"t", n9}, "ok"},
      {"another table", "table.query", {"u"}, true, "table.push", {"t", n9}, "ok"},
      {"it has only read", "table.query", {"t"}, false, "table.push", {"t", n9}, "ok"},
      {"it has only read SQL",
       "table.exec",
       {"t", "SELECT 1 FROM t"},
       false,
       "table.push",
       {"t", n9},
       "ok"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    put("a", 1);
    put("b", 2);
    ok("s", "table.delete", {"t", "z"});
    const Txid tx = begin();
    EXPECT_FALSE(in(tx, c.function, c.args).starts_with("KONTRACT"));
    ok("s", c.other, c.other_args);
    if (c.writes_too) {
      EXPECT_EQ(in(tx, "table.set", {"u", "w", {{"case", c.name}}}), "true");
    }
    EXPECT_EQ(commit(tx), c.outcome);
    if (!c.writes_too) continue;
    const Json written = ok("s", "table.get", {"u", "w"});
    EXPECT_EQ(written.is_object() && written["case"] == c.name, c.outcome == std::string("ok"));
  }
}

// Searches that find their way by an id or an index have read no more than that.
TEST_F(TransactionTest, SearchesByIdAndIndexConflictWithWhatTheyCouldHaveFound) {
  const Json schema = {{"schema", {{"fields", {{"g", {{"type", "integer"}, {"index", true}}}}}}}};
  ok("s", "table.create", {"x", schema});
  struct Case {
    const char* name;
    const char* function;
    Json args;
    const char* other;
    Json other_args;
    const char* outcome;
  };
  const char* const kConflict = "KONTRACT_TXN_CONFLICT";
  const Json query = {"x", {{"g", 1}}};
  const Json range = {"x", "SELECT id FROM x WHERE g > 0 AND g < 3"};
  const Json one = {"x", "SELECT g FROM x WHERE id = 'one'"};
  const Json g1 = {{"g", 1}}, g2 = {{"g", 2}}, g5 = {{"g", 5}};
  const Case cases[] = {
      {"elsewhere in the index", "table.query", query, "table.set", {"x", "five", g2}, "ok"},
      {"into the group", "table.query", query, "table.set", {"x", "five", g1}, kConflict},
      {"out of the group", "table.query", query, "table.set", {"x", "one", g5}, kConflict},
      {"within the group",
       "table.query",
       query,
       "table.update",
       {"x", "one", {{"m", 1}}},
       kConflict},
      {"gone from the group", "table.query", query, "table.delete", {"x", "one"}, kConflict},
      {"new in the group", "table.query", query, "table.push", {"x", g1}, kConflict},
      {"new elsewhere", "table.query", query, "table.push", {"x", g5}, "ok"},
      {"outside of a range", "table.exec", range, "table.set", {"x", "five", {{"g", 4}}}, "ok"},
      {"into a range", "table.exec", range, "table.set", {"x", "five", g2}, kConflict},
      {"out of a range", "table.exec", range, "table.set", {"x", "one", g5}, kConflict},
      {"another id", "table.exec", one, "table.set", {"x", "five", g1}, "ok"},
      {"that id", "table.exec", one, "table.delete", {"x", "one"}, kConflict},
      {"an update of another id",
       "table.exec",
       {"x", "UPDATE x SET g = 7 WHERE id = 'one'"},
       "table.set",
       {"x", "five", g1},
       "ok"},
      {"a filter without an index",
       "table.query",
       {"x", {{"m", 1}}},
       "table.push",
       {"x", g5},
       kConflict},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ok("s", "table.set", {"x", "one", g1});
    ok("s", "table.set", {"x", "five", g5});
    const Txid tx = begin();
    EXPECT_FALSE(in(tx, c.function, c.args).starts_with("KONTRACT"));
    ok("s", c.other, c.other_args);
    EXPECT_EQ(in(tx, "table.set", {"u", "w", Json::object()}), "true");
    EXPECT_EQ(commit(tx), c.outcome);
    ok("s", "table.exec", {"x", "DELETE FROM x"});
  }
}

TEST_F(TransactionTest, WriteSkewIsAConflict) {
  const Txid first = begin(), second = begin(kElsewhere);
  for (const Txid tx : {first, second}) {
    const ConnectionNo from = tx == first ? kHere : kElsewhere;
    EXPECT_TRUE(ask("table.get", {"t", "a"}, tx, from).result);
    EXPECT_TRUE(ask("table.get", {"t", "b"}, tx, from).result);
    const char* const own = tx == first ? "a" : "b";
    EXPECT_TRUE(ask("table.set", {"t", own, {{"n", 0}}}, tx, from).result);
  }
  EXPECT_EQ(shown(ask("tx.commit", {second}, 0, kElsewhere)).substr(0, 8), R"({"txid":)");
  EXPECT_EQ(commit(first), "KONTRACT_TXN_CONFLICT");
  EXPECT_EQ(ok("s", "table.get", {"t", "a"}), Json({{"n", 1}}));
}

TEST_F(TransactionTest, IsOverAfterAConflictThatCameEarly) {
  const Txid tx = begin();
  put("a", 3);
  EXPECT_EQ(in(tx, "table.set", {"t", "a", {{"n", 4}}}), "KONTRACT_TXN_CONFLICT");
  EXPECT_EQ(in(tx, "table.get", {"t", "b"}), "KONTRACT_TXID_INVALID");
  EXPECT_EQ(commit(tx), "KONTRACT_TXID_INVALID");
  EXPECT_TRUE(eventually([&] { return open_transactions() == 0; }));
}

TEST_F(TransactionTest, BelongsToTheConnectionThatBeganIt) {
  const Txid tx = begin();
  EXPECT_EQ(shown(ask("table.get", {"t", "a"}, tx, kElsewhere)), "KONTRACT_TXID_INVALID");
  EXPECT_EQ(shown(ask("tx.commit", {tx}, 0, kElsewhere)), "KONTRACT_TXID_INVALID");
  EXPECT_EQ(shown(ask("tx.rollback", {tx}, 0, kElsewhere)), "KONTRACT_TXID_INVALID");
  EXPECT_EQ(shown(ask("tx.begin", Json::array(), 0, 0)), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(in(tx, "session.info", Json::array()), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(in(tx, "table.list", Json::array()), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(in(tx, "table.get", {"t", "a"}), R"({"n":1})") << "none of it did any harm";
  EXPECT_EQ(shown(ask("tx.rollback", {tx}, 0)), "true");
  EXPECT_EQ(in(tx, "table.get", {"t", "a"}), "KONTRACT_TXID_INVALID");
}

TEST_F(TransactionTest, EndsWithItsConnection) {
  const Txid mine = begin(), other = begin(kElsewhere);
  EXPECT_EQ(in(mine, "table.set", {"t", "a", {{"n", 7}}}), "true");
  CallPtr leave = make_call("", Json::array(), CallKind::leave);
  leave->connection = kHere;
  handle("s")->send(std::move(leave));
  answers_->wait(last_call_);
  EXPECT_EQ(open_transactions(), 1u);
  EXPECT_EQ(in(mine, "table.get", {"t", "a"}), "KONTRACT_TXID_INVALID");
  EXPECT_EQ(shown(ask("table.get", {"t", "a"}, other, kElsewhere)), R"({"n":1})");
}

TEST_F(TransactionTest, ALostConnectionWakesNobody) {
  stop();
  start();
  CallPtr leave = make_call("", Json::array(), CallKind::leave);
  leave->connection = kHere;
  handle("s")->send(std::move(leave));
  EXPECT_TRUE(answers_->wait(last_call_).result);
  EXPECT_EQ(directory_->metrics().wakes, 0u);
  begin();
  EXPECT_EQ(directory_->metrics().wakes, 1u);
}

TEST_F(TransactionTest, ASessionWithOpenOnesDoesNotSleep) {
  stop();
  session_options_.idle = std::chrono::milliseconds(1);
  start();
  const Txid tx = begin();
  EXPECT_EQ(in(tx, "table.set", {"t", "a", {{"n", 3}}}), "true");
  for (std::uint64_t naps = 1; naps <= 5; ++naps) {  // another one's, which is as idle
    ok("other", "session.info");
    ASSERT_TRUE(eventually([&] { return directory_->metrics().passivations >= naps; }));
  }
  EXPECT_EQ(in(tx, "table.get", {"t", "a"}), R"({"n":3})");
  EXPECT_EQ(commit(tx), "ok");
  EXPECT_TRUE(eventually([&] { return directory_->metrics().awake == 0; }));
  EXPECT_EQ(ok("s", "table.get", {"t", "a"}), Json({{"n", 3}}));
}

TEST_F(TransactionTest, EndsWhenItsTimeIsOver) {
  stop();
  session_options_.transaction_time = std::chrono::milliseconds(1);
  start();
  const Txid tx = begin();
  ASSERT_TRUE(eventually([&] { return open_transactions() == 0; }));
  const Answer late = ask("tx.commit", {tx}, 0);
  ASSERT_FALSE(late.result);
  EXPECT_EQ(late.result.error().name(), "KONTRACT_TXID_INVALID");
  EXPECT_NE(late.result.error().message.find("open for longer"), std::string::npos);
}

TEST_F(TransactionTest, IsRolledBackWhenNoCallComes) {
  stop();
  session_options_.transaction_idle = std::chrono::milliseconds(1);
  start();
  const Txid tx = begin();
  ASSERT_TRUE(eventually([&] { return open_transactions() == 0; }));
  const Answer late = ask("table.get", {"t", "a"}, tx);
  ASSERT_FALSE(late.result);
  EXPECT_EQ(late.result.error().name(), "KONTRACT_TXID_INVALID");
  EXPECT_NE(late.result.error().message.find("no call of it came"), std::string::npos);
}

TEST_F(TransactionTest, OpenOnesAreLimited) {
  for (std::size_t i = 0; i < limits::kOpenTransactionsMax; ++i) begin();
  EXPECT_EQ(shown(ask("tx.begin", Json::array(), 0)), "KONTRACT_OVERLOADED");
}

TEST_F(TransactionTest, ABatchInOneHappensWhollyOrNotAtAll) {
  const Txid tx = begin();
  EXPECT_EQ(in(tx, "table.set", {"u", "k", {{"n", 0}}}), "true");
  const Json fails = Json::array({{"table.set", "t", "a", {{"n", 5}}},
                                  {"table.set", "u", "k", {{"n", 5}}},
                                  {"table.exec", "u", "SELECT nothing FROM u"}});
  EXPECT_EQ(in(tx, "table.batch", {fails}), "KONTRACT_EXEC_FAILED");
  EXPECT_EQ(in(tx, "table.get", {"t", "a"}), R"({"n":1})");
  EXPECT_EQ(in(tx, "table.get", {"u", "k"}), R"({"n":0})");
  const Json works = Json::array({{"table.set", "t", "a", {{"n", 6}}},
                                  {"table.push", "u", {{"n", 6}}},
                                  {"table.get", "t", "a"}});
  EXPECT_FALSE(in(tx, "table.batch", {works}).starts_with("KONTRACT"));
  EXPECT_EQ(in(tx, "table.get", {"t", "a"}), R"({"n":6})");
  EXPECT_EQ(ok("s", "table.get", {"t", "a"}), Json({{"n", 1}}));
  ASSERT_EQ(commit(tx), "ok");
  EXPECT_EQ(ok("s", "table.get", {"t", "a"}), Json({{"n", 6}}));
  EXPECT_EQ(ok("s", "table.query", {"u"})["rows"].size(), 2u);
}

TEST_F(TransactionTest, CallsMayBeSentWithoutWaiting) {
  const Txid tx = begin();
  const auto set = post("table.set", {"t", "a", {{"n", 8}}}, tx);
  const auto get = post("table.get", {"t", "a"}, tx);
  const auto end = post("tx.commit", {tx}, 0);
  const auto after = send("s", "table.get", {"t", "a"});
  EXPECT_EQ(shown(answers_->wait(set)), "true");
  EXPECT_EQ(shown(answers_->wait(get)), R"({"n":8})");
  EXPECT_TRUE(answers_->wait(end).result);
  EXPECT_EQ(shown(answers_->wait(after)), R"({"n":8})");
}

TEST_F(TransactionTest, ReadsDoNotWaitForWhatIsWrittenLater) {
  const Txid tx = begin();
  auto writer = store_->shard(0).environment().write();  // LMDB has one, and it is the test
  ASSERT_TRUE(writer);
  const auto write = send("s", "table.set", {"t", "a", {{"n", 9}}});
  EXPECT_EQ(in(tx, "table.get", {"t", "a"}), R"({"n":1})");
  EXPECT_EQ(in(tx, "table.exec", {"t", "SELECT count(*) AS c FROM t"}),
            R"({"columns":["c"],"rows":[{"c":2}],"changes":0})");
  { const WriteTxn let_go = std::move(*writer); }
  EXPECT_EQ(shown(answers_->wait(write)), "true");
}

TEST_F(TransactionTest, UniqueValuesOfOthersAreAConflictOrAnErrorThatStands) {
  const Json schema = {{"schema", {{"fields", {{"k", {{"type", "integer"}, {"unique", true}}}}}}}};
  ok("s", "table.create", {"q", schema});
  ok("s", "table.set", {"q", "a", {{"k", 1}}});
  Txid tx = begin();
  EXPECT_EQ(in(tx, "table.set", {"q", "b", {{"k", 1}}}), "KONTRACT_SCHEMA_VIOLATION");
  EXPECT_EQ(in(tx, "table.set", {"t", "taken", Json::object()}), "true");
  ok("s", "table.delete", {"q", "a"});
  EXPECT_EQ(commit(tx), "KONTRACT_TXN_CONFLICT") << "that the value was taken is not so any more";
  tx = begin();
  EXPECT_EQ(in(tx, "table.set", {"q", "b", {{"k", 2}}}), "true");
  ok("s", "table.set", {"q", "c", {{"k", 2}}});
  EXPECT_EQ(commit(tx), "KONTRACT_TXN_CONFLICT");
}

TEST_F(TransactionTest, GarbageWaitsForTheOldestReader) {
  const Txid tx = begin();
  EXPECT_EQ(ok("s", "session.info")["minActiveTxid"], tx);
  for (int i = 0; i < 20; ++i) put("a", 100 + i);
  EXPECT_GT(rows(Keyspace::garbage), 0u);
  EXPECT_EQ(in(tx, "table.get", {"t", "a"}), R"({"n":1})");
  EXPECT_EQ(rows(Keyspace::versions), 22u);
  EXPECT_EQ(shown(ask("tx.rollback", {tx}, 0)), "true");
  EXPECT_GT(ok("s", "session.info")["minActiveTxid"].get<Txid>(), tx);
  EXPECT_TRUE(
      eventually([&] { return rows(Keyspace::garbage) == 0 && rows(Keyspace::versions) == 2; }));
}

TEST_F(TransactionTest, ManyAtOnceEachReadTheirOwnMoment) {
  std::vector<Txid> all;
  for (int i = 0; i < 30; ++i) {
    put("a", i);
    all.push_back(begin());
  }
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(in(all[i], "table.get", {"t", "a"}), R"({"n":)" + std::to_string(i) + "}");
  }
  ok("s", "session.info");
  for (int i = 29; i >= 0; i -= 2) EXPECT_EQ(shown(ask("tx.rollback", {all[i]}, 0)), "true");
  for (int i = 0; i < 30; i += 2) {
    EXPECT_EQ(in(all[i], "table.query", {"t", {{"n", i}}}).substr(0, 18), R"({"rows":[{"id":"a")");
  }
}

TEST_F(TransactionTest, ATableThatIsMadeAgainIsAnother) {
  const Txid tx = begin();
  EXPECT_EQ(in(tx, "table.get", {"u", "x"}), "null");
  ok("s", "table.drop", {"u"});
  EXPECT_EQ(in(tx, "table.get", {"u", "x"}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
  ok("s", "table.create", {"u", Json::object()});
  EXPECT_EQ(in(tx, "table.get", {"u", "x"}), "KONTRACT_TXN_CONFLICT");
}

// An index that comes between two of its steps knows nothing of what it has staged.
TEST_F(TransactionTest, AnIndexThatComesMeanwhileFindsWhatItHasStaged) {
  const Txid tx = begin();
  EXPECT_EQ(in(tx, "table.set", {"u", "x", {{"k", 5}}}), "true");
  const Json schema = {{"schema", {{"fields", {{"k", {{"type", "integer"}, {"index", true}}}}}}}};
  ok("s", "table.alter", {"u", schema});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(in(tx, "table.query", {"u", {{"k", 5}}}),
              R"({"rows":[{"id":"x","data":{"k":5}}],"next":null})");
    ok("s", "table.query", {"u", {{"k", 5}}});
  }
  EXPECT_EQ(commit(tx), "ok");
  EXPECT_EQ(ok("s", "table.query", {"u", {{"k", 5}}})["rows"].size(), 1u);
}

TEST_F(TransactionTest, ReadsThePastAsLongAsItIsKept) {
  stop();
  store_options_.version_retention = std::chrono::hours(1);
  start();
  const Txid one = put("a", 11);
  const Txid two = put("a", 12);
  ok("s", "table.delete", {"t", "a"});
  for (int life = 0; life < 2; ++life) {
    SCOPED_TRACE(life);
    EXPECT_EQ(at(one, "table.get", {"t", "a"}), R"({"n":11})");
    EXPECT_EQ(at(two, "table.get", {"t", "a"}), R"({"n":12})");
    EXPECT_EQ(at(two + 1, "table.get", {"t", "a"}), "null");
    EXPECT_EQ(at(one, "table.query", {"t", {{"n", 11}}}),
              R"({"rows":[{"id":"a","data":{"n":11}}],"next":null})");
    EXPECT_EQ(at(two, "table.exec", {"t", "SELECT data->>'n' AS n FROM t WHERE id = 'a'"}),
              R"({"columns":["n"],"rows":[{"n":12}],"changes":0})");
    EXPECT_EQ(at(one, "table.exec", {"t", "DELETE FROM t"}), "KONTRACT_INVALID_REQUEST");
    EXPECT_EQ(at(one, "table.set", {"t", "a", Json::object()}), "KONTRACT_INVALID_REQUEST");
    EXPECT_EQ(at(1'000'000, "table.get", {"t", "a"}), "KONTRACT_TXID_INVALID");
    EXPECT_EQ(at(1, "table.get", {"t", "a"}), "KONTRACT_TXID_INVALID");
    stop();
    start();
  }
  // A life without retention: what it supersedes is gone, and what was kept is not trusted later.
  stop();
  store_options_.version_retention = std::chrono::milliseconds(0);
  start();
  const Txid three = put("b", 13);
  put("b", 14);
  EXPECT_EQ(at(three, "table.get", {"t", "b"}), "KONTRACT_TXID_INVALID");
  stop();
  store_options_.version_retention = std::chrono::hours(1);
  start();
  EXPECT_EQ(at(three, "table.get", {"t", "b"}), "KONTRACT_TXID_INVALID");
  EXPECT_EQ(at(two, "table.get", {"t", "a"}), "KONTRACT_TXID_INVALID");
}

TEST_F(TransactionTest, ThePastIsRightOrRefused) {
  std::mt19937 random(7);
  std::map<Txid, std::map<std::string, int>> past;
  std::map<std::string, int> now = {{"a", 1}, {"b", 2}};
  std::size_t right = 0, refused = 0;
  for (int step = 0; step < 400; ++step) {
    if (step == 200) {
      stop();
      start();
    }
    const std::string id(1, static_cast<char>('a' + random() % 4));
    if (random() % 4 == 0) {
      past[call("s", "table.delete", {"t", id}).txid] = (now.erase(id), now);
    } else {
      now[id] = step;
      past[put(id, step)] = now;
    }
    auto then = past.begin();
    std::advance(then, random() % past.size());
    if (random() % 2 == 0) then = std::prev(past.end());
    const std::string seen = at(then->first, "table.get", {"t", id});
    if (seen == "KONTRACT_TXID_INVALID") {
      ++refused;
      continue;
    }
    ++right;
    const auto was = then->second.find(id);
    EXPECT_EQ(seen,
              was == then->second.end() ? "null" : R"({"n":)" + std::to_string(was->second) + "}");
  }
  EXPECT_GT(right, 100u);
  EXPECT_GT(refused, 50u);
}

}  // namespace
}  // namespace kontract
