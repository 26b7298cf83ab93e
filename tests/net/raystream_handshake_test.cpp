#include "net/raystream_handshake.hpp"

#include <functional>

#include "net/detail/raystream_header.hpp"
#include "net/detail/raystream_hello.hpp"
#include "storage/byte_codec.hpp"
#include "tests/net/raystream_fixture.hpp"

namespace kontract::raystream {
namespace {

using kontract::detail::view;

const FindResumeSecret kNothingKnown = [](const ChannelId&) { return std::nullopt; };

ClientSetup resuming(const SecretBytes& secret) {
  ClientSetup setup = client_setup();
  setup.resume = ResumeTicket{fresh().channel_id, secret.copy()};
  return setup;
}

// The one text that every failed check of the client gives.
void expect_handshake_failed(const Result<Channel>& channel) {
  ASSERT_FALSE(channel);
  EXPECT_EQ(channel.error().code, Errc::decrypt_failed);
  EXPECT_EQ(channel.error().message, "The handshake failed");
  EXPECT_EQ(channel.error().hint, "");
}

// What a record tells each other's end.
void expect_talk(Channel& client, Channel& server) {
  const auto there = client.sender.seal(FrameType::call, "hello", kNow);
  ASSERT_TRUE(there);
  const auto arrived = server.receiver.open(*there, kNow);
  ASSERT_TRUE(arrived);
  EXPECT_EQ(arrived->plaintext, "hello");
  const auto back = server.sender.seal(FrameType::result, "welcome", kNow);
  ASSERT_TRUE(back);
  const auto returned = client.receiver.open(*back, kNow);
  ASSERT_TRUE(returned);
  EXPECT_EQ(returned->plaintext, "welcome");
}

// A server that holds all keys but breaks a rule: what `change` makes of a good answer, signed and
// finished as it should be.
std::string forged(std::string_view client_frame,
                   const std::function<void(detail::ServerHello&)>& change,
                   std::string_view resume_secret = {}) {
  const auto client = detail::decode_client_hello(client_frame);
  const SecretBytes own_private = counting(0x41);
  detail::ServerHello hello;
  hello.cipher = 1;
  hello.exchange_key = detail::exchange_public(own_private);
  hello.channel_id = fresh().channel_id;
  hello.expires_ms = detail::to_ms(kNow + kLife);
  hello.identity = server_identity().public_key();
  change(hello);
  std::string frame = detail::encode_without_proof(hello);
  const detail::Hash transcript = detail::transcript(client_frame, frame);
  const Signature signature = server_identity().sign(detail::server_hello_text(transcript));
  const auto shared = detail::exchange(own_private, client->exchange_key);
  const detail::ChannelKeys keys = detail::channel_keys(
      detail::handshake_key(*shared, resume_secret),
      {hello.channel_id, client->exchange_key, hello.exchange_key, transcript});
  frame.append(view(signature));
  return frame.append(detail::finished_mac(keys, transcript, signature).view());
}

TEST(RaystreamHandshakeTest, BothEndsHaveOneChannelWithFreshKeys) {
  std::vector<std::string> exporters;
  for (int i = 0; i < 2; ++i) {
    ClientHandshake handshake(client_setup());
    auto answer = answer_hello(handshake.hello(), server_setup(), kNothingKnown, kNow,
                               ServerFresh::make(kNow));
    ASSERT_TRUE(answer);
    auto client = handshake.finish(answer->frame, kNow);
    ASSERT_TRUE(client);
    EXPECT_EQ(client->id, answer->channel.id);
    EXPECT_EQ(client->exporter.view(), answer->channel.exporter.view());
    expect_talk(*client, answer->channel);
    exporters.emplace_back(client->exporter.view());
  }
  EXPECT_NE(exporters[0], exporters[1]);
}

TEST(RaystreamHandshakeTest, AChannelsIdIsAUuidOfVersion7) {
  const ServerFresh one = ServerFresh::make(kNow);
  const ServerFresh other = ServerFresh::make(kNow);
  EXPECT_NE(one.channel_id, other.channel_id);
  EXPECT_NE(one.exchange_private.view(), other.exchange_private.view());
  char expected[8];
  put_be(expected, detail::to_ms(kNow));
  EXPECT_EQ(view(one.channel_id).substr(0, 6), std::string_view(expected + 2, 6));
  EXPECT_EQ(static_cast<unsigned char>(one.channel_id[6]) >> 4, 7);
  EXPECT_EQ(static_cast<unsigned char>(one.channel_id[8]) >> 6, 2);
}

TEST(RaystreamHandshakeTest, TheServersOrderOfCiphersDecides) {
  constexpr Cipher kChaCha = Cipher::chacha20_poly1305;
  constexpr Cipher kAes = Cipher::aes_256_gcm;
  struct Case {
    const char* name;
    std::vector<Cipher> client, server;
    std::optional<Cipher> chosen;
  };
  for (const Case& c : {Case{"both the same", {kChaCha, kAes}, {kChaCha, kAes}, kChaCha},
                        Case{"the client prefers AES", {kAes, kChaCha}, {kChaCha, kAes}, kChaCha},
                        Case{"the server prefers AES", {kChaCha, kAes}, {kAes, kChaCha}, kAes},
                        Case{"a browser", {kAes}, {kChaCha, kAes}, kAes},
                        Case{"none in common", {kAes}, {kChaCha}, std::nullopt}}) {
    SCOPED_TRACE(c.name);
    ClientHandshake handshake(client_setup(c.client));
    ServerSetup setup = server_setup();
    setup.ciphers = c.server;
    auto answer = answer_hello(handshake.hello(), setup, nullptr, kNow, fresh());
    ASSERT_EQ(answer.has_value(), c.chosen.has_value());
    if (!answer) {
      EXPECT_EQ(answer.error().code, Errc::crypto_unsupported);
      continue;
    }
    EXPECT_EQ(answer->channel.cipher, *c.chosen);
    auto client = handshake.finish(answer->frame, kNow);
    ASSERT_TRUE(client);
    expect_talk(*client, answer->channel);
  }
}

TEST(RaystreamHandshakeTest, EveryFlippedBitOfTheServersHelloIsRefused) {
  const SecretBytes secret = counting(0x20);
  const std::string full = ClientHandshake(client_setup(), counting(1)).hello();
  const std::string resume = ClientHandshake(resuming(secret), counting(1)).hello();
  for (const std::string& hello : {full, resume}) {
    const auto answer = answer_hello(hello, server_setup(), knows(secret), kNow, fresh());
    ASSERT_TRUE(answer);
    const auto finish = [&](std::string_view frame) {
      ClientHandshake handshake(hello == full ? client_setup() : resuming(secret), counting(1));
      return handshake.finish(frame, kNow);
    };
    ASSERT_TRUE(finish(answer->frame));
    for (std::size_t bit = 0; bit < 8 * answer->frame.size(); ++bit) {
      SCOPED_TRACE(bit);
      expect_handshake_failed(finish(flipped(answer->frame, bit)));
    }
    for (std::size_t size = 0; size < answer->frame.size(); ++size) {
      SCOPED_TRACE(size);
      expect_handshake_failed(finish(answer->frame.substr(0, size)));
    }
    expect_handshake_failed(finish(answer->frame + '\0'));
    expect_handshake_failed(finish(hello));  // reflected
  }
}

TEST(RaystreamHandshakeTest, EveryBitOfTheClientsHelloThatIsFlippedOnTheWayIsNoticed) {
  const SecretBytes secret = counting(0x20);
  for (const bool resumes : {false, true}) {
    const auto setup = [&] { return resumes ? resuming(secret) : client_setup(); };
    const std::string hello = ClientHandshake(setup(), counting(1)).hello();
    int answered = 0;
    for (std::size_t bit = 0; bit < 8 * hello.size(); ++bit) {
      SCOPED_TRACE(bit);
      const auto answer =
          answer_hello(flipped(hello, bit), server_setup(), knows(secret), kNow, fresh());
      if (!answer) continue;
      ++answered;
      ClientHandshake handshake(setup(), counting(1));
      expect_handshake_failed(handshake.finish(answer->frame, kNow));
    }
    EXPECT_GT(answered, 0);  // the transcript is what notices these
    for (std::size_t size = 0; size < hello.size(); ++size) {
      const auto answer =
          answer_hello(hello.substr(0, size), server_setup(), nullptr, kNow, fresh());
      ASSERT_FALSE(answer) << size;
      EXPECT_EQ(answer.error().code, Errc::invalid_request);
    }
    EXPECT_FALSE(answer_hello(hello + '\0', server_setup(), nullptr, kNow, fresh()));
  }
}

TEST(RaystreamHandshakeTest, AnAnswerToAnotherHelloIsRefused) {
  ClientHandshake first(client_setup(), counting(1));
  ClientHandshake second(client_setup(), counting(2));
  const auto answer = answer_hello(first.hello(), server_setup(), nullptr, kNow, fresh());
  ASSERT_TRUE(answer);
  expect_handshake_failed(second.finish(answer->frame, kNow));
  EXPECT_TRUE(first.finish(answer->frame, kNow));
}

TEST(RaystreamHandshakeTest, AServerThatBreaksARuleIsRefusedThoughItSignsRightly) {
  using Hello = detail::ServerHello;
  const auto day = std::chrono::milliseconds(kChannelLifeMax);
  struct Case {
    const char* name;
    bool good;
    std::function<void(Hello&)> change;
  };
  const Case cases[] = {
      {"as it is", true, [](Hello&) {}},
      {"the other cipher", true, [](Hello& h) { h.cipher = 2; }},
      {"no cipher", false, [](Hello& h) { h.cipher = 0; }},
      {"a cipher that nobody knows", false, [](Hello& h) { h.cipher = 3; }},
      {"version 0", false, [](Hello& h) { h.version = 0; }},
      {"version 2", false, [](Hello& h) { h.version = 2, h.max_version = 2; }},
      {"speaks a later version too", true, [](Hello& h) { h.max_version = 2; }},
      {"speaks less than it chose", false, [](Hello& h) { h.max_version = 0; }},
      {"ends now", false, [](Hello& h) { h.expires_ms = detail::to_ms(kNow); }},
      {"ends in a millisecond", true, [](Hello& h) { h.expires_ms = detail::to_ms(kNow) + 1; }},
      {"ended long ago", false, [](Hello& h) { h.expires_ms = 0; }},
      {"ends in a day", true, [&](Hello& h) { h.expires_ms = detail::to_ms(kNow + day); }},
      {"too late", false, [&](Hello& h) { h.expires_ms = detail::to_ms(kNow + day) + 1; }},
      {"never ends", false, [](Hello& h) { h.expires_ms = ~std::uint64_t{0}; }},
      {"resumed unasked", false, [](Hello& h) { h.resumed = true; }},
      {"not resumed, unasked", false, [](Hello& h) { h.resumed = false; }},
      {"a certificate that nobody needs", true,
       [](Hello& h) { h.certificate = std::string(kCertificateBytes, 'c'); }},
      {"a short certificate", false,
       [](Hello& h) { h.certificate = std::string(kCertificateBytes - 1, 'c'); }},
      {"another identity", false, [](Hello& h) { h.identity = identity(1).public_key(); }},
      {"a point of low order", false, [](Hello& h) { h.exchange_key.fill('\0'); }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ClientHandshake handshake(client_setup(), counting(1));
    const std::string frame = forged(handshake.hello(), c.change);
    const auto channel = handshake.finish(frame, kNow);
    EXPECT_EQ(channel.has_value(), c.good);
    if (!channel) expect_handshake_failed(channel);
  }
}

TEST(RaystreamHandshakeTest, ACipherThatWasNotOfferedIsRefused) {
  ClientHandshake handshake(client_setup({Cipher::aes_256_gcm}), counting(1));
  const std::string frame = forged(handshake.hello(), [](detail::ServerHello&) {});
  expect_handshake_failed(handshake.finish(frame, kNow));
}

TEST(RaystreamHandshakeTest, ASignatureByAnotherThanTheIdentityIsRefused) {
  // The proof of another server, that the client trusts as well, over the first one's identity.
  ServerSetup other = server_setup();
  other.identities.clear();
  other.identities.push_back({identity(1), ""});
  ClientSetup trusting_both = client_setup();
  trusting_both.trust.pins.push_back(identity(1).public_key());
  ClientHandshake handshake(std::move(trusting_both), counting(1));
  const auto right = answer_hello(handshake.hello(), server_setup(), nullptr, kNow, fresh());
  const auto resigned = answer_hello(handshake.hello(), other, nullptr, kNow, fresh());
  ASSERT_TRUE(right && resigned);
  const std::size_t signed_bytes = right->frame.size() - detail::kServerProofBytes;
  expect_handshake_failed(handshake.finish(
      right->frame.substr(0, signed_bytes) + resigned->frame.substr(signed_bytes), kNow));
}

// The seven encodings of points of low order, each also with the bit set that X25519 ignores.
TEST(RaystreamHandshakeTest, PointsOfLowOrderAreRefusedByBothSides) {
  const char* const points[] = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  };
  for (const char* const hex : points) {
    for (const char top_bit : {'\0', '\x80'}) {
      SCOPED_TRACE(hex);
      std::string point = from_hex(hex);
      point.back() = static_cast<char>(point.back() | top_bit);
      std::string hello = ClientHandshake(client_setup(), counting(1)).hello();
      hello.replace(kHeaderBytes + 4, point.size(), point);
      const auto answer = answer_hello(hello, server_setup(), nullptr, kNow, fresh());
      ASSERT_FALSE(answer);
      EXPECT_EQ(answer.error().code, Errc::decrypt_failed);
      EXPECT_EQ(answer.error().message, "The handshake failed");

      ClientHandshake handshake(client_setup(), counting(1));
      const std::string frame = forged(handshake.hello(), [&](detail::ServerHello& server) {
        std::copy(point.begin(), point.end(), server.exchange_key.begin());
      });
      expect_handshake_failed(handshake.finish(frame, kNow));
    }
  }
}

TEST(RaystreamHandshakeTest, AResumedChannelHasTheOldIdAndNewKeys) {
  ClientHandshake first(client_setup());
  auto answer = answer_hello(first.hello(), server_setup(), nullptr, kNow, ServerFresh::make(kNow));
  ASSERT_TRUE(answer);
  auto old_channel = first.finish(answer->frame, kNow);
  ASSERT_TRUE(old_channel);

  ClientSetup setup = client_setup();
  setup.resume = ResumeTicket{old_channel->id, old_channel->resume_secret.copy()};
  ClientHandshake second(std::move(setup));
  const auto kept = [&](const ChannelId& id) {
    EXPECT_EQ(id, old_channel->id);
    return std::optional(answer->channel.resume_secret.copy());
  };
  auto resumed = answer_hello(second.hello(), server_setup(), kept, kNow, ServerFresh::make(kNow));
  ASSERT_TRUE(resumed);
  auto channel = second.finish(resumed->frame, kNow);
  ASSERT_TRUE(channel);
  EXPECT_TRUE(channel->resumed && resumed->channel.resumed);
  EXPECT_EQ(channel->id, old_channel->id);
  EXPECT_NE(channel->resume_secret.view(), old_channel->resume_secret.view());
  expect_talk(*channel, resumed->channel);

  // A record of the old channel, with the number that is expected, is none of the new one.
  expect_talk(*old_channel, answer->channel);
  const auto old_record = old_channel->sender.seal(FrameType::call, "hello", kNow);
  ASSERT_TRUE(old_record);
  EXPECT_EQ(resumed->channel.receiver.records(), 1U);
  const auto opened = resumed->channel.receiver.open(*old_record, kNow);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::invalid_nonce);
}

TEST(RaystreamHandshakeTest, WithoutTheSecretAResumeIsAFullHandshake) {
  const SecretBytes secret = counting(0x20);
  const SecretBytes wrong = counting(0x21);
  struct Case {
    const char* name;
    FindResumeSecret find;
  };
  for (const Case& c : {Case{"the client has another secret", knows(wrong)},
                        Case{"the server knows no such channel", kNothingKnown},
                        Case{"the server resumes nothing", nullptr}}) {
    SCOPED_TRACE(c.name);
    ClientHandshake handshake(resuming(secret));
    ServerFresh other_id = fresh();
    other_id.channel_id.fill('x');
    auto answer =
        answer_hello(handshake.hello(), server_setup(), c.find, kNow, std::move(other_id));
    ASSERT_TRUE(answer);
    auto client = handshake.finish(answer->frame, kNow);
    ASSERT_TRUE(client);
    EXPECT_FALSE(client->resumed || answer->channel.resumed);
    EXPECT_EQ(client->id[0], 'x');
    expect_talk(*client, answer->channel);
  }
}

TEST(RaystreamHandshakeTest, AServerThatResumesWithoutTheSecretOrAsAnotherChannelIsRefused) {
  const SecretBytes secret = counting(0x20);
  const SecretBytes wrong = counting(0x21);
  const auto resumes = [](detail::ServerHello& h) { h.resumed = true; };
  const auto as_another = [](detail::ServerHello& h) {
    h.resumed = true;
    h.channel_id.fill('x');
  };
  const auto attempt = [&](const auto& change, std::string_view used) {
    ClientHandshake handshake(resuming(secret), counting(1));
    const std::string frame = forged(handshake.hello(), change, used);
    return handshake.finish(frame, kNow);
  };
  EXPECT_TRUE(attempt(resumes, secret.view()));
  expect_handshake_failed(attempt(resumes, wrong.view()));
  expect_handshake_failed(attempt(resumes, ""));
  expect_handshake_failed(attempt(as_another, secret.view()));
}

TEST(RaystreamHandshakeTest, TheHintPicksTheIdentity) {
  ServerSetup setup = server_setup();
  setup.identities.push_back({identity(1), ""});
  ClientSetup knows_second;
  knows_second.trust.pins = {identity(1).public_key()};
  ClientHandshake handshake(std::move(knows_second));
  const auto answer = answer_hello(handshake.hello(), setup, nullptr, kNow, fresh());
  ASSERT_TRUE(answer);
  const auto channel = handshake.finish(answer->frame, kNow);
  ASSERT_TRUE(channel);
  EXPECT_EQ(channel->server, identity(1).public_key());
}

}  // namespace
}  // namespace kontract::raystream
