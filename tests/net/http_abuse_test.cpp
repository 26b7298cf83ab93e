// What a careless or hostile client may send: each request is answered as it should be, and the
// server goes on.

#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using test::RawClient;
using test::WsClient;

class HttpAbuseTest : public ServerFixture {
 protected:
  static std::string get(const std::string& headers) {
    return "GET /health HTTP/1.1\r\n" + headers + "\r\n";
  }
  static std::string post(const std::string& headers, const std::string& body = {}) {
    return "POST /rpc/session.info HTTP/1.1\r\nHost: x\r\nX-Session-Id: s\r\n" + headers + "\r\n" +
           body;
  }
  static std::string fields(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "A" + std::to_string(i) + ": 1\r\n";
    return text;
  }
  void expect_alive() {
    RawClient client(port());
    EXPECT_EQ(client.request(get("Host: x\r\n")), 200);
    EXPECT_EQ(client.request(post("Content-Length: 2\r\n", "[]")), 200) << client.text();
  }
};

TEST_F(HttpAbuseTest, EachRequestIsAnsweredAsItShouldBeAndTheServerGoesOn) {
  start();
  const std::string kib(1024, 'x');
  std::string long_trailer = "0\r\nX: ";
  for (int i = 0; i < 100; ++i) long_trailer += kib;
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  struct Case {
    const char* name;
    std::string bytes;
    int status;
    const char* code = "KONTRACT_INVALID_REQUEST";
  };
  const Case cases[] = {
      // How long the body is, is said in one way: Content-Length, once.
      {"chunked", post(chunked, "2\r\n[]\r\n0\r\n\r\n"), 400},
      {"a trailer of 100,000 bytes", post(chunked, long_trailer), 400},
      {"a trailer that is a header", post(chunked, "0\r\nHost: evil\r\n\r\n"), 400},
      {"chunk extensions without end", post(chunked, "2;" + kib + kib + kib), 400},
      {"chunked, then identity", post("Transfer-Encoding: chunked, identity\r\n", "[]"), 400},
      {"identity", post("Transfer-Encoding: identity\r\n", "[]"), 400},
      {"gzip", post("Transfer-Encoding: gzip\r\n", "[]"), 400},
      {"xchunked", post("Transfer-Encoding: xchunked\r\n", "[]"), 400},
      {"Transfer-Encoding of nothing", post("Transfer-Encoding:\r\n", "[]"), 400},
      {"two codings in two fields", post(chunked + "Transfer-Encoding: identity\r\n"), 400},
      {"a tab before it", post("Transfer-Encoding:\tchunked\r\n", "0\r\n\r\n"), 400},
      {"length, then chunked", post("Content-Length: 2\r\n" + chunked, "[]"), 400},
      {"chunked, then length", post(chunked + "Content-Length: 2\r\n", "[]"), 400},
      {"HTTP/1.0 and chunked", "POST /rpc/f HTTP/1.0\r\nHost: x\r\n" + chunked + "\r\n0\r\n\r\n",
       400},
      {"HTTP/1.0 with a body", "POST /rpc/f HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]",
       400},
      {"two lengths", post("Content-Length: 2\r\nContent-Length: 3\r\n", "[]"), 400},
      {"two equal lengths", post("Content-Length: 2\r\nContent-Length: 2\r\n", "[]"), 400},
      {"a list of lengths", post("Content-Length: 3,3\r\n", "[] "), 400},
      {"a length with a sign", post("Content-Length: +2\r\n", "[]"), 400},
      {"a length below zero", post("Content-Length: -2\r\n", "[]"), 400},
      {"a length in hexadecimal", post("Content-Length: 0x2\r\n", "[]"), 400},
      {"a length of nothing", post("Content-Length:\r\n", "[]"), 400},
      {"a length above 64 bits", post("Content-Length: 18446744073709551616\r\n", "[]"), 400},
      {"a length of 64 bits", post("Content-Length: 18446744073709551615\r\n", "[]"), 413,
       "KONTRACT_TOO_LARGE"},
      {"a length above the limit", post("Content-Length: 1048577\r\n"), 413, "KONTRACT_TOO_LARGE"},
      // For whom it is, is said once.
      {"no Host", get(""), 400},
      {"two Hosts", get("Host: x\r\nHost: y\r\n"), 400},
      {"two equal Hosts", get("Host: x\r\nhost: x\r\n"), 400},
      {"HTTP/1.0 without Host", "GET /health HTTP/1.0\r\n\r\n", 400},
      // Fields.
      {"a folded field", get("Host: x\r\nX: 1\r\n 2\r\n"), 400},
      {"one folded by a tab", get("Host: x\r\nX: 1\r\n\t2\r\n"), 400},
      {"a folded first field", "GET /health HTTP/1.1\r\n Host: x\r\n\r\n", 400},
      {"a space before the colon", get("Host : x\r\n"), 400},
      {"a field without name", get("Host: x\r\n: 1\r\n"), 400},
      {"a field without colon", get("Host: x\r\nX\r\n"), 400},
      {"a bare line feed", "GET /health HTTP/1.1\nHost: x\n\r\n\r\n", 400},
      {"a NUL in a value", get(std::string("Host: x\r\nX: a\0b\r\n", 17)), 400},
      {"a NUL in a name", get(std::string("Host: x\r\nX\0Y: a\r\n", 17)), 400},
      {"a carriage return in a value", get("Host: x\r\nX: a\rb\r\n"), 400},
      {"1300 fields", get("Host: x\r\n" + fields(1300)), 431},
      {"65 fields", get("Host: x\r\n" + fields(64)), 431},
      {"a header of 9 KiB", get("Host: x\r\nX: " + std::string(9 * 1024, 'x') + "\r\n"), 431},
      {"one without end", "GET /health HTTP/1.1\r\nX: " + std::string(9 * 1024, 'x'), 431},
      {"a first line without end", std::string(9 * 1024, 'G'), 431},
      {"a long target", "GET /" + std::string(2048, 'x') + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
      // What is not HTTP/1.
      {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n", 400},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
      {"HTTP/0.9", "GET /health\r\n\r\n", 400},
      {"HTTP/1.2", "GET /health HTTP/1.2\r\nHost: x\r\n\r\n", 400},
      {"a record of TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15),
       400},
      {"empty lines", "\r\n\r\n\r\n\r\n", 400},
      {"a method with a space", "GE T /health HTTP/1.1\r\nHost: x\r\n\r\n", 400},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    {
      RawClient client(port());
      EXPECT_EQ(client.request(c.bytes), c.status);
      EXPECT_EQ(client.body()["error"], c.code);
      EXPECT_EQ(client.header("Connection"), "close");
      EXPECT_EQ(client.header("X-Content-Type-Options"), "nosniff");
      EXPECT_TRUE(client.ended()) << "what follows is nobody's request";
    }
    expect_alive();
  }
  const auto refused = server_->metrics().refused_for;
  EXPECT_EQ(refused[static_cast<std::size_t>(Refusal::request)], std::size(cases));
}

TEST_F(HttpAbuseTest, WhatIsOnlyOddIsAnswered) {
  start();
  struct Case {
    const char* name;
    std::string bytes;
    int status;
  };
  for (const Case& c :
       {Case{"64 fields", get("Host: x\r\n" + fields(63)), 200},
        Case{"names in any letters", get("hOsT: x\r\n"), 200},
        Case{"an empty Host", get("Host:\r\n"), 200},
        Case{"a length with zeros", post("Content-Length: 0002\r\n", "[]"), 200},
        Case{"a body for GET", get("Host: x\r\nContent-Length: 2\r\n") + "[]", 200},
        Case{"HTTP/1.0", "GET /health HTTP/1.0\r\nHost: x\r\n\r\n", 200},
        Case{"a whole URL as target", "GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        Case{"an authority as target", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        Case{"a star as target", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        Case{"a method of its own", "BREW /health HTTP/1.1\r\nHost: x\r\n\r\n", 405},
        Case{"an empty line first", "\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n", 400}}) {
    SCOPED_TRACE(c.name);
    RawClient client(port());
    EXPECT_EQ(client.request(c.bytes), c.status);
  }
  expect_alive();
}

TEST_F(HttpAbuseTest, AHeaderThatDripsInIsCutAtTheDeadline) {
  options_.handshake_timeout = 200ms;
  start();
  RawClient client(port());
  // A byte at a time keeps no deadline away: it is counted from the accept.
  const std::string head = "GET /health HTTP/1.1\r\nX: ";
  for (const char byte : head) client.send(std::string(1, byte));
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpAbuseTest, ABodySlowerThanTheLeastRateIsRefused) {
  options_.body_rate_min = limits::kKiB;
  start();
  RawClient client(port());
  EXPECT_EQ(client.request(post("Content-Length: 1000000\r\n", "[1")), 408);
  EXPECT_EQ(client.body()["error"], "KONTRACT_TIMEOUT");
  EXPECT_TRUE(client.ended());
  expect_alive();
}

TEST_F(HttpAbuseTest, RequestsThatComeByteByByteAreTheSame) {
  start();
  RawClient client(port());
  for (const char byte : post("Content-Length: 2\r\n", "[]")) client.send(std::string(1, byte));
  EXPECT_EQ(client.receive(), 200);
}

TEST_F(HttpAbuseTest, AFloodOfConnectionsThatSaySomethingLaterIsBounded) {
  options_.connections_max = 40;
  options_.limit_loopback = true;
  options_.connections_per_address_max = 30;
  options_.unauthenticated_per_address_max = 8;
  options_.accepts_per_address = 0;
  start();
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 100; ++i) silent.push_back(std::make_unique<RawClient>(port(), "127.0.0.2"));
  wait_until([&] {
    return server_->metrics()
               .refused_for[static_cast<std::size_t>(Refusal::address_unauthenticated)] == 92;
  });
  EXPECT_EQ(server_->metrics().connections_total, 100U);
  expect_alive();  // from another address
  silent.clear();
  wait_until([&] {
    return RawClient(port(), "127.0.0.2").request(get("Host: x\r\nConnection: close\r\n")) == 200;
  });
}

TEST_F(HttpAbuseTest, AWebSocketMessageThatDripsInIsCutAtTheDeadline) {
  options_.message_timeout = 200ms;
  start();
  auto client = joined();
  // Each byte is a frame of its own, so that the socket is never silent.
  client->send_bytes(std::string("\x01\x81", 2) + std::string(4, '\0') + "{");
  for (int i = 0; i < 100; ++i) {
    client->send_bytes(std::string("\x00\x81", 2) + std::string(4, '\0') + " ");
  }
  EXPECT_EQ(client->next()["code"], "KONTRACT_TIMEOUT");
  client->close_socket();
  wait_until([&] { return server_->metrics().connections == 0; });
  expect_alive();
}

TEST_F(HttpAbuseTest, FramesThatAreTooLargeOrWrongEndTheirConnectionOnly) {
  options_.frame_bytes_max = 64 * limits::kKiB;
  start();
  const std::string mask(4, '\0');
  struct Case {
    const char* name;
    std::string frame;
  };
  for (const Case& c :
       {Case{"more than a message may have",
             std::string("\x81\xff\0\0\0\0\0\2\0\0", 10) + mask + std::string(100'000, 'x')},
        Case{"no mask", std::string("\x81\x02{}", 4)},
        Case{"reserved bits", std::string("\xf1\x82", 2) + mask + "{}"},
        Case{"an unknown kind of frame", std::string("\x83\x82", 2) + mask + "{}"},
        Case{"a control frame in parts", std::string("\x09\x80", 2) + mask},
        Case{"a long control frame", std::string("\x89\xfe\x00\x80", 4) + mask},
        Case{"a rest of nothing", std::string("\x80\x80", 2) + mask},
        Case{"text that is none", std::string("\x81\x82", 2) + mask + "\xc3\x28"},
        Case{"binary", std::string("\x82\x82", 2) + mask + "{}"}}) {
    SCOPED_TRACE(c.name);
    auto other = joined("other");
    auto client = joined();
    client->send_bytes(c.frame);
    const Json last = client->next();  // null, or why
    EXPECT_TRUE(last.is_null() || last["t"] == "close") << last;
    client->close_socket();
    EXPECT_EQ(other->beat(7)["timestamp"], 7);
    other->close_socket();
    wait_until([&] { return server_->metrics().connections == 0; });
  }
  expect_alive();
}

TEST_F(HttpAbuseTest, ConnectionsThatAreCutAnywhereLeaveNothing) {
  start();
  const std::string whole = post("Content-Length: 2\r\n", "[]");
  for (std::size_t cut = 0; cut <= whole.size(); cut += 7) {
    RawClient client(port());
    client.send(whole.substr(0, cut));
  }
  server_->drain();
  wait_until([&] { return server_->drained(); });
}

}  // namespace
}  // namespace kontract
