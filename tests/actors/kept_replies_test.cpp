// Calls with a key: each runs once, whoever repeats it gets the same answer.

#include <gmock/gmock.h>
#include <lmdb.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <optional>

#include "actors/backend.hpp"
#include "actors/call_key.hpp"
#include "storage/format_replies.hpp"
#include "storage/registry.hpp"
#include "storage/wall_clock.hpp"
#include "tests/actors/session_fixture.hpp"
#include "tests/storage/io_faults.hpp"

namespace kontract {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""h;
using kontract::testing::FailingWrite;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class KeptRepliesTest : public SessionFixture {
 protected:
  using Age = std::optional<std::chrono::milliseconds>;  // less than none: in the future

  void SetUp() override {
    Backend backend;
    backend.function({.name = "add", .args = {"n"}},
                     [this](FunctionContext& ctx, int n) { return add(ctx, n); });
    backend.function({.name = "nothing"}, [this](FunctionContext& ctx) { return nothing(ctx); });
    backend.function({.name = "fail"}, [this](FunctionContext& ctx) { return fail(ctx); });
    backend.function({.name = "slow"}, [this](FunctionContext& ctx) { return slow(ctx); });
    backend.function({.name = "made"}, [this](FunctionContext& ctx) { return made(ctx); });
    backend.function({.name = "relay"}, [this](FunctionContext& ctx) { return relay(ctx); });
    ASSERT_TRUE(backend.check());
    session_options_.backend = std::make_shared<const Backend>(std::move(backend));
    SessionFixture::SetUp();
    ok("room", "table.create", {"t"});
  }

  Task<int> add(FunctionContext& ctx, int n) {
    ++runs_;
    auto table = ctx.table("t");
    const Json record = {{"n", n}};
    co_await table.push(record);
    co_return n;
  }
  Task<int> nothing(FunctionContext& /*ctx*/) { co_return ++runs_; }
  Task<int> fail(FunctionContext& ctx) {
    auto table = ctx.table("t");
    const Json record = {{"n", 1}};
    co_await table.push(record);
    if (++runs_ < 3) throw HttpError(409, "Not yet");
    co_return runs_.load();
  }
  Task<int> slow(FunctionContext& ctx) {
    ++runs_;
    auto table = ctx.table("t");
    const Json record = {{"n", 1}};
    co_await table.push(record);
    while (!open_) co_await ctx.sleep(1ms);
    co_return 7;
  }
  // Waits for another session, which writes.
  Task<Json> relay(FunctionContext& ctx) {
    ++runs_;
    auto other = ctx.session("other");
    const Json record = {{"n", 1}};
    const Json id = co_await other.call("table.push", "t", record);
    auto table = ctx.table("t");
    co_await table.push(record);
    co_return id;
  }
  Task<HttpResp> made(FunctionContext& ctx) {
    ++runs_;
    auto table = ctx.table("t");
    const Json record = {{"n", 1}};
    co_await table.push(record);
    co_return HttpResp::created({{"a", 1}}, "/a/1").header("X-More", "yes");
  }

  std::uint64_t send_keyed(const std::string& key, std::string function, Json args = Json::array(),
                           Age age = std::nullopt) {
    CallPtr call = make_call(std::move(function), std::move(args));
    call->key = std::make_shared<CallKey>(CallKey{key});
    if (age) call->key->first_sent_ms = now_ms() - age->count();
    const std::uint64_t id = last_call_;
    handle("room")->send(std::move(call));
    return id;
  }
  Answer keyed(const std::string& key, std::string function, Json args = Json::array(),
               Age age = std::nullopt) {
    return answers_->wait(send_keyed(key, std::move(function), std::move(args), age));
  }
  std::string keyed_error(const std::string& key, std::string function, Json args = Json::array(),
                          Age age = std::nullopt) {
    const Answer answer = keyed(key, std::move(function), std::move(args), age);
    return answer.result ? "no error: " + *answer.result
                         : std::string(answer.result.error().name());
  }
  void expect_same(const Answer& repeat, const Answer& first) {
    ASSERT_TRUE(first.result) << first.result.error().message;
    ASSERT_TRUE(repeat.result) << repeat.result.error().message;
    EXPECT_EQ(*repeat.result, *first.result);
    EXPECT_EQ(repeat.txid, first.txid);
  }
  std::size_t records() {
    return ok("room", "table.exec", {"t", "SELECT count(*) AS n FROM t"})["rows"][0]["n"];
  }
  void restart() {
    stop();
    start();
  }
  void expect_sound() {
    stop();
    const Result<CheckReport> report = check_data_directory(store_options_.data);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_THAT(report->problems, IsEmpty());
    start();
  }
  // How many rows there are of each letter, all at one moment.
  std::map<char, std::size_t> rows() {
    EXPECT_TRUE(store_->flush());
    const auto txn = store_->shard(0).environment().read();
    auto cursor = txn->cursor(Keyspace::replies);
    std::map<char, std::size_t> counts;
    for (auto on = cursor->seek(""); on && *on; on = cursor->next()) ++counts[cursor->key()[8]];
    return counts;
  }
  std::size_t rows(char letter) { return rows()[letter]; }

  std::atomic<int> runs_{0};
  std::atomic<bool> open_{false};
};

TEST_F(KeptRepliesTest, EveryKindOfCallRunsOnceAndItsRepeatGetsTheSameAnswer) {
  const auto batch = Json::array(
      {Json::array({"table.push", "t", {{"n", 1}}}), Json::array({"table.push", "u", {{"n", 1}}})});
  ok("room", "table.create", {"u"});
  struct Case {
    const char* function;
    Json args;
  };
  const std::vector<Case> cases = {
      {"table.push", {"t", {{"n", 1}}}},
      {"table.set", {"t", "x", {{"n", 1}}}},
      {"table.delete", {"t", "x"}},
      {"table.get", {"t", "x"}},
      {"table.pop", Json::array({"u"})},
      {"table.exec", {"t", "INSERT INTO t (data) VALUES ('{}')"}},
      {"table.batch", Json::array({batch})},
      {"table.list", Json::array()},
      {"table.create", Json::array({"v"})},
      {"table.alter",
       {"v", {{"schema", {{"fields", {{"n", {{"type", "any"}, {"index", true}}}}}}}}}},
      {"table.alter", {"v", {{"permissions", 6}}}},
      {"table.drop", Json::array({"v"})},
      {"registry.exec", Json::array({"INSERT INTO storage (id) VALUES ('w')"})},
      {"session.allocateTxid", Json::array()},
      {"session.info", Json::array()},
      {"schema.apply", Json::array({{{"version", 1}, {"tables", Json::object()}}})},
      {"add", Json::array({5})},
      {"nothing", Json::array()},
      {"slow", Json::array()},
  };
  open_ = true;
  std::vector<Answer> firsts;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].function);
    firsts.push_back(keyed("k" + std::to_string(i), cases[i].function, cases[i].args));
    ASSERT_TRUE(firsts.back().result) << firsts.back().result.error().message;
    expect_same(keyed("k" + std::to_string(i), cases[i].function, cases[i].args), firsts.back());
  }
  const Json tables = ok("room", "table.list");
  restart();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].function);
    expect_same(keyed("k" + std::to_string(i), cases[i].function, cases[i].args), firsts[i]);
  }
  EXPECT_EQ(ok("room", "table.list"), tables);
  EXPECT_EQ(runs_, 3) << "of the functions";
  EXPECT_EQ(rows('k'), cases.size());
  EXPECT_EQ(rows('o'), cases.size());
  expect_sound();
}

TEST_F(KeptRepliesTest, ARepeatOfACallThatIsUnderWayWaitsForItsAnswer) {
  const std::uint64_t first = send_keyed("k", "slow");
  EXPECT_TRUE(eventually([&] { return runs_ == 1; }));
  const std::uint64_t second = send_keyed("k", "slow");
  const std::uint64_t third = send_keyed("k", "slow");
  EXPECT_EQ(keyed_error("k", "slow", Json::array({1})), "KONTRACT_INVALID_REQUEST");
  open_ = true;
  expect_same(answers_->wait(second), answers_->wait(first));
  expect_same(answers_->wait(third), answers_->wait(first));
  EXPECT_EQ(runs_, 1);
  EXPECT_EQ(records(), 1U);
}

TEST_F(KeptRepliesTest, AFunctionThatWaitsForAnotherSessionRunsOnce) {
  ok("other", "table.create", {"t"});
  const std::uint64_t first = send_keyed("k", "relay");
  const std::uint64_t second = send_keyed("k", "relay");
  expect_same(answers_->wait(second), answers_->wait(first));
  restart();
  expect_same(keyed("k", "relay"), answers_->wait(first));
  EXPECT_EQ(runs_, 1);
  EXPECT_EQ(records(), 1U);
  EXPECT_EQ(ok("other", "table.query", {"t"})["rows"].size(), 1U);
}

TEST_F(KeptRepliesTest, ManyRepeatsThatRaceWithTheirFirstGetOneAnswer) {
  for (int round = 0; round < 50; ++round) {
    const std::string key = "round-" + std::to_string(round);
    std::vector<std::uint64_t> sent;
    for (int i = 0; i < 8; ++i) sent.push_back(send_keyed(key, "table.push", {"t", {{"n", 1}}}));
    const Answer first = answers_->wait(sent[0]);
    for (const std::uint64_t one : sent) expect_same(answers_->wait(one), first);
  }
  EXPECT_EQ(records(), 50U);
}

TEST_F(KeptRepliesTest, AKeyBelongsToOneCallOfOneUser) {
  ASSERT_TRUE(keyed("k", "table.push", {"t", {{"n", 1}}}).result);
  const auto refused_all = [&] {
    EXPECT_EQ(keyed_error("k", "table.push", {"t", {{"n", 2}}}), "KONTRACT_INVALID_REQUEST");
    EXPECT_EQ(keyed_error("k", "add", Json::array({1})), "KONTRACT_INVALID_REQUEST");
    peer_.user = "another";
    EXPECT_EQ(keyed_error("k", "table.push", {"t", {{"n", 1}}}), "KONTRACT_INVALID_REQUEST");
    peer_.user = "u";
  };
  refused_all();
  restart();
  refused_all();
  EXPECT_EQ(records(), 1U);
  peer_.owner = "tenant-2";
  handles_.clear();
  ok("room", "table.create", {"t"});
  EXPECT_TRUE(keyed("k", "table.push", {"t", {{"n", 2}}}).result) << "another session";
}

TEST_F(KeptRepliesTest, ARepeatNeedsThePermissionsOfTheCall) {
  ASSERT_TRUE(keyed("push", "table.push", {"t", {{"n", 1}}}).result);
  ASSERT_TRUE(keyed("create", "table.create", Json::array({"u"})).result);
  peer_.perm = perms::R__;
  EXPECT_EQ(keyed_error("push", "table.push", {"t", {{"n", 1}}}), "KONTRACT_PERMISSION_DENIED");
  peer_.perm = perms::RWX;
  peer_.ugroups = {};
  EXPECT_EQ(keyed_error("create", "table.create", Json::array({"u"})), "KONTRACT_FORBIDDEN");
}

TEST_F(KeptRepliesTest, ACallThatFailedIsNotKeptAndRunsAgain) {
  EXPECT_EQ(keyed_error("k", "fail"), "KONTRACT_TXN_CONFLICT");
  EXPECT_EQ(keyed_error("k", "fail"), "KONTRACT_TXN_CONFLICT");
  EXPECT_EQ(*keyed("k", "fail").result, "3");
  EXPECT_EQ(*keyed("k", "fail").result, "3") << "this one is";
  EXPECT_EQ(records(), 1U);
  EXPECT_EQ(keyed_error("m", "table.push", {"none", {{"n", 1}}}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
  ok("room", "table.create", {"none"});
  EXPECT_TRUE(keyed("m", "table.push", {"none", {{"n", 1}}}).result);
}

TEST_F(KeptRepliesTest, TheHeadOfAnHttpAnswerIsKeptToo) {
  const Answer first = keyed("k", "made");
  ASSERT_TRUE(first.head);
  restart();
  const Answer repeat = keyed("k", "made");
  expect_same(repeat, first);
  ASSERT_TRUE(repeat.head);
  EXPECT_EQ(repeat.head->status, 201);
  EXPECT_EQ(repeat.head->headers, first.head->headers);
  EXPECT_EQ(runs_, 1);
}

TEST_F(KeptRepliesTest, RepeatsAreAnsweredAfterTheSessionSlept) {
  stop();
  session_options_.idle = 20ms;
  start();
  for (int round = 0; round < 5; ++round) {
    const Answer first = keyed(std::to_string(round), "table.push", {"t", {{"n", round}}});
    const auto room = handle("room");
    EXPECT_TRUE(eventually([&] { return !room->awake(); }));
    expect_same(keyed(std::to_string(round), "table.push", {"t", {{"n", round}}}), first);
  }
  EXPECT_EQ(records(), 5U);
}

TEST_F(KeptRepliesTest, AfterACommitThatFailedTheRepeatRuns) {
  ok("room", "table.set", {"t", "x", {{"n", 0}}});
  ASSERT_TRUE(store_->flush());
  {
    const FailingWrite failing(ENOSPC);
    std::optional<WriteTxn> held(*store_->shard(0).environment().write());
    const std::uint64_t first = send_keyed("k", "table.push", {"t", {{"n", 1}}});
    const std::uint64_t repeat = send_keyed("k", "table.push", {"t", {{"n", 1}}});
    held.reset();
    EXPECT_FALSE(answers_->wait(first).result);
    EXPECT_FALSE(answers_->wait(repeat).result);
  }
  std::optional<Answer> at_last;
  EXPECT_TRUE(eventually([&] {
    at_last = keyed("k", "table.push", {"t", {{"n", 1}}});
    return at_last->result.has_value();
  }));
  expect_same(keyed("k", "table.push", {"t", {{"n", 1}}}), *at_last);
  EXPECT_EQ(records(), 2U);
  expect_sound();
}

// With too many, the oldest go; those that are there are still given again, and a repeat that says
// how old it is is not run twice.
TEST_F(KeptRepliesTest, TheOldestRepliesGoWhenThereAreTooMany) {
  stop();
  session_options_.replies_max = 300;
  start();
  constexpr int kCalls = 1000;
  for (int i = 0; i < kCalls; ++i) {
    send_keyed("k" + std::to_string(i), "table.push", {"t", {{"n", i}}});
  }
  answers_->wait(last_call_);
  std::map<char, std::size_t> kept;
  int more = 0;
  EXPECT_TRUE(eventually([&] {
    ok("room", "session.info");
    keyed("more" + std::to_string(more++), "nothing");
    kept = rows();  // a round of forgetting may be under way: one look at both
    return kept['k'] <= 300 + 256;
  }));
  EXPECT_EQ(kept['o'], kept['k']);
  const std::size_t before = records();
  EXPECT_EQ(keyed_error("k0", "table.push", {"t", {{"n", 0}}}, 1h), "KONTRACT_TIMEOUT");
  EXPECT_EQ(records(), before);
  ASSERT_TRUE(keyed("k0", "table.push", {"t", {{"n", 0}}}).result) << "the promise ends there";
  EXPECT_EQ(records(), before + 1);
  ASSERT_TRUE(keyed("new", "table.push", {"t", {{"n", 0}}}, -1h).result);
  expect_sound();
}

TEST_F(KeptRepliesTest, RepliesGoAfterTheRetentionTimeAndByTheirBytes) {
  for (int i = 0; i < 20; ++i) keyed("k" + std::to_string(i), "nothing");
  EXPECT_EQ(rows('k'), 20U);
  stop();
  session_options_.reply_bytes_max = 500;
  session_options_.idle = 20ms;
  start();
  ok("room", "session.info");
  EXPECT_TRUE(eventually([&] { return rows('k') < 10U; })) << "as it falls asleep";
  EXPECT_GE(rows('k'), 1U);
  stop();
  session_options_.reply_retention = 0ms;
  start();
  ok("room", "session.info");
  EXPECT_TRUE(eventually([&] { return rows('k') == 0U; }));
  EXPECT_EQ(rows('o'), 0U);
  EXPECT_EQ(rows('f'), 1U);
  expect_sound();
}

TEST_F(KeptRepliesTest, WhileTheStoreTakesNoWritesCallsThatWriteNothingAreAnsweredAllTheSame) {
  ok("room", "table.set", {"t", "x", {{"n", 1}}});
  ASSERT_TRUE(store_->flush());
  CommitLog& log = store_->shard(0).log();
  const FailingWrite failing(ENOSPC);
  std::optional<WriteTxn> held(*store_->shard(0).environment().write());
  while (log.admit(false)) {
    WriteBatch batch;
    batch.put(Keyspace::order, "filler", std::string(limits::kBatchBytesMax, 'x'));
    log.append(std::move(batch), log.epoch(), nullptr);
  }
  EXPECT_EQ(*keyed("k", "table.get", {"t", "x"}).result, R"({"n":1})");
  EXPECT_EQ(keyed_error("m", "table.set", {"t", "x", {{"n", 2}}}), "KONTRACT_OVERLOADED");
  held.reset();
  EXPECT_TRUE(eventually([&] { return log.admit(false).has_value(); }));
}

}  // namespace
}  // namespace kontract
