#include <atomic>
#include <latch>
#include <sstream>
#include <thread>

#include "actors/middleware_shipped.hpp"
#include "net/client.hpp"
#include "net/http_get.hpp"
#include "runtime/cli.hpp"
#include "tests/runtime/runtime_fixture.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr const char* kSecret = "0123456789abcdef0123456789abcdef";

class RoutesTest : public ::testing::Test {
 protected:
  void start(Backend backend) {
    runtime_.reset();  // a folder has one at a time
    runtime_ = must_start(options_, std::move(backend));
  }
  std::string url() const { return "ws://127.0.0.1:" + std::to_string(runtime_->port()); }
  ClientOptions room_without_reconnecting() const {
    return {.url = url(), .session = "room", .reconnect = false};
  }

  struct Printed {
    int code;
    std::string out, err;
  };
  Printed routes(std::vector<std::string> more = {}) const {
    std::vector<std::string> args = {"routes", "--url", url()};
    args.insert(args.end(), more.begin(), more.end());
    std::ostringstream out;
    std::ostringstream err;
    const int code = cli::run(std::move(args), {out, err});
    return {code, out.str(), err.str()};
  }

  TestFolder folder_;
  Options options_ = options_in(folder_);
  std::unique_ptr<Runtime> runtime_;
};

Backend small_backend() {
  Backend backend;
  backend.function({.name = "bank.pay",
                    .args = {"from", "amount"},
                    .egroup = "bank",
                    .ugroup = "staff",
                    .perm = perms::RW_,
                    .doc = "Pays."},
                   [](FunctionContext&, std::string /*from*/, std::optional<int> amount) {
                     return amount.value_or(0);
                   });
  backend.middleware({.name = "all"}, require_auth());
  backend.middleware({.name = "money", .prefixurl = "/rpc/bank.", .egroup = "bank"},
                     require_group("staff"));
  backend.middleware(
      {.name = "tables", .egroup = "storage", .endpoints = {"table.get"}, .concurrency = 2},
      rate_limit({}));
  return backend;
}

TEST_F(RoutesTest, WhatIsRegisteredWronglyFailsTheStart) {
  Backend backend;
  backend.middleware({.name = "lost", .endpoints = {"no.such"}}, require_auth());
  const auto started = Runtime::start(options_, std::move(backend));
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::backend_invalid);
  EXPECT_THAT(started.error().message, AllOf(HasSubstr("routes_test.cpp:"), HasSubstr("no.such")));
}

TEST_F(RoutesTest, AreListedWithTheirTypesAndTheMiddleware) {
  start(small_backend());
  const Printed printed = routes();
  EXPECT_EQ(printed.code, 0) << printed.err;
  EXPECT_THAT(
      printed.out,
      MatchesRegex("FUNCTION +ARGUMENTS +RESULT +EGROUP +UGROUP +PERM +DOC\n"
                   "(.|\n)*\nbank.pay +from: string, amount: integer\\? +integer +bank +staff +RW- "
                   "+Pays.\n(.|\n)*"));
  EXPECT_THAT(printed.out, HasSubstr("table.get "));
  EXPECT_THAT(printed.out, HasSubstr("\n\nMIDDLEWARE  FORM   PREFIXURL   EGROUP   ENDPOINTS  "));
  EXPECT_THAT(printed.out, HasSubstr("\ntables      guard  -           storage  table.get  2\n"));
  const auto parsed = parse_json(routes({"--json"}).out);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->at("middleware").size(), 3U);
}

TEST_F(RoutesTest, ExplainSaysWhichMiddlewareMatchesAndWhichFilterDoesNot) {
  start(small_backend());
  EXPECT_EQ(routes({"--explain", "bank.pay"}).out,
            "function bank.pay, egroup bank, path /rpc/bank.pay\n"
            "MIDDLEWARE  MATCHES  WHY NOT\n"
            "all         yes      -\n"
            "money       yes      -\n"
            "tables      no       egroup storage is not bank; endpoints has no bank.pay\n");
  EXPECT_EQ(routes({"--explain", "table.get", "--path", "/x"}).out,
            "function table.get, egroup storage, path /x\n"
            "note: calls of table.get come at /rpc/table.get\n"
            "MIDDLEWARE  MATCHES  WHY NOT\n"
            "all         yes      -\n"
            "money       no       prefixurl /rpc/bank. does not begin /x; egroup bank is not "
            "storage\n"
            "tables      yes      -\n");
  EXPECT_THAT(routes({"--explain", "bank.paid"}).out,
              AllOf(HasSubstr("note: this server has no function bank.paid\n"),
                    HasSubstr("egroup bank, and the function has none\n")));
  EXPECT_EQ(routes({"--path", "/x"}).code, cli::kUsage);
  runtime_.reset();
  start({});
  EXPECT_THAT(routes({"--explain", "table.get"}).out, HasSubstr("has no middleware\n"));
}

TEST_F(RoutesTest, AServerWithASecretWantsAnAdministrator) {
  options_.server.secret = kSecret;
  start({});
  const Printed refused = routes();
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("KONTRACT_UNAUTHORIZED"), HasSubstr("--secret")));
  EXPECT_EQ(routes({"--secret", std::string(32, 'x')}).code, 1);
  EXPECT_EQ(routes({"--secret", "x"}).code, cli::kUsage);
  EXPECT_EQ(routes({"--secret", kSecret}).code, 0);
  runtime_->stop();
  const Printed gone = routes({"--secret", kSecret});
  EXPECT_EQ(gone.code, 1);
  EXPECT_THAT(gone.err, HasSubstr("kontract serve"));
}

TEST_F(RoutesTest, AStopFinishesTheCallsThatAreInMiddleware) {
  std::atomic<bool> open{false};
  std::latch inside(1);
  Backend backend;
  backend.middleware({.name = "gate", .endpoints = {"table.create"}},
                     [&](MiddlewareContext& ctx) -> Task<void> {
                       inside.count_down();
                       while (!open) co_await ctx.sleep(1ms);
                     });
  start(std::move(backend));
  Client client(room_without_reconnecting());
  ASSERT_TRUE(client.connect());
  std::promise<Result<CallResult>> answered;
  client.call("table.create", {"t"},
              [&](Result<CallResult> answer) { answered.set_value(std::move(answer)); });
  inside.wait();
  EXPECT_EQ(runtime_->metrics().calls_in_middleware, 1U);
  std::thread stopping([&] { runtime_->stop(); });
  while (http_get_json(url(), "/health", "")) std::this_thread::yield();  // until it drains
  open = true;
  const auto answer = answered.get_future().get();
  EXPECT_TRUE(answer) << answer.error().message;
  stopping.join();
}

TEST_F(RoutesTest, AStopCutsWhatDoesNotEnd) {
  options_.drain_timeout = 20ms;
  for (int round = 0; round < 20; ++round) {
    std::latch inside(2);
    Backend backend;
    backend.middleware({.name = "sleeps", .endpoints = {"table.list"}},
                       [&](MiddlewareContext& ctx) -> Task<void> {
                         inside.count_down();
                         co_await ctx.sleep(1h);
                       });
    backend.middleware({.name = "sleeps after", .endpoints = {"session.info"}},
                       [&](MiddlewareContext& ctx, Next next) -> Task<CallAnswer> {
                         CallAnswer answer = co_await next();
                         inside.count_down();
                         co_await ctx.sleep(1h);
                         co_return answer;
                       });
    start(std::move(backend));
    Client client(room_without_reconnecting());
    ASSERT_TRUE(client.connect());
    std::atomic<int> answered{0};
    for (const char* function : {"session.info", "table.list", "table.list"}) {
      client.call(function, Json::array(), [&](const Result<CallResult>& answer) {
        EXPECT_FALSE(answer);
        ++answered;
      });
    }
    inside.wait();
    runtime_->stop();
    EXPECT_EQ(runtime_->metrics().calls_in_middleware, 0U);
    client.close();
    while (answered < 3) std::this_thread::yield();
    runtime_.reset();
  }
}

}  // namespace
}  // namespace kontract
