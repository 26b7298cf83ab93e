// Backend functions as clients meet them: over a WebSocket and over HTTP.

#include <gmock/gmock.h>

#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using test::RawClient;
using ::testing::HasSubstr;

struct Item {
  std::string title;
  bool done = false;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Item, title, done)

Task<HttpResp> add(FunctionContext& ctx, Item item) {
  const Json data = item;
  const std::string id = co_await ctx.table("t").push(data);
  co_return HttpResp::created(id, "/items/" + id).header("X-By", ctx.peer().owner);
}

class FunctionNetTest : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    backend_.function({.name = "items.add", .args = {"item"}, .perm = perms::_W_}, add);
    backend_.function({.name = "items.clear"}, [](FunctionContext& ctx) -> Task<HttpResp> {
      co_await ctx.table("t").exec("DELETE FROM t");
      co_return HttpResp::noContent();
    });
    backend_.function({.name = "items.away"},
                      [](FunctionContext&) { return HttpResp::redirect("/elsewhere", 307); });
    backend_.function({.name = "items.fail", .args = {"status"}},
                      [](FunctionContext&, int status) { throw HttpError(status, "as asked"); });
    backend_.function(
        {.name = "items.sum", .args = {"numbers", "factor"}},
        [](FunctionContext&, const std::vector<int>& numbers, std::optional<double> factor) {
          double sum = 0;
          for (const int number : numbers) sum += number;
          return sum * factor.value_or(1);
        });
    start();
    joined();  // creates the table
  }
  static std::string rpc(const std::string& function, const std::string& body) {
    return "POST /rpc/" + function + " HTTP/1.1\r\nHost: x\r\nX-Session-Id: room-1\r\n" +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
};

TEST_F(FunctionNetTest, AnHttpCallerGetsStatusAndHeadersAndAWebSocketTheResult) {
  RawClient client(port());
  EXPECT_EQ(client.request(rpc("items.add", R"([{"title":"tea","done":false}])")), 201);
  const Json body = client.body();
  EXPECT_EQ(client.header("Location"), "/items/" + body["result"].get<std::string>());
  EXPECT_EQ(client.header("X-By"), "dev");
  EXPECT_GT(body["txid"], 0);
  EXPECT_EQ(client.request(rpc("items.away", "[]")), 307);
  EXPECT_EQ(client.header("Location"), "/elsewhere");

  const auto socket = joined();
  const Json answer = socket->ask(5, "items.add", {{{"title", "milk"}, {"done", true}}});
  EXPECT_EQ(answer["t"], "result") << answer;
  EXPECT_TRUE(answer["result"].is_string()) << answer;
  EXPECT_EQ(socket->ask(6, "table.query", {"t"})["result"]["rows"].size(), 2U);
  EXPECT_EQ(socket->ask(7, "items.clear", Json::array())["result"], nullptr);
  EXPECT_EQ(socket->ask(8, "table.query", {"t"})["result"]["rows"].size(), 0U);
  EXPECT_EQ(client.request(rpc("items.clear", "[]")), 204);
}

TEST_F(FunctionNetTest, ArgumentsThatDoNotFitAreNamed) {
  struct Case {
    const char* name;
    const char* function;
    Json args;
    const char* message;
  };
  const Json none = Json::array();
  const auto socket = joined();
  std::uint64_t id = 10;
  for (const Case& c : {
           Case{"too few", "items.sum", none, "Argument 1 (numbers) is missing"},
           Case{"too many", "items.sum", {Json::array({1}), 2, 3}, "It takes 2 arguments"},
           Case{"no array", "items.sum", {1, 2}, "Argument 1 (numbers) must be of type integer[]"},
           Case{"a string in it", "items.sum", {Json::array({"1"}), 2}, "Argument 1 (numbers)"},
           Case{"a fraction", "items.sum", {Json::array({1.5}), 2}, "Argument 1 (numbers)"},
           Case{"too large", "items.fail", {std::int64_t{1} << 40}, "Argument 1 (status)"},
           Case{"no number",
                "items.sum",
                {Json::array({1}), "x"},
                "(factor) must be of type number?"},
           Case{"no object", "items.add", {"tea"}, "Argument 1 (item) must be of type object"},
           Case{"a member less", "items.add", {Json{{"title", "tea"}}}, "done"},
       }) {
    SCOPED_TRACE(c.name);
    const Json answer = socket->ask(++id, c.function, c.args);
    EXPECT_EQ(answer["code"], "KONTRACT_INVALID_REQUEST") << answer;
    EXPECT_THAT(answer["message"].get<std::string>(), HasSubstr(c.message));
  }
  EXPECT_EQ(socket->ask(++id, "items.sum", {Json::array({1, 2}), 2})["result"], 6.0);
  EXPECT_EQ(socket->ask(++id, "items.sum", Json::array({Json::array({1, 2})}))["result"], 3.0);
  EXPECT_EQ(socket->ask(++id, "items.sum", {Json::array({1, 2}), nullptr})["result"], 3.0);
}

TEST_F(FunctionNetTest, AnHttpErrorHasTheCodeOfItsStatus) {
  RawClient client(port());
  struct Case {
    int status;
    int answered;
    const char* code;
  };
  for (const Case& c :
       {Case{400, 400, "KONTRACT_INVALID_REQUEST"}, Case{401, 401, "KONTRACT_UNAUTHORIZED"},
        Case{403, 403, "KONTRACT_FORBIDDEN"}, Case{404, 404, "KONTRACT_NOT_FOUND"},
        Case{409, 409, "KONTRACT_TXN_CONFLICT"}, Case{410, 410, "KONTRACT_EVENTS_TRIMMED"},
        Case{413, 413, "KONTRACT_TOO_LARGE"}, Case{418, 400, "KONTRACT_INVALID_REQUEST"},
        Case{422, 422, "KONTRACT_SCHEMA_VIOLATION"}, Case{429, 429, "KONTRACT_RATE_LIMITED"},
        Case{500, 503, "KONTRACT_OVERLOADED"}, Case{504, 504, "KONTRACT_TIMEOUT"},
        Case{507, 507, "KONTRACT_STORAGE_FULL"}}) {
    SCOPED_TRACE(c.status);
    EXPECT_EQ(client.request(rpc("items.fail", "[" + std::to_string(c.status) + "]")), c.answered);
    EXPECT_EQ(client.body()["error"], c.code);
    EXPECT_EQ(client.body()["message"], "as asked");
  }
}

TEST(BackendTest, MistakesAreFoundAtTheStartWithTheirPlace) {
  const auto handler = [](FunctionContext&) { return 1; };
  struct Case {
    const char* name;
    std::function<void(Backend&)> add;
    const char* says;
  };
  for (const Case& c :
       {Case{"no name", [&](Backend& b) { b.function({.name = ""}, handler); }, "name"},
        Case{"a digit first", [&](Backend& b) { b.function({.name = "a.1"}, handler); }, "digit"},
        Case{"a sign", [&](Backend& b) { b.function({.name = "a-b"}, handler); }, "a-b"},
        Case{"a built-in", [&](Backend& b) { b.function({.name = "table.own"}, handler); },
             "belongs to the runtime"},
        Case{"bits", [&](Backend& b) { b.function({.name = "a", .perm = 8}, handler); }, "0 to 7"},
        Case{"an argument too many",
             [&](Backend& b) { b.function({.name = "a", .args = {"x"}}, handler); },
             "has 0 arguments"},
        Case{"a name twice",
             [](Backend& b) {
               b.function({.name = "a", .args = {"x", "x"}}, [](FunctionContext&, int, int) {});
             },
             "two arguments"},
        Case{"no identifier",
             [](Backend& b) {
               b.function({.name = "a", .args = {"x y"}}, [](FunctionContext&, int) {});
             },
             "argument name"},
        Case{"nothing behind it",
             [](Backend& b) { b.function({.name = "a"}, std::function<int(FunctionContext&)>()); },
             "empty"},
        Case{"twice",
             [&](Backend& b) {
               b.function({.name = "a"}, handler);
               b.function({.name = "a"}, handler);
             },
             "registered already, at "}}) {
    SCOPED_TRACE(c.name);
    Backend backend;
    c.add(backend);
    const Status checked = backend.check();
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, Errc::backend_invalid);
    EXPECT_THAT(checked.error().message, HasSubstr(c.says));
    EXPECT_THAT(checked.error().message, HasSubstr("function_test.cpp:"));
  }
}

TEST(HttpRespTest, WhatIsNoHeaderOfAFunctionIsRefused) {
  const std::string newline = "x\r\nSet-Cookie: a=b";
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"X-A", newline},
                                                        {newline, "x"},
                                                        {"", "x"},
                                                        {"content-LENGTH", "3"},
                                                        {"Connection", "close"},
                                                        {"X-A", std::string(5000, 'x')}}) {
    EXPECT_THROW(static_cast<void>(HttpResp::ok(1).header(name, value)), std::invalid_argument);
  }
  EXPECT_THROW(static_cast<void>(HttpResp::redirect("/x", 200)), std::invalid_argument);
  EXPECT_EQ(HttpResp::ok(1).header("X-A", "b").head().headers.size(), 1U);
}

}  // namespace
}  // namespace kontract
