// What follows a table by other means than a WebSocket of its own: Server-Sent Events, and the C++
// client, which goes on by itself.

#include <condition_variable>
#include <mutex>

#include "net/client.hpp"
#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using test::WsClient;

// Reads an answer without an end, piece by piece.
class StreamReader {
 public:
  StreamReader(std::uint16_t port, const std::string& target, const std::string& headers = {})
      : socket_(test::connect(io_, port)) {
    test::asio::write(
        socket_,
        test::asio::buffer("GET " + target + " HTTP/1.1\r\nHost: x\r\nX-Session-Id: room-1\r\n" +
                           headers + "\r\n"));
  }
  // Up to and with `end`.
  std::string until(const std::string& end) {
    const auto error = test::complete(io_, [&](auto done) {
      test::asio::async_read_until(socket_, test::asio::dynamic_buffer(text_), end,
                                   std::move(done));
    });
    EXPECT_FALSE(error) << error.message() << text_;
    const std::size_t size = std::min(text_.find(end), text_.size()) + end.size();
    std::string taken = text_.substr(0, size);
    text_.erase(0, size);
    return taken;
  }

 private:
  test::asio::io_context io_;
  test::tcp::socket socket_;
  std::string text_;
};

class EventStreamTest : public ServerFixture {
 protected:
  static Txid set(WsClient& client, const std::string& id, const Json& data) {
    return client.ask(77, "table.set", {"t", id, data})["txid"];
  }
};

TEST_F(EventStreamTest, AStreamTellsAndGoesOnBehindTheLastEventId) {
  start();
  auto writer = joined();
  const Txid first = set(*writer, "a", {{"n", 1}});
  StreamReader live(port(), "/stream?table=t");
  const std::string head = live.until("\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200")) << head;
  EXPECT_NE(head.find("text/event-stream"), std::string::npos) << head;
  live.until("\n\n");
  const Txid second = set(*writer, "a", {{"n", 2}});
  const std::string id = std::to_string(second);
  EXPECT_EQ(live.until("\n\n"), "id: " + id + "\ndata: {\"txid\":" + id +
                                    R"(,"type":"update","table":"t","id":"a","data":{"n":2},)"
                                    "\"oldData\":{\"n\":1}}\n\n");
  StreamReader again(port(), "/stream?table=t&from=0&filter=%7B%22n%22:2%7D",
                     "Last-Event-ID: " + std::to_string(first) + "\r\n");
  again.until("\r\n\r\n");
  EXPECT_EQ(again.until("\n\n"), "id: " + std::to_string(first) + "\n\n");
  EXPECT_TRUE(again.until("\n\n").starts_with("id: " + id)) << "the first does not match";
}

TEST_F(EventStreamTest, WhatCannotBeFollowedIsAnHttpError) {
  start();
  auto writer = joined();
  const auto get = [&](const std::string& target) {
    test::RawClient client(port());
    return client.request("GET " + target + " HTTP/1.1\r\nHost: x\r\nX-Session-Id: room-1\r\n\r\n");
  };
  EXPECT_EQ(get("/stream"), 400);
  EXPECT_EQ(get("/stream?table=none"), 404);
  EXPECT_EQ(get("/stream?table=t&from=x"), 400);
  EXPECT_EQ(get("/stream?table=t&filter=%5B%5D"), 400);
  EXPECT_EQ(get("/stream?table=t&from=9000"), 400);
}

TEST_F(EventStreamTest, AStreamNeedsAToken) {
  options_.secret = std::string(32, 's');
  start();
  test::RawClient nobody(port());
  EXPECT_EQ(
      nobody.request("GET /stream?table=t HTTP/1.1\r\nHost: x\r\nX-Session-Id: room-1\r\n\r\n"),
      401);
}

// The client of the test: what it was told.
struct Told {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Event> events;
  std::optional<Error> error;

  Client::EventHandler handler() {
    return [this](Result<Event> event) {
      const std::lock_guard lock(mutex);
      if (event) {
        events.push_back(*std::move(event));
      } else {
        error = event.error();
      }
      changed.notify_all();
    };
  }
  bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, test::kPatience, [&] { return events.size() >= count; });
  }
};

TEST_F(EventStreamTest, TheClientIsToldOfEachChangeOnceThoughItsConnectionsBreak) {
  start();
  const std::uint16_t same_port = port();
  Client client({.url = "ws://127.0.0.1:" + std::to_string(same_port), .session = "room-1"});
  ASSERT_TRUE(client.connect());
  ASSERT_TRUE(client.call("table.create", {"t", Json::object()}));
  Told told;
  client.subscribe("t", {.from = 0}, told.handler());
  const int kPerLife = 30;
  for (int life = 0; life < 3; ++life) {
    for (int i = 0; i < kPerLife; ++i) {
      // Two records in each transaction.
      const int n = life * kPerLife + i;
      const auto written = client.call(
          "table.batch",
          Json::array({Json::array({Json::array({"table.set", "t", "a", {{"n", n}}}),
                                    Json::array({"table.set", "t", "b", {{"n", n}}})})}));
      ASSERT_TRUE(written) << written.error().message;
    }
    if (life == 2) break;
    // The server goes, in the middle of what it tells.
    stop();
    options_.port = same_port;
    start();
  }
  ASSERT_TRUE(told.wait_for(6 * kPerLife));
  client.close();
  const std::lock_guard lock(told.mutex);
  ASSERT_EQ(told.events.size(), std::size_t{6 * kPerLife});
  for (std::size_t i = 0; i < told.events.size(); ++i) {
    EXPECT_EQ(told.events[i].id, i % 2 == 0 ? "a" : "b");
    EXPECT_EQ(told.events[i].data["n"], i / 2);
  }
}

TEST_F(EventStreamTest, TheClientIsToldThatItCannotFollow) {
  start();
  Client client({.url = "ws://127.0.0.1:" + std::to_string(port()), .session = "room-1"});
  Told told;
  client.subscribe("none", {}, told.handler());
  std::unique_lock lock(told.mutex);
  ASSERT_TRUE(told.changed.wait_for(lock, test::kPatience, [&] { return told.error.has_value(); }));
  EXPECT_EQ(told.error->code, Errc::storage_ptr_not_found);
}

}  // namespace
}  // namespace kontract
