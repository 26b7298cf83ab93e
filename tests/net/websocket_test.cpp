#include <gmock/gmock.h>

#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using test::WsClient;
using ::testing::AnyOf;
using ::testing::Pair;

class WebSocketTest : public ServerFixture {};

constexpr int kNormal = 1000, kGoingAway = 1001, kProtocol = 1002, kPolicy = 1008, kTooLarge = 1009;

// One masked text frame; a mask of zeros leaves the payload as it is.
std::string text_frame(const Json& message) {
  const std::string payload = message.dump();
  EXPECT_LT(payload.size(), 126u);
  std::string frame = "\x81";
  frame += static_cast<char>(0x80 | payload.size());
  return frame + std::string(4, '\0') + payload;
}

TEST_F(WebSocketTest, WelcomeSaysWhichSessionWasJoinedAndAsWhom) {
  start();
  WsClient client(port(), "room-1");
  const Json welcome = client.hello();
  EXPECT_EQ(welcome["t"], "welcome");
  EXPECT_EQ(welcome["session"], "room-1");
  EXPECT_EQ(welcome["owner"], "dev");
  EXPECT_EQ(welcome["perm"], 7);
  EXPECT_EQ(welcome["durability"], "sync");
  EXPECT_EQ(welcome["sid"].get<std::string>().size(), 36u);
  EXPECT_EQ(client.protocol(), "");
  EXPECT_EQ(server_->metrics().connections, 1u);
}

TEST_F(WebSocketTest, TheSubprotocolIsAgreedOn) {
  start();
  WsClient::Options options;
  options.protocol = "raystream.v9, kontract.v1+json";
  WsClient client(port(), "room-1", options);
  EXPECT_EQ(client.protocol(), "kontract.v1+json");
  EXPECT_EQ(client.hello()["t"], "welcome");
}

TEST_F(WebSocketTest, CallsAreAnswered) {
  start();
  auto client = joined();
  const Json set = client->ask(2, "table.set", {"t", "a", {{"n", 1}}});
  EXPECT_EQ(set["t"], "result");
  EXPECT_EQ(set["id"], 2);
  EXPECT_EQ(set["result"], true);
  const Json get = client->ask(3, "table.get", {"t", "a"});
  EXPECT_EQ(get["result"], Json({{"n", 1}}));
  EXPECT_GT(get["txid"], set["txid"]);
  const Json missing = client->ask(4, "table.get", {"nope", "a"});
  EXPECT_EQ(missing["t"], "error");
  EXPECT_EQ(missing["id"], 4);
  EXPECT_EQ(missing["code"], "KONTRACT_STORAGE_PTR_NOT_FOUND");
  EXPECT_EQ(missing["status"], 404);
}

TEST_F(WebSocketTest, SqlRunsOverATable) {
  start();
  auto client = joined();
  const Json insert = client->ask(
      2, "table.exec", {"t", "INSERT INTO t(id, data) VALUES ($1, $2)", {"a", {{"n", 1}}}});
  EXPECT_EQ(insert["result"],
            Json({{"columns", Json::array()}, {"rows", Json::array()}, {"changes", 1}}));
  const Json select = client->ask(3, "table.exec", {"t", "SELECT id, data->>'n' AS n FROM t"});
  EXPECT_EQ(select["result"]["rows"], Json::parse(R"([{"id":"a","n":1}])"));
  EXPECT_GT(select["txid"], insert["txid"]);
  const Json other = client->ask(4, "table.exec", {"t", "SELECT * FROM sqlite_master"});
  EXPECT_EQ(other["code"], "KONTRACT_EXEC_CROSS_TABLE");
  EXPECT_EQ(other["status"], 403);
  // In a batch: all or none.
  const Json batch = client->ask(
      5, "table.batch",
      {{{"table.exec", "t", "DELETE FROM t"}, {"table.exec", "t", "INSERT INTO nope VALUES (1)"}}});
  EXPECT_EQ(batch["code"], "KONTRACT_EXEC_CROSS_TABLE");
  EXPECT_EQ(client->ask(6, "table.get", {"t", "a"})["result"], Json({{"n", 1}}));
  const Json both = client->ask(7, "table.batch",
                                {{{"table.set", "t", "b", {{"n", 2}}},
                                  {"table.exec", "t", "SELECT sum(data->>'n') AS total FROM t"}}});
  EXPECT_EQ(both["result"][1]["rows"], Json::parse(R"([{"total":3}])"));
}

TEST_F(WebSocketTest, SqlNeedsTheBitsOfItsStatement) {
  options_.secret = std::string(32, 's');
  start();
  const auto joins = [&](int perm) {
    test::WsClient::Options options;
    options.authorization = "Bearer " + token({{"perm", perm}});
    auto client = std::make_unique<test::WsClient>(port(), "room-1", options);
    EXPECT_EQ(client->hello()["t"], "welcome");
    return client;
  };
  joins(perms::RWX)->ask(1, "table.create", {"t", Json::object()});
  struct Case {
    const char* sql;
    int granted;
    bool allowed;
  };
  for (const Case& c :
       {Case{"INSERT INTO t(id) VALUES ('a')", perms::_W_, true},
        Case{"SELECT id FROM t", perms::_W_, false}, Case{"SELECT id FROM t", perms::R__, true},
        Case{"INSERT INTO t(id) VALUES ('b')", perms::R__, false},
        Case{"DELETE FROM t", perms::RW_, false}, Case{"DELETE FROM t", perms::__X, true},
        Case{"SELECT 1", perms::none, false}}) {
    SCOPED_TRACE(c.sql);
    const Json answer = joins(c.granted)->ask(2, "table.exec", {"t", c.sql});
    EXPECT_EQ(answer.value("code", ""), c.allowed ? "" : "KONTRACT_PERMISSION_DENIED");
  }
}

TEST_F(WebSocketTest, CallsThatComeTogetherAreAllAnsweredInTheirOrder) {
  start();
  auto client = joined();
  std::string frames;
  for (int n = 0; n < 100; ++n) {
    frames += text_frame(
        {{"t", "call"}, {"id", 10 + 2 * n}, {"fn", "table.set"}, {"args", {"t", "a", {{"n", n}}}}});
    frames +=
        text_frame({{"t", "call"}, {"id", 11 + 2 * n}, {"fn", "table.get"}, {"args", {"t", "a"}}});
  }
  client->send_bytes(frames);
  std::map<int, Json> answers;
  for (int n = 0; n < 200; ++n) {
    const Json answer = client->next();
    answers[answer["id"]] = answer["result"];
  }
  for (int n = 0; n < 100; ++n) EXPECT_EQ(answers[11 + 2 * n], Json({{"n", n}}));
}

TEST_F(WebSocketTest, TheFirstMessageMustBeAHelloOfVersionOne) {
  start();
  for (const char* text : {R"({"t":"call","id":1,"fn":"session.info","args":[]})",
                           R"({"t":"hello","v":2})", "{", R"({"t":"close"})"}) {
    SCOPED_TRACE(text);
    WsClient client(port(), "room-1");
    client.send_text(text);
    const Json close = client.next();
    EXPECT_EQ(close["t"], "close");
    EXPECT_EQ(close["code"], "KONTRACT_INVALID_REQUEST");
    EXPECT_THAT(client.closing(), Pair(kPolicy, "KONTRACT_INVALID_REQUEST"));
  }
}

// A client that was upgraded before the server's handshake_timeout. On a busy machine that may take
// more than one attempt.
std::unique_ptr<WsClient> upgraded(std::uint16_t port) {
  std::unique_ptr<WsClient> client;
  do {
    client = std::make_unique<WsClient>(port, "room-1");
  } while (client->status() != 101);
  return client;
}

TEST_F(WebSocketTest, AConnectionWithoutHelloIsClosedInTime) {
  options_.handshake_timeout = 200ms;
  start();
  const auto client = upgraded(port());
  EXPECT_EQ(client->next()["code"], "KONTRACT_TIMEOUT");
  EXPECT_THAT(client->closing(), Pair(kPolicy, "KONTRACT_TIMEOUT"));
  wait_until([&] { return server_->metrics().connections == 0; });
}

TEST_F(WebSocketTest, ASessionThatDoesNotOpenInTimeEndsTheConnection) {
  options_.handshake_timeout = 200ms;
  start();
  hold_writes();  // and a new session is one
  const auto client = upgraded(port());
  EXPECT_EQ(client->hello()["code"], "KONTRACT_TIMEOUT");
  EXPECT_THAT(client->closing(), Pair(kPolicy, "KONTRACT_TIMEOUT"));
}

TEST_F(WebSocketTest, BadMessagesAreErrorsAndTheConnectionGoesOn) {
  start();
  auto client = joined();
  struct Case {
    const char* text;
    const char* code;
    Json id;
  };
  const Case cases[] = {
      {"", "KONTRACT_INVALID_REQUEST", nullptr},
      {"{", "KONTRACT_INVALID_REQUEST", nullptr},
      {R"({"t":"dance"})", "KONTRACT_INVALID_REQUEST", nullptr},
      {R"({"t":"hello","v":1})", "KONTRACT_INVALID_REQUEST", nullptr},
      {R"({"t":"call","id":0,"fn":"f"})", "KONTRACT_INVALID_REQUEST", nullptr},
      {R"({"t":"call","id":5,"fn":"f","key":" "})", "KONTRACT_INVALID_REQUEST", 5},
      {R"({"t":"call","id":5,"fn":"f","tx":7})", "KONTRACT_TXID_INVALID", 5},
      {R"({"t":"call","id":5,"fn":"f","timeout_ms":60001})", "KONTRACT_INVALID_REQUEST", 5},
      {R"({"t":"call","id":5,"fn":"nope"})", "KONTRACT_NOT_FOUND", 5},
      {R"({"t":"subscribe","id":8,"table":"none"})", "KONTRACT_STORAGE_PTR_NOT_FOUND", 8},
      {R"({"t":"unsubscribe","id":9,"sub":0})", "KONTRACT_INVALID_REQUEST", 9},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    client->send_text(c.text);
    const Json error = client->next();
    EXPECT_EQ(error["t"], "error");
    EXPECT_EQ(error["code"], c.code);
    EXPECT_EQ(error.value("id", Json()), c.id);
    EXPECT_NE(error["hint"], "");
  }
  EXPECT_EQ(client->beat(17)["timestamp"], 17);
}

TEST_F(WebSocketTest, CloseEndsTheConnection) {
  start();
  auto client = joined();
  client->send({{"t", "close"}});
  EXPECT_THAT(client->closing(), Pair(kNormal, ""));
  wait_until([&] { return server_->metrics().connections == 0; });
}

TEST_F(WebSocketTest, CloseWaitsForTheAnswersOfTheCallsInFlight) {
  start();
  auto client = joined();
  hold_writes();
  const auto before = server_->metrics().frames_in;
  client->call(2, "table.set", {"t", "a", {{"n", 1}}});
  client->call(3, "table.set", {"t", "b", {{"n", 1}}});
  client->send({{"t", "close"}});
  client->call(4, "table.set", {"t", "c", {{"n", 1}}});
  wait_until([&] { return server_->metrics().frames_in == before + 3; });
  release_writes();
  std::vector<int> answered;
  for (int i = 0; i < 2; ++i) answered.push_back(client->next()["id"]);
  EXPECT_THAT(answered, testing::UnorderedElementsAre(2, 3));
  EXPECT_TRUE(client->next().is_null());
  EXPECT_THAT(client->closing(), Pair(kNormal, ""));
  EXPECT_EQ(joined()->ask(2, "table.get", {"t", "c"})["result"], nullptr);
}

TEST_F(WebSocketTest, CloseDoesNotWaitForACallWhoseTimeIsOver) {
  start();
  auto client = joined();
  hold_writes();
  client->call(2, "table.set", {"t", "a", {{"n", 1}}}, {{"timeout_ms", 50}});
  client->send({{"t", "close"}});
  EXPECT_EQ(client->next()["code"], "KONTRACT_TIMEOUT");
  EXPECT_THAT(client->closing(), Pair(kNormal, ""));
}

TEST_F(WebSocketTest, AFrameOverTheLimitClosesWith1009) {
  options_.frame_bytes_max = 1000;
  start();
  auto client = joined();
  std::string text = R"({"t":"heartbeat","timestamp":1})";
  client->send_text(text + std::string(1000 - text.size(), ' '));
  EXPECT_EQ(client->next()["t"], "heartbeat");
  client->send_text(text + std::string(1001 - text.size(), ' '));
  EXPECT_EQ(client->next()["code"], "KONTRACT_TOO_LARGE");
  EXPECT_THAT(client->closing(), Pair(kTooLarge, "KONTRACT_TOO_LARGE"));
}

TEST_F(WebSocketTest, AHelloMayNotBeLarge) {
  start();
  const std::string hello = R"({"t":"hello","v":1})";
  WsClient fitting(port(), "room-1"), large(port(), "room-1");
  fitting.send_text(hello + std::string(16 * limits::kKiB - hello.size(), ' '));
  EXPECT_EQ(fitting.next()["t"], "welcome");
  large.send_text(hello + std::string(16 * limits::kKiB + 1 - hello.size(), ' '));
  EXPECT_EQ(large.next()["code"], "KONTRACT_TOO_LARGE");
  EXPECT_THAT(large.closing(), Pair(kTooLarge, "KONTRACT_TOO_LARGE"));
}

TEST_F(WebSocketTest, AnAnnouncedLengthOfManyGigabytesIsNotWaitedFor) {
  options_.frame_bytes_max = 1000;
  start();
  auto client = joined();
  client->send_bytes(std::string("\x81\xff\x00\x00\x01\x00\x00\x00\x00\x00", 10) +
                     std::string(4 + 2000, '\0'));
  EXPECT_EQ(client->next()["code"], "KONTRACT_TOO_LARGE");
}

TEST_F(WebSocketTest, AMessageInManyFragmentsIsOneMessage) {
  start();
  auto client = joined();
  const std::string mask(4, '\0');
  client->send_bytes(std::string("\x01\x86") + mask + R"({"t":")");
  client->send_bytes(std::string("\x00\x80", 2) + mask);
  client->send_bytes(std::string("\x80\x8b") + mask + R"(heartbeat"})");
  EXPECT_EQ(client->next()["t"], "heartbeat");
}

TEST_F(WebSocketTest, ABinaryFrameIsRefused) {
  start();
  auto client = joined();
  client->send_binary(R"({"t":"heartbeat","timestamp":1})");
  EXPECT_EQ(client->next()["code"], "KONTRACT_INVALID_REQUEST");
  EXPECT_THAT(client->closing(), Pair(kProtocol, "KONTRACT_INVALID_REQUEST"));
}

TEST_F(WebSocketTest, WhatIsNotWebSocketIsClosedWith1002) {
  start();
  auto client = joined();
  client->send_bytes(std::string("\x81\x02{}"));  // not masked
  EXPECT_THAT(client->closing(), Pair(kProtocol, "KONTRACT_INVALID_REQUEST"));
  wait_until([&] { return server_->metrics().refused == 1; });
  auto other = joined();
  other->send_bytes(std::string("\x81\x82\0\0\0\0\xff\xff", 8));  // not UTF-8
  EXPECT_THAT(other->closing(), Pair(kProtocol, "KONTRACT_INVALID_REQUEST"));
}

TEST_F(WebSocketTest, ACallThatTakesTooLongIsATimeoutAndItsLateAnswerIsDropped) {
  start();
  auto client = joined();
  hold_writes();
  client->call(7, "table.set", {"t", "a", {{"n", 1}}}, {{"timeout_ms", 50}});
  const Json timeout = client->next();
  EXPECT_EQ(timeout["id"], 7);
  EXPECT_EQ(timeout["code"], "KONTRACT_TIMEOUT");
  // Until the session has finished it, its late answer could be taken for that of another call 7.
  const Json in_use = client->ask(7, "table.get", {"t", "a"});
  EXPECT_EQ(in_use["code"], "KONTRACT_INVALID_REQUEST");
  release_writes();
  EXPECT_EQ(client->ask(8, "table.set", {"t", "b", {{"n", 2}}})["id"], 8);
  EXPECT_EQ(client->ask(7, "table.get", {"t", "a"})["result"], Json({{"n", 1}}));
}

TEST_F(WebSocketTest, TheSocketIsNotReadWhileTheCallsInFlightAreAtTheLimit) {
  options_.calls_in_flight_max = 2;
  start();
  auto client = joined();
  auto other = joined();
  hold_writes();
  const auto before = server_->metrics().frames_in;
  client->send_bytes(
      text_frame({{"t", "call"}, {"id", 2}, {"fn", "table.push"}, {"args", {"t", {{"n", 1}}}}}) +
      text_frame({{"t", "call"}, {"id", 3}, {"fn", "table.push"}, {"args", {"t", {{"n", 2}}}}}) +
      text_frame({{"t", "heartbeat"}, {"timestamp", 1}}));
  wait_until([&] { return server_->metrics().frames_in == before + 2; });
  for (int i = 0; i < 100; ++i) EXPECT_EQ(other->beat(i)["timestamp"], i);
  EXPECT_EQ(server_->metrics().frames_in, before + 2 + 100);  // the heartbeat was not read
  release_writes();
  std::vector<std::string> kinds;
  for (int i = 0; i < 3; ++i) kinds.push_back(client->next()["t"]);
  EXPECT_THAT(kinds, AnyOf(testing::ElementsAre("result", "result", "heartbeat"),
                           testing::ElementsAre("result", "heartbeat", "result")));
}

TEST_F(WebSocketTest, SilenceEndsTheConnection) {
  options_.heartbeat = 100ms;
  start();
  WsClient client(port(), "room-1");
  EXPECT_EQ(client.hello()["t"], "welcome");
  EXPECT_EQ(client.next()["code"], "KONTRACT_TIMEOUT");
  EXPECT_THAT(client.closing(), Pair(kPolicy, "KONTRACT_TIMEOUT"));
}

TEST_F(WebSocketTest, AnOwnerHasOnlySoManyConnections) {
  options_.connections_per_owner_max = 1;
  start();
  auto first = joined();
  WsClient second(port(), "room-2");
  EXPECT_EQ(second.hello()["code"], "KONTRACT_RATE_LIMITED");
  EXPECT_THAT(second.closing(), Pair(kPolicy, "KONTRACT_RATE_LIMITED"));
  first->send({{"t", "close"}});
  first->closing();
  wait_until([&] { return server_->metrics().connections == 0; });
  EXPECT_EQ(WsClient(port(), "room-2").hello()["t"], "welcome");
}

TEST_F(WebSocketTest, OneConnectionTooManyIsClosedAtOnce) {
  options_.connections_max = 1;
  start();
  auto first = joined();
  test::RawClient second(port());
  EXPECT_TRUE(second.ended());
  EXPECT_EQ(first->beat(1)["t"], "heartbeat");
  EXPECT_EQ(server_->metrics().refused, 1u);
}

TEST_F(WebSocketTest, AClientThatReadsGetsAllItAskedForHoweverMuchThatIs) {
  start();
  auto client = joined();
  const std::string text(200'000, 'x');
  client->ask(2, "table.set", {"t", "a", {{"x", text}}});
  constexpr int kCalls = 200;  // ten times what may wait to be sent
  for (int id = 3; id < 3 + kCalls; ++id) client->call(id, "table.get", {"t", "a"});
  for (int id = 3; id < 3 + kCalls; ++id) {
    const Json answer = client->next();
    ASSERT_EQ(answer["t"], "result") << answer;
    ASSERT_EQ(answer["result"]["x"].get_ref<const std::string&>().size(), text.size());
  }
  EXPECT_EQ(client->beat(1)["timestamp"], 1);
  EXPECT_EQ(server_->metrics().refused, 0u);
}

TEST_F(WebSocketTest, FarMoreAnswersThanMayWaitEndTheConnectionAtOnce) {
  options_.send_queue_bytes_max = 200'000;
  start();
  auto writer = joined();
  constexpr int kRecords = 60;
  const std::string text(200'000, 'x');
  for (int id = 2; id < 2 + kRecords; ++id) {
    ASSERT_EQ(writer->ask(id, "table.push", {"t", {{"x", text}}})["t"], "result");
  }
  WsClient::Options options;
  options.receive_buffer = 65'536;
  WsClient lazy(port(), "room-1", options);
  ASSERT_EQ(lazy.hello()["t"], "welcome");
  hold_writes();  // so that all calls are in flight when the first answer comes
  const auto before = server_->metrics();
  for (int id = 1; id <= kRecords; ++id) lazy.call(id, "table.pop", {"t"});
  wait_until([&] { return server_->metrics().frames_in == before.frames_in + kRecords; });
  release_writes();
  wait_until([&] { return server_->metrics().refused == 1; });
  // Had it been given a slow reader's time, all answers would have been queued.
  EXPECT_LT(server_->metrics().frames_out, before.frames_out + kRecords);
  EXPECT_THAT(lazy.closing(), Pair(kPolicy, "KONTRACT_OVERLOADED"));
}

TEST_F(WebSocketTest, AClientThatDoesNotReadIsClosed) {
  options_.send_queue_bytes_max = 100'000;
  options_.heartbeat = 1s;  // three of them is what it is given while the queue is not full
  start();
  joined()->ask(2, "table.set", {"t", "a", {{"x", std::string(200'000, 'x')}}});
  WsClient::Options options;
  options.receive_buffer = 65'536;
  WsClient lazy(port(), "room-1", options);
  ASSERT_EQ(lazy.hello()["t"], "welcome");
  for (int id = 1; id <= 250; ++id) lazy.call(id, "table.get", {"t", "a"});
  wait_until([&] { return server_->metrics().refused == 1; });
  Json last, frame;
  while (!(frame = lazy.next()).is_null()) last = frame;
  EXPECT_EQ(last["t"], "close");
  EXPECT_EQ(last["code"], "KONTRACT_OVERLOADED");
  EXPECT_THAT(lazy.closing(), Pair(kPolicy, "KONTRACT_OVERLOADED"));
}

TEST_F(WebSocketTest, APingIsAnsweredAndAFloodOfThemEndsTheConnection) {
  start();
  auto client = joined();
  client->ping();
  EXPECT_EQ(client->beat(1)["t"], "heartbeat");
  std::string flood;
  for (int i = 0; i < 200; ++i) flood += std::string("\x89\x80\0\0\0\0", 6);
  client->send_bytes(flood);
  EXPECT_EQ(client->next()["code"], "KONTRACT_RATE_LIMITED");
  EXPECT_THAT(client->closing(), Pair(kPolicy, "KONTRACT_RATE_LIMITED"));
}

TEST_F(WebSocketTest, AClientThatGoesAwayDoesNotStopItsCalls) {
  start();
  auto client = joined();
  auto other = joined();
  hold_writes();
  const auto before = server_->metrics().frames_in;
  client->call(2, "table.set", {"t", "gone", {{"n", 1}}});
  wait_until([&] { return server_->metrics().frames_in == before + 1; });
  client->close_socket();
  wait_until([&] { return server_->metrics().connections == 1; });
  release_writes();
  EXPECT_EQ(other->ask(3, "table.get", {"t", "gone"})["result"], Json({{"n", 1}}));
}

TEST_F(WebSocketTest, DrainingFinishesWhatIsInFlightAndClosesWith1001) {
  start();
  auto idle = joined();
  auto busy = joined();
  hold_writes();
  const auto before = server_->metrics().frames_in;
  busy->call(2, "table.set", {"t", "a", {{"n", 1}}});
  wait_until([&] { return server_->metrics().frames_in == before + 1; });
  server_->drain();
  EXPECT_EQ(idle->next()["code"], "KONTRACT_OVERLOADED");
  EXPECT_THAT(idle->closing(), Pair(kGoingAway, "KONTRACT_OVERLOADED"));
  EXPECT_EQ(busy->ask(3, "table.get", {"t", "a"})["code"], "KONTRACT_OVERLOADED");
  EXPECT_FALSE(server_->drained());
  release_writes();
  const Json result = busy->next();
  EXPECT_EQ(result["id"], 2);
  EXPECT_EQ(result["t"], "result");
  EXPECT_THAT(busy->closing(), Pair(kGoingAway, "KONTRACT_OVERLOADED"));
  wait_until([&] { return server_->drained(); });
}

TEST_F(WebSocketTest, StoppingClosesEverythingAtOnce) {
  start();
  auto client = joined();
  server_->stop();
  EXPECT_TRUE(client->next().is_null());
  wait_until([&] { return server_->drained(); });
  EXPECT_EQ(server_->metrics().connections, 0u);
}

TEST_F(WebSocketTest, WithoutASecretPagesOfOtherOriginsAreNotLetIn) {
  start();
  for (const auto& [origin, status] : {std::pair{"http://localhost:3000", 101},
                                       {"http://127.0.0.1", 101},
                                       {"http://[::1]:80", 101},
                                       {"https://evil.example", 403},
                                       {"http://localhost.evil.example", 403},
                                       {"null", 403}}) {
    SCOPED_TRACE(origin);
    WsClient::Options options;
    options.origin = origin;
    EXPECT_EQ(WsClient(port(), "room-1", options).status(), status);
  }
}

class TokenWebSocketTest : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    options_.secret = std::string(32, 's');
  }
};

TEST_F(TokenWebSocketTest, ATokenComesInTheHeaderOrInHello) {
  start();
  WsClient::Options options;
  options.authorization = "Bearer " + token();
  WsClient with_header(port(), "room-1", options);
  EXPECT_EQ(with_header.hello()["owner"], "tenant-1");
  WsClient with_hello(port(), "room-1");
  const Json welcome = with_hello.hello({{"token", token({{"perm", 4}})}});
  EXPECT_EQ(welcome["owner"], "tenant-1");
  EXPECT_EQ(welcome["perm"], 4);
}

TEST_F(TokenWebSocketTest, WithoutAGoodTokenNobodyIsLetIn) {
  start();
  for (const Json& hello : {Json::object(), Json{{"token", "a.b.c"}}}) {
    WsClient client(port(), "room-1");
    EXPECT_EQ(client.hello(hello)["code"], "KONTRACT_UNAUTHORIZED");
    EXPECT_THAT(client.closing(), Pair(kPolicy, "KONTRACT_UNAUTHORIZED"));
  }
  WsClient::Options options;
  options.authorization = "Bearer a.b.c";
  EXPECT_EQ(WsClient(port(), "room-1", options).status(), 401);
  options.authorization = "Basic " + token();
  EXPECT_EQ(WsClient(port(), "room-1", options).status(), 401);
}

TEST_F(TokenWebSocketTest, ATokenForOneSessionOpensNoOther) {
  start();
  WsClient allowed(port(), "room-1");
  EXPECT_EQ(allowed.hello({{"token", token({{"sid", "room-1"}})}})["t"], "welcome");
  WsClient forbidden(port(), "room-2");
  EXPECT_EQ(forbidden.hello({{"token", token({{"sid", "room-1"}})}})["code"], "KONTRACT_FORBIDDEN");
}

TEST_F(TokenWebSocketTest, TwoOwnersHaveTwoSessionsOfOneName) {
  start();
  WsClient one(port(), "room-1"), two(port(), "room-1");
  const Json first = one.hello({{"token", token({{"owner", "tenant-1"}})}});
  const Json second = two.hello({{"token", token({{"owner", "tenant-2"}})}});
  EXPECT_NE(first["sid"], second["sid"]);
}

TEST_F(TokenWebSocketTest, TheConnectionEndsWithTheToken) {
  start();
  std::unique_ptr<WsClient> client;
  Json welcome;
  // A busy machine may not get through before the token ends; then it is given more time.
  for (auto left = 2s; left < test::kPatience && welcome["t"] != "welcome"; left *= 2) {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::system_clock::now().time_since_epoch());
    const auto expires = now - kTokenSkew + left;  // so that it is good for `left` at most
    client = std::make_unique<WsClient>(port(), "room-1");
    welcome = client->hello(
        {{"token", token({{"iat", expires.count() - 60}, {"exp", expires.count()}})}});
  }
  ASSERT_EQ(welcome["t"], "welcome");
  EXPECT_EQ(client->next()["code"], "KONTRACT_SESSION_EXPIRED");
  EXPECT_THAT(client->closing(), Pair(4401, "KONTRACT_SESSION_EXPIRED"));
}

}  // namespace
}  // namespace kontract
