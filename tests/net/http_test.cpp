#include <gmock/gmock.h>

#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using test::RawClient;
using ::testing::HasSubstr;

class HttpTest : public ServerFixture {
 protected:
  static std::string get(const std::string& path) {
    return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  static std::string rpc(const std::string& function, const std::string& body,
                         const std::string& headers = "X-Session-Id: room-1\r\n") {
    return "POST /rpc/" + function +
           " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           headers + "\r\n" + body;
  }
  void create_table() {
    RawClient client(port());
    ASSERT_EQ(client.request(rpc("table.create", R"(["t",{}])")), 200) << client.text();
  }
};

TEST_F(HttpTest, TheServerSaysHowItIsAndWhatItSpeaks) {
  start();
  RawClient client(port());
  EXPECT_EQ(client.request(get("/health")), 200);
  EXPECT_EQ(client.body(), Json({{"status", "ok"}}));
  EXPECT_EQ(client.header("Content-Type"), "application/json");
  EXPECT_EQ(client.request(get("/.well-known/kontract?x=1")), 200);
  EXPECT_EQ(client.body()["protocols"], Json::array({"kontract.v1+json", "raystream.v1"}));
  EXPECT_EQ(client.body()["identity"], server_->identity());
  EXPECT_EQ(client.body()["limits"]["frame_bytes"], options_.frame_bytes_max);
  EXPECT_EQ(client.request(get("/metrics")), 200);
  EXPECT_EQ(client.text(), "kontract_x 1\n");
  EXPECT_THAT(client.header("Content-Type"), HasSubstr("text/plain"));
}

TEST_F(HttpTest, ARequestForTheHeadGetsNoBody) {
  start();
  RawClient client(port());
  const auto head = [](const std::string& path) {
    return "HEAD " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
  };
  for (const auto& [path, status] : {std::pair{"/health", 200},
                                     {"/metrics", 200},
                                     {"/.well-known/kontract", 200},
                                     {"/rpc/f", 405},
                                     {"/nope", 404}}) {
    SCOPED_TRACE(path);
    client.send(head(path) + get("/health"));
    EXPECT_EQ(client.receive(/*to_head=*/true), status);
    EXPECT_NE(client.header("Content-Length"), "0");
    EXPECT_EQ(client.receive(), 200);  // it begins where the head ended
    EXPECT_EQ(client.body()["status"], "ok");
  }
}

TEST_F(HttpTest, ACallRunsInTheSessionThatTheHeaderNames) {
  start();
  create_table();
  RawClient client(port());
  ASSERT_EQ(client.request(rpc("table.set", R"(["t","a",{"n":1}])")), 200) << client.text();
  EXPECT_EQ(client.body()["result"], true);
  EXPECT_GT(client.body()["txid"], 0);
  ASSERT_EQ(client.request(rpc("table.get", R"(["t","a"])")), 200);
  EXPECT_EQ(client.body()["result"], Json({{"n", 1}}));
  EXPECT_EQ(client.request(rpc("session.info", "")), 200);
}

TEST_F(HttpTest, AnErrorHasItsStatusCodeAndHint) {
  start();
  RawClient client(port());
  EXPECT_EQ(client.request(rpc("table.get", R"(["nope","a"])")), 404);
  EXPECT_EQ(client.body()["error"], "KONTRACT_STORAGE_PTR_NOT_FOUND");
  EXPECT_NE(client.body()["hint"], "");
  EXPECT_EQ(client.request(rpc("nope", "[]")), 404);
  EXPECT_EQ(client.body()["error"], "KONTRACT_NOT_FOUND");
  for (const char* body : {"{}", "5", "[", "[1] 2"}) {
    EXPECT_EQ(client.request(rpc("session.info", body)), 400) << body;
    EXPECT_EQ(client.body()["error"], "KONTRACT_INVALID_REQUEST");
  }
}

TEST_F(HttpTest, RequestsMayBePipelined) {
  start();
  create_table();
  RawClient client(port());
  client.send(rpc("table.set", R"(["t","a",{"n":1}])") + rpc("table.get", R"(["t","a"])") +
              get("/health"));
  EXPECT_EQ(client.receive(), 200);
  EXPECT_EQ(client.receive(), 200);
  EXPECT_EQ(client.body()["result"], Json({{"n", 1}}));
  EXPECT_EQ(client.receive(), 200);
  EXPECT_EQ(client.body()["status"], "ok");
}

TEST_F(HttpTest, ARequestMayComeInPieces) {
  start();
  RawClient client(port());
  const std::string request = rpc("session.info", "[ ]");
  for (const char byte : request) client.send(std::string(1, byte));
  EXPECT_EQ(client.receive(), 200) << client.text();
}

TEST_F(HttpTest, TheConnectionIsClosedWhenTheClientWantsIt) {
  start();
  RawClient client(port());
  EXPECT_EQ(client.request("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 200);
  EXPECT_EQ(client.header("Connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpTest, WhatIsAmbiguousOrTooMuchIsRefusedAndTheConnectionClosed) {
  start();
  std::string many_fields;
  for (int i = 0; i < 64; ++i) many_fields += "A" + std::to_string(i) + ": 1\r\n";
  const std::string session = "X-Session-Id: s\r\n";
  struct Case {
    const char* name;
    int status;
    std::string bytes;
  };
  const Case cases[] = {
      {"no host", 400, "GET /health HTTP/1.1\r\n\r\n"},
      {"two hosts", 400, "GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
      {"chunked", 400,
       "POST /rpc/f HTTP/1.1\r\nHost: a\r\n" + session +
           "Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"},
      {"identity", 400,
       "POST /rpc/f HTTP/1.1\r\nHost: a\r\n" + session + "Transfer-Encoding: identity\r\n\r\n"},
      {"chunked and length", 400,
       "POST /rpc/f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n"
       "[]"},
      {"two lengths", 400,
       "POST /rpc/f HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]"},
      {"two equal lengths", 400,
       "POST /rpc/f HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n[]"},
      {"a list of lengths", 400,
       "POST /rpc/f HTTP/1.1\r\nHost: a\r\nContent-Length: 2,2\r\n\r\n[]"},
      {"folded field", 400, "GET /health HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n"},
      {"space before the colon", 400, "GET /health HTTP/1.1\r\nHost : a\r\n\r\n"},
      {"HTTP/1.0 with a body", 400,
       "POST /rpc/f HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\n[]"},
      {"no HTTP", 400, "hello\r\n\r\n"},
      {"65 fields", 431, "GET /health HTTP/1.1\r\nHost: a\r\n" + many_fields + "\r\n"},
      {"8 KiB of header", 431,
       "GET /health HTTP/1.1\r\nHost: a\r\nX: " + std::string(9000, 'x') + "\r\n\r\n"},
      {"header without end", 431, "GET / HTTP/1.1\r\nX: " + std::string(9000, 'x')},
      {"long target", 414, "GET /" + std::string(2048, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    RawClient client(port());
    EXPECT_EQ(client.request(c.bytes), c.status);
    EXPECT_EQ(client.body()["error"], "KONTRACT_INVALID_REQUEST");
    EXPECT_EQ(client.header("Connection"), "close");
    EXPECT_TRUE(client.ended());
  }
}

TEST_F(HttpTest, PathsThatLeadNowhereAreExplained) {
  start();
  struct Case {
    std::string bytes;
    int status;
  };
  const Case cases[] = {
      {get("/"), 404},
      {get("/nope"), 404},
      {get("/rpc"), 404},
      {get("/rpc/f"), 405},
      {get("/rpc/f/g"), 404},
      {get("/ws/a/b"), 404},
      {get("/ws/room-1"), 426},
      {get("/health/"), 404},
      {get("/%zz"), 400},
      {"GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405},
      {"POST /ws/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405},
      {rpc("f", "[]", ""), 400},
      {rpc("f", "[]", "X-Session-Id: a b\r\n"), 400},
      {rpc("f", "[]", "X-Session-Id: a\r\nOrigin: http://evil.example\r\n"), 403},
  };
  RawClient client(port());
  for (const Case& c : cases) {
    SCOPED_TRACE(c.bytes);
    EXPECT_EQ(client.request(c.bytes), c.status);
    EXPECT_NE(client.body()["hint"], "");
    EXPECT_NE(client.body()["message"], "");
  }
}

TEST_F(HttpTest, UpgradesThatCannotBeAreRefused) {
  start();
  const std::string upgrade =
      "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  EXPECT_EQ(RawClient(port()).request("GET /ws/a%20b HTTP/1.1\r\n" + upgrade + version + "\r\n"),
            400);
  EXPECT_EQ(RawClient(port()).request("GET /ws/a HTTP/1.1\r\n" + upgrade + version +
                                      "Sec-WebSocket-Protocol: graphql-ws, x\r\n\r\n"),
            400);
  EXPECT_EQ(RawClient(port()).request("GET /ws/a HTTP/1.1\r\n" + upgrade + version + "\r\nearly"),
            400);
  RawClient old(port());
  EXPECT_EQ(old.request("GET /ws/a HTTP/1.1\r\n" + upgrade + "Sec-WebSocket-Version: 8\r\n\r\n"),
            426);
  EXPECT_TRUE(old.ended());
  EXPECT_EQ(RawClient(port()).request("GET /ws/a%3Ab HTTP/1.1\r\n" + upgrade + version + "\r\n"),
            101);
}

TEST_F(HttpTest, ABodyOverTheLimitIsRefused) {
  options_.frame_bytes_max = 100;
  start();
  RawClient client(port());
  EXPECT_EQ(client.request(rpc("session.info", "[" + std::string(99, ' ') + "]")), 413);
  EXPECT_EQ(client.body()["error"], "KONTRACT_TOO_LARGE");
  EXPECT_EQ(RawClient(port()).request(rpc("session.info", "[" + std::string(98, ' ') + "]")), 200);
}

TEST_F(HttpTest, ALargeBodyComesWhole) {
  start();
  create_table();
  RawClient client(port());
  const std::string text(200'000, 'x');
  EXPECT_EQ(client.request(rpc("table.set", R"(["t","a",{"x":")" + text + R"("}])")), 200);
  EXPECT_EQ(client.request(rpc("table.get", R"(["t","a"])")), 200);
  EXPECT_EQ(client.body()["result"]["x"], text);
}

TEST_F(HttpTest, AConnectionThatSendsNothingIsClosedInTime) {
  options_.handshake_timeout = 100ms;
  start();
  RawClient silent(port()), slow(port());
  slow.send("GET /health HTTP/1.1\r\n");
  EXPECT_TRUE(silent.ended());
  EXPECT_TRUE(slow.ended());
}

TEST_F(HttpTest, ACallThatTakesTooLongIsATimeout) {
  options_.call_timeout = 50ms;
  start();
  RawClient client(port());
  test::WsClient socket(port(), "room-1");
  ASSERT_EQ(socket.hello()["t"], "welcome");
  socket.call(1, "table.create", {"t", Json::object()}, {{"timeout_ms", 60'000}});
  ASSERT_EQ(socket.next()["t"], "result");
  hold_writes();
  EXPECT_EQ(client.request(rpc("table.set", R"(["t","a",{}])")), 504);
  EXPECT_EQ(client.body()["error"], "KONTRACT_TIMEOUT");
  EXPECT_EQ(client.request(get("/health")), 200);  // and the late answer is nobody's
  release_writes();
  socket.call(2, "table.set", {"t", "b", Json::object()}, {{"timeout_ms", 60'000}});
  ASSERT_EQ(socket.next()["t"], "result");
  EXPECT_EQ(client.request(get("/health")), 200);
  EXPECT_EQ(client.body()["status"], "ok");
}

TEST_F(HttpTest, DrainingAnswersTheCallInFlightAndClosesTheRest) {
  start();
  create_table();
  RawClient idle(port()), busy(port());
  EXPECT_EQ(idle.request(get("/health")), 200);
  EXPECT_EQ(busy.request(get("/health")), 200);
  hold_writes();
  const auto calls = directory_->metrics().calls;
  busy.send(rpc("table.set", R"(["t","a",{}])"));
  wait_until([&] { return directory_->metrics().calls == calls + 1; });
  server_->drain();
  EXPECT_TRUE(idle.ended());
  EXPECT_FALSE(server_->drained());
  release_writes();
  EXPECT_EQ(busy.receive(), 200);
  EXPECT_EQ(busy.header("Connection"), "close");
  EXPECT_TRUE(busy.ended());
  wait_until([&] { return server_->drained(); });
}

TEST_F(HttpTest, WithASecretACallNeedsAToken) {
  options_.secret = std::string(32, 's');
  start();
  const std::string session = "X-Session-Id: room-1\r\n";
  const auto status = [&](const std::string& headers) {
    return RawClient(port()).request(rpc("session.info", "[]", session + headers));
  };
  EXPECT_EQ(status("Authorization: Bearer " + token() + "\r\n"), 200);
  EXPECT_EQ(status("authorization: bearer " + token() + "\r\n"), 200);
  EXPECT_EQ(status(""), 401);
  EXPECT_EQ(status("Authorization: Bearer x\r\n"), 401);
  EXPECT_EQ(status("Authorization: Basic x\r\n"), 401);
  EXPECT_EQ(status("Authorization: Bearer " + token({{"sid", "room-2"}}) + "\r\n"), 403);
  RawClient client(port());
  EXPECT_EQ(client.request(get("/health")), 200);
  client.request(rpc("session.info", "[]"));
  EXPECT_EQ(client.header("WWW-Authenticate"), "Bearer");
}

TEST_F(HttpTest, TheBodyOfAStrangerIsNotWaitedFor) {
  options_.secret = std::string(32, 's');
  start();
  for (const char* authorization : {"", "Authorization: Bearer x\r\n"}) {
    RawClient client(port());
    EXPECT_EQ(client.request("POST /rpc/f HTTP/1.1\r\nHost: x\r\nX-Session-Id: s\r\n"
                             "Content-Length: 1000\r\n" +
                             std::string(authorization) + "\r\n"),
              401);
    EXPECT_TRUE(client.ended());
  }
}

TEST_F(HttpTest, TheServerDoesNotListenWhereItMustNot) {
  start();
  struct Case {
    const char* name;
    std::function<void(ServerOptions&)> change;
  };
  const Case cases[] = {
      {"not an address", [](ServerOptions& o) { o.address = "nowhere"; }},
      {"open without a secret", [](ServerOptions& o) { o.address = "0.0.0.0"; }},
      {"open without a secret, insecure",
       [](ServerOptions& o) {
         o.address = "0.0.0.0";
         o.insecure = true;
       }},
      {"open without TLS",
       [](ServerOptions& o) {
         o.address = "0.0.0.0";
         o.secret = std::string(32, 's');
       }},
      {"no such certificate",
       [](ServerOptions& o) { o.tls_certificate = o.tls_key = "/nowhere.pem"; }},
      {"a certificate without a key", [](ServerOptions& o) { o.tls_certificate = "/nowhere.pem"; }},
      {"client certificates without TLS",
       [](ServerOptions& o) { o.tls_client_certificates = ClientCertificates::required; }},
      {"a proxy that is none", [](ServerOptions& o) { o.trusted_proxies = "10.0.0.0/33"; }},
      {"PROXY headers of nobody", [](ServerOptions& o) { o.proxy_protocol = true; }},
      {"a short secret", [](ServerOptions& o) { o.secret = std::string(31, 's'); }},
      {"a port in use", [this](ServerOptions& o) { o.port = port(); }},
      {"no time for a call", [](ServerOptions& o) { o.call_timeout = 0ms; }},
      {"no heartbeat", [](ServerOptions& o) { o.heartbeat = 0ms; }},
      {"no calls", [](ServerOptions& o) { o.calls_in_flight_max = 0; }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ServerOptions options = options_;
    c.change(options);
    const auto listening = listen(options);
    ASSERT_FALSE(listening);
    EXPECT_EQ(listening.error().code, Errc::invalid_request);
    EXPECT_NE(listening.error().message, "");
  }
}

}  // namespace
}  // namespace kontract
