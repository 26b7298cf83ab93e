// What one owner, and one message, may take of the server.

#include <gmock/gmock.h>

#include "net/protocol.hpp"
#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using test::RawClient;
using test::WsClient;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

constexpr int kPolicy = 1008;

class LimitsTest : public ServerFixture {
 protected:
  static std::string rpc(const std::string& headers = "", std::size_t body_bytes = 0) {
    return "POST /rpc/session.info HTTP/1.1\r\nHost: x\r\nX-Session-Id: room-1\r\n" + headers +
           "Content-Length: " + std::to_string(body_bytes) + "\r\n\r\n";
  }
  std::string bearer(const std::string& owner) const {
    return "Authorization: Bearer " + token({{"owner", owner}}) + "\r\n";
  }
};

TEST_F(LimitsTest, AnOwnersHttpConnectionsCountWithItsWebSockets) {
  options_.connections_per_owner_max = 2;
  start();
  RawClient first(port());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(first.request(rpc()), 200) << "it counts once";
  auto second = joined();
  RawClient third(port());
  EXPECT_EQ(third.request(rpc()), 429);
  EXPECT_EQ(third.body()["error"], "KONTRACT_RATE_LIMITED");
  EXPECT_TRUE(third.ended());
  WsClient fourth(port(), "room-1");
  EXPECT_EQ(fourth.hello()["code"], "KONTRACT_RATE_LIMITED");
  EXPECT_THAT(fourth.closing(), Pair(kPolicy, "KONTRACT_RATE_LIMITED"));
  EXPECT_EQ(first.request(rpc()), 200);
  // Pages that belong to nobody are not limited.
  EXPECT_EQ(RawClient(port()).request("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"), 200);

  second->close_socket();
  wait_until([&] { return server_->metrics().connections == 0; });
  RawClient fifth(port());
  EXPECT_EQ(fifth.request(rpc("Connection: close\r\n")), 200);
  EXPECT_TRUE(fifth.ended());
  wait_until([&] { return RawClient(port()).request(rpc()) == 200; });
}

TEST_F(LimitsTest, AConnectionCountsWithTheOwnerOfItsLastCall) {
  options_.secret = std::string(32, 's');
  options_.connections_per_owner_max = 1;
  start();
  RawClient shared(port()), other(port());  // a proxy, say
  EXPECT_EQ(shared.request(rpc(bearer("tenant-1"))), 200);
  EXPECT_EQ(shared.request(rpc(bearer("tenant-2"))), 200);
  EXPECT_EQ(other.request(rpc(bearer("tenant-1"))), 200) << "it was given back";
  EXPECT_EQ(RawClient(port()).request(rpc(bearer("tenant-2"))), 429);
  EXPECT_EQ(shared.request(rpc(bearer("tenant-1"))), 429);
}

TEST_F(LimitsTest, AConnectionThatBecomesAWebSocketCountsOnce) {
  options_.connections_per_owner_max = 1;
  start();
  RawClient client(port());
  EXPECT_EQ(client.request(rpc()), 200);
  EXPECT_EQ(client.request("GET /ws/room-1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                           "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
            101);
  EXPECT_EQ(WsClient(port(), "room-1").hello()["t"], "welcome") << "the other has not said hello";
}

TEST_F(LimitsTest, AMessageThatDoesNotEndInTimeClosesTheConnection) {
  options_.message_timeout = 100ms;
  start();
  struct Case {
    const char* name;
    std::string begun;
    bool whole_frame;  // then the client can still answer the close
  };
  const std::string mask(4, '\0');
  for (const Case& c : {Case{"no frame ends it", "\x01\x83" + mask + "{\"t", true},
                        Case{"half a frame", "\x81\x90" + mask + "{\"t\":\"hear", false}}) {
    SCOPED_TRACE(c.name);
    auto client = joined();
    client->send_bytes(c.begun);
    const Json close = client->next();
    EXPECT_EQ(close["t"], "close");
    EXPECT_EQ(close["code"], "KONTRACT_TIMEOUT");
    EXPECT_EQ(close["message"], "A message took too long to arrive");
    if (c.whole_frame) {
      EXPECT_THAT(client->closing(), Pair(kPolicy, "KONTRACT_TIMEOUT"));
    } else {
      client->close_socket();
    }
    wait_until([&] { return server_->metrics().connections == 0; });
  }
}

// Beast's read then waits for its close, and the other way round. That nothing is left of the
// connection shows when the server stops: its threads end when no operation is under way.
TEST_F(LimitsTest, AMessageThatGoesOnAsNoTextWhileItsConnectionClosesLeavesNothing) {
  options_.message_timeout = 50ms;
  start();
  auto client = joined();
  client->send_bytes("\x81\x90" + std::string(4, '\0') + "{\"t\":\"hear");
  EXPECT_EQ(client->next()["code"], "KONTRACT_TIMEOUT");
  client->send_bytes(std::string(6, '\xff'));
  wait_until([&] { return server_->metrics().connections == 0; });
}

TEST_F(LimitsTest, ABodyThatDoesNotEndInTimeClosesTheConnection) {
  options_.message_timeout = 100ms;
  start();
  RawClient client(port());
  EXPECT_EQ(client.request(rpc("", 100) + "["), 408);
  EXPECT_EQ(client.body()["error"], "KONTRACT_TIMEOUT");
  EXPECT_EQ(client.header("Connection"), "close");
  client.send("]");  // what still comes is thrown away
  EXPECT_TRUE(client.ended());
}

TEST_F(LimitsTest, AMessageNeedsSomeTime) {
  start();
  ServerOptions options = options_;
  options.message_timeout = 0ms;
  const auto listening = listen(options);
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code, Errc::invalid_request);
}

TEST(ProtocolErrorTest, AnInternalErrorTellsNothingOfTheInside) {
  const Error internal(Errc::internal, "/data/shard-00/data.mdb: cannot read: odd");
  for (const std::string& text : {protocol::error(7, internal), protocol::http_error(internal),
                                  protocol::close(internal.code, internal.message)}) {
    EXPECT_THAT(text, HasSubstr("KONTRACT_INTERNAL"));
    EXPECT_THAT(text, Not(HasSubstr("data.mdb")));
    EXPECT_NE(Json::parse(text)["message"], "");
  }
  EXPECT_THAT(protocol::error(7, Error(Errc::storage_full, "/data is full")),
              HasSubstr("/data is full"));
}

}  // namespace
}  // namespace kontract
