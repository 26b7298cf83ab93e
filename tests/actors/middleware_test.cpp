#include "actors/middleware.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <caf/all.hpp>
#include <stdexcept>

#include "actors/built_in_functions.hpp"
#include "actors/detail/front_state.hpp"
#include "actors/front.hpp"
#include "actors/http_resp.hpp"
#include "tests/actors/session_fixture.hpp"

namespace kontract {

class FrontAccess {
 public:
  static void kill(Front& front, std::size_t middleware, const Identity& session) {
    FrontState& state = *front.state_;
    FrontState::Member& member = state.pools[middleware][state.member_of(middleware, session)];
    const std::lock_guard lock(member.mutex);
    caf::anon_send_exit(member.address, caf::exit_reason::kill);
  }
};

namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Waits until the test opens the gate.
Task<void> wait_at(MiddlewareContext& ctx, const std::atomic<bool>& open, std::atomic<int>& count) {
  ++count;
  while (!open) co_await ctx.sleep(1ms);
}

class MiddlewareTest : public SessionFixture {
 protected:
  // With what backend_ has by then.
  void open() {
    const Status checked = backend_.check();
    ASSERT_TRUE(checked) << checked.error().message;
    front_ = std::make_unique<Front>(*system_, std::make_shared<const Backend>(std::move(backend_)),
                                     store_->shared(), Alarm([this](const std::string& what) {
                                       const std::lock_guard lock(mutex_);
                                       alarms_.push_back(what);
                                     }));
    ok_through("table.create", {"t"});
  }

  void TearDown() override {
    entrances_.clear();
    if (front_) {
      front_->stop();
      front_->close();
      front_.reset();
    }
    SessionFixture::TearDown();
  }

  Entrance& entrance(const std::string& session = "room") {
    auto& known = entrances_[session];
    if (!known) known = front_->entrance(handle(session));
    return *known;
  }

  std::uint64_t enter(std::string function, Json args, const std::string& session = "room") {
    CallPtr call = make_call(std::move(function), std::move(args));
    const std::uint64_t id = last_call_;
    entrance(session).send(std::move(call));
    return id;
  }
  Answer through(std::string function, Json args = Json::array()) {
    return answers_->wait(enter(std::move(function), std::move(args)));
  }
  Json ok_through(const std::string& function, Json args = Json::array()) {
    const Answer answer = through(function, std::move(args));
    if (answer.result) return Json::parse(*answer.result);
    ADD_FAILURE() << function << ": " << answer.result.error().message;
    return {};
  }
  std::string error_through(const std::string& function, Json args = Json::array()) {
    const Answer answer = through(function, std::move(args));
    return answer.result ? "no error: " + *answer.result
                         : std::string(answer.result.error().name());
  }

  void note(std::string what) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(std::move(what));
  }
  std::vector<std::string> notes() {
    const std::lock_guard lock(mutex_);
    return notes_;
  }
  std::vector<std::string> alarms() {
    const std::lock_guard lock(mutex_);
    return alarms_;
  }

  // Calls of table.push wait at it.
  void add_gate(Backend& backend) {
    backend.middleware(
        {.name = "gate", .endpoints = {"table.push"}},
        [this](MiddlewareContext& ctx) { return wait_at(ctx, gate_open_, at_gate_); });
  }

  Backend backend_;
  std::unique_ptr<Front> front_;
  std::map<std::string, std::shared_ptr<Entrance>> entrances_;
  std::atomic<bool> gate_open_{false};
  std::atomic<int> at_gate_{0};
  std::mutex mutex_;
  std::vector<std::string> notes_, alarms_;
};

TEST(MiddlewareFilterTest, AllFiltersThatAreGivenMustMatch) {
  using enum MiddlewareFilter;
  const MiddlewareRoute route{"/rpc/bank.pay", "money", "bank.pay"};
  struct Case {
    const char* name;
    MiddlewareOptions options;
    std::vector<MiddlewareFilter> failed;
  };
  for (const Case& c :
       {Case{"none", {}, {}}, Case{"a prefix", {.prefixurl = "/rpc/bank."}, {}},
        Case{"the whole path", {.prefixurl = "/rpc/bank.pay"}, {}},
        Case{"longer than the path", {.prefixurl = "/rpc/bank.pay."}, {prefixurl}},
        Case{"another prefix", {.prefixurl = "/rpc/table."}, {prefixurl}},
        Case{"another case", {.prefixurl = "/RPC/"}, {prefixurl}},
        Case{"its group", {.egroup = "money"}, {}},
        Case{"a part of its group", {.egroup = "mon"}, {egroup}},
        Case{"its name", {.endpoints = {"x", "bank.pay"}}, {}},
        Case{"a part of its name", {.endpoints = {"bank"}}, {endpoints}},
        Case{"all", {.prefixurl = "/", .egroup = "money", .endpoints = {"bank.pay"}}, {}},
        Case{"one of three not",
             {.prefixurl = "/rpc", .egroup = "x", .endpoints = {"bank.pay"}},
             {egroup}},
        Case{"none of three",
             {.prefixurl = "/x", .egroup = "x", .endpoints = {"x"}},
             {prefixurl, egroup, endpoints}}}) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(failed_filters(c.options, route), c.failed);
    EXPECT_EQ((Middleware{c.options, {}}.matches(route)), c.failed.empty());
  }
  EXPECT_EQ(failed_filters({.egroup = "x"}, {"/rpc/f", "", "f"}), std::vector{egroup});
}

TEST(MiddlewareFilterTest, MistakesAreFoundBeforeTheStart) {
  const auto pass = [](MiddlewareContext&) {};
  Backend backend;
  backend.middleware({.name = "good", .prefixurl = "/rpc/", .endpoints = {"table.get"}}, pass);
  EXPECT_TRUE(backend.check());
  backend.middleware({.name = "crowd", .concurrency = -1}, pass);
  backend.middleware({.name = "mob", .concurrency = 1025}, pass);
  backend.middleware({.name = "nothing"}, Middleware::Guard());
  backend.middleware({.prefixurl = "rpc/"}, pass);
  backend.middleware({.name = "lost", .endpoints = {"table.get", "table.got"}}, pass);
  const Status checked = backend.check();
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Errc::backend_invalid);
  for (const char* part :
       {"middleware_test.cpp:", "middleware crowd: concurrency is -1; it must be 0 to 1024",
        "middleware mob: concurrency is 1025", "middleware nothing: the handler is empty",
        "middleware middleware-5: prefixurl is rpc/",
        "middleware lost: endpoints names table.got"}) {
    EXPECT_THAT(checked.error().message, HasSubstr(part));
  }
  EXPECT_THAT(checked.error().message, Not(HasSubstr("good")));
}

TEST_F(MiddlewareTest, TheBuiltInFunctionsAreThoseThatASessionHas) {
  open();
  for (const BuiltInFunction& function : built_in_functions()) {
    SCOPED_TRACE(function.name);
    const Answer answer = call("room", std::string(function.name));
    if (!answer.result) {
      EXPECT_THAT(answer.result.error().message, Not(HasSubstr("No function")));
    }
    EXPECT_EQ(find_built_in(function.name), &function);
  }
  EXPECT_EQ(find_built_in("table.got"), nullptr);
}

TEST_F(MiddlewareTest, GuardsPassChangeAnswerAndFailInTheOrderOfRegistration) {
  backend_.middleware({.name = "first"}, [this](MiddlewareContext& ctx) {
    note("first " + ctx.path());
    ctx.values()["n"] = 1;
  });
  backend_.middleware({.endpoints = {"table.set"}}, [](MiddlewareContext& ctx) {
    Json args = ctx.args();
    args[2]["by"] = ctx.peer().user;
    args[2]["n"] = ctx.values()["n"];
    ctx.set_args(std::move(args));
  });
  backend_.middleware({.endpoints = {"session.info"}}, [](MiddlewareContext& ctx) {
    ctx.answer({{"room", ctx.session().name}});
  });
  backend_.middleware({.endpoints = {"table.drop"}},
                      [](MiddlewareContext& /*ctx*/) { throw Forbidden("Not today"); });
  backend_.middleware({.endpoints = {"table.delete"}},
                      [](MiddlewareContext& ctx) { ctx.lower_perm(perms::RW_); });
  backend_.middleware({.name = "last"}, [this](MiddlewareContext& ctx) {
    if (ctx.function() != "table.create") note("last " + ctx.path());
  });
  open();

  EXPECT_EQ(ok_through("table.set", {"t", "a", Json::object()}), true);
  EXPECT_EQ(ok_through("table.get", {"t", "a"}), Json({{"by", "u"}, {"n", 1}}));
  EXPECT_EQ(ok_through("session.info"), Json({{"room", "room"}}));
  EXPECT_EQ(error_through("table.drop", {"t"}), "KONTRACT_FORBIDDEN");
  EXPECT_EQ(error_through("table.delete", {"t", "a"}), "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(error_through("no.such"), "KONTRACT_NOT_FOUND");
  EXPECT_THAT(notes(),
              ElementsAre("first /rpc/table.create", "first /rpc/table.set", "last /rpc/table.set",
                          "first /rpc/table.get", "last /rpc/table.get", "first /rpc/session.info",
                          "first /rpc/table.drop", "first /rpc/table.delete",
                          "last /rpc/table.delete", "first /rpc/no.such", "last /rpc/no.such"));
}

TEST_F(MiddlewareTest, APeerMayBecomeAnotherButNotMoreThanItWas) {
  backend_.middleware({.name = "as"}, [](MiddlewareContext& ctx) {
    if (ctx.function() != "table.push") return;
    Peer peer = ctx.peer();
    peer.user = "v";
    peer.perm = perms::_W_;
    ctx.set_peer(peer);
    peer.perm = perms::RWX;
    ctx.lower_perm(perms::RWX);
    ctx.set_peer(std::move(peer));
  });
  backend_.middleware({.name = "see"}, [this](MiddlewareContext& ctx) {
    note(ctx.peer().user + std::to_string(ctx.perm()) + std::to_string(ctx.peer().perm));
  });
  backend_.middleware({.endpoints = {"table.list"}}, [](MiddlewareContext& ctx) {
    Peer peer = ctx.peer();
    peer.owner = "tenant-2";
    ctx.set_peer(std::move(peer));
  });
  open();
  EXPECT_TRUE(ok_through("table.push", {"t", Json::object()}).is_string());
  EXPECT_THAT(notes(), ElementsAre("u77", "v22"));
  EXPECT_EQ(error_through("table.list"), "KONTRACT_INTERNAL");
  EXPECT_THAT(alarms(), ElementsAre(HasSubstr("calls stay with its owner")));
}

TEST_F(MiddlewareTest, AroundsNestAndMaySeeAndChangeTheAnswer) {
  for (const char* name : {"outer", "inner"}) {
    backend_.middleware({.name = name, .egroup = "storage"},
                        [this, name](MiddlewareContext& ctx, Next next) -> Task<CallAnswer> {
                          if (ctx.function() == "table.create") co_return co_await next();
                          note(std::string(name) + " in");
                          CallAnswer answer = co_await next();
                          note(std::string(name) + " out " + ctx.function());
                          if (answer.ok() && answer.text() == "null") answer.set({{"by", name}});
                          co_return answer;
                        });
  }
  open();
  EXPECT_EQ(ok_through("table.get", {"t", "a"}), Json({{"by", "inner"}}));
  EXPECT_THAT(notes(),
              ElementsAre("outer in", "inner in", "inner out table.get", "outer out table.get"));
  const Answer answer = through("table.push", {"t", Json::object()});
  EXPECT_GT(answer.txid, 0U);  // it is the call's own
  EXPECT_EQ(error_through("table.get", {"missing", "a"}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
}

TEST_F(MiddlewareTest, AnAroundThatDoesNotCallNextLeavesTheCallUndone) {
  backend_.middleware({.endpoints = {"table.set"}},
                      [](MiddlewareContext&, Next) -> Task<CallAnswer> { co_return Json("mine"); });
  backend_.middleware({.endpoints = {"table.push"}},
                      [](MiddlewareContext&, Next) -> Task<CallAnswer> {
                        co_return Error(Errc::rate_limited, "Slower");
                      });
  open();
  EXPECT_EQ(ok_through("table.set", {"t", "a", Json::object()}), "mine");
  EXPECT_EQ(error_through("table.push", {"t", Json::object()}), "KONTRACT_RATE_LIMITED");
  EXPECT_EQ(ok_through("table.get", {"t", "a"}), nullptr);
}

TEST_F(MiddlewareTest, TheCallCanNotBeTakenTwiceNorTouchedAfterNext) {
  struct Case {
    const char* function;
    const char* why;
  };
  const std::vector<Case> cases = {{"table.get", "next() was called twice"},
                                   {"table.list", "can not be had after next()"},
                                   {"table.push", "an around returns its answer"}};
  backend_.middleware({.egroup = "storage"},
                      [](MiddlewareContext& ctx, Next next) -> Task<CallAnswer> {
                        const std::string function = ctx.function();
                        if (function == "table.push") ctx.answer(1);
                        CallAnswer answer = co_await next();
                        if (function == "table.get") answer = co_await next();
                        if (function == "table.list") ctx.set_args(Json::array());
                        co_return answer;
                      });
  open();
  for (const Case& c : cases) {
    SCOPED_TRACE(c.function);
    EXPECT_EQ(error_through(c.function, {"t", "a"}), "KONTRACT_INTERNAL");
    EXPECT_THAT(alarms().back(), HasSubstr(c.why));
  }
}

TEST_F(MiddlewareTest, WhatAMiddlewareThrowsCostsThatCallAndIsForTheLogOnly) {
  backend_.middleware({.name = "plain", .endpoints = {"table.get"}},
                      [](MiddlewareContext&) { throw std::runtime_error("secret 1"); });
  backend_.middleware({.name = "waits", .endpoints = {"table.list"}},
                      [](MiddlewareContext& ctx) -> Task<void> {
                        co_await ctx.sleep(1ms);
                        throw std::runtime_error("secret 2");
                      });
  backend_.middleware({.name = "around", .endpoints = {"table.set"}},
                      [](MiddlewareContext&, Next next) -> Task<CallAnswer> {
                        const CallAnswer answer = co_await next();
                        if (answer.ok()) throw std::runtime_error("secret 3");
                        co_return answer;
                      });
  open();
  int secret = 0;
  for (const auto& [function, args] :
       std::map<std::string, Json>{{"table.get", {"t", "a"}}, {"table.list", Json::array()}}) {
    for (int again = 0; again < 2; ++again) {
      SCOPED_TRACE(function);
      const Answer answer = through(function, args);
      ASSERT_FALSE(answer.result);
      EXPECT_EQ(answer.result.error().code, Errc::internal);
      EXPECT_THAT(answer.result.error().message, Not(HasSubstr("secret")));
    }
    EXPECT_THAT(alarms().back(), HasSubstr("secret " + std::to_string(++secret)));
  }
  EXPECT_EQ(error_through("table.set", {"t", "a", Json::object()}), "KONTRACT_INTERNAL");
  EXPECT_THAT(alarms().back(), HasSubstr("middleware around, in a call of table.set: secret 3"));
  EXPECT_EQ(ok_through("table.exec", {"t", "SELECT id FROM t"})["rows"].size(), 1U);  // it had run
}

TEST_F(MiddlewareTest, CallsOfACallerBeginInTheirOrderWhateverEachMeets) {
  backend_.middleware(
      {.name = "slow", .endpoints = {"table.push"}},
      [this](MiddlewareContext& ctx) { return wait_at(ctx, gate_open_, at_gate_); });
  backend_.middleware({.name = "refuses", .endpoints = {"table.pop"}},
                      [](MiddlewareContext&) { throw Forbidden("No"); });
  open();
  const auto before = enter("table.list", {});
  EXPECT_TRUE(answers_->wait(before).result);
  enter("table.push", {"t", {{"n", 1}}});
  const auto refused = enter("table.pop", {"t"});
  const auto count = enter("table.list", {});  // meets nothing
  enter("table.push", {"t", {{"n", 2}}});
  const auto last = enter("table.list", {});
  ASSERT_TRUE(eventually([&] { return at_gate_ == 1; }));
  EXPECT_FALSE(answers_->wait(refused).result);
  EXPECT_EQ(answers_->count(), 3U);  // with the creation of the table, none behind the push
  gate_open_ = true;
  EXPECT_EQ(Json::parse(*answers_->wait(count).result)[0]["records"], 1);
  EXPECT_EQ(Json::parse(*answers_->wait(last).result)[0]["records"], 2);
  EXPECT_TRUE(eventually([&] { return front_->in_flight() == 0; }));
}

TEST_F(MiddlewareTest, OrderHoldsForManySessionsThatWaitNowAndThen) {
  constexpr int kSessions = 8;
  constexpr int kCalls = 40;
  backend_.middleware({.name = "now and then", .endpoints = {"table.push"}, .concurrency = 3},
                      [](MiddlewareContext& ctx) -> Task<void> {
                        if (ctx.args()[1]["n"].get<int>() % 7 == 3) co_await ctx.sleep(1ms);
                      });
  backend_.middleware({.name = "around", .endpoints = {"table.push"}, .concurrency = 2},
                      [](MiddlewareContext& ctx, Next next) -> Task<CallAnswer> {
                        if (ctx.args()[1]["n"].get<int>() % 5 == 1) co_await ctx.sleep(1ms);
                        co_return co_await next();
                      });
  open();
  std::vector<std::uint64_t> last;
  for (int i = 0; i < kSessions; ++i) enter("table.create", {"t"}, std::to_string(i));
  for (int n = 0; n < kCalls; ++n) {
    for (int i = 0; i < kSessions; ++i) enter("table.push", {"t", {{"n", n}}}, std::to_string(i));
  }
  for (int i = 0; i < kSessions; ++i) {
    last.push_back(enter("table.query", {"t"}, std::to_string(i)));
  }
  for (const std::uint64_t id : last) {
    const Answer answer = answers_->wait(id);
    ASSERT_TRUE(answer.result) << answer.result.error().message;
    const Json rows = Json::parse(*answer.result)["rows"];
    ASSERT_EQ(rows.size(), std::size_t{kCalls});
    for (int n = 0; n < kCalls; ++n) EXPECT_EQ(rows[n]["data"]["n"], n);
  }
}

TEST_F(MiddlewareTest, AnAroundLetsOthersPassWhileItsCallIsOnTheWay) {
  backend_.middleware(
      {.name = "around", .endpoints = {"table.push", "table.set"}, .concurrency = 1},
      [this](MiddlewareContext& ctx, Next next) -> Task<CallAnswer> {
        note(ctx.session().name);
        CallAnswer answer = co_await next();
        co_return answer;
      });
  add_gate(backend_);
  open();
  const auto pushed = enter("table.push", {"t", Json::object()});
  ASSERT_TRUE(eventually([&] { return at_gate_ == 1; }));
  enter("table.create", {"t"}, "other");
  const auto set = enter("table.set", {"t", "a", Json::object()}, "other");
  EXPECT_TRUE(answers_->wait(set).result);
  EXPECT_THAT(notes(), ElementsAre("room", "other"));
  gate_open_ = true;
  EXPECT_TRUE(answers_->wait(pushed).result);
}

TEST_F(MiddlewareTest, ACallWhoseTimeIsOverIsNotRun) {
  backend_.middleware({.name = "slow", .endpoints = {"table.push"}},
                      [](MiddlewareContext& ctx) -> Task<void> { co_await ctx.sleep(1h); });
  backend_.middleware({.name = "none", .endpoints = {"table.set"}}, [](MiddlewareContext&) {});
  open();
  for (const char* function : {"table.push", "table.set"}) {
    SCOPED_TRACE(function);
    CallPtr call = make_call(function, {"t", "a", Json::object()});
    const std::uint64_t id = last_call_;
    call->deadline = Clock::now() + (call->function == "table.push" ? 20ms : -1ms);
    entrance().send(std::move(call));
    const Answer answer = answers_->wait(id);
    ASSERT_FALSE(answer.result);
    EXPECT_EQ(answer.result.error().code, Errc::timeout);
  }
  EXPECT_EQ(ok_through("table.list")[0]["records"], 0);
}

TEST_F(MiddlewareTest, HeadersComeWithWhateverTheAnswerIs) {
  backend_.middleware({.name = "headers"}, [](MiddlewareContext& ctx) {
    ctx.add_header("X-One", "1");
    if (ctx.function() == "table.drop") throw Forbidden("No");
    if (ctx.function() == "session.info") ctx.answer(nullptr);
  });
  backend_.middleware({.name = "around", .endpoints = {"table.get"}},
                      [](MiddlewareContext& ctx, Next next) -> Task<CallAnswer> {
                        CallAnswer answer = co_await next();
                        ctx.add_header("X-Two", "2");
                        co_return answer;
                      });
  backend_.middleware({.endpoints = {"table.list"}},
                      [](MiddlewareContext& ctx) { ctx.add_header("Content-Length", "1"); });
  open();
  peer_.method = "POST";
  const std::vector<std::pair<std::string, std::string>> one = {{"X-One", "1"}};
  for (const char* function : {"table.drop", "session.info", "table.set", "table.push"}) {
    SCOPED_TRACE(function);
    const Answer answer = through(function, {"t", Json::object()});
    ASSERT_TRUE(answer.head);
    EXPECT_EQ(answer.head->headers, one);
    EXPECT_EQ(answer.head->status, 200);
  }
  const Answer around = through("table.get", {"t", "a"});
  ASSERT_TRUE(around.head);
  EXPECT_EQ(around.head->headers.size(), 2U);
  EXPECT_EQ(error_through("table.list"), "KONTRACT_INTERNAL");
  peer_.method = "GET";  // a WebSocket has no place for them
  EXPECT_FALSE(through("table.set", {"t", "a", Json::object()}).head);
}

TEST_F(MiddlewareTest, AfterADeathItsCallsAreAnsweredAndTheNextFindsANewOne) {
  backend_.middleware({.name = "around", .endpoints = {"table.push", "table.set"}},
                      [](MiddlewareContext&, Next next) -> Task<CallAnswer> {
                        CallAnswer answer = co_await next();
                        co_return answer;
                      });
  add_gate(backend_);
  open();
  const Identity room{peer_.owner, "room"};
  struct Case {
    const char* name;
    std::size_t dies;
  };
  for (const Case& c : {Case{"the one that waits", 1}, Case{"the one around it", 0}}) {
    SCOPED_TRACE(c.name);
    gate_open_ = false;
    at_gate_ = 0;
    const auto running = enter("table.push", {"t", {{"case", c.name}}});
    const auto behind = enter("table.push", {"t", {{"case", c.name}}});
    const auto unmatched = enter("table.list", {});
    ASSERT_TRUE(eventually([&] { return at_gate_ == 1; }));
    FrontAccess::kill(*front_, c.dies, room);
    const Answer answer = answers_->wait(running);
    ASSERT_FALSE(answer.result);
    EXPECT_EQ(answer.result.error().code, Errc::internal);
    EXPECT_FALSE(answers_->wait(behind).result);
    gate_open_ = true;
    EXPECT_TRUE(answers_->wait(unmatched).result);
    EXPECT_TRUE(eventually([&] { return front_->in_flight() == 0; }));
    EXPECT_TRUE(through("table.set", {"t", "a", Json::object()}).result);
    EXPECT_TRUE(through("table.push", {"t", Json::object()}).result);
  }
}

TEST_F(MiddlewareTest, StoppingEndsWhatSleepsAndTakesNothingNew) {
  backend_.middleware({.name = "sleeps", .endpoints = {"table.push"}},
                      [this](MiddlewareContext& ctx) -> Task<void> {
                        ++at_gate_;
                        co_await ctx.sleep(1h);
                      });
  backend_.middleware({.name = "sleeps after", .endpoints = {"table.set"}},
                      [this](MiddlewareContext& ctx, Next next) -> Task<CallAnswer> {
                        CallAnswer answer = co_await next();
                        ++at_gate_;
                        co_await ctx.sleep(1h);
                        co_return answer;
                      });
  open();
  const auto set = enter("table.set", {"t", "a", Json::object()});
  ASSERT_TRUE(eventually([&] { return at_gate_ == 1; }));
  const auto first = enter("table.push", {"t", Json::object()});
  const auto second = enter("table.push", {"t", Json::object()});
  ASSERT_TRUE(eventually([&] { return at_gate_ == 2; }));
  EXPECT_EQ(front_->in_flight(), 3U);
  EXPECT_FALSE(front_->stopped());
  front_->stop();
  for (const auto id : {set, first, second, enter("table.push", {"t", Json::object()})}) {
    const Answer answer = answers_->wait(id);
    ASSERT_FALSE(answer.result);
    EXPECT_EQ(answer.result.error().code, Errc::overloaded);
  }
  EXPECT_TRUE(eventually([&] { return front_->stopped(); }));
  EXPECT_THAT(alarms(), IsEmpty());
}

TEST_F(MiddlewareTest, ClosingAnswersWhatIsLeft) {
  for (int round = 0; round < 20; ++round) {
    Backend backend;
    backend.middleware({.name = "around", .egroup = "storage"},
                       [](MiddlewareContext&, Next next) -> Task<CallAnswer> {
                         CallAnswer answer = co_await next();
                         co_return answer;
                       });
    add_gate(backend);
    Front front(*system_, std::make_shared<const Backend>(std::move(backend)), store_->shared(),
                {});
    const auto own = front.entrance(handle("room"));
    std::vector<std::uint64_t> calls;
    for (int i = 0; i < 10; ++i) {
      own->send(make_call(i % 2 == 0 ? "table.push" : "table.list", {"t", Json::object()}));
      calls.push_back(last_call_);
    }
    front.close();
    for (const std::uint64_t id : calls) {
      const Answer answer = answers_->wait(id);
      ASSERT_FALSE(answer.result);
      EXPECT_NE(answer.result.error().code, Errc::timeout);
    }
    EXPECT_TRUE(eventually([&] { return front.stopped(); }));
  }
}

}  // namespace
}  // namespace kontract
