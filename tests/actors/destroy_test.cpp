// session.destroy: nothing of the session is left, whenever the server is stopped.

#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <set>

#include "actors/backend.hpp"
#include "actors/call_key.hpp"
#include "storage/format.hpp"
#include "storage/registry.hpp"
#include "tests/actors/session_fixture.hpp"
#include "tests/storage/io_faults.hpp"

namespace kontract {
namespace {

using std::chrono_literals::operator""ms;
using kontract::testing::FailingWrite;
using ::testing::IsEmpty;

class DestroyTest : public SessionFixture {
 protected:
  void SetUp() override {
    session_options_.on_destroyed = [this](const std::string& sid) {
      const std::lock_guard lock(mutex_);
      destroyed_.insert(sid);
    };
    Backend backend;
    backend.function({.name = "doze"}, [this](FunctionContext& ctx) { return doze(ctx); });
    ASSERT_TRUE(backend.check());
    session_options_.backend = std::make_shared<const Backend>(std::move(backend));
    SessionFixture::SetUp();
  }

  Task<void> doze(FunctionContext& ctx) {
    auto table = ctx.table("t");
    const Json record = {{"n", 1}};
    co_await table.set("dozed", record);
    dozing_ = true;
    for (;;) co_await ctx.sleep(1ms);
  }

  // Tables with records, an index, versions to collect, a dropped table and kept replies.
  void fill(const std::string& session, int batches = 1) {
    ok(session, "table.create",
       {"t", {{"schema", {{"fields", {{"n", {{"type", "integer"}, {"index", true}}}}}}}}});
    ok(session, "table.create", {"u"});
    for (int batch = 0; batch < batches; ++batch) {
      Json operations = Json::array();
      for (int i = 0; i < 1000; ++i) {
        operations.push_back({"table.push", "t", {{"n", batch * 1000 + i}}});
      }
      ok(session, "table.batch", Json::array({std::move(operations)}));
    }
    ok(session, "table.set", {"u", "x", {{"n", 1}}});
    CallPtr call = make_call("table.set", {"u", "y", {{"n", 1}}});
    call->key = std::make_shared<CallKey>(CallKey{"key"});
    handle(session)->send(std::move(call));
    ASSERT_TRUE(answers_->wait(last_call_).result);
    ok(session, "table.drop", {"u"});
  }
  void expect_sound() {
    stop();
    const Result<CheckReport> report = check_data_directory(store_options_.data);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_THAT(report->problems, IsEmpty());
    start();
  }
  // Rows of all keyspaces but that of the sessions themselves.
  std::size_t rows() {
    EXPECT_TRUE(store_->flush());
    const auto txn = store_->shard(0).environment().read();
    std::size_t count = 0;
    for (std::size_t i = 2; i < kKeyspaces; ++i) {
      auto cursor = txn->cursor(static_cast<Keyspace>(i));
      for (auto on = cursor->seek(""); on && *on; on = cursor->next()) ++count;
    }
    return count;
  }
  bool is_gone() {
    return eventually([&] { return rows() == 0; });
  }
  std::optional<SessionRow> stored(const std::string& session) {
    EXPECT_TRUE(store_->flush());
    const auto txn = store_->shard(0).environment().read();
    return *load_session(*txn, {peer_.owner, session});
  }
  bool heard(const std::string& sid) {
    return eventually([&] {
      const std::lock_guard lock(mutex_);
      return destroyed_.contains(sid);
    });
  }

  std::atomic<bool> dozing_{false};
  std::mutex mutex_;
  std::set<std::string> destroyed_;
};

TEST_F(DestroyTest, AllOfItGoesAndOneOfItsNameIsNew) {
  fill("room");
  const Json before = ok("room", "session.info");
  EXPECT_EQ(ok("room", "session.destroy"), true);
  EXPECT_FALSE(stored("room")) << "durable before it is answered";
  EXPECT_TRUE(heard(before["sid"]));
  const Json after = ok("room", "session.info");
  EXPECT_NE(after["sid"], before["sid"]);
  EXPECT_EQ(after["tables"], Json::array());
  EXPECT_EQ(ok("room", "table.list"), Json::array());
  EXPECT_TRUE(is_gone());
  expect_sound();
}

TEST_F(DestroyTest, OthersKeepWhatTheyHave) {
  ok("other", "table.create", {"t"});
  ok("other", "table.set", {"t", "x", {{"n", 1}}});
  const std::size_t others = rows();
  fill("room");
  ok("room", "session.destroy");
  EXPECT_TRUE(eventually([&] { return rows() == others; }));
  EXPECT_EQ(ok("other", "table.get", {"t", "x"}), Json({{"n", 1}}));
  expect_sound();
  EXPECT_EQ(ok("other", "table.get", {"t", "x"}), Json({{"n", 1}}));
}

TEST_F(DestroyTest, CallsBehindItAreTheNewSessions) {
  fill("room");
  const std::uint64_t last = send("room", "table.push", {"t", {{"n", 1}}});
  const std::uint64_t destroy = send("room", "session.destroy");
  const std::uint64_t next = send("room", "table.push", {"t", {{"n", 1}}});
  const std::uint64_t create = send("room", "table.create", {"t"});
  EXPECT_TRUE(answers_->wait(last).result);
  EXPECT_TRUE(answers_->wait(destroy).result);
  EXPECT_EQ(answers_->wait(next).result.error().code, Errc::storage_ptr_not_found);
  EXPECT_TRUE(answers_->wait(create).result);
  ok("room", "table.set", {"t", "x", {{"n", 2}}});
  expect_sound();
  EXPECT_EQ(ok("room", "table.query", {"t"})["rows"].size(), 1U);
}

TEST_F(DestroyTest, WhatAStopLeftIsRemovedAfterTheNextStart) {
  fill("room", 12);
  ok("room", "session.destroy");
  EXPECT_GT(rows(), 0U) << "there is too much for a round";
  expect_sound();
  EXPECT_TRUE(is_gone());
  expect_sound();
}

TEST_F(DestroyTest, ItsNumberIsNotGivenAgain) {
  ok("first", "session.info");
  std::set<SessionNo> numbers{stored("first")->no};
  for (int round = 0; round < 4; ++round) {
    fill("room");
    EXPECT_TRUE(numbers.insert(stored("room")->no).second);
    ok("room", "session.destroy");
    EXPECT_TRUE(is_gone());
    expect_sound();
  }
}

TEST_F(DestroyTest, IsForTheGroupAdminWithAllPermissions) {
  fill("room");
  peer_.ugroups = {};
  EXPECT_EQ(error("room", "session.destroy"), "KONTRACT_FORBIDDEN");
  peer_.ugroups = {"admin"};
  peer_.perm = perms::RW_;
  EXPECT_EQ(error("room", "session.destroy"), "KONTRACT_PERMISSION_DENIED");
  peer_.perm = perms::RWX;
  EXPECT_EQ(error("room", "session.destroy", {1}), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(ok("room", "table.query", {"t", {{"n", 7}}})["rows"].size(), 1U);
}

TEST_F(DestroyTest, AFunctionThatWaitsEndsWithIt) {
  fill("room");
  const std::uint64_t dozes = send("room", "doze");
  EXPECT_TRUE(eventually([&] { return dozing_.load(); }));
  EXPECT_EQ(ok("room", "session.destroy"), true);
  EXPECT_EQ(answers_->wait(dozes).result.error().code, Errc::not_found);
  EXPECT_TRUE(is_gone());
  expect_sound();
}

TEST_F(DestroyTest, IfItCannotBeStoredTheSessionGoesOn) {
  fill("room");
  const Json before = ok("room", "session.info");
  ASSERT_TRUE(store_->flush());
  {
    const FailingWrite failing(ENOSPC);
    EXPECT_FALSE(call("room", "session.destroy").result);
  }
  Json after;
  EXPECT_TRUE(eventually([&] {
    const Answer answer = call("room", "table.query", {"t", {{"n", 7}}});
    if (answer.result) after = Json::parse(*answer.result);
    return answer.result.has_value();
  }));
  EXPECT_EQ(after["rows"].size(), 1U);
  EXPECT_EQ(ok("room", "session.info")["sid"], before["sid"]);
  expect_sound();
}

}  // namespace
}  // namespace kontract
