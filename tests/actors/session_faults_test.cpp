// Sessions while the disk, the store or an actor fails: what was acknowledged is there, what was
// refused is not, and the session goes on.

#include <gmock/gmock.h>
#include <lmdb.h>

#include <atomic>
#include <caf/all.hpp>
#include <cerrno>
#include <optional>

#include "actors/session_do.hpp"
#include "session_fixture.hpp"
#include "storage/format.hpp"
#include "tests/storage/io_faults.hpp"
#include "tests/storage/lmdb_faults.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;
using kontract::testing::FailingCall;
using kontract::testing::FailingSync;
using kontract::testing::FailingWrite;

class SessionFaultTest : public SessionFixture {
 protected:
  void SetUp() override {
    store_options_.alarm = [this](const std::string& message) {
      const std::lock_guard lock(alarms_mutex_);
      alarms_ += message + "\n";
    };
    SessionFixture::SetUp();
  }
  void restart() {
    stop();
    start();
  }
  std::string alarms() {
    const std::lock_guard lock(alarms_mutex_);
    return alarms_;
  }
  // LMDB holds all that was acknowledged: what fails then fails by itself.
  void settle() { ASSERT_TRUE(store_->flush()); }
  Environment& environment() { return store_->shard(0).environment(); }
  // Holds back whatever the log would write.
  WriteTxn hold_writes() {
    auto held = environment().write();
    EXPECT_TRUE(held);
    return std::move(*held);
  }
  // Changes rows past the log. REQUIRES: nothing waits in it.
  void change(const std::function<Status(WriteTxn&)>& edit) {
    auto txn = environment().write();
    ASSERT_TRUE(txn);
    ASSERT_TRUE(edit(*txn));
    ASSERT_TRUE(std::move(*txn).commit());
  }
  std::size_t rows(Keyspace space) {
    const auto txn = environment().read();
    auto cursor = txn->cursor(space);
    std::size_t count = 0;
    for (auto on_row = cursor->seek(""); on_row && *on_row; on_row = cursor->next()) ++count;
    return count;
  }
  void expect_sound() {
    stop();
    const Result<CheckReport> report = check_data_directory(store_options_.data);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_THAT(report->problems, IsEmpty());
    start();
  }
  // Calls until it succeeds: a call right after a failure may be told to come again.
  Json at_last(const std::string& function, const Json& args) {
    std::optional<Answer> answer;
    EXPECT_TRUE(eventually([&] {
      answer = call("room", function, args);
      return answer->result.has_value();
    })) << answer->result.error().message;
    return answer->result ? Json::parse(*answer->result) : Json();
  }

 private:
  std::mutex alarms_mutex_;
  std::string alarms_;
};

// ------------------------------------------------------------------------------- dead actors

// A table's actor dies when something is thrown that is no std::exception.
class DeadTableTest : public SessionFaultTest {
 protected:
  void SetUp() override {
    session_options_.on_table_call = [this](const Call& call) {
      const bool deadly = call.function == "table.batch" ||
                          (call.function == "table.get" && call.args[1] == "deadly");
      if (deadly && armed_.exchange(false)) throw 1;  // NOLINT
    };
    SessionFaultTest::SetUp();
  }
  // Returns when the actor of table "a" was killed.
  void kill() {
    armed_ = true;
    EXPECT_EQ(error("room", "table.get", {"a", "deadly"}), "KONTRACT_INTERNAL");
    EXPECT_FALSE(armed_);
  }
  // Reads record "x" of table "a", whose actor is dead: those that still reach it are dropped, the
  // first that its successor gets waits, and is the last of what this returns.
  std::vector<std::uint64_t> read_until_one_waits() {
    std::vector<std::uint64_t> reads;
    const std::size_t answered = answers_->count();
    const std::uint64_t last = last_call_;
    EXPECT_TRUE(eventually([&] {
      reads.push_back(send("room", "table.get", {"a", "x"}));
      answers_->wait(send("room", "session.info"));
      return answers_->count() < answered + (last_call_ - last);
    }));
    return reads;
  }

  std::atomic<bool> armed_{false};
};

TEST_F(DeadTableTest, CallsAfterItSucceedAndNothingAcknowledgedIsLost) {
  ok("room", "table.create", {"a"});
  ok("room", "table.create", {"b"});
  for (int round = 0; round < 20; ++round) {
    ok("room", "table.set", {"a", "x", {{"n", round}}});
    ok("room", "table.push", {"a", {{"n", round}}});
    kill();
    EXPECT_EQ(at_last("table.get", {"a", "x"})["n"], round);
    EXPECT_EQ(ok("room", "table.set", {"b", "x", {{"n", round}}}), true);
  }
  EXPECT_EQ(ok("room", "table.query", {"a"})["rows"].size(), 21U);
  expect_sound();
}

TEST_F(DeadTableTest, ItsSuccessorWaitsForWhatItHadAppended) {
  ok("room", "table.create", {"a"});
  ok("room", "table.get", {"a", "x"});
  std::uint64_t set = 0;
  std::vector<std::uint64_t> reads;
  {
    const WriteTxn held = hold_writes();
    set = send("room", "table.set", {"a", "x", {{"n", 1}}});
    kill();
    reads = read_until_one_waits();
  }
  EXPECT_TRUE(answers_->wait(set).result);
  for (const std::uint64_t id : reads) {
    const Answer read = answers_->wait(id);
    if (read.result) {
      EXPECT_EQ(*read.result, R"({"n":1})");
    } else {
      EXPECT_EQ(read.result.error().name(), "KONTRACT_INTERNAL");
    }
  }
  EXPECT_EQ(at_last("table.get", {"a", "x"})["n"], 1);
}

TEST_F(DeadTableTest, WhatItsSuccessorHoldsBackIsRefusedWhenTheLogFails) {
  ok("room", "table.create", {"a"});
  ok("room", "table.get", {"a", "x"});
  settle();
  std::uint64_t set = 0;
  std::vector<std::uint64_t> reads;
  const FailingSync failing(EIO);
  {
    const WriteTxn held = hold_writes();
    set = send("room", "table.set", {"a", "x", {{"n", 1}}});
    kill();
    reads = read_until_one_waits();
  }
  EXPECT_EQ(answers_->wait(set).result.error().name(), "KONTRACT_STORAGE_CORRUPT");
  const Answer read = answers_->wait(reads.back());
  ASSERT_FALSE(read.result) << "what it would show is not known";
  EXPECT_THAT(std::string(read.result.error().name()),
              ::testing::AnyOf("KONTRACT_STORAGE_CORRUPT", "KONTRACT_OVERLOADED"));
}

TEST_F(DeadTableTest, ABatchWhoseTableDiesHappensNowhere) {
  ok("room", "table.create", {"a"});
  ok("room", "table.create", {"b"});
  const Json batch = Json::array({Json::array({"table.set", "a", "x", {{"n", 1}}}),
                                  Json::array({"table.set", "b", "x", {{"n", 1}}})});
  armed_ = true;
  EXPECT_EQ(error("room", "table.batch", Json::array({batch})), "KONTRACT_INTERNAL");
  for (const char* table : {"a", "b"}) EXPECT_EQ(at_last("table.get", {table, "x"}), nullptr);
  EXPECT_EQ(ok("room", "table.batch", Json::array({batch})), Json::array({true, true}));
  for (const char* table : {"a", "b"}) EXPECT_EQ(ok("room", "table.get", {table, "x"})["n"], 1);
}

// ----------------------------------------------------------------------------- failed groups

TEST_F(SessionFaultTest, ATableWhoseCreateFailedIsNotThereAndCanBeCreated) {
  ok("room", "session.info");
  settle();
  {
    const FailingWrite failing(ENOSPC);
    EXPECT_EQ(error("room", "table.create", {"t"}), "KONTRACT_STORAGE_FULL");
  }
  EXPECT_EQ(error("room", "table.get", {"t", "x"}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
  ok("room", "table.create", {"t"});
  ok("room", "table.set", {"t", "x", {{"n", 1}}});
  expect_sound();
  EXPECT_EQ(ok("room", "table.get", {"t", "x"})["n"], 1);
}

TEST_F(SessionFaultTest, ATableWhoseDropFailedIsThereWithItsRecords) {
  ok("room", "table.create", {"t"});
  ok("room", "table.set", {"t", "x", {{"n", 1}}});
  {
    const FailingWrite failing(ENOSPC);
    EXPECT_EQ(error("room", "table.drop", {"t"}), "KONTRACT_STORAGE_FULL");
  }
  EXPECT_EQ(at_last("table.get", {"t", "x"})["n"], 1);
  EXPECT_EQ(at_last("table.drop", {"t"}), true);
  EXPECT_TRUE(eventually([&] { return rows(Keyspace::versions) == 0; }));
  expect_sound();
}

// What was acknowledged is in the journal alone when the disk fills up.
TEST_F(SessionFaultTest, AFullDiskKeepsWhatTheJournalHoldsAndGoesOnWhenThereIsRoom) {
  ok("room", "table.create", {"t"});
  settle();
  {
    ok("room", "table.set", {"t", "x", {{"n", 1}}});
    const FailingWrite failing(ENOSPC);
    EXPECT_EQ(error("room", "table.set", {"t", "y", {{"n", 1}}}), "KONTRACT_STORAGE_FULL");
    EXPECT_EQ(ok("room", "table.get", {"t", "x"})["n"], 1);
  }
  EXPECT_EQ(at_last("table.set", {"t", "y", {{"n", 2}}}), true);
  EXPECT_EQ(ok("room", "table.get", {"t", "x"})["n"], 1);
  expect_sound();
  EXPECT_EQ(ok("room", "table.get", {"t", "x"})["n"], 1);
}

TEST_F(SessionFaultTest, ABatchThatFailsToCommitHappensInNoTable) {
  ok("room", "table.create", {"a"});
  ok("room", "table.create", {"b"});
  const Json batch = Json::array({Json::array({"table.set", "a", "x", {{"n", 1}}}),
                                  Json::array({"table.push", "b", {{"n", 1}}})});
  settle();
  {
    const FailingWrite failing(ENOSPC);
    const std::uint64_t first = send("room", "table.batch", Json::array({batch}));
    // What was let in before the failure was known is told to come again, or fails with it.
    std::vector<std::uint64_t> later;
    for (int i = 0; i < 50; ++i) later.push_back(send("room", "table.get", {"a", "x"}));
    EXPECT_EQ(answers_->wait(first).result.error().name(), "KONTRACT_STORAGE_FULL");
    for (const std::uint64_t id : later) {
      const Answer answer = answers_->wait(id);
      if (answer.result) {
        EXPECT_EQ(*answer.result, "null");
      } else {
        EXPECT_THAT(std::string(answer.result.error().name()),
                    ::testing::AnyOf("KONTRACT_STORAGE_FULL", "KONTRACT_OVERLOADED"));
      }
    }
  }
  EXPECT_EQ(at_last("table.get", {"a", "x"}), nullptr);
  EXPECT_EQ(ok("room", "table.list")[1]["records"], 0);
  EXPECT_EQ(ok("room", "table.batch", Json::array({batch}))[0], true);
  expect_sound();
}

TEST_F(SessionFaultTest, ANewSessionWhoseFirstCommitFailedBeginsAgain) {
  {
    const FailingWrite failing(ENOSPC);
    EXPECT_EQ(error("room", "session.info"), "KONTRACT_STORAGE_FULL");
    EXPECT_EQ(error("room", "session.allocateTxid"), "KONTRACT_STORAGE_FULL");
  }
  EXPECT_GT(ok("room", "session.allocateTxid"), 0);
  expect_sound();
}

// Fails all writes from the moment it is answered: on the log's thread, before it goes on.
class FailWhenAnswered final : public ReplyTarget {
 public:
  void answer(std::uint64_t, Answer&& answer) noexcept override {
    EXPECT_TRUE(answer.result);
    failing_.emplace(ENOSPC);
    answered_ = true;
  }
  bool answered() const { return answered_; }
  void recover() { failing_.reset(); }

 private:
  std::optional<FailingWrite> failing_;
  std::atomic<bool> answered_{false};
};

TEST_F(SessionFaultTest, APurgeThatFailedGoesOnLater) {
  ok("room", "table.create", {"t"});
  for (int i = 0; i < 3; ++i) {
    Json operations = Json::array();
    for (int n = 0; n < 900; ++n) operations.push_back({"table.push", "t", {{"n", n}}});
    ok("room", "table.batch", Json::array({operations}));
  }
  settle();
  const auto drop_answered = std::make_shared<FailWhenAnswered>();
  CallPtr drop = make_call("table.drop", {"t"});
  drop->reply = Reply(drop_answered, 1);
  handle("room")->send(std::move(drop));
  EXPECT_TRUE(eventually([&] { return drop_answered->answered(); }));
  EXPECT_TRUE(eventually([&] { return store_->metrics().failed_groups > 0; }));
  EXPECT_EQ(rows(Keyspace::versions), 2700U);
  drop_answered->recover();
  EXPECT_THAT(at_last("table.list", Json::array()), IsEmpty());
  EXPECT_TRUE(eventually([&] { return rows(Keyspace::versions) == 0; }));
  expect_sound();
}

TEST_F(SessionFaultTest, AfterAFailedSyncReadsGoOnAndTellTheLastTransaction) {
  ok("room", "table.create", {"t"});
  ok("room", "table.set", {"t", "x", {{"n", 1}}});
  settle();
  {
    const FailingSync failing(EIO);
    EXPECT_EQ(error("room", "table.set", {"t", "x", {{"n", 2}}}), "KONTRACT_STORAGE_CORRUPT");
  }
  Txid told = 0;
  for (const auto& [function, args] : std::vector<std::pair<std::string, Json>>{
           {"table.get", {"t", "x"}},
           {"table.query", Json::array({"t"})},
           {"table.list", Json::array()},
           {"session.info", Json::array()},
           {"table.batch", Json::array({Json::array()})},
       }) {
    SCOPED_TRACE(function);
    const Answer answer = call("room", function, args);
    ASSERT_TRUE(answer.result) << answer.result.error().message;
    EXPECT_GE(answer.txid, told);
    if (told != 0) {
      EXPECT_EQ(answer.txid, told) << "no transaction came in between";
    }
    told = answer.txid;
  }
  EXPECT_EQ(Json::parse(*call("room", "table.get", {"t", "x"}).result)["n"], 1);
  EXPECT_EQ(error("room", "session.allocateTxid"), "KONTRACT_OVERLOADED");
  for (const auto& [function, args] : std::vector<std::pair<std::string, Json>>{
           {"table.set", {"t", "x", {{"n", 3}}}},
           {"table.drop", Json::array({"t"})},
           {"table.create", Json::array({"u"})},
       }) {
    EXPECT_EQ(error("room", function, args), "KONTRACT_STORAGE_CORRUPT") << function;
  }
  EXPECT_EQ(error("new-room", "session.info"), "KONTRACT_STORAGE_CORRUPT");
  EXPECT_THAT(alarms(), HasSubstr("writes are refused until a restart"));
  restart();
  const Answer next = call("room", "table.set", {"t", "x", {{"n", 4}}});
  ASSERT_TRUE(next.result);
  EXPECT_GT(next.txid, told) << "it was told before";
}

TEST_F(SessionFaultTest, WithALongQueueForTheDiskWritesAreRefusedAndReadsAreNot) {
  ok("room", "table.create", {"t"});
  ok("room", "table.set", {"t", "x", {{"n", 1}}});
  settle();
  CommitLog& log = store_->shard(0).log();
  {
    const FailingWrite failing(ENOSPC);  // so that what is queued is not written in the end
    std::optional<WriteTxn> held(hold_writes());
    while (log.admit(false)) {
      WriteBatch batch;
      batch.put(Keyspace::order, "filler", std::string(limits::kBatchBytesMax, 'x'));
      log.append(std::move(batch), log.epoch(), nullptr);
    }
    EXPECT_EQ(ok("room", "table.get", {"t", "x"})["n"], 1);
    const Answer refused = call("room", "table.set", {"t", "x", {{"n", 2}}});
    ASSERT_FALSE(refused.result);
    EXPECT_EQ(refused.result.error().name(), "KONTRACT_OVERLOADED");
    EXPECT_TRUE(refused.result.error().retry_after);
    EXPECT_EQ(error("room", "table.create", {"u"}), "KONTRACT_OVERLOADED");
    EXPECT_EQ(error("room", "table.drop", {"t"}), "KONTRACT_OVERLOADED");
    EXPECT_EQ(error("new-room", "session.info"), "KONTRACT_OVERLOADED");
    held.reset();
    EXPECT_TRUE(eventually([&] { return log.admit(false).has_value(); }));
  }
  EXPECT_EQ(at_last("table.set", {"t", "x", {{"n", 3}}}), true);
}

// -------------------------------------------------------------------------------- damaged rows

class DamageTest : public SessionFaultTest {
 protected:
  void SetUp() override {
    SessionFaultTest::SetUp();
    ok("room", "table.create", {"a"});
    ok("room", "table.create", {"b"});
    for (const char* table : {"a", "b"}) {
      for (const char* id : {"x", "y"}) ok("room", "table.set", {table, id, {{"n", 1}}});
    }
    restart();
    const auto txn = environment().read();
    const auto row = load_session(*txn, identity());
    ASSERT_TRUE(row && *row);
    session_ = (*row)->no;
  }
  Identity identity() const { return {peer_.owner, "room"}; }
  void damage(Keyspace space, const std::string& key) {
    std::string value;
    {
      const auto txn = environment().read();
      const auto found = txn->get(space, key);
      ASSERT_TRUE(found && *found);
      value = **found;
    }
    value.back() = static_cast<char>(value.back() ^ 1);
    change([&](WriteTxn& txn) { return txn.put(space, key, value); });
  }
  // Of table "a", whose number is 1.
  std::string first_key(Keyspace space) {
    const auto txn = environment().read();
    auto cursor = txn->cursor(space);
    EXPECT_TRUE(*cursor->seek(format::rows_prefix(session_, 1)));
    return std::string(cursor->key());
  }
  SessionNo session_ = 0;
};

TEST_F(DamageTest, ADamagedSessionRowFailsItsCallsUntilItIsRepaired) {
  damage(Keyspace::sessions, format::session_key(identity()).str());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(error("room", "table.get", {"a", "x"}), "KONTRACT_STORAGE_CORRUPT");
    EXPECT_EQ(error("room", "session.info"), "KONTRACT_STORAGE_CORRUPT");
  }
  EXPECT_TRUE(call("another", "session.info").result);
  damage(Keyspace::sessions, format::session_key(identity()).str());  // the bit back
  EXPECT_EQ(ok("room", "table.get", {"a", "x"})["n"], 1);
}

TEST_F(DamageTest, ADamagedTableRowFailsTheSession) {
  damage(Keyspace::registry, format::table_key(session_, "a").str());
  EXPECT_EQ(error("room", "table.get", {"a", "x"}), "KONTRACT_STORAGE_CORRUPT");
  EXPECT_EQ(error("room", "table.get", {"b", "x"}), "KONTRACT_STORAGE_CORRUPT");
}

TEST_F(DamageTest, ADamagedCountFailsItsTableAndNoOther) {
  damage(Keyspace::registry, format::count_key(session_, 1).str());
  EXPECT_EQ(error("room", "table.get", {"a", "x"}), "KONTRACT_STORAGE_CORRUPT");
  EXPECT_EQ(error("room", "table.list"), "KONTRACT_STORAGE_CORRUPT");
  const Json both = Json::array({Json::array({"table.set", "b", "x", {{"n", 2}}}),
                                 Json::array({"table.set", "a", "x", {{"n", 2}}})});
  EXPECT_EQ(error("room", "table.batch", Json::array({both})), "KONTRACT_STORAGE_CORRUPT");
  EXPECT_EQ(ok("room", "table.get", {"b", "x"})["n"], 1);
}

TEST_F(DamageTest, ADamagedRecordFailsWhatReadsIt) {
  damage(Keyspace::versions, first_key(Keyspace::versions));
  EXPECT_EQ(error("room", "table.get", {"a", "x"}), "KONTRACT_STORAGE_CORRUPT");
  EXPECT_EQ(error("room", "table.set", {"a", "x", {{"n", 2}}}), "KONTRACT_STORAGE_CORRUPT");
  EXPECT_EQ(error("room", "table.shift", {"a"}), "KONTRACT_STORAGE_CORRUPT");
  EXPECT_EQ(error("room", "table.query", {"a"}), "KONTRACT_STORAGE_CORRUPT");
  EXPECT_EQ(ok("room", "table.get", {"a", "y"})["n"], 1);
  EXPECT_EQ(ok("room", "table.pop", {"a"})["n"], 1);
}

TEST_F(DamageTest, ADamagedPlaceInTheOrderFailsWhatGoesByIt) {
  damage(Keyspace::order, first_key(Keyspace::order));
  EXPECT_EQ(error("room", "table.shift", {"a"}), "KONTRACT_STORAGE_CORRUPT");
  EXPECT_EQ(error("room", "table.query", {"a"}), "KONTRACT_STORAGE_CORRUPT");
  EXPECT_EQ(ok("room", "table.get", {"a", "x"})["n"], 1);
}

TEST_F(DamageTest, ADropThatCannotBePurgedIsTold) {
  change([&](WriteTxn& txn) {  // a key of a dropped table that is too short
    return txn.put(Keyspace::registry, format::dropped_prefix(session_).str() + "?", "x");
  });
  ok("room", "session.info");
  EXPECT_TRUE(eventually([&] { return !alarms().empty(); }));
  EXPECT_EQ(ok("room", "table.get", {"a", "x"})["n"], 1);
}

TEST_F(DamageTest, GarbageThatCannotBeReadIsTold) {
  change([&](WriteTxn& txn) {
    return txn.put(Keyspace::garbage, format::rows_prefix(session_, 1).str() + "?", "x");
  });
  session_options_.idle = 1ms;
  restart();
  ok("room", "table.get", {"a", "x"});
  EXPECT_TRUE(eventually([&] { return !alarms().empty(); }));
}

// -------------------------------------------------------------------- each call of LMDB fails once

TEST_F(SessionFaultTest, WhateverCallOfTheStoreFailsWhatWasAcknowledgedIsThere) {
  ok("room", "table.create", {"a"});
  ok("room", "table.create", {"b"});
  ok("room", "table.create", {"c"});
  int value = 0, a = 0, b = 0, failures = 0;
  std::size_t pushed = 0;
  for (int nth = 1; nth <= 60; ++nth) {
    SCOPED_TRACE(nth);
    {
      const FailingCall failing(nth, ENOMEM, FailingCall::Where::any_thread);
      for (int i = 0; i < 2; ++i) {
        if (call("room", "table.set", {"a", "x", {{"n", ++value}}}).result) a = value;
        const Json both = Json::array({Json::array({"table.set", "a", "x", {{"n", ++value}}}),
                                       Json::array({"table.set", "b", "x", {{"n", value}}})});
        if (call("room", "table.batch", Json::array({both})).result) a = b = value;
        if (call("room", "table.push", {"c", {{"n", value}}}).result) ++pushed;
        const Answer popped = call("room", "table.pop", {"c"});
        if (popped.result && *popped.result != "null") --pushed;
        const Answer read = call("room", "table.get", {"a", "x"});
        if (read.result && *read.result != "null") {
          EXPECT_EQ(Json::parse(*read.result)["n"], a);
        }
      }
      failures += failing.reached() ? 1 : 0;
    }
    const auto n = [&](const char* table) {
      const Json record = at_last("table.get", {table, "x"});
      return record.is_null() ? 0 : record["n"].get<int>();
    };
    ASSERT_EQ(n("a"), a);
    ASSERT_EQ(n("b"), b);
    ASSERT_EQ(at_last("table.query", Json::array({"c"}))["rows"].size(), pushed);
    if (nth % 20 == 0) restart();
  }
  EXPECT_GT(failures, 30);
  expect_sound();
}

// --------------------------------------------------------------------------------- transactions

class TransactionFaultTest : public SessionFaultTest {
 protected:
  void SetUp() override {
    SessionFaultTest::SetUp();
    session_ = system_->spawn<SessionDO>(handle("room"));
  }
  void TearDown() override {
    caf::anon_send_exit(session_, caf::exit_reason::user_shutdown);
    session_ = nullptr;
    SessionFaultTest::TearDown();
  }
  template <class Reply, class Message>
  Reply ask(Message message) {
    std::optional<Reply> reply;
    caf::scoped_actor self(*system_);
    self->request(session_, kPatience, std::move(message))
        .receive([&](Reply& got) { reply = std::move(got); },
                 [](const caf::error& error) { ADD_FAILURE() << caf::to_string(error); });
    return std::move(*reply);
  }
  SessionAddress session_;
};

TEST_F(TransactionFaultTest, ATransactionWhoseTxidIsNotDurableIsNotBegun) {
  {
    const FailingWrite failing(ENOSPC);
    const auto begun = ask<Result<TransactionFacts>>(BeginTransaction{"tenant-1"});
    ASSERT_FALSE(begun) << "its session is not stored";
    EXPECT_EQ(begun.error().name(), "KONTRACT_STORAGE_FULL");
  }
  const auto begun = ask<Result<TransactionFacts>>(BeginTransaction{"tenant-1"});
  ASSERT_TRUE(begun) << begun.error().message;
  EXPECT_EQ(ask<Txid>(GetMinActiveTxid{}), begun->current_txid) << "the failed one is not open";
}

TEST_F(TransactionFaultTest, BeginAndCommitAreAnsweredWhenTheirTxidsAreDurable) {
  caf::scoped_actor self(*system_);
  std::optional<WriteTxn> held(hold_writes());
  auto begin = self->request(session_, kPatience, BeginTransaction{"tenant-1"});
  const Txid begun_at = ask<Txid>(GetMinActiveTxid{});  // it was handled
  EXPECT_TRUE(self->mailbox().empty());
  held.reset();
  Txid txid = 0;
  begin.receive([&](Result<TransactionFacts>& facts) { txid = facts ? facts->current_txid : 0; },
                [](const caf::error& error) { ADD_FAILURE() << caf::to_string(error); });
  EXPECT_EQ(txid, begun_at);
  // Of a block that is used up: the next one has to be reserved first.
  for (std::uint64_t i = 0; i < limits::kTxidBlock + 100; ++i) {
    const auto next = ask<Result<TransactionFacts>>(BeginTransaction{"tenant-1"});
    ASSERT_TRUE(next) << next.error().message;
    const auto committed = ask<Result<Txid>>(CommitTransaction{next->current_txid, "tenant-1"});
    ASSERT_TRUE(committed) << committed.error().message;
    ASSERT_GT(*committed, next->current_txid);
  }
}

TEST_F(TransactionFaultTest, WhenNoTxidCanBeReservedNothingBegins) {
  const auto open = ask<Result<TransactionFacts>>(BeginTransaction{"tenant-1"});
  ASSERT_TRUE(open);
  CommitLog& log = store_->shard(0).log();
  ASSERT_TRUE(log.flush());  // what the journal alone holds would keep the epoch
  {
    const FailingSync failing(EIO);
    WriteBatch batch;
    batch.put(Keyspace::order, "x", "y");
    log.append(std::move(batch), log.epoch(), nullptr);
    EXPECT_FALSE(log.flush());
  }
  EXPECT_EQ(ask<Result<TransactionFacts>>(BeginTransaction{"tenant-1"}).error().name(),
            "KONTRACT_STORAGE_CORRUPT");
  EXPECT_EQ(ask<Result<Txid>>(CommitTransaction{open->current_txid, "tenant-1"}).error().name(),
            "KONTRACT_STORAGE_CORRUPT");
}

}  // namespace
}  // namespace kontract
