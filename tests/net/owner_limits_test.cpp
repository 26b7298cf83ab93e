// What one owner may take of a server over all of his sessions: calls a second, sessions, bytes.

#include <gtest/gtest.h>

#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using test::RawClient;
using test::WsClient;

class OwnerLimitsTest : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    options_.secret = std::string(32, 's');
  }
  std::unique_ptr<WsClient> client_of(const std::string& owner, const std::string& session,
                                      Json* welcome = nullptr) {
    auto client = std::make_unique<WsClient>(port(), session);
    const Json answer = client->hello({{"token", token({{"owner", owner}})}});
    if (welcome != nullptr) *welcome = answer;
    return client;
  }
  static Json set(WsClient& client, int record, std::size_t bytes) {
    return client.ask(static_cast<std::uint64_t>(record) + 10, "table.set",
                      {"t", "r" + std::to_string(record), {{"x", std::string(bytes, 'x')}}});
  }
};

TEST_F(OwnerLimitsTest, CallsOverTheRateAreRefusedOneByOneAndTheConnectionStays) {
  options_.calls_per_owner = 1;
  start();
  auto one = client_of("ann", "a"), two = client_of("ann", "b"), other = client_of("bob", "a");
  // A burst has two; a slow machine earns some more meanwhile.
  int refused = 0;
  for (std::uint64_t id = 1; refused == 0 && id < 1000; ++id) {
    for (auto* client : {one.get(), two.get()}) client->call(id, "session.info", Json::array());
    for (auto* client : {one.get(), two.get()}) {
      const Json answer = client->next();
      if (answer["t"] == "result") continue;
      ++refused;
      EXPECT_EQ(answer["code"], "KONTRACT_RATE_LIMITED");
      EXPECT_EQ(answer["retry"], true);
      EXPECT_GT(answer["retry_after_ms"], 0);
      EXPECT_LE(answer["retry_after_ms"], 1000);
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_EQ(one->beat(1)["t"], "heartbeat");
  EXPECT_EQ(other->ask(1, "session.info", Json::array())["t"], "result");
  EXPECT_GT(server_->metrics().refused_for[static_cast<std::size_t>(Refusal::owner_calls)], 0U);

  RawClient http(port());
  int status = 200;
  for (int i = 0; status == 200 && i < 1000; ++i) {
    status = http.request(
        "POST /rpc/session.info HTTP/1.1\r\nHost: x\r\nX-Session-Id: a\r\nContent-Length: 2\r\n"
        "Authorization: Bearer " +
        token({{"owner", "ann"}}) + "\r\n\r\n[]");
  }
  EXPECT_EQ(status, 429);
  EXPECT_NE(http.header("Retry-After"), "");
  EXPECT_EQ(http.request("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
}

TEST_F(OwnerLimitsTest, SessionsOfAnOwnerAreCountedOverRestarts) {
  store_options_.sessions_per_owner_max = 2;
  store_options_.shards = 2;
  start();
  const auto opened = [&](const std::string& owner, const std::string& session) {
    Json welcome;
    client_of(owner, session, &welcome);
    return welcome["t"] == "welcome" ? std::string("yes") : welcome["code"].get<std::string>();
  };
  EXPECT_EQ(opened("ann", "a"), "yes");
  EXPECT_EQ(opened("ann", "b"), "yes");
  EXPECT_EQ(opened("ann", "c"), "KONTRACT_RATE_LIMITED");
  EXPECT_EQ(opened("ann", "a"), "yes") << "it is there";
  EXPECT_EQ(opened("bob", "c"), "yes");
  stop();
  start();
  EXPECT_EQ(opened("ann", "c"), "KONTRACT_RATE_LIMITED");
  EXPECT_EQ(opened("ann", "b"), "yes");
  RawClient http(port());
  EXPECT_EQ(http.request("POST /rpc/session.info HTTP/1.1\r\nHost: x\r\nX-Session-Id: c\r\n"
                         "Content-Length: 2\r\nAuthorization: Bearer " +
                         token({{"owner", "ann"}}) + "\r\n\r\n[]"),
            429);
  auto last = client_of("ann", "b");
  EXPECT_EQ(last->ask(1, "session.destroy", Json::array())["t"], "result");
  last->closing();
  EXPECT_EQ(opened("ann", "c"), "yes") << "one was destroyed";
  EXPECT_EQ(opened("ann", "d"), "KONTRACT_RATE_LIMITED");
}

TEST_F(OwnerLimitsTest, BytesOfAnOwnerAreCountedOverSessionsAndRestarts) {
  constexpr std::size_t kMax = 100'000;
  store_options_.bytes_per_owner_max = kMax;
  start();
  auto one = client_of("ann", "a"), two = client_of("ann", "b"), other = client_of("bob", "a");
  for (auto* client : {one.get(), two.get(), other.get()}) {
    ASSERT_EQ(client->ask(1, "table.create", {"t"})["t"], "result");
  }
  // What LMDB has not committed does not count yet.
  Json answer;
  int written = 0;
  for (; written < 10'000; ++written) {
    answer = set(written % 2 == 0 ? *one : *two, written, 5000);
    if (answer["t"] == "error") break;
    ASSERT_TRUE(store_->flush());
  }
  EXPECT_EQ(answer["code"], "KONTRACT_STORAGE_FULL");
  EXPECT_NE(answer["hint"], "");
  EXPECT_EQ(written, 20);
  EXPECT_EQ(set(*other, 1, 5000)["t"], "result") << "another owner";
  EXPECT_EQ(one->ask(2, "table.get", {"t", "r0"})["t"], "result");

  stop();
  start();
  one = client_of("ann", "a");
  EXPECT_EQ(set(*one, 50, 10)["code"], "KONTRACT_STORAGE_FULL");
  EXPECT_EQ(one->ask(3, "table.exec", {"t", "UPDATE t SET data = '{}' WHERE id = 'r0'"})["code"],
            "KONTRACT_STORAGE_FULL");
  for (int i = 0; i < 6; i += 2) {
    EXPECT_EQ(one->ask(100 + static_cast<std::uint64_t>(i), "table.delete",
                       {"t", "r" + std::to_string(i)})["result"],
              true);
  }
  ASSERT_TRUE(store_->flush());
  EXPECT_EQ(set(*one, 51, 10)["t"], "result");
}

}  // namespace
}  // namespace kontract
