#include <coroutine>
#include <future>
#include <latch>
#include <thread>
#include <vector>

#include "actors/middleware_shipped.hpp"
#include "tests/runtime/runtime_fixture.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;

// A coroutine that nobody waits for.
struct Detached {
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Detached add_twice(LocalSession room, std::promise<std::vector<Json>>& told) {
  const Result<CallResult> first = co_await room.call("count.up", 1);
  const Result<CallResult> second = co_await room.call("count.up", 10);
  told.set_value({outcome(first), outcome(second)});
}

Detached count_refusals(LocalSession room, int calls, int& refused) {
  for (int i = 0; i < calls; ++i) {
    const Result<CallResult> answer = co_await room.call("count.up", 1);
    if (!answer) ++refused;
  }
}

class LocalSessionTest : public ::testing::Test {
 protected:
  void start(Backend backend = counting_backend()) {
    Options options = options_in(folder_);
    options.listen = false;
    runtime_ = must_start(std::move(options), std::move(backend));
    ASSERT_TRUE(room().call("table.create", "t").get());
  }
  LocalSession room() const { return runtime_->session("tenant-1", "room-1"); }

  TestFolder folder_;
  std::unique_ptr<Runtime> runtime_;
};

TEST_F(LocalSessionTest, ThreadsWaitForTheirCalls) {
  start();
  const LocalSession session = room();
  const Result<CallResult> first = session.call("count.up", 2).get();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->result, 2);
  EXPECT_GT(first->txid, 0u);
  EXPECT_EQ(outcome(session.call("table.get", "t", "n").get()), (Json{{"n", 2}}));
  EXPECT_EQ(runtime_->port(), 0);
}

TEST_F(LocalSessionTest, CoroutinesGoOnWithTheAnswer) {
  start();
  std::promise<std::vector<Json>> told;
  add_twice(room(), told);
  EXPECT_EQ(told.get_future().get(), (std::vector<Json>{1, 11}));
}

TEST_F(LocalSessionTest, CallbacksAreToldOnAThreadOfTheRuntime) {
  start();
  std::promise<std::pair<Json, std::thread::id>> told;
  room().call("count.up", 1).then([&](const Result<CallResult>& result) {
    told.set_value({outcome(result), std::this_thread::get_id()});
  });
  const auto [result, thread] = told.get_future().get();
  EXPECT_EQ(result, 1);
  EXPECT_NE(thread, std::this_thread::get_id());
}

TEST_F(LocalSessionTest, ACallRunsThoughNobodyWantsItsAnswer) {
  start();
  const LocalSession session = room();
  session.call("count.up", 5);
  EXPECT_EQ(outcome(session.call("count.up", 0).get()), 5);
}

TEST_F(LocalSessionTest, CallsBeginInTheOrderInWhichTheyAreMade) {
  start();
  const LocalSession session = room();
  std::vector<LocalCall> calls;
  for (int i = 0; i < 200; ++i) calls.push_back(session.call("table.push", "t", Json{{"i", i}}));
  Txid last = 0;
  for (LocalCall& call : calls) {
    const Result<CallResult> pushed = call.get();
    ASSERT_TRUE(pushed) << pushed.error().message;
    EXPECT_GT(pushed->txid, last);
    last = pushed->txid;
  }
}

TEST_F(LocalSessionTest, ManyThreadsShareOne) {
  start();
  const LocalSession session = room();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([session] {
      for (int n = 0; n < 50; ++n) EXPECT_TRUE(session.call("count.up", 1).get());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(outcome(session.call("count.up", 0).get()), 200);
}

TEST_F(LocalSessionTest, AThreadOfTheRuntimeDoesNotWaitForItself) {
  start();
  const LocalSession session = room();
  std::promise<Json> told;
  session.call("count.up", 1).then([&, session](const Result<CallResult>&) {
    told.set_value(outcome(session.call("count.up", 1).get()));
  });
  EXPECT_EQ(told.get_future().get(), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(outcome(session.call("count.up", 0).get()), 2);  // it has run nevertheless
}

TEST_F(LocalSessionTest, CallersHaveThePermissionsTheyAreGiven) {
  start();
  Peer reader;
  reader.owner = "tenant-1";
  reader.perm = perms::R__;
  const LocalSession reads = runtime_->session(reader, "room-1");
  EXPECT_EQ(outcome(reads.call("table.get", "t", "a").get()), nullptr);
  EXPECT_EQ(outcome(reads.call("table.set", "t", "a", Json::object()).get()),
            "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(outcome(reads.call("count.up", 1).get()), "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(outcome(reads.call("table.create", "u").get()), "KONTRACT_PERMISSION_DENIED");
  // Another owner's session of that name is another session.
  EXPECT_EQ(outcome(runtime_->session("tenant-2", "room-1").call("table.get", "t", "a").get()),
            "KONTRACT_STORAGE_PTR_NOT_FOUND");
  reader.only_session = "room-2";
  EXPECT_EQ(outcome(runtime_->session(reader, "room-1").call("table.get", "t", "a").get()),
            "KONTRACT_FORBIDDEN");
}

TEST_F(LocalSessionTest, CallsGoThroughMiddleware) {
  Backend backend = counting_backend();
  backend.middleware({.name = "staff", .endpoints = {"count.up"}}, require_group("staff"));
  start(std::move(backend));
  EXPECT_EQ(outcome(room().call("count.up", 1).get()), "KONTRACT_FORBIDDEN");
  Peer staff;
  staff.owner = "tenant-1";
  staff.perm = perms::RWX;
  staff.ugroups = {"staff"};
  EXPECT_EQ(outcome(runtime_->session(staff, "room-1").call("count.up", 1).get()), 1);
}

TEST_F(LocalSessionTest, WhatAClientCouldNotSendIsRefused) {
  start();
  Json deep = 1;
  for (int i = 0; i < 100; ++i) deep = Json::array({deep});
  const struct {
    std::string function;
    Json args;
    std::string code;
  } cases[] = {
      {"no.such", Json::array(), "KONTRACT_NOT_FOUND"},
      {"table.get", Json::object(), "KONTRACT_INVALID_REQUEST"},
      {"table.set", Json::array({"t", "a", deep}), "KONTRACT_INVALID_REQUEST"},
      {"count.up", Json::array({"one"}), "KONTRACT_INVALID_REQUEST"},
      {"count.up", Json::array({1, 2}), "KONTRACT_INVALID_REQUEST"},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(outcome(room().send(test.function, test.args).get()), test.code) << test.args;
  }
  EXPECT_EQ(outcome(runtime_->session("tenant-1", "no such name").call("table.list").get()),
            "KONTRACT_INVALID_REQUEST");
}

TEST_F(LocalSessionTest, ASessionOutlivesTheRuntime) {
  start();
  const LocalSession session = room();
  runtime_->stop();
  EXPECT_EQ(outcome(session.call("count.up", 1).get()), "KONTRACT_OVERLOADED");
  runtime_.reset();
  EXPECT_EQ(outcome(session.call("count.up", 1).get()), "KONTRACT_OVERLOADED");
  bool told = false;
  session.call("count.up", 1).then([&](const Result<CallResult>& result) {
    EXPECT_EQ(outcome(result), "KONTRACT_OVERLOADED");
    told = true;
  });
  EXPECT_TRUE(told);
}

TEST_F(LocalSessionTest, ACoroutineGoesOnCallingAfterTheEnd) {
  start();
  const LocalSession session = room();
  runtime_.reset();
  constexpr int kCalls = 50'000;
  int refused = 0;
  count_refusals(session, kCalls, refused);  // once each was resumed in the one before
  EXPECT_EQ(refused, kCalls);
}

TEST_F(LocalSessionTest, ACallbackMayHoldItsCall) {
  start();
  auto call = std::make_shared<LocalCall>(room().call("count.up", 1));
  const std::weak_ptr<LocalCall> held = call;
  call->then([call](const Result<CallResult>& result) { EXPECT_EQ(outcome(result), 1); });
  call.reset();
  runtime_.reset();
  EXPECT_TRUE(held.expired());
}

TEST_F(LocalSessionTest, WhatStopEndsIsToldThroughMiddleware) {
  Backend backend = counting_backend();
  backend.middleware({.name = "around"}, [](MiddlewareContext&, Next next) -> Task<CallAnswer> {
    CallAnswer answer = co_await next();
    co_return answer;
  });
  Options options = options_in(folder_);
  options.listen = false;
  options.drain_timeout = std::chrono::milliseconds(1);
  runtime_ = must_start(std::move(options), std::move(backend));
  const LocalSession session = room();
  std::promise<Json> told;
  session.call("count.nap", 600'000).then([&](const Result<CallResult>& result) {
    told.set_value(outcome(result));
  });
  ASSERT_TRUE(session.call("table.list").get());  // it is asleep, since others run
  runtime_->stop();
  EXPECT_EQ(told.get_future().get(), "KONTRACT_OVERLOADED");
}

TEST_F(LocalSessionTest, StopAnswersEveryCallThatIsUnderWay) {
  start();
  constexpr int kCalls = 100;
  std::latch answered(kCalls + 1);
  std::atomic<int> kept{0};
  const LocalSession session = room();
  for (int i = 0; i < kCalls; ++i) {
    session.call("count.up", 1).then([&](const Result<CallResult>& result) {
      if (result) ++kept;
      answered.count_down();
    });
  }
  session.call("count.nap", 600'000).then([&](const Result<CallResult>& result) {
    EXPECT_EQ(outcome(result), "KONTRACT_OVERLOADED");
    answered.count_down();
  });
  runtime_->stop();
  answered.wait();
  runtime_.reset();
  runtime_ = must_start([&] {
    Options options = options_in(folder_);
    options.listen = false;
    return options;
  }());
  EXPECT_EQ(outcome(room().call("count.up", 0).get()), kept.load());
}

}  // namespace
}  // namespace kontract
