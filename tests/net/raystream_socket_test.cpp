// raystream.v1 over sockets: what the server does with right frames and with all others.

#include <gmock/gmock.h>

#include <functional>

#include "net/detail/secure_gate.hpp"
#include "tests/net/raystream_socket_fixture.hpp"

namespace kontract {
namespace {

using raystream::FrameType;
using test::RawClient;
using test::SealedClient;
using test::WsClient;
using ::testing::Pair;

constexpr int kGoingAway = 1001, kProtocol = 1002, kPolicy = 1008, kTooLarge = 1009,
              kUnauthorized = 4401;

class RaystreamSocketTest : public RaystreamFixture {};

TEST_F(RaystreamSocketTest, BothCiphersCarryCalls) {
  start();
  for (const Cipher cipher : {Cipher::chacha20_poly1305, Cipher::aes_256_gcm}) {
    SealedClient client(port(), "room-" + std::to_string(static_cast<int>(cipher)));
    raystream::ClientSetup only = setup();
    only.ciphers = {cipher};
    ASSERT_TRUE(client.shake(std::move(only)));
    EXPECT_EQ(client.protocol(), "raystream.v1");
    EXPECT_EQ(client.channel().cipher, cipher);
    const Json welcome = client.hello();
    EXPECT_EQ(welcome["t"], "welcome");
    EXPECT_EQ(welcome["owner"], "dev");
    client.ask(1, "table.create", {"t", Json::object()});
    EXPECT_EQ(client.ask(2, "table.set", {"t", "a", {{"n", 1}}})["result"], true);
    EXPECT_EQ(client.ask(3, "table.get", {"t", "a"})["result"], Json({{"n", 1}}));
    EXPECT_EQ(client.ask(4, "table.get", {"nope", "a"})["code"], "KONTRACT_STORAGE_PTR_NOT_FOUND");
    EXPECT_EQ(client.ask(5, "none", Json::array())["t"], "error");
    client.send({{"t", "heartbeat"}, {"timestamp", 7}});
    EXPECT_EQ(client.next()["timestamp"], 7);
    client.send({{"t", "close"}});
    EXPECT_EQ(client.next(), Json({{"t", "close"}}));
    EXPECT_THAT(client.closing(), Pair(1000, ""));
  }
}

TEST_F(RaystreamSocketTest, TheHandshakeTellsTheLimitsOfTheServer) {
  options_.calls_in_flight_max = 17;
  options_.heartbeat = std::chrono::seconds(50);
  options_.raystream_rekey_records = 100;
  start();
  const auto client = shaken();
  EXPECT_EQ(client->channel().limits,
            (raystream::ChannelLimits{.plaintext_bytes = raystream::kPlaintextBytesMax,
                                      .calls_in_flight = 17,
                                      .heartbeat_ms = 50'000,
                                      .rekey_records = 100}));
}

TEST_F(RaystreamSocketTest, AnAnswerMayBeLargerThanACall) {
  start();
  const auto client = welcomed();
  client->ask(1, "table.create", {"t", Json::object()});
  const std::string text(200 * limits::kKiB, 'x');
  client->ask(2, "table.set", {"t", "a", {{"text", text}}});
  Json reads = Json::array();
  for (int i = 0; i < 10; ++i) reads.push_back({"table.get", "t", "a"});
  const Json answer = client->ask(3, "table.batch", Json::array({reads}));
  ASSERT_EQ(answer["t"], "result");
  EXPECT_EQ(answer["result"].size(), 10U);
  EXPECT_EQ(answer["result"][9]["text"], text);
}

TEST_F(RaystreamSocketTest, KeysChangeInBothDirectionsWhileCallsGoOn) {
  options_.raystream_rekey_records = 64;
  start();
  const auto client = welcomed();
  for (int i = 1; i <= 300; ++i) {
    ASSERT_EQ(client->ask(static_cast<std::uint64_t>(i), "session.info", Json::array())["t"],
              "result");
  }
}

TEST_F(RaystreamSocketTest, TheClientsOrderDecidesAmongWhatTheServerSpeaks) {
  struct Case {
    RaystreamOffer offer;
    const char* offered;
    int status;
    const char* chosen;
  };
  const std::string call =
      "POST /rpc/session.info HTTP/1.1\r\nHost: x\r\nX-Session-Id: room-1\r\n"
      "Content-Length: 2\r\n\r\n[]";
  for (const Case& c :
       {Case{RaystreamOffer::on, "raystream.v1, kontract.v1+json", 101, "raystream.v1"},
        Case{RaystreamOffer::on, "kontract.v1+json, raystream.v1", 101, "kontract.v1+json"},
        Case{RaystreamOffer::on, "raystream.v2", 400, ""}, Case{RaystreamOffer::on, "", 101, ""},
        Case{RaystreamOffer::off, "raystream.v1, kontract.v1+json", 101, "kontract.v1+json"},
        Case{RaystreamOffer::off, "raystream.v1", 400, ""},
        Case{RaystreamOffer::required, "kontract.v1+json, raystream.v1", 101, "raystream.v1"},
        Case{RaystreamOffer::required, "kontract.v1+json", 400, ""},
        Case{RaystreamOffer::required, "", 400, ""}}) {
    SCOPED_TRACE(c.offered);
    options_.raystream = c.offer;
    start();
    SealedClient client(port(), "room-1", "", c.offered);
    EXPECT_EQ(client.status(), c.status);
    EXPECT_EQ(client.protocol(), c.chosen);
    EXPECT_EQ(RawClient(port()).request(call), c.offer == RaystreamOffer::required ? 426 : 200);
    RawClient asks(port());
    EXPECT_EQ(asks.request("GET /.well-known/kontract HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    const bool spoken = c.offer != RaystreamOffer::off;
    EXPECT_EQ(asks.body().value("identity", ""), server_->identity());
    EXPECT_EQ(server_->identity().size(), spoken ? 43U : 0U);
    Json protocols = Json::array();
    if (c.offer != RaystreamOffer::required) protocols.push_back("kontract.v1+json");
    if (spoken) protocols.push_back("raystream.v1");
    EXPECT_EQ(asks.body()["protocols"], protocols);
    stop();
  }
}

TEST_F(RaystreamSocketTest, AHandshakeThatIsNotRightIsClosedWithoutAWord) {
  start();
  const auto hello = [&](std::vector<Cipher> ciphers = {Cipher::aes_256_gcm}) {
    raystream::ClientSetup offered = setup();
    offered.ciphers = std::move(ciphers);
    return raystream::ClientHandshake(std::move(offered)).hello();
  };
  std::string unknown_cipher = hello();
  unknown_cipher[16 + 36] = 9;
  std::string low_order = hello();
  std::fill_n(low_order.begin() + 16 + 4, 32, '\0');
  struct Case {
    const char* name;
    std::string frame;
    const char* reason;
  };
  for (const Case& c :
       {Case{"no cipher in common", unknown_cipher, "KONTRACT_CRYPTO_UNSUPPORTED"},
        Case{"a key of low order", low_order, "KONTRACT_DECRYPT_FAILED"},
        Case{"cut", hello().substr(0, 40), "KONTRACT_INVALID_REQUEST"},
        Case{"a byte more", hello() + '\0', "KONTRACT_INVALID_REQUEST"},
        Case{"another type", test::with_flipped(hello(), 1), "KONTRACT_INVALID_REQUEST"},
        Case{"plain text", R"({"t":"hello","v":1})", "KONTRACT_INVALID_REQUEST"},
        Case{"nothing", "", "KONTRACT_INVALID_REQUEST"},
        Case{"too large", std::string(1025, '\1'), "KONTRACT_INVALID_REQUEST"}}) {
    SCOPED_TRACE(c.name);
    SealedClient client(port());
    client.send_frame(c.frame);
    EXPECT_EQ(client.next_frame(), std::nullopt);
    EXPECT_THAT(client.closing(), Pair(kPolicy, c.reason));
  }
  SealedClient text(port());
  text.send_text(R"({"t":"hello","v":1})");
  EXPECT_EQ(text.next_frame(), std::nullopt);
  EXPECT_THAT(text.closing(), Pair(kProtocol, "KONTRACT_INVALID_REQUEST"));
  welcomed();
}

TEST_F(RaystreamSocketTest, WhatDoesNotOpenEndsTheConnectionAndNothingElse) {
  start();
  const Json call = SealedClient::call_message(1, "session.info", Json::array());
  struct Case {
    const char* name;
    std::function<void(SealedClient&)> attack;
    const char* code;
  };
  const std::vector<Case> cases{
      {"version", [&](auto& c) { c.send_frame(test::with_flipped(c.seal(call), 0)); },
       "KONTRACT_INVALID_REQUEST"},
      {"flags", [&](auto& c) { c.send_frame(test::with_flipped(c.seal(call), 2)); },
       "KONTRACT_INVALID_REQUEST"},
      {"not encrypted", [&](auto& c) { c.send_frame(test::with_flipped(c.seal(call), 3)); },
       "KONTRACT_INVALID_REQUEST"},
      {"sequence", [&](auto& c) { c.send_frame(test::with_flipped(c.seal(call), 7)); },
       "KONTRACT_INVALID_NONCE"},
      {"nonce", [&](auto& c) { c.send_frame(test::with_flipped(c.seal(call), 27)); },
       "KONTRACT_INVALID_NONCE"},
      {"ciphertext", [&](auto& c) { c.send_frame(test::with_flipped(c.seal(call), 28)); },
       "KONTRACT_DECRYPT_FAILED"},
      {"tag", [&](auto& c) { c.send_frame(test::with_flipped(c.seal(call), -1)); },
       "KONTRACT_DECRYPT_FAILED"},
      {"cut", [&](auto& c) { c.send_frame(c.seal(call).substr(0, 43)); },
       "KONTRACT_INVALID_REQUEST"},
      {"replay",
       [&](auto& c) {
         const std::string beat = c.seal({{"t", "heartbeat"}, {"timestamp", 1}});
         c.send_frame(beat);
         EXPECT_EQ(c.next()["t"], "heartbeat");
         c.send_frame(beat);
       },
       "KONTRACT_INVALID_NONCE"},
      {"reorder",
       [&](auto& c) {
         c.seal(call);
         c.send_frame(c.seal(call));
       },
       "KONTRACT_INVALID_NONCE"},
      {"plain text as binary", [&](auto& c) { c.send_frame(call.dump()); },
       "KONTRACT_INVALID_REQUEST"},
      {"plain text", [&](auto& c) { c.send_text(call.dump()); }, "KONTRACT_INVALID_REQUEST"},
      {"a call as a heartbeat",
       [&](auto& c) { c.send_frame(c.seal_as(FrameType::heartbeat, call.dump())); },
       "KONTRACT_INVALID_REQUEST"},
      {"a heartbeat as a call",
       [&](auto& c) {
         c.send_frame(c.seal_as(FrameType::call, R"({"t":"heartbeat","timestamp":1})"));
       },
       "KONTRACT_INVALID_REQUEST"},
      {"a second handshake",
       [&](auto& c) { c.send_frame(raystream::ClientHandshake(setup()).hello()); },
       "KONTRACT_INVALID_REQUEST"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto client = welcomed();
    c.attack(*client);
    const Json close = client->next();  // sealed, as all else
    EXPECT_EQ(close["t"], "close");
    EXPECT_EQ(close["code"], c.code);
    EXPECT_THAT(client->closing(), Pair(kProtocol, c.code));
  }
  EXPECT_EQ(welcomed()->ask(1, "session.info", Json::array())["t"], "result");
}

TEST_F(RaystreamSocketTest, AMessageThatIsNoneIsAnsweredAsInPlainText) {
  start();
  const auto client = welcomed();
  client->send_frame(client->seal_as(FrameType::call, "{"));
  EXPECT_EQ(client->next()["code"], "KONTRACT_INVALID_REQUEST");
  client->send_frame(client->seal_as(FrameType::call, R"({"t":"dance","id":3})"));
  EXPECT_EQ(client->next()["id"], 3);
  client->send({{"t", "subscribe"}, {"id", 4}, {"table", "t"}});
  EXPECT_EQ(client->next()["code"], "KONTRACT_STORAGE_PTR_NOT_FOUND");
  EXPECT_EQ(client->ask(5, "session.info", Json::array())["t"], "result");
}

TEST_F(RaystreamSocketTest, TheFirstRecordIsHello) {
  start();
  const auto calls = shaken();
  EXPECT_EQ(calls->ask(1, "session.info", Json::array())["code"], "KONTRACT_INVALID_REQUEST");
  EXPECT_THAT(calls->closing(), Pair(kPolicy, "KONTRACT_INVALID_REQUEST"));
  const auto mistyped = shaken();
  mistyped->send_frame(mistyped->seal_as(FrameType::heartbeat, R"({"t":"hello","v":1})"));
  EXPECT_EQ(mistyped->next()["t"], "close");
  EXPECT_THAT(mistyped->closing(), Pair(kProtocol, "KONTRACT_INVALID_REQUEST"));
}

TEST_F(RaystreamSocketTest, MessagesAreAsLargeAsInPlainTextAndNoLarger) {
  options_.frame_bytes_max = 64 * limits::kKiB;
  start();
  struct Case {
    const char* name;
    bool welcome;
    std::size_t bytes;
    const char* answer;
  };
  for (const Case& c : {Case{"the largest hello", false, 16 * limits::kKiB, "welcome"},
                        Case{"a larger hello", false, 16 * limits::kKiB + 1, "close"},
                        Case{"the largest call", true, 64 * limits::kKiB, "error"},
                        Case{"a larger call", true, 64 * limits::kKiB + 1, "close"}}) {
    SCOPED_TRACE(c.name);
    const auto client = c.welcome ? welcomed() : shaken();
    std::string text = c.welcome ? SealedClient::call_message(1, "none", Json::array()).dump()
                                 : Json{{"t", "hello"}, {"v", 1}}.dump();
    text.resize(c.bytes, ' ');
    client->send_frame(client->seal_as(FrameType::call, text));
    EXPECT_EQ(client->next()["t"], c.answer);
    if (std::string_view(c.answer) == "close") {
      EXPECT_THAT(client->closing(), Pair(kTooLarge, "KONTRACT_TOO_LARGE"));
    }
  }
}

TEST_F(RaystreamSocketTest, WhoDoesNotFinishTheHandshakeIsClosedInTime) {
  options_.handshake_timeout = std::chrono::milliseconds(500);
  start();
  SealedClient silent(port());
  if (silent.status() == 101) {  // on a machine that is so busy it may have been too late for that
    EXPECT_THAT(silent.closing(), Pair(kPolicy, "KONTRACT_TIMEOUT"));
  }
  SealedClient half(port());
  if (half.status() == 101 && half.shake(setup())) {
    EXPECT_EQ(half.next()["code"], "KONTRACT_TIMEOUT");
    EXPECT_THAT(half.closing(), Pair(kPolicy, "KONTRACT_TIMEOUT"));
  }
  wait_until([&] { return server_->metrics().connections == 0; });
}

TEST_F(RaystreamSocketTest, HandshakesOfAllClientsAreLimited) {
  options_.raystream_handshakes_max = 1;
  const auto gate = detail::SecureGate::open(options_);
  ASSERT_TRUE(gate);
  EXPECT_EQ((*gate)->answer("").error().code, Errc::invalid_request);
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    if ((*gate)->answer("").error().code == Errc::rate_limited) ++refused;
  }
  EXPECT_GT(refused, 0);
}

TEST_F(RaystreamSocketTest, ADrainingServerSaysGoodbyeInTheChannel) {
  start();
  const auto client = welcomed();
  const auto half = shaken();
  SealedClient silent(port());
  server_->drain();
  EXPECT_EQ(client->next()["code"], "KONTRACT_OVERLOADED");
  EXPECT_THAT(client->closing(), Pair(kGoingAway, "KONTRACT_OVERLOADED"));
  EXPECT_EQ(half->next()["t"], "close");
  EXPECT_THAT(half->closing(), Pair(kGoingAway, "KONTRACT_OVERLOADED"));
  EXPECT_EQ(silent.next_frame(), std::nullopt);
  EXPECT_THAT(silent.closing(), Pair(kGoingAway, "KONTRACT_OVERLOADED"));
  wait_until([&] { return server_->drained(); });
}

TEST_F(RaystreamSocketTest, AChannelEndsInTimeAndSaysSo) {
  options_.raystream_life = std::chrono::milliseconds(800);
  start();
  auto client = std::make_unique<SealedClient>(port());
  // On a machine that is so busy the time may be over before the client has understood the answer.
  while (!client->shake(setup())) client = std::make_unique<SealedClient>(port());
  client->send({{"t", "hello"}, {"v", 1}});
  EXPECT_THAT(client->closing(), Pair(kUnauthorized, "KONTRACT_SESSION_EXPIRED"));
}

class RaystreamTokenTest : public RaystreamFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    options_.secret = std::string(32, 's');
  }
};

TEST_F(RaystreamTokenTest, HelloSaysWhoItIsWhateverTheHeaderSays) {
  start();
  SealedClient client(port(), "room-1", "Bearer " + token({{"owner", "mallory"}}));
  ASSERT_TRUE(client.shake(setup()));
  EXPECT_EQ(client.hello({{"token", token()}})["owner"], "tenant-1");
  SealedClient none(port(), "room-1", "Bearer " + token());
  ASSERT_TRUE(none.shake(setup()));
  EXPECT_EQ(none.hello()["code"], "KONTRACT_UNAUTHORIZED");
  EXPECT_THAT(none.closing(), Pair(kPolicy, "KONTRACT_UNAUTHORIZED"));
}

TEST_F(RaystreamTokenTest, AnExpiredOrRevokedTokenEndsTheConnection) {
  start();
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(
                       (std::chrono::system_clock::now() - kTokenSkew).time_since_epoch())
                       .count();
  const auto expires =
      welcomed({{"token", token({{"jti", "short"}, {"iat", now - 60}, {"exp", now + 2}})}});
  EXPECT_EQ(expires->next()["code"], "KONTRACT_SESSION_EXPIRED");
  EXPECT_THAT(expires->closing(), Pair(kUnauthorized, "KONTRACT_SESSION_EXPIRED"));

  const std::string bad = token({{"jti", "bad"}});
  const auto revoked = welcomed({{"token", bad}});
  const std::string body = Json{{"token", bad}}.dump();
  EXPECT_EQ(RawClient(port()).request(
                "POST /auth/revoke HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token() +
                "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body),
            200);
  EXPECT_EQ(revoked->next()["code"], "KONTRACT_UNAUTHORIZED");
  EXPECT_THAT(revoked->closing(), Pair(kUnauthorized, "KONTRACT_UNAUTHORIZED"));
}

TEST_F(RaystreamTokenTest, AResumeSecretIsGoodForOneTimeAndOneOwner) {
  start();
  const Json mine = {{"token", token()}}, theirs = {{"token", token({{"owner", "tenant-2"}})}};
  const auto first = welcomed(mine);
  const raystream::ChannelId id = first->channel().id;

  const auto thief = shaken(first->ticket());
  EXPECT_TRUE(thief->channel().resumed);
  EXPECT_EQ(thief->hello(theirs)["code"], "KONTRACT_UNAUTHORIZED");
  EXPECT_THAT(thief->closing(), Pair(kPolicy, "KONTRACT_UNAUTHORIZED"));
  EXPECT_EQ(first->ask(1, "session.info", Json::array())["t"], "result");  // nothing happened

  const auto second = shaken(first->ticket()), too_late = shaken(first->ticket());
  EXPECT_TRUE(second->channel().resumed && too_late->channel().resumed);
  EXPECT_EQ(second->channel().id, id);
  EXPECT_EQ(second->hello(mine)["t"], "welcome");
  EXPECT_EQ(first->next()["code"], "KONTRACT_SESSION_EXPIRED");  // it is detached
  EXPECT_THAT(first->closing(), Pair(kPolicy, "KONTRACT_SESSION_EXPIRED"));
  EXPECT_EQ(too_late->hello(mine)["code"], "KONTRACT_SESSION_EXPIRED");
  EXPECT_THAT(too_late->closing(), Pair(kPolicy, "KONTRACT_SESSION_EXPIRED"));

  const auto again = shaken(first->ticket());  // the old secret of a channel that is there
  EXPECT_FALSE(again->channel().resumed);
  EXPECT_NE(again->channel().id, id);
  EXPECT_EQ(again->hello(mine)["t"], "welcome");

  raystream::ResumeTicket cut = second->ticket();
  second->close_socket();
  const auto third = welcomed(mine, std::move(cut));  // after the connection is gone
  EXPECT_TRUE(third->channel().resumed);
  EXPECT_EQ(third->channel().id, id);
}

TEST_F(RaystreamTokenTest, WhatCannotBeResumedIsAFullHandshake) {
  start();
  const Json mine = {{"token", token()}};
  raystream::ResumeTicket unknown{{}, SecretBytes::random(32)};
  EXPECT_FALSE(welcomed(mine, std::move(unknown))->channel().resumed);
  const auto half = shaken();  // no record of it has come: it can not be resumed
  EXPECT_FALSE(welcomed(mine, half->ticket())->channel().resumed);
  const auto before = welcomed(mine);
  raystream::ResumeTicket wrong{before->channel().id, SecretBytes::random(32)};
  EXPECT_FALSE(welcomed(mine, std::move(wrong))->channel().resumed);
  raystream::ResumeTicket good = before->ticket();
  stop();
  start();
  EXPECT_FALSE(welcomed(mine, std::move(good))->channel().resumed);
}

}  // namespace
}  // namespace kontract
