#include <gmock/gmock.h>

#include "net/detail/proxy_header.hpp"
#include "tests/net/tls_client.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using detail::ProxyHeader;
using test::RawClient;
using ::testing::HasSubstr;

const std::string kV2Start = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string kV1 = "PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n";

std::string v2(char command, char family, const std::string& rest) {
  const auto high = static_cast<char>(rest.size() >> 8);
  return kV2Start + command + family + high + static_cast<char>(rest.size()) + rest;
}

const std::string kV2 = v2('\x21', '\x11', "\xc0\x00\x02\x07\x0a\x00\x00\x01\x12\x67\x01\xbb"s);

// The client's address, "" if the header names none, and the error's code if it is none.
std::string read(const std::string& bytes, std::size_t at_once) {
  ProxyHeader header;
  for (std::size_t at = 0; at < bytes.size(); at += at_once) {
    const auto taken = header.feed(std::string_view(bytes).substr(at, at_once));
    if (!taken) return std::string(taken.error().name());
  }
  if (!header.complete()) return "incomplete";
  return header.client() ? header.client()->text() : "";
}

TEST(ProxyHeaderTest, WhatIsOneIsReadHoweverItComes) {
  struct Case {
    const char* name;
    std::string bytes, client;
  };
  const std::string v6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01"s;
  for (const Case& c : {
           Case{"v1", kV1, "192.0.2.7:4711"},
           Case{"v1 of IPv6", "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", "[2001:db8::1]:1"},
           Case{"v1 unknown", "PROXY UNKNOWN\r\n", ""},
           Case{"v1 unknown with more", "PROXY UNKNOWN ff 1 2 3\r\n", ""},
           Case{"v2", kV2, "192.0.2.7:4711"},
           Case{"v2 of IPv6", v2('\x21', '\x21', v6 + v6 + "\0\x50\0\x51"s), "[2001:db8::1]:80"},
           Case{"v2 with more", v2('\x21', '\x11', kV2.substr(16) + std::string(500, 't')),
                "192.0.2.7:4711"},
           Case{"v2 local", v2('\x20', '\0', ""), ""},
           Case{"v2 of a Unix socket", v2('\x21', '\x31', std::string(216, 'u')), ""},
       }) {
    for (const std::size_t at_once : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
      SCOPED_TRACE(c.name);
      EXPECT_EQ(read(c.bytes, at_once), c.client);
      EXPECT_EQ(read(c.bytes.substr(0, c.bytes.size() - 1), at_once), "incomplete");
    }
    ProxyHeader header;
    EXPECT_EQ(*header.feed(c.bytes + "GET /"), c.bytes.size()) << "not one byte beyond";
  }
}

TEST(ProxyHeaderTest, WhatIsNoneIsRefused) {
  for (const std::string& bytes : {"GET / HTTP/1.1\r\n"s,
                                   "\x16\x03\x01"s,
                                   "PROXX"s,
                                   "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"s,
                                   "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"s,
                                   "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"s,
                                   "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n"s,
                                   "PROXY TCP4 ::1 ::1 1 2\r\n"s,
                                   "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"s,
                                   "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"s,
                                   "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"s,
                                   "PROXY TCP6 fe80::1%lo ::1 1 2\r\n"s,
                                   "PROXY UNKNOWN\n"s,
                                   "PROXY UNKNOWN "s + std::string(107, 'x'),
                                   kV2Start + "\x31\x11\0\0"s,
                                   kV2Start + "\x22\x11\0\0"s,
                                   kV2Start + "\x21\x11\xff\xff"s,
                                   v2('\x21', '\x12', kV2),
                                   v2('\x21', '\x11', "short"),
                                   v2('\x21', '\x21', std::string(35, 'x'))}) {
    SCOPED_TRACE(bytes);
    EXPECT_EQ(read(bytes, 1), "KONTRACT_INVALID_REQUEST");
    EXPECT_EQ(read(bytes, bytes.size()), "KONTRACT_INVALID_REQUEST");
  }
}

class ProxyTest : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    backend_.function(
        {.name = "remote", .args = {}, .doc = "Where the caller is."},
        [](FunctionContext& ctx) -> Task<std::string> { co_return ctx.peer().remote; });
    options_.trusted_proxies = "127.0.0.0/8";
  }

  static std::string call(const std::string& headers = "") {
    return "POST /rpc/remote HTTP/1.1\r\nHost: x\r\nX-Session-Id: s\r\n" + headers +
           "Content-Length: 2\r\n\r\n[]";
  }
};

TEST_F(ProxyTest, TheHeaderSaysWhoConnects) {
  options_.proxy_protocol = true;
  start();
  for (const std::string& header : {kV1, kV2}) {
    RawClient at_once(port());
    EXPECT_EQ(at_once.request(header + call()), 200);
    EXPECT_EQ(at_once.body()["result"], "192.0.2.7:4711");
    RawClient dripping(port());
    for (const char byte : header) dripping.send(std::string(1, byte));
    EXPECT_EQ(dripping.request(call()), 200);
    EXPECT_EQ(dripping.body()["result"], "192.0.2.7:4711");
    EXPECT_EQ(dripping.request(call("X-Forwarded-For: 198.51.100.9\r\n")), 200);
    EXPECT_EQ(dripping.body()["result"], "192.0.2.7:4711") << "that one is no proxy";
  }
  RawClient local(port());
  EXPECT_EQ(local.request("PROXY UNKNOWN\r\n" + call()), 200);
  EXPECT_THAT(local.body()["result"].get<std::string>(), HasSubstr("127.0.0.1:"));
}

TEST_F(ProxyTest, TheHeaderComesBeforeTls) {
  std::filesystem::create_directory(directory_path_ / "tls");
  test::Authority authority(directory_path_ / "tls", "ours");
  const auto files = authority.issue({.name = "server"});
  options_.tls_certificate = files.certificate;
  options_.tls_key = files.key;
  options_.proxy_protocol = true;
  start();
  test::TlsClient::Options options;
  options.ca = authority.ca;
  EXPECT_FALSE(test::TlsClient(port(), options).greeted());
  options.first = kV2;
  test::TlsClient client(port(), options);
  ASSERT_TRUE(client.greeted());
  EXPECT_THAT(client.request(call(), "txid"), HasSubstr("\"192.0.2.7:4711\""));
}

TEST_F(ProxyTest, WhoeverIsNotListedOrSaysNothingIsClosed) {
  options_.proxy_protocol = true;
  start();
  RawClient silent(port());
  EXPECT_EQ(silent.request(call()), 0);
  stop();
  options_.trusted_proxies = "10.0.0.0/8";
  backend_ = Backend();
  start();
  RawClient stranger(port());
  EXPECT_EQ(stranger.request(kV1 + call()), 0);
}

TEST_F(ProxyTest, AHeaderThatDoesNotEndInTimeEndsTheConnection) {
  options_.proxy_protocol = true;
  options_.handshake_timeout = 50ms;
  start();
  RawClient client(port());
  client.send(kV1.substr(0, 10));
  EXPECT_TRUE(client.ended());
}

TEST_F(ProxyTest, AFieldIsBelievedOfListedProxiesOnly) {
  start();
  RawClient proxy(port());
  EXPECT_EQ(proxy.request(call("X-Forwarded-For: 198.51.100.9, 192.0.2.7\r\n")), 200);
  EXPECT_EQ(proxy.body()["result"], "192.0.2.7");
  EXPECT_EQ(proxy.request(call("X-Forwarded-For: 198.51.100.9\r\nX-Forwarded-For: 192.0.2.8\r\n")),
            200);
  EXPECT_EQ(proxy.body()["result"], "192.0.2.8") << "the fields are one list";
  EXPECT_EQ(proxy.request(call("Forwarded: for=198.51.100.9\r\n")), 200);
  EXPECT_THAT(proxy.body()["result"].get<std::string>(), HasSubstr("127.0.0.1:"));
  EXPECT_EQ(proxy.request(kV1 + call()), 400) << "PROXY headers are for proxy-protocol";
}

TEST_F(ProxyTest, AFieldOfAnybodyElseSaysNothing) {
  options_.trusted_proxies = "";
  start();
  RawClient client(port());
  EXPECT_EQ(client.request(call("X-Forwarded-For: 192.0.2.7\r\n")), 200);
  EXPECT_THAT(client.body()["result"].get<std::string>(), HasSubstr("127.0.0.1:"));
}

}  // namespace
}  // namespace kontract
