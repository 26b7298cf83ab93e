// Connections that a server of the program has accepted and hands to the runtime.

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>
#include <thread>

#include "net/client.hpp"
#include "tests/runtime/runtime_fixture.hpp"

namespace kontract {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using ::testing::HasSubstr;

class HandOverTest : public ::testing::Test {
 protected:
  void start(std::string secret = {}) {
    Options options = options_in(folder_);
    options.listen = false;
    options.server.secret = std::move(secret);
    runtime_ = must_start(std::move(options));
  }
  void TearDown() override {
    acceptor_.close();
    if (server_.joinable()) server_.join();
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  tcp::socket connect() {
    tcp::socket socket(io_);
    socket.connect(acceptor_.local_endpoint());
    return socket;
  }
  // The socket of the server's side.
  tcp::socket accept() { return acceptor_.accept(); }

  // A Beast server that knows /hello, and hands over what else comes.
  void serve(int connections) {
    server_ = std::thread([this, connections] {
      for (int i = 0; i < connections; ++i) {
        tcp::socket socket = accept();
        beast::flat_buffer buffer;
        http::request<http::string_body> request;
        http::read(socket, buffer, request);
        if (request.target() == "/hello") {
          http::response<http::string_body> response(http::status::ok, 11, "hello");
          response.keep_alive(false);
          response.prepare_payload();
          http::write(socket, response);
          continue;
        }
        handed_over_.push_back(runtime_->accept(std::move(socket), request));
      }
    });
  }

  // Everything that comes until the other side ends it.
  static std::string rest_of(tcp::socket& socket) {
    std::string text;
    boost::system::error_code error;
    asio::read(socket, asio::dynamic_buffer(text), error);
    return text;
  }

  TestFolder folder_;
  std::unique_ptr<Runtime> runtime_;
  asio::io_context io_;
  tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
  std::thread server_;
  std::vector<Status> handed_over_;
};

TEST_F(HandOverTest, AWebSocketOfAnotherServerTalksToASession) {
  start();
  serve(2);
  tcp::socket browser = connect();
  asio::write(browser, asio::buffer(std::string("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n")));
  EXPECT_THAT(rest_of(browser), HasSubstr("hello"));
  Client client({.url = "ws://127.0.0.1:" + std::to_string(port()), .session = "room-1"});
  const auto welcome = client.connect();
  ASSERT_TRUE(welcome) << welcome.error().message;
  EXPECT_EQ(welcome->session, "room-1");
  ASSERT_TRUE(client.call("table.create", Json::array({"t"})));
  EXPECT_EQ(outcome(client.call("count.up", Json::array({1}))), 1);
  EXPECT_EQ(outcome(runtime_->session("dev", "room-1").call("count.up", 1).get()), 2);
  EXPECT_EQ(runtime_->metrics().server.connections, 1u);
  server_.join();
  ASSERT_EQ(handed_over_.size(), 1u);
  EXPECT_TRUE(handed_over_[0]);
  runtime_->stop();  // ends the connection, as one of its own
  EXPECT_EQ(runtime_->metrics().server.connections, 0u);
}

TEST_F(HandOverTest, ARequestMayBeTextAndASocketADescriptor) {
  start();
  tcp::socket browser = connect();
  const std::string request =
      "POST /rpc/table.create HTTP/1.1\r\nHost: h\r\nX-Session-Id: room-1\r\n"
      "Connection: close\r\nContent-Length: 5\r\n\r\n";
  const int socket = accept().release();
  ASSERT_TRUE(runtime_->accept(socket, request, R"(["t"])"));
  EXPECT_THAT(rest_of(browser), HasSubstr("200 OK"));
}

TEST_F(HandOverTest, WhatWasNotReadYetIsRead) {
  start();
  tcp::socket browser = connect();
  ASSERT_TRUE(runtime_->accept(accept(), "GET /hea"));
  asio::write(browser, asio::buffer(std::string("lth HTTP/1.1\r\nHost: h\r\n"
                                                "Connection: close\r\n\r\n")));
  EXPECT_THAT(rest_of(browser), HasSubstr("200 OK"));
}

TEST_F(HandOverTest, BadRequestsAreAnswered) {
  start();
  const struct {
    std::string request, answer;
  } cases[] = {
      {"GET /ws/room-1 HTTP/1.1\r\nHost: h\r\n\r\n", "426"},  // no upgrade
      {"GET /ws/room-1 HTTP/1.1\r\nHost: h\r\nX: " + std::string(9000, 'x') + "\r\n\r\n", "431"},
      {"GET /ws/room-1 HTTP/1.1\r\n" + std::string(20'000, 'x'), "431"},
      {"this is no HTTP\r\n\r\n", "400"},
      {"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n", "404"},
      {"GET /ws/room-1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nearly",
       "400"},
  };
  for (const auto& test : cases) {
    tcp::socket browser = connect();
    ASSERT_TRUE(runtime_->accept(accept(), test.request));
    browser.shutdown(tcp::socket::shutdown_send);
    EXPECT_THAT(rest_of(browser), HasSubstr("HTTP/1.1 " + test.answer)) << test.request;
  }
}

TEST_F(HandOverTest, WhatIsNoSocketIsRefused) {
  start();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Status refused = runtime_->accept(ends[0], "GET / HTTP/1.1\r\n\r\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_request);
  EXPECT_EQ(close(ends[0]), -1);  // it was taken
  close(ends[1]);
  const int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
  EXPECT_FALSE(runtime_->accept(datagrams, "GET / HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(runtime_->accept(-1, "GET / HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(runtime_->accept(tcp::socket(io_), "GET / HTTP/1.1\r\n\r\n"));
}

TEST_F(HandOverTest, AfterStopNothingIsTaken) {
  start();
  runtime_->stop();
  tcp::socket browser = connect();
  const Status refused = runtime_->accept(accept(), "GET /health HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::overloaded);
  EXPECT_EQ(rest_of(browser), "");
}

// An address of this machine that is not loopback.
std::optional<asio::ip::address_v4> outer_address() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return std::nullopt;
  std::optional<asio::ip::address_v4> found;
  for (const ifaddrs* one = all; one != nullptr && !found; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    const auto* address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    const asio::ip::address_v4 candidate(ntohl(address->sin_addr.s_addr));
    if (!candidate.is_loopback()) found = candidate;
  }
  freeifaddrs(all);
  return found;
}

TEST_F(HandOverTest, WithoutASecretOnlyLoopbackIsTaken) {
  const auto outer = outer_address();
  if (!outer) GTEST_SKIP() << "this machine has no address but loopback";
  start();
  acceptor_ = tcp::acceptor(io_, {*outer, 0});
  tcp::socket browser = connect();
  const Status refused = runtime_->accept(accept(), "GET /health HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::forbidden);
  EXPECT_EQ(rest_of(browser), "");
}

}  // namespace
}  // namespace kontract
