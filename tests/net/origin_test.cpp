#include "net/detail/origin.hpp"

#include <gtest/gtest.h>

#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using detail::Origins;
using test::RawClient;
using test::WsClient;

Origins origins(std::string_view list) {
  auto parsed = Origins::parse(list);
  EXPECT_TRUE(parsed);
  return *std::move(parsed);
}

TEST(OriginsTest, WhichPagesMay) {
  constexpr bool kTokens = true, kNoTokens = false;
  struct Case {
    const char* name;
    const char* list;
    const char* origin;
    const char* host;
    bool tokens;
    bool allowed;
  };
  for (const Case& c : {
           Case{"listed", "https://app.example", "https://app.example", "api.example", kTokens,
                true},
           Case{"one of many", "http://a, https://b:8443 https://c", "https://b:8443", "x", kTokens,
                true},
           Case{"in other letters", "https://App.Example", "https://app.example", "x", kTokens,
                true},
           Case{"the scheme's port", "https://app.example:443", "https://app.example", "x", kTokens,
                true},
           Case{"no web page", "tauri://localhost", "tauri://localhost", "x", kTokens, true},
           Case{"another scheme", "https://app.example", "http://app.example", "x", kTokens, false},
           Case{"another port", "https://app.example", "https://app.example:444", "x", kTokens,
                false},
           Case{"a host below", "https://app.example", "https://x.app.example", "x", kTokens,
                false},
           Case{"a host that begins so", "https://app.example", "https://app.example.evil", "x",
                kTokens, false},
           Case{"the same host, with a list", "https://app.example", "https://api.example",
                "api.example", kTokens, false},
           Case{"the same host", "", "https://api.example", "api.example:8787", kTokens, true},
           Case{"the same host on a port", "", "http://localhost:3000", "localhost:8787", kTokens,
                true},
           Case{"the same host in IPv6", "", "http://[::1]:3000", "[::1]:8787", kTokens, true},
           Case{"another host", "", "https://evil.example", "api.example", kTokens, false},
           Case{"loopback is another host", "", "http://localhost", "api.example", kTokens, false},
           Case{"no host", "", "https://api.example", "", kTokens, false},
           Case{"nothing", "", "", "", kTokens, false},
           Case{"null", "", "null", "null", kTokens, false},
           Case{"null, listed all", "*", "null", "x", kTokens, true},
           Case{"all", "*", "https://evil.example", "api.example", kTokens, true},
           Case{"two of them", "https://a, https://b", "https://a, https://b", "x", kTokens, false},
           Case{"user@host", "", "https://api.example@evil.example", "api.example", kTokens, false},
           Case{"without tokens loopback", "", "http://127.0.0.1:3000", "x", kNoTokens, true},
           Case{"without tokens localhost", "", "http://localhost", "x", kNoTokens, true},
           Case{"without tokens the same host", "", "http://x", "x", kNoTokens, false},
           Case{"without tokens listed", "http://x", "http://x", "y", kNoTokens, true},
           Case{"loopback beside a list", "http://x", "http://[::1]", "y", kNoTokens, true},
           Case{"a name like it", "", "http://localhost.evil.example", "x", kNoTokens, false},
       }) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(origins(c.list).allows(c.origin, c.host, c.tokens), c.allowed);
  }
}

TEST(OriginsTest, WhatIsNoOriginIsRefusedByName) {
  for (const char* list : {"app.example", "https://app.example/", "https://app.example/x", "://x",
                           "https://", "https://a:b", "https://a:", "https://a:123456",
                           "https://*.example", "https://ann@a", "http://a https://b?c"}) {
    SCOPED_TRACE(list);
    const auto parsed = Origins::parse(list);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, Errc::invalid_request);
    EXPECT_NE(parsed.error().hint, "");
  }
  for (const char* list : {"", " ", ",", "*", " http://a ,, http://b\t"}) {
    EXPECT_TRUE(Origins::parse(list)) << list;
  }
}

class OriginTest : public ServerFixture {
 protected:
  static std::string request(const std::string& line, const std::string& headers) {
    return line + " HTTP/1.1\r\nHost: api.example\r\nContent-Length: 2\r\n" + headers + "\r\n[]";
  }
};

TEST_F(OriginTest, PagesThatMayNotAreRefusedWhereverTheyCouldDoSomething) {
  options_.secret = std::string(32, 's');
  options_.allowed_origins = "https://app.example";
  start();
  const std::string bearer = "Authorization: Bearer " + token() + "\r\n";
  const std::string upgrade =
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  struct Case {
    const char* line;
    std::string headers;
    int good;
  };
  const std::uint64_t before = server_->metrics().refused;
  std::uint64_t refused = 0;
  for (const Case& c :
       {Case{"POST /rpc/session.info", "X-Session-Id: a\r\n" + bearer, 200},
        Case{"OPTIONS /rpc/session.info", "Access-Control-Request-Method: POST\r\n", 204},
        Case{"OPTIONS /auth/refresh", "Access-Control-Request-Method: POST\r\n", 204},
        Case{"GET /ws/a", upgrade, 101}, Case{"GET /routes", bearer, 200},
        Case{"POST /auth/refresh", bearer, 200}}) {
    SCOPED_TRACE(c.line);
    const bool is_upgrade = c.good == 101;
    const auto ask = [&](const std::string& origin) {
      std::string bytes = request(c.line, c.headers + origin);
      if (is_upgrade) bytes.erase(bytes.find("Content-Length: 2\r\n"), 19);
      if (is_upgrade) bytes.resize(bytes.size() - 2);
      RawClient client(port());
      const int status = client.request(bytes);
      if (status == 403) {
        EXPECT_EQ(client.body()["error"], "KONTRACT_FORBIDDEN");
        EXPECT_NE(client.body()["hint"], "");
        EXPECT_EQ(client.header("Access-Control-Allow-Origin"), "");
      } else if (!is_upgrade && !origin.empty()) {
        EXPECT_EQ(client.header("Access-Control-Allow-Origin"), "https://app.example");
      }
      return status;
    };
    EXPECT_EQ(ask("Origin: https://app.example\r\n"), c.good);
    EXPECT_EQ(ask("Origin: https://evil.example\r\n"), 403);
    EXPECT_EQ(ask("Origin: https://api.example\r\n"), 403) << "the list says which";
    EXPECT_EQ(ask("Origin: null\r\n"), 403);
    refused += 3;
    const bool preflight = c.good == 204;
    EXPECT_EQ(ask(""), preflight ? 405 : c.good) << "no browser";
  }
  const ServerMetrics metrics = server_->metrics();
  EXPECT_EQ(metrics.refused - before, refused);
  EXPECT_EQ(metrics.refused_for[static_cast<std::size_t>(Refusal::origin)], refused);
  EXPECT_EQ(name_of(Refusal::origin), "origin");
  // What is for everybody, and tells nothing of anybody.
  EXPECT_EQ(RawClient(port()).request(request("GET /health", "Origin: https://evil.example\r\n")),
            200);
}

TEST_F(OriginTest, AClientThatIsNoBrowserNamesItsTokenInHello) {
  options_.secret = std::string(32, 's');
  options_.allowed_origins = "https://app.example";
  start();
  WsClient client(port(), "room-1");
  EXPECT_EQ(client.status(), 101);
  EXPECT_EQ(client.hello({{"token", token()}})["t"], "welcome");
}

TEST_F(OriginTest, AListThatIsNoneKeepsTheServerFromStarting) {
  start();
  ServerOptions options = options_;
  options.allowed_origins = "app.example";
  const auto listening = listen(options);
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code, Errc::invalid_request);
}

}  // namespace
}  // namespace kontract
