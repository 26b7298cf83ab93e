#include <gmock/gmock.h>

#include <atomic>

#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using test::RawClient;
using ::testing::HasSubstr;

class MiddlewareNetTest : public ServerFixture {
 protected:
  static std::string request(const std::string& method, const std::string& path,
                             const std::string& headers = {}, const std::string& body = {}) {
    return method + " " + path +
           " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           headers + "\r\n" + body;
  }
  static std::string rpc(const std::string& function, const std::string& body,
                         const std::string& headers = {}) {
    return request("POST", "/rpc/" + function, "X-Session-Id: room-1\r\n" + headers, body);
  }
};

TEST_F(MiddlewareNetTest, CallsOfBothKindsGoThroughWhatMatches) {
  std::atomic<int> seen{0};
  backend_.middleware({.prefixurl = "/rpc/table."}, [&seen](MiddlewareContext& ctx) {
    ++seen;
    const auto key = ctx.header("x-key");
    if (ctx.method() == "POST" && key != "let me") throw Unauthorized("No key");
  });
  backend_.middleware({.endpoints = {"table.list"}},
                      [](MiddlewareContext& ctx, Next next) -> Task<CallAnswer> {
                        CallAnswer answer = co_await next();
                        ctx.add_header("X-Tables", std::to_string(answer.json().size()));
                        answer.set({{"tables", answer.json()}});
                        co_return answer;
                      });
  start();
  const auto socket = joined();  // creates the table
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(socket->ask(2, "table.list", Json::array())["result"]["tables"].size(), 1U);
  EXPECT_EQ(socket->ask(3, "session.info", Json::array())["t"], "result");
  EXPECT_EQ(seen, 2);

  RawClient client(port());
  EXPECT_EQ(client.request(rpc("table.list", "[]")), 401);
  EXPECT_EQ(client.body()["message"], "No key");
  EXPECT_EQ(client.request(rpc("table.list", "[]", "X-Key: let me\r\n")), 200);
  EXPECT_EQ(client.body()["result"]["tables"][0]["id"], "t");
  EXPECT_EQ(client.header("X-Tables"), "1");
  EXPECT_EQ(client.request(rpc("session.info", "[]")), 200);
  EXPECT_EQ(seen, 4);
}

TEST_F(MiddlewareNetTest, AConnectionsCallsKeepTheirOrderAroundOneThatWaits) {
  std::atomic<bool> open{false};
  std::atomic<int> waiting{0};
  backend_.middleware({.endpoints = {"table.push"}}, [&](MiddlewareContext& ctx) -> Task<void> {
    ++waiting;
    while (!open) co_await ctx.sleep(1ms);
  });
  start();
  const auto client = joined();
  client->call(2, "table.push", {"t", Json::object()});
  client->call(3, "table.list", Json::array());
  wait_until([&] { return waiting == 1; });
  EXPECT_EQ(client->beat(1)["t"], "heartbeat");  // neither call is answered
  open = true;
  EXPECT_EQ(client->next()["id"], 2);
  const Json list = client->next();
  EXPECT_EQ(list["id"], 3);
  EXPECT_EQ(list["result"][0]["records"], 1);
}

TEST_F(MiddlewareNetTest, AMiddlewareThatFailsSaysNothingOfIt) {
  backend_.middleware({.endpoints = {"table.list"}},
                      [](MiddlewareContext&) { throw std::runtime_error("secret"); });
  start();
  const auto client = joined();
  const Json error = client->ask(2, "table.list", Json::array());
  EXPECT_EQ(error["code"], "KONTRACT_INTERNAL");
  EXPECT_THAT(error.dump(), Not(HasSubstr("secret")));
  RawClient http(port());
  EXPECT_EQ(http.request(rpc("table.list", "[]")), 500);
  EXPECT_THAT(http.text(), Not(HasSubstr("secret")));
}

TEST_F(MiddlewareNetTest, PagesOfOtherOriginsMayCallWhatCorsAllows) {
  options_.secret = "0123456789abcdef0123456789abcdef";
  backend_.middleware({.endpoints = {"table.list", "table.get"}},
                      Cors{.origins = {"https://app.example"},
                           .headers = {"X-Trace"},
                           .expose = {"X-Tables"},
                           .max_age = 60s});
  backend_.middleware({.endpoints = {"session.info"}}, Cors{.origins = {"*"}});
  start();
  RawClient client(port());
  const std::string ask = "Access-Control-Request-Method: POST\r\n";
  const std::string app = "Origin: https://app.example\r\n";
  const std::string evil = "Origin: https://evil.example\r\n";
  EXPECT_EQ(client.request(request("OPTIONS", "/rpc/table.list", app + ask)), 204);
  EXPECT_EQ(client.header("Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_EQ(client.header("Access-Control-Allow-Methods"), "POST");
  EXPECT_EQ(client.header("Access-Control-Allow-Headers"),
            "Authorization, Content-Type, X-Session-Id, X-Trace");
  EXPECT_EQ(client.header("Access-Control-Max-Age"), "60");
  EXPECT_EQ(client.header("Content-Length"), "");
  EXPECT_EQ(client.header("Vary"), "Origin");
  EXPECT_EQ(client.request(request("OPTIONS", "/rpc/session.info", evil + ask)), 204);
  EXPECT_EQ(client.header("Access-Control-Allow-Origin"), "https://evil.example");
  struct Case {
    const char* name;
    std::string bytes;
    int status;
  };
  for (const Case& c :
       {Case{"another origin", request("OPTIONS", "/rpc/table.list", evil + ask), 403},
        Case{"another function", request("OPTIONS", "/rpc/table.set", app + ask), 403},
        Case{"no page", request("OPTIONS", "/rpc/table.list", ask), 405},
        Case{"no preflight", request("OPTIONS", "/rpc/table.list", app), 405}}) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(client.request(c.bytes), c.status);
    EXPECT_EQ(client.header("Access-Control-Allow-Methods"), "");
  }

  const std::string bearer = "Authorization: Bearer " + token() + "\r\n";
  EXPECT_EQ(client.request(rpc("table.list", "[]", app + bearer)), 200);
  EXPECT_EQ(client.header("Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_EQ(client.header("Access-Control-Expose-Headers"), "X-Tables");
  EXPECT_EQ(client.request(rpc("table.list", "[]", bearer)), 200);
  EXPECT_EQ(client.header("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(client.request(rpc("table.list", "[]", evil + bearer)), 403);
  EXPECT_EQ(client.header("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(client.request(rpc("table.list", "{", app + bearer)), 400);
  EXPECT_EQ(client.header("Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_EQ(client.request(rpc("table.list", "[]", app)), 401);  // a page reads why
  EXPECT_EQ(client.header("Access-Control-Allow-Origin"), "https://app.example");
}

TEST_F(MiddlewareNetTest, RoutesAreForAdministrators) {
  options_.secret = "0123456789abcdef0123456789abcdef";
  backend_.middleware({.name = "one", .prefixurl = "/rpc/x", .egroup = "g", .concurrency = 3},
                      [](MiddlewareContext&) {});
  start();
  const auto status = [&](const std::string& method, const std::string& headers) {
    RawClient client(port());
    return client.request(request(method, "/routes", headers));
  };
  const std::string bearer = "Authorization: Bearer ";
  EXPECT_EQ(status("GET", ""), 401);
  EXPECT_EQ(status("GET", bearer + "x\r\n"), 401);
  EXPECT_EQ(status("GET", bearer + token({{"ugroups", {"x"}}}) + "\r\n"), 403);
  EXPECT_EQ(status("POST", bearer + token() + "\r\n"), 405);
  RawClient client(port());
  ASSERT_EQ(client.request(request("GET", "/routes", bearer + token() + "\r\n")), 200);
  const Json body = client.body();
  EXPECT_EQ(body["middleware"], Json::array({{{"name", "one"},
                                              {"form", "guard"},
                                              {"prefixurl", "/rpc/x"},
                                              {"egroup", "g"},
                                              {"endpoints", Json::array()},
                                              {"concurrency", 3}}}));
  bool found = false;
  for (const Json& function : body["functions"]) {
    if (function["name"] != "table.get") continue;
    found = true;
    EXPECT_EQ(function["args"][1], Json({{"name", "id"}, {"type", "string"}, {"optional", false}}));
    EXPECT_EQ(function["egroup"], "storage");
    EXPECT_EQ(function["perm"], 4);
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace kontract
