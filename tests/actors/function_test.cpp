// Backend functions in their session: what lands together, what waits, what conflicts.

#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <latch>

#include "actors/backend.hpp"
#include "tests/actors/session_fixture.hpp"
#include "tests/storage/io_faults.hpp"

namespace kontract {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""h;
using ::testing::HasSubstr;

std::int64_t balance_of(const std::optional<Json>& account) {
  if (!account) throw NotFound("No such account");
  return account->at("balance").get<std::int64_t>();
}

Json with_balance(std::int64_t balance) { return {{"balance", balance}}; }

Task<std::int64_t> transfer(FunctionContext& ctx, std::string from, std::string to,
                            std::int64_t amount) {
  auto accounts = ctx.table("accounts");
  const auto giver = co_await accounts.get(from);
  const auto taker = co_await accounts.get(to);
  const std::int64_t left = balance_of(giver) - amount;
  co_await accounts.update(from, with_balance(left));
  co_await accounts.update(to, with_balance(balance_of(taker) + amount));
  if (left < 0) throw HttpError(422, "Not enough on " + from);
  co_return left;
}

// Something outside that a test ends. A handler must not block its thread, so it looks again and
// again.
class Gate {
 public:
  void wait_for_knock() { knocked_.wait(); }
  void open() { open_ = true; }
  std::latch& knocked() { return knocked_; }
  bool is_open() const { return open_; }

 private:
  std::latch knocked_{1};
  std::atomic<bool> open_{false};
};

Task<void> pass(FunctionContext& ctx, Gate& gate) {
  gate.knocked().count_down();
  while (!gate.is_open()) co_await ctx.sleep(1ms);
}

// "gate", a function that is over when the gate is open.
void add_gate(Backend& backend, Gate& gate) {
  backend.function({.name = "gate", .perm = perms::none},
                   [&](FunctionContext& ctx) { return pass(ctx, gate); });
}

class FunctionTest : public SessionFixture {
 protected:
  void add_functions(Backend backend) {
    ASSERT_TRUE(backend.check()) << backend.check().error().message;
    session_options_.backend = std::make_shared<const Backend>(std::move(backend));
    stop();
    start();
    create("accounts");
    set("a", 100);
    set("b", 0);
  }
  void create(const std::string& table, const std::string& session = "s") {
    ASSERT_TRUE(call(session, "table.create", {table}).result);
  }
  void set(const std::string& id, std::int64_t balance) {
    ASSERT_TRUE(call("s", "table.set", {"accounts", id, with_balance(balance)}).result);
  }
  Json get(const std::string& id, const std::string& table = "accounts") {
    return Json::parse(*call("s", "table.get", {table, id}).result);
  }
  Answer call(const std::string& session, std::string function, Json args = Json::array()) {
    return answers_->wait(send(session, std::move(function), std::move(args)));
  }
  static Error error_in(const Answer& answer) {
    EXPECT_FALSE(answer.result) << *answer.result;
    return answer.result ? Error() : answer.result.error();
  }
};

TEST_F(FunctionTest, WhatItWritesLandsTogether) {
  Backend backend;
  backend.function({.name = "bank.transfer", .args = {"from", "to", "amount"}}, transfer);
  add_functions(std::move(backend));
  const Answer answer = call("s", "bank.transfer", {"a", "b", 30});
  ASSERT_TRUE(answer.result) << answer.result.error().message;
  EXPECT_EQ(*answer.result, "70");
  EXPECT_GT(answer.txid, 0U);
  EXPECT_EQ(get("a"), with_balance(70));
  EXPECT_EQ(get("b"), with_balance(30));
}

TEST_F(FunctionTest, OfOneThatThrowsNothingIsLeft) {
  Backend backend;
  backend.function({.name = "bank.transfer", .args = {"from", "to", "amount"}}, transfer);
  add_functions(std::move(backend));
  const Error refused = error_in(call("s", "bank.transfer", {"a", "b", 300}));
  EXPECT_EQ(refused.code, Errc::schema_violation);
  EXPECT_EQ(refused.message, "Not enough on a");
  EXPECT_EQ(get("a"), with_balance(100));
  EXPECT_EQ(get("b"), with_balance(0));
  const Error nobody = error_in(call("s", "bank.transfer", {"a", "nobody", 1}));
  EXPECT_EQ(nobody.code, Errc::not_found);
}

TEST_F(FunctionTest, ManyAtOnceAreEachAWhole) {
  Backend backend;
  backend.function({.name = "bank.transfer", .args = {"from", "to", "amount"}}, transfer);
  add_functions(std::move(backend));
  std::vector<std::uint64_t> calls;
  for (int i = 0; i < 500; ++i) {
    calls.push_back(
        send("s", "bank.transfer", i % 2 == 0 ? Json{"a", "b", i % 7} : Json{"b", "a", i % 5}));
    if (i % 10 == 0) calls.push_back(send("s", "table.get", {"accounts", "a"}));
    if (i % 50 == 0) calls.push_back(send("s", "table.list"));
  }
  for (const std::uint64_t id : calls) answers_->wait(id);
  EXPECT_EQ(get("a")["balance"].get<int>() + get("b")["balance"].get<int>(), 100);
}

TEST_F(FunctionTest, EveryOperationOfATableIsThere) {
  Backend backend;
  backend.function({.name = "all"}, [](FunctionContext& ctx) -> Task<Json> {
    auto items = ctx.table("items");
    const Json one = {{"n", 1}};
    const Json two = {{"n", 2}};
    const std::string first = co_await items.push(one);
    const std::string last = co_await items.push(two);
    co_await items.set("x", two);
    const std::uint64_t count = co_await items.count();
    const Json filter = {{"n", 2}};
    const QueryPage page = co_await items.query(filter, QueryOptions(1));
    const Json parameters = Json::array({5, 2});
    const ExecResult done = co_await items.exec(
        "UPDATE items SET data = json_object('n', $1) WHERE data->>'n' = $2", parameters);
    const auto shifted = co_await items.shift();
    const auto popped = co_await items.pop();
    const bool was_there = co_await items.erase(last);
    const bool is_there = co_await items.erase(last);
    const auto gone = co_await items.get(last);
    Json result = {{"count", count},
                   {"page", page.rows.at(0).data},
                   {"more", !page.next.empty()},
                   {"changes", done.changes},
                   {"shifted", *shifted},
                   {"popped", *popped},
                   {"was", was_there},
                   {"is", is_there},
                   {"gone", !gone.has_value()},
                   {"ids", first != last}};
    co_return result;
  });
  add_functions(std::move(backend));
  create("items");
  const Answer answer = call("s", "all");
  ASSERT_TRUE(answer.result) << answer.result.error().message;
  EXPECT_EQ(Json::parse(*answer.result),
            Json::parse(R"({"count":3,"page":{"n":2},"more":true,"changes":2,"shifted":{"n":1},
                            "popped":{"n":5},"was":true,"is":false,"gone":true,"ids":true})"));
  EXPECT_EQ(*call("s", "table.query", {"items"}).result, R"({"rows":[],"next":null})");
}

TEST_F(FunctionTest, AStatementThatFailsLeavesWhatWasBeforeIt) {
  Backend backend;
  backend.function({.name = "half"}, [](FunctionContext& ctx) -> Task<std::string> {
    auto accounts = ctx.table("accounts");
    const Json mine = with_balance(7);
    co_await accounts.set("mine", mine);
    std::string why = "nothing";
    try {
      // The second row it comes to has no number there.
      co_await accounts.exec(
          "UPDATE accounts SET data = CASE id WHEN 'mine' THEN 'no JSON' "
          "ELSE json_object('balance', 1) END");
    } catch (const CallError& failure) {
      why = failure.error().name();
    }
    co_return why;
  });
  add_functions(std::move(backend));
  const Answer answer = call("s", "half");
  ASSERT_TRUE(answer.result) << answer.result.error().message;
  EXPECT_NE(*answer.result, "\"nothing\"");
  EXPECT_EQ(get("a"), with_balance(100));
  EXPECT_EQ(get("mine"), with_balance(7));
}

TEST_F(FunctionTest, WhileItWaitsOutsideOtherCallsGoOnAndItsCommitComesAfterThem) {
  Gate gate;
  Backend backend;
  backend.function({.name = "slow"}, [&](FunctionContext& ctx) -> Task<Txid> {
    auto accounts = ctx.table("accounts");
    const auto before = co_await accounts.get("a");
    const Json more = with_balance(balance_of(before) + 1);
    co_await accounts.set("a", more);
    const Json noted = {{"note", true}};
    const std::string id = co_await ctx.table("notes").push(noted);
    co_await ctx.session("other").call("gate");
    const auto own = co_await accounts.get("a");
    if (balance_of(own) != balance_of(before) + 1) throw HttpError(500, "lost its own write");
    co_return ctx.txid();
  });
  add_gate(backend, gate);
  add_functions(std::move(backend));
  create("notes");
  const std::uint64_t slow = send("s", "slow");
  gate.wait_for_knock();
  const Answer between = call("s", "table.set", {"accounts", "b", with_balance(5)});
  ASSERT_TRUE(between.result);
  EXPECT_EQ(get("a"), with_balance(100));  // nothing of it is seen yet
  gate.open();
  const Answer answer = answers_->wait(slow);
  ASSERT_TRUE(answer.result) << answer.result.error().message;
  EXPECT_GT(answer.txid, between.txid);
  EXPECT_EQ(*answer.result, std::to_string(answer.txid));
  EXPECT_EQ(get("a"), with_balance(101));
  EXPECT_EQ(get("b"), with_balance(5));
}

TEST_F(FunctionTest, WhatOthersChangedMeanwhileIsAConflictIfItHasSeenIt) {
  struct Case {
    const char* name;
    const char* sees;  // what the function does before it waits
    Json change;       // the call in between
    bool conflicts;
  };
  const std::vector<Case> cases = {
      {"another record", "get", {"table.set", "accounts", "b", with_balance(1)}, false},
      {"the record it read", "get", {"table.set", "accounts", "a", with_balance(1)}, true},
      {"the record it read is deleted", "get", {"table.delete", "accounts", "a"}, true},
      {"the record it wrote", "set", {"table.set", "accounts", "a", with_balance(1)}, true},
      {"a record that was not there",
       "absent",
       {"table.set", "accounts", "new", Json::object()},
       true},
      {"one that its query could have found",
       "query",
       {"table.set", "accounts", "new", Json::object()},
       true},
      {"a read", "query", {"table.get", "accounts", "a"}, false},
      {"another table", "query", {"table.push", "notes", Json::object()}, false},
      {"beside what it pushed", "push", {"table.push", "accounts", Json::object()}, false},
  };
  Gate* gate = nullptr;
  Backend backend;
  backend.function({.name = "gate", .perm = perms::none},
                   [&](FunctionContext& ctx) { return pass(ctx, *gate); });
  backend.function({.name = "f", .args = {"sees"}},
                   [&](FunctionContext& ctx, std::string sees) -> Task<void> {
                     auto accounts = ctx.table("accounts");
                     const Json nothing = Json::object();
                     if (sees == "get") co_await accounts.get("a");
                     if (sees == "absent") co_await accounts.get("new");
                     if (sees == "set") co_await accounts.set("a", nothing);
                     if (sees == "query") co_await accounts.query();
                     if (sees == "push") co_await accounts.push(nothing);
                     co_await ctx.session("other").call("gate");
                     co_await ctx.table("done").push(nothing);
                   });
  add_functions(std::move(backend));
  create("notes");
  create("done");
  int landed = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    set("a", 100);
    call("s", "table.delete", {"accounts", "new"});
    Gate next;
    gate = &next;
    const std::uint64_t id = send("s", "f", {c.sees});
    next.wait_for_knock();
    Json args = c.change;
    args.erase(0);
    ASSERT_TRUE(call("s", c.change[0], args).result);
    next.open();
    const Answer answer = answers_->wait(id);
    EXPECT_EQ(answer.result.has_value(), !c.conflicts);
    if (c.conflicts) {
      EXPECT_EQ(error_in(answer).code, Errc::txn_conflict);
    } else {
      ++landed;
    }
    const Answer done = call("s", "table.query", {"done"});
    EXPECT_EQ(Json::parse(*done.result)["rows"].size(), landed);
  }
}

TEST_F(FunctionTest, ARefusalToGoOnCannotBeCaughtAway) {
  Gate gate;
  Backend backend;
  add_gate(backend, gate);
  backend.function({.name = "f"}, [&](FunctionContext& ctx) -> Task<void> {
    auto accounts = ctx.table("accounts");
    co_await accounts.get("a");
    try {
      co_await ctx.session("other").call("gate");
    } catch (const CallError&) {
    }
    const Json mine = with_balance(1);
    try {
      co_await accounts.set("mine", mine);
    } catch (const CallError&) {
    }
  });
  add_functions(std::move(backend));
  const std::uint64_t id = send("s", "f");
  gate.wait_for_knock();
  set("a", 1);
  gate.open();
  EXPECT_EQ(error_in(answers_->wait(id)).code, Errc::txn_conflict);
  EXPECT_EQ(get("mine"), nullptr);
}

TEST_F(FunctionTest, OneThatOnlyReadsKeepsToItsSnapshot) {
  Gate gate;
  Backend backend;
  add_gate(backend, gate);
  backend.function({.name = "f", .perm = perms::R__}, [](FunctionContext& ctx) -> Task<Json> {
    auto accounts = ctx.table("accounts");
    const auto before = co_await accounts.get("a");
    co_await ctx.session("other").call("gate");
    const auto after = co_await accounts.get("a");
    const auto gone = co_await accounts.get("b");
    co_await ctx.sleep(1ms);
    const QueryPage page = co_await accounts.query();
    Json result = {balance_of(before), balance_of(after), balance_of(gone), page.rows.size()};
    co_return result;
  });
  backend.function({.name = "writes", .perm = perms::R__}, [](FunctionContext& ctx) -> Task<void> {
    const Json data = Json::object();
    co_await ctx.table("accounts").set("a", data);
  });
  add_functions(std::move(backend));
  const std::uint64_t id = send("s", "f");
  gate.wait_for_knock();
  for (int i = 0; i < 3; ++i) set("a", i);
  ASSERT_TRUE(call("s", "table.delete", {"accounts", "b"}).result);
  gate.open();
  const Answer answer = answers_->wait(id);
  ASSERT_TRUE(answer.result) << answer.result.error().message;
  EXPECT_EQ(*answer.result, "[100,100,0,2]");
  EXPECT_EQ(error_in(call("s", "writes")).code, Errc::permission_denied);
}

TEST_F(FunctionTest, AReaderOfBeforeAFieldWasTypedAnswersAsAScanWould) {
  Gate gate;
  Backend backend;
  add_gate(backend, gate);
  backend.function({.name = "f", .perm = perms::R__}, [](FunctionContext& ctx) -> Task<Json> {
    auto accounts = ctx.table("accounts");
    const auto before = co_await accounts.get("a");
    co_await ctx.session("other").call("gate");
    const ExecResult found = co_await accounts.exec("SELECT id FROM accounts WHERE balance = 100");
    co_return found.rows;
  });
  add_functions(std::move(backend));
  ASSERT_TRUE(call("s", "table.set", {"accounts", "a", {{"balance", "100"}}}).result);
  ASSERT_TRUE(call("s", "table.set", {"accounts", "b", {{"balance", 100}}}).result);
  const std::uint64_t id = send("s", "f");
  gate.wait_for_knock();
  set("a", 100);
  const Json schema = {{"fields", {{"balance", {{"type", "integer"}, {"index", true}}}}}};
  ASSERT_TRUE(call("s", "table.alter", {"accounts", {{"schema", schema}}}).result);
  ASSERT_TRUE(eventually([&] {
    const Answer plan = call("s", "table.exec",
                             {"accounts",
                              "EXPLAIN QUERY PLAN SELECT id FROM accounts WHERE "
                              "balance = 100"});
    return plan.result && plan.result->find("index on balance") != std::string::npos;
  }));
  gate.open();
  const Answer answer = answers_->wait(id);
  ASSERT_TRUE(answer.result) << answer.result.error().message;
  EXPECT_EQ(Json::parse(*answer.result).size(), 2u) << *answer.result;
}

TEST_F(FunctionTest, WhatItWroteMustFitASchemaThatCameMeanwhile) {
  Gate gate;
  Backend backend;
  add_gate(backend, gate);
  backend.function({.name = "f"}, [](FunctionContext& ctx) -> Task<void> {
    const Json text = {{"balance", "5"}};
    co_await ctx.table("accounts").set("c", text);
    co_await ctx.session("other").call("gate");
  });
  add_functions(std::move(backend));
  const std::uint64_t id = send("s", "f");
  gate.wait_for_knock();
  const Json schema = {{"fields", {{"balance", {{"type", "integer"}}}}}};
  ASSERT_TRUE(call("s", "table.alter", {"accounts", {{"schema", schema}}}).result);
  gate.open();
  EXPECT_EQ(error_in(answers_->wait(id)).code, Errc::schema_violation);
  EXPECT_EQ(get("c"), Json());
}

template <class... Name>
Json path(Name... names) {
  return Json::array({Json::array({names...})});
}

TEST_F(FunctionTest, SessionsThatWouldWaitForOneAnotherAreNamedAtOnce) {
  Backend backend;
  backend.function({.name = "go", .args = {"path"}},
                   [](FunctionContext& ctx, std::vector<std::string> path) -> Task<Json> {
                     if (path.empty()) co_return Json("end");
                     const std::string next = path.front();
                     path.erase(path.begin());
                     co_return co_await ctx.session(next).call("go", path);
                   });
  add_functions(std::move(backend));
  EXPECT_EQ(*call("s", "go", path("b", "c")).result, "\"end\"");
  const Error cycle = error_in(call("s", "go", path("b", "c", "s")));
  EXPECT_EQ(cycle.code, Errc::invalid_request);
  EXPECT_THAT(cycle.message, HasSubstr("s (go) -> b (go) -> c (go) -> s"));
  EXPECT_EQ(error_in(call("s", "go", path("s"))).code, Errc::invalid_request);
  std::vector<std::string> deep;
  for (int i = 0; i < 40; ++i) deep.push_back("deep" + std::to_string(i));
  EXPECT_THAT(error_in(call("s", "go", Json::array({deep}))).message,
              HasSubstr("Too many sessions"));
}

TEST_F(FunctionTest, WhatAnotherSessionAnswersComesBackAsItIs) {
  Backend backend;
  backend.function(
      {.name = "ask", .args = {"fn", "args"}},
      [](FunctionContext& ctx, std::string fn, std::vector<std::string> args) -> Task<Json> {
        Json answer;
        if (args.size() == 2) answer = co_await ctx.session("other").call(fn, args[0], args[1]);
        if (args.empty()) answer = co_await ctx.session("other").call(fn);
        co_return answer;
      });
  backend.function({.name = "ask_badly"}, [](FunctionContext& ctx) -> Task<Json> {
    co_return co_await ctx.session("no name!").call("session.info");
  });
  add_functions(std::move(backend));
  create("accounts", "other");
  const Json data = with_balance(3);
  ASSERT_TRUE(call("other", "table.set", {"accounts", "x", data}).result);
  EXPECT_EQ(*call("s", "ask", {"table.get", {"accounts", "x"}}).result, to_text(data));
  EXPECT_EQ(error_in(call("s", "ask", {"table.get", {"nowhere", "x"}})).code,
            Errc::storage_ptr_not_found);
  EXPECT_EQ(error_in(call("s", "ask", {"nothing", Json::array()})).code, Errc::not_found);
  EXPECT_EQ(error_in(call("s", "ask_badly")).code, Errc::invalid_request);
}

TEST_F(FunctionTest, PermissionsAreTheFunctionsAndTheTablesAndTheCallersBoth) {
  // Every combination of the caller's bits, the function's and the table's, for each operation.
  struct Operation {
    const char* name;
    Perm needs;
  };
  const std::vector<Operation> operations = {{"get", perms::R__},   {"set", perms::_W_},
                                             {"erase", perms::__X}, {"pop", perms::R_X},
                                             {"query", perms::R__}, {"insert", perms::_W_}};
  Backend backend;
  for (Perm perm = 0; perm <= perms::RWX; ++perm) {
    backend.function(
        {.name = "f" + std::to_string(perm), .args = {"table", "operation"}, .perm = perm},
        [](FunctionContext& ctx, std::string table, std::string operation) -> Task<void> {
          auto records = ctx.table(table);
          const Json data = Json::object();
          if (operation == "get") co_await records.get("x");
          if (operation == "set") co_await records.set("y", data);
          if (operation == "erase") co_await records.erase("y");
          if (operation == "pop") co_await records.pop();
          if (operation == "query") co_await records.query();
          if (operation == "insert") {
            co_await records.exec("INSERT INTO " + table + " (id, data) VALUES ('z', '{}') ");
            co_await records.exec("UPDATE " + table + " SET data = '{}' WHERE id = 'none'");
          }
        });
  }
  add_functions(std::move(backend));
  for (Perm table = 0; table <= perms::RWX; ++table) {
    const std::string name = "t" + std::to_string(table);
    ASSERT_TRUE(call("s", "table.create", {name, {{"permissions", table}}}).result);
  }
  for (Perm function = 0; function <= perms::RWX; ++function) {
    for (Perm table = 0; table <= perms::RWX; ++table) {
      for (Perm caller = 0; caller <= perms::RWX; ++caller) {
        peer_.perm = caller;
        for (const Operation& operation : operations) {
          const std::string name = "f" + std::to_string(function);
          SCOPED_TRACE(name + " t" + std::to_string(table) + " caller " + std::to_string(caller) +
                       " " + operation.name);
          if (std::string_view(operation.name) == "insert" && !allows(function, perms::R__)) {
            continue;  // its UPDATE reads as well
          }
          const Answer answer = call("s", name, {"t" + std::to_string(table), operation.name});
          if (std::string_view(operation.name) == "insert") {
            if (!allows(caller, function) || !allows(function & table, perms::_W_)) {
              EXPECT_EQ(error_in(answer).code, Errc::permission_denied);
            }
            continue;
          }
          const bool may = allows(caller, function) && allows(function & table, operation.needs);
          ASSERT_EQ(answer.result.has_value(), may);
          if (!may) {
            EXPECT_EQ(answer.result.error().code, Errc::permission_denied);
          }
        }
      }
    }
  }
}

TEST_F(FunctionTest, AGroupMayBeAskedFor) {
  Backend backend;
  backend.function({.name = "f", .ugroup = "staff"}, [](FunctionContext&) { return 1; });
  add_functions(std::move(backend));
  EXPECT_EQ(error_in(call("s", "f")).code, Errc::forbidden);
  peer_.ugroups.push_back("staff");
  EXPECT_EQ(*call("s", "f").result, "1");
}

TEST_F(FunctionTest, AnotherOwnersTableIsNotFound) {
  Backend backend;
  backend.function({.name = "f"}, [](FunctionContext& ctx) -> Task<void> {
    co_await ctx.table("theirs").get("x");
  });
  add_functions(std::move(backend));
  ASSERT_TRUE(call("s", "registry.exec",
                   {"INSERT INTO storage (id, ptr, owner, permissions) "
                    "VALUES ('theirs', 'p', 'somebody', 7)"})
                  .result);
  EXPECT_EQ(error_in(call("s", "f")).code, Errc::storage_ptr_not_found);
}

TEST_F(FunctionTest, WhatAHandlerThrowsCostsItsCallOnly) {
  Backend backend;
  backend.function({.name = "f", .args = {"how"}}, [](FunctionContext&, std::string how) {
    if (how == "error") throw std::runtime_error("the password is 1234");
    if (how == "number") throw 42;
    throw Forbidden("no");
  });
  add_functions(std::move(backend));
  for (const char* how : {"error", "number"}) {
    const Error failed = error_in(call("s", "f", {how}));
    EXPECT_EQ(failed.code, Errc::internal);
    EXPECT_THAT(failed.message, Not(HasSubstr("1234")));
  }
  EXPECT_EQ(error_in(call("s", "f", {"forbidden"})).code, Errc::forbidden);
  EXPECT_EQ(get("a"), with_balance(100));
}

TEST_F(FunctionTest, SleepEndsWithTheCallsTimeOrTheRuntime) {
  std::atomic<int> sleeping{0};
  Backend backend;
  backend.function({.name = "sleep", .args = {"ms"}},
                   [&](FunctionContext& ctx, std::int64_t span) -> Task<void> {
                     const Json data = Json::object();
                     co_await ctx.table("accounts").set("slept", data);
                     ++sleeping;
                     co_await ctx.sleep(std::chrono::milliseconds(span));
                   });
  add_functions(std::move(backend));
  // On a busy machine the time may be over before it begins; then it is given more.
  for (auto time = 20ms; sleeping == 0 && time < kPatience; time *= 2) {
    CallPtr limited = make_call("sleep", {std::chrono::milliseconds(1h).count()});
    const std::uint64_t id = last_call_;
    limited->deadline = Clock::now() + time;
    handle("s")->send(std::move(limited));
    EXPECT_EQ(error_in(answers_->wait(id)).code, Errc::timeout);
    EXPECT_EQ(get("slept"), nullptr);
  }
  ASSERT_EQ(sleeping, 1);

  const std::uint64_t for_ever = send("s", "sleep", {std::chrono::milliseconds(1h).count()});
  ASSERT_TRUE(eventually([&] { return sleeping == 2; }));
  stop();
  EXPECT_EQ(error_in(answers_->wait(for_ever)).code, Errc::overloaded);
}

TEST_F(FunctionTest, LongSqlRunsOnAWorkerWithWhatTheFunctionHasWritten) {
  Backend backend;
  backend.function({.name = "f"}, [](FunctionContext& ctx) -> Task<Json> {
    auto accounts = ctx.table("accounts");
    const Json mine = with_balance(1);
    co_await accounts.set("mine", mine);
    const ExecResult counted = co_await accounts.exec(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
        "SELECT count(*) AS c, (SELECT count(*) FROM accounts) AS a FROM n");
    co_return counted.rows;
  });
  add_functions(std::move(backend));
  const Answer answer = call("s", "f");
  ASSERT_TRUE(answer.result) << answer.result.error().message;
  EXPECT_EQ(*answer.result, R"([{"a":3,"c":300000}])");
  EXPECT_EQ(get("mine"), with_balance(1));
}

TEST_F(FunctionTest, OneThatWritesTooMuchWritesNothing) {
  Backend backend;
  backend.function({.name = "f"}, [](FunctionContext& ctx) -> Task<void> {
    const Json data = {{"text", std::string(200'000, 'x')}};
    for (int i = 0; i < 12; ++i) {  // neither table writes too much alone
      co_await ctx.table("accounts").push(data);
      co_await ctx.table("more").push(data);
    }
  });
  add_functions(std::move(backend));
  create("more");
  const Error failed = error_in(call("s", "f"));
  EXPECT_EQ(failed.code, Errc::too_large);
  EXPECT_THAT(failed.message, HasSubstr("The function writes"));
  const Json tables = Json::parse(*call("s", "table.list").result);
  EXPECT_EQ(tables[0]["records"], 2);
  EXPECT_EQ(tables[1]["records"], 0);
}

// What it has written is lost with a group of the log that fails while it runs. Its next statement
// would be sent to a worker, as it does not end in the time that it has here.
TEST_F(FunctionTest, AStatementWhoseTransactionIsLostEndsItAndGoesToNoWorker) {
  Backend backend;
  bool statement_failed = false;
  backend.function({.name = "f"}, [&](FunctionContext& ctx) -> Task<void> {
    auto accounts = ctx.table("accounts");
    const Json mine = with_balance(1);
    co_await accounts.set("mine", mine);
    EXPECT_TRUE(store_->flush());  // what the journal alone holds would keep the epoch
    {
      const testing::FailingWrite failing(ENOSPC);
      CommitLog& log = store_->shard_of({peer_.owner, "s"}).log();
      WriteBatch batch;
      batch.put(Keyspace::order, "x", "y");
      const Epoch before = log.epoch();
      log.append(std::move(batch), before, nullptr);
      EXPECT_TRUE(eventually([&] { return log.epoch() != before; }));
    }
    try {
      co_await accounts.exec(
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
    } catch (const CallError&) {
      statement_failed = true;
    }
  });
  store_options_.sql.time = 1h;  // a worker would not come back before
  add_functions(std::move(backend));
  const Error failed = error_in(call("s", "f"));
  EXPECT_EQ(failed.code, Errc::overloaded);
  EXPECT_THAT(failed.message, HasSubstr("A commit before this call failed"));
  EXPECT_TRUE(statement_failed);
  EXPECT_TRUE(eventually([&] { return call("s", "table.get", {"accounts", "mine"}).result; }));
  EXPECT_EQ(get("mine"), nullptr);
}

TEST_F(FunctionTest, TablesThatChangeBetweenFunctionsAreSeenAsTheyAre) {
  Backend backend;
  backend.function({.name = "put", .args = {"id"}},
                   [](FunctionContext& ctx, std::string id) -> Task<void> {
                     const Json data = Json::object();
                     co_await ctx.table("things").set(id, data);
                   });
  add_functions(std::move(backend));
  EXPECT_EQ(error_in(call("s", "put", {"x"})).code, Errc::storage_ptr_not_found);
  create("things");
  ASSERT_TRUE(call("s", "put", {"x"}).result);
  ASSERT_TRUE(call("s", "table.alter", {"things", {{"permissions", perms::R__}}}).result);
  EXPECT_EQ(error_in(call("s", "put", {"y"})).code, Errc::permission_denied);
  ASSERT_TRUE(call("s", "table.alter", {"things", {{"permissions", perms::RWX}}}).result);
  ASSERT_TRUE(call("s", "put", {"y"}).result);
  const Json unique = {{"fields", {{"k", {{"type", "string"}, {"required", true}}}}}};
  ASSERT_TRUE(call("s", "table.drop", {"things"}).result);
  EXPECT_EQ(error_in(call("s", "put", {"x"})).code, Errc::storage_ptr_not_found);
  ASSERT_TRUE(call("s", "table.create", {"things", {{"schema", unique}}}).result);
  EXPECT_EQ(error_in(call("s", "put", {"x"})).code, Errc::schema_violation);
}

TEST_F(FunctionTest, SharedStateIsOneForAllSessionsAndNotOfTheTransaction) {
  Backend backend;
  backend.function({.name = "count"}, [](FunctionContext& ctx) -> Task<std::int64_t> {
    const Result<std::int64_t> sum = ctx.shared().increment("calls", 1);
    if (*sum == 3) throw HttpError(400, "enough");
    co_return *sum;
  });
  add_functions(std::move(backend));
  EXPECT_EQ(*call("s", "count").result, "1");
  EXPECT_EQ(*call("other", "count").result, "2");
  EXPECT_EQ(error_in(call("s", "count")).message, "enough");
  stop();
  start();
  EXPECT_EQ(*call("s", "count").result, "4");
}

TEST_F(FunctionTest, WhatItWroteIsThereAfterARestart) {
  Backend backend;
  backend.function({.name = "bank.transfer", .args = {"from", "to", "amount"}}, transfer);
  add_functions(std::move(backend));
  ASSERT_TRUE(call("s", "bank.transfer", {"a", "b", 30}).result);
  stop();
  start();
  EXPECT_EQ(get("b"), with_balance(30));
  ASSERT_TRUE(call("s", "bank.transfer", {"a", "b", 1}).result);
  EXPECT_EQ(get("b"), with_balance(31));
}

}  // namespace
}  // namespace kontract
