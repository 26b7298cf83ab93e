// tests/net/data/raystream_vectors.json, made by two other implementations that agree: every byte.

#include <fstream>

#include "net/detail/raystream_direction.hpp"
#include "net/detail/raystream_hello.hpp"
#include "storage/json.hpp"
#include "tests/net/raystream_fixture.hpp"

namespace kontract::raystream {
namespace {

using kontract::detail::view;

class RaystreamVectorsTest : public testing::TestWithParam<const char*> {
 protected:
  RaystreamVectorsTest() {
    std::ifstream file(KONTRACT_SOURCE_DIR "/tests/net/data/raystream_vectors.json");
    vectors_ = Json::parse(file, nullptr, false);
  }

  std::string bytes(const char* name) const {
    return from_hex(vectors_.at(GetParam()).at(name).get<std::string>());
  }
  std::string hex(const char* name) const { return vectors_.at(GetParam()).at(name); }

  ClientSetup setup() const {
    if (GetParam() == std::string_view("aes")) return client_setup({Cipher::aes_256_gcm});
    return client_setup();
  }

  Json vectors_;
};

constexpr std::string_view kCall = R"({"method":"getUser","args":{"id":"123"}})";

TEST_P(RaystreamVectorsTest, TheHandshakeAndItsKeysAreThose) {
  ClientHandshake client(setup(), counting(0x01));
  EXPECT_EQ(to_hex(client.hello()), hex("client_hello"));
  auto answer = answer_hello(client.hello(), server_setup(), nullptr, kNow, fresh());
  ASSERT_TRUE(answer);
  EXPECT_EQ(to_hex(answer->frame), hex("server_hello"));
  auto channel = client.finish(answer->frame, kNow);
  ASSERT_TRUE(channel);
  for (const Channel* end : {&*channel, &answer->channel}) {
    EXPECT_EQ(to_hex(end->resume_secret.view()), hex("resume"));
    EXPECT_EQ(to_hex(end->exporter.view()), hex("exporter"));
    EXPECT_EQ(end->expires, kNow + kLife);
    EXPECT_EQ(end->limits, ChannelLimits{});
    EXPECT_EQ(end->server, server_identity().public_key());
    EXPECT_FALSE(end->resumed);
  }
}

TEST_P(RaystreamVectorsTest, TheKeyScheduleIsThat) {
  const std::string server_frame = bytes("server_hello");
  const auto client = detail::decode_client_hello(bytes("client_hello"));
  const auto server = detail::decode_server_hello(server_frame);
  ASSERT_TRUE(client && server);
  const detail::Hash transcript = detail::transcript(
      bytes("client_hello"),
      std::string_view(server_frame).substr(0, server_frame.size() - detail::kServerProofBytes));
  EXPECT_EQ(to_hex(view(transcript)), hex("th"));
  const auto shared = detail::exchange(counting(0x41), client->exchange_key);
  ASSERT_TRUE(shared);
  EXPECT_EQ(to_hex(shared->view()), hex("ss"));
  const SecretBytes key = detail::handshake_key(*shared, "");
  EXPECT_EQ(to_hex(key.view()), hex("prk"));
  const detail::ChannelKeys keys = detail::channel_keys(
      key, {server->channel_id, client->exchange_key, server->exchange_key, transcript});
  EXPECT_EQ(to_hex(keys.client_to_server.view()), hex("c2s_secret"));
  EXPECT_EQ(to_hex(keys.server_to_client.view()), hex("s2c_secret"));
  const auto expanded = [](const SecretBytes& secret, const char* label, std::size_t size) {
    return to_hex(detail::expand_label(secret.view(), label, size).view());
  };
  EXPECT_EQ(expanded(keys.client_to_server, "key", 32), hex("c2s_key"));
  EXPECT_EQ(expanded(keys.client_to_server, "iv", 12), hex("c2s_iv"));
  EXPECT_EQ(expanded(keys.server_to_client, "key", 32), hex("s2c_key"));
  EXPECT_EQ(expanded(keys.server_to_client, "iv", 12), hex("s2c_iv"));
}

TEST_P(RaystreamVectorsTest, TheRecordsAreThose) {
  ClientHandshake handshake(setup(), counting(0x01));
  auto server = answer_hello(handshake.hello(), server_setup(), nullptr, kNow, fresh());
  ASSERT_TRUE(server);
  auto client = handshake.finish(server->frame, kNow);
  ASSERT_TRUE(client);

  struct Case {
    const char* name;
    FrameType type;
    std::string_view text;
    RecordSender& sender;
    RecordReceiver& receiver;
  };
  RecordReceiver& to_server = server->channel.receiver;
  for (const Case& c : {Case{"rec_c2s_0", FrameType::call, kCall, client->sender, to_server},
                        Case{"rec_c2s_1_ku", FrameType::heartbeat, "", client->sender, to_server},
                        Case{"rec_c2s_2_gen1", FrameType::call, kCall, client->sender, to_server},
                        Case{"rec_s2c_0", FrameType::result, R"({"ok":true})",
                             server->channel.sender, client->receiver}}) {
    SCOPED_TRACE(c.name);
    if (c.name == std::string_view("rec_c2s_1_ku")) c.sender.update_key();
    const auto sealed = c.sender.seal(c.type, c.text, kNow);
    ASSERT_TRUE(sealed);
    EXPECT_EQ(to_hex(*sealed), hex(c.name));
    const auto opened = c.receiver.open(bytes(c.name), kNow);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->type, c.type);
    EXPECT_EQ(opened->plaintext, c.text);
  }
}

TEST_P(RaystreamVectorsTest, TheResumedHandshakeIsThat) {
  const Instant now = at_ms(1'767'225'900'000) - kLife;
  const SecretBytes secret(bytes("resume"));
  ClientSetup resuming = setup();
  resuming.resume = ResumeTicket{fresh().channel_id, secret.copy()};
  ClientHandshake handshake(std::move(resuming), counting(0x11));
  EXPECT_EQ(to_hex(handshake.hello()), hex("res_client_hello"));
  // The new channel has the old one's id, not the fresh one.
  ServerFresh other_id = fresh(0x51);
  other_id.channel_id.fill('x');
  auto server =
      answer_hello(handshake.hello(), server_setup(), knows(secret), now, std::move(other_id));
  ASSERT_TRUE(server);
  EXPECT_EQ(to_hex(server->frame), hex("res_server_hello"));
  auto client = handshake.finish(server->frame, now);
  ASSERT_TRUE(client);
  EXPECT_TRUE(client->resumed && server->channel.resumed);
  const auto sealed = client->sender.seal(FrameType::call, kCall, now);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(to_hex(*sealed), hex("res_rec_c2s_0"));
  EXPECT_TRUE(server->channel.receiver.open(*sealed, now));
}

INSTANTIATE_TEST_SUITE_P(BothCiphers, RaystreamVectorsTest, testing::Values("chacha", "aes"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace kontract::raystream
