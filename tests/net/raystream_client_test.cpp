// The C++ client over raystream.v1: whom it trusts, and what comes of a channel that ends.

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <future>
#include <iterator>

#include "net/client.hpp"
#include "net/detail/raystream_hello.hpp"
#include "net/server_identity.hpp"
#include "tests/net/cutting_relay.hpp"
#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using test::CuttingRelay;
using test::kPatience;
using ::testing::AllOf;
using ::testing::HasSubstr;

class RaystreamClientTest : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    std::string pattern = (std::filesystem::temp_directory_path() / "known-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    own_path_ = pattern;
  }
  void TearDown() override {
    ServerFixture::TearDown();
    std::filesystem::remove_all(own_path_);
  }

  ClientOptions options(std::uint16_t at) const {
    ClientOptions options;
    options.url = "ws://127.0.0.1:" + std::to_string(at);
    options.session = "room-1";
    options.connect_timeout = kPatience;
    options.call_timeout = kPatience;
    options.backoff_min = std::chrono::milliseconds(1);
    options.backoff_max = std::chrono::milliseconds(5);
    return options;
  }
  ClientOptions pinned(std::uint16_t at) const {
    ClientOptions client = options(at);
    client.raystream.pins = {server_->identity()};
    return client;
  }
  ClientOptions pinned() const { return pinned(port()); }
  // Else a call whose connection was lost is sent again, and nothing is to be seen of that.
  ClientOptions losing_calls(std::uint16_t at) const {
    ClientOptions options = pinned(at);
    options.exactly_once = false;
    return options;
  }

  // What connect() gives to a client with these.
  static Result<Welcome> connect(const ClientOptions& options) { return Client(options).connect(); }
  static Errc refusal(const ClientOptions& options) {
    const auto welcome = connect(options);
    return welcome ? Errc::internal : welcome.error().code;
  }

  std::filesystem::path known_hosts() const { return own_path_ / "known_hosts"; }
  std::string known_text() const {
    std::ifstream file(known_hosts());
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::filesystem::path own_path_;
};

// The outcome of a call that is not waited for.
std::future<Result<CallResult>> call(Client& client, std::string_view function, Json args) {
  auto promise = std::make_shared<std::promise<Result<CallResult>>>();
  client.call(function, std::move(args),
              [promise](Result<CallResult> result) { promise->set_value(std::move(result)); });
  return promise->get_future();
}

TEST_F(RaystreamClientTest, APinnedServerIsTalkedToInBothCiphers) {
  options_.raystream = RaystreamOffer::required;  // so that nothing else can be what works
  start();
  for (const Cipher cipher : {Cipher::chacha20_poly1305, Cipher::aes_256_gcm}) {
    ClientOptions with = pinned();
    with.raystream.ciphers = {cipher};
    Client client(with);
    const auto welcome = client.connect();
    ASSERT_TRUE(welcome) << welcome.error().message;
    EXPECT_EQ(welcome->owner, "dev");
    EXPECT_TRUE(client.call("session.info", Json::array()));
    EXPECT_EQ(client.call("none", Json::array()).error().code, Errc::not_found);
  }
  EXPECT_EQ(refusal(options(port())), Errc::invalid_request);
}

TEST_F(RaystreamClientTest, AnotherServerThanThePinnedOneIsRefused) {
  start();
  ClientOptions wrong = pinned();
  const auto other = raystream::SigningKey::from_seed(std::string(32, 'x'));
  wrong.raystream.pins = {raystream::to_pin(other->public_key())};
  const auto refused = connect(wrong);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
  EXPECT_THAT(refused.error().message, HasSubstr(server_->identity()));
  EXPECT_THAT(refused.error().hint, HasSubstr("in between"));
  wrong.raystream.pins.push_back(server_->identity());
  EXPECT_TRUE(connect(wrong));
}

TEST_F(RaystreamClientTest, AServerThatDoesNotEncryptIsNotTalkedToInPlainText) {
  options_.raystream = RaystreamOffer::off;
  start();
  ClientOptions with = options(port());
  const auto key = raystream::SigningKey::from_seed(std::string(32, 'x'));
  with.raystream.pins = {raystream::to_pin(key->public_key())};
  EXPECT_EQ(refusal(with), Errc::invalid_request);
  EXPECT_TRUE(connect(options(port())));
}

TEST_F(RaystreamClientTest, OptionsThatDoNotGoTogetherAreRefused) {
  start();
  const std::string pin = server_->identity();
  struct Case {
    const char* name;
    ClientRaystream raystream;
  };
  for (const Case& c :
       {Case{"no pin", {.trust = RaystreamTrust::pinned}}, Case{"a bad pin", {.pins = {"x"}}},
        Case{"a bad root", {.roots = {pin + "A"}}},
        Case{"a pin that counts for nothing", {.trust = RaystreamTrust::off, .pins = {pin}}},
        Case{"no file", {.trust = RaystreamTrust::first_use}},
        Case{"no TLS", {.trust = RaystreamTrust::tls}},
        Case{"no cipher", {.pins = {pin}, .ciphers = {}}}}) {
    SCOPED_TRACE(c.name);
    ClientOptions with = options(port());
    with.raystream = c.raystream;
    const auto refused = connect(with);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::invalid_request);
    EXPECT_FALSE(refused.error().hint.empty());
  }
}

TEST_F(RaystreamClientTest, ARotatedServerIsStillTheOneThatWasPinned) {
  options_.identity_keys = (own_path_ / kIdentityFile).string();
  start();
  const ClientOptions old = pinned();
  EXPECT_TRUE(connect(old));
  ASSERT_TRUE(rotate_identity(options_.identity_keys));
  stop();
  start();
  ClientOptions before = old;
  before.url = options(port()).url;
  EXPECT_NE(server_->identity(), old.raystream.pins.front());
  EXPECT_TRUE(connect(before));
  EXPECT_TRUE(connect(pinned()));
  ASSERT_TRUE(drop_old_identities(options_.identity_keys));
  stop();
  start();
  before.url = options(port()).url;
  EXPECT_EQ(refusal(before), Errc::unauthorized);
  EXPECT_TRUE(connect(pinned()));
}

TEST_F(RaystreamClientTest, WhoAnsweredFirstIsTheOneFromThenOn) {
  start();
  ClientOptions with = options(port());
  with.raystream.known_hosts = known_hosts().string();
  EXPECT_TRUE(connect(with));
  const std::string server = "127.0.0.1:" + std::to_string(port());
  EXPECT_EQ(known_text(), server + " " + server_->identity() + "\n");
  struct stat facts {};
  ASSERT_EQ(::stat(known_hosts().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  EXPECT_TRUE(connect(with));
  EXPECT_EQ(known_text(), server + " " + server_->identity() + "\n");

  // Of this address, another server was known before.
  const auto other = raystream::SigningKey::from_seed(std::string(32, 'x'));
  const std::string line = server + " " + raystream::to_pin(other->public_key());
  std::ofstream(known_hosts()) << "# mine\n" << line;
  const auto refused = connect(with);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("changed"), HasSubstr(server)));
  EXPECT_THAT(refused.error().hint, HasSubstr(known_hosts().string()));
  EXPECT_EQ(known_text(), "# mine\n" + line);

  std::ofstream(known_hosts()) << server + " damaged\n";
  EXPECT_EQ(refusal(with), Errc::invalid_request);
  std::ofstream(known_hosts()) << "elsewhere:1 damaged\n" << line << "0";
  EXPECT_EQ(refusal(with), Errc::invalid_request);
  std::ofstream(known_hosts()) << "elsewhere:1 damaged";
  EXPECT_TRUE(connect(with));
  EXPECT_EQ(known_text(), "elsewhere:1 damaged\n" + server + " " + server_->identity() + "\n");
  with.raystream.known_hosts = (own_path_ / "nowhere" / "known_hosts").string();
  EXPECT_EQ(refusal(with), Errc::invalid_request);
}

TEST_F(RaystreamClientTest, ManyCallsOfManyClientsKeepTheirOrder) {
  options_.raystream_rekey_records = 64;
  start();
  constexpr int kClients = 6, kCalls = 300;
  std::vector<std::unique_ptr<Client>> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.push_back(std::make_unique<Client>(pinned()));
    ASSERT_TRUE(clients.back()->connect());
  }
  ASSERT_TRUE(clients[0]->call("table.create", {"t", Json::object()}));
  std::vector<std::future<Result<CallResult>>> answers;
  for (int i = 0; i < kCalls; ++i) {
    for (int c = 0; c < kClients; ++c) {
      answers.push_back(call(*clients[c], "table.set", {"t", "k" + std::to_string(c), {{"n", i}}}));
    }
  }
  for (auto& answer : answers) {
    const auto result = answer.get();
    ASSERT_TRUE(result) << result.error().message;
  }
  for (int c = 0; c < kClients; ++c) {
    const auto last = clients[c]->call("table.get", {"t", "k" + std::to_string(c)});
    ASSERT_TRUE(last);
    EXPECT_EQ(last->result, Json({{"n", kCalls - 1}}));
  }
}

TEST_F(RaystreamClientTest, LargeMessagesPassAndTooLargeOnesAreNotSent) {
  options_.frame_bytes_max = 64 * limits::kKiB;
  start();
  Client client(pinned());
  ASSERT_TRUE(client.connect());
  ASSERT_TRUE(client.call("table.create", {"t", Json::object()}));
  const Json text = {{"text", std::string(63 * limits::kKiB, 'x')}};
  EXPECT_TRUE(client.call("table.set", {"t", "a", text}));
  EXPECT_EQ(client.call("table.get", {"t", "a"})->result, text);
  const Json more = {{"text", std::string(64 * limits::kKiB, 'x')}};
  EXPECT_EQ(client.call("table.set", {"t", "b", more}).error().code, Errc::too_large);
}

TEST_F(RaystreamClientTest, AChannelWhoseTimeIsOverIsFollowedByAnother) {
  options_.raystream_life = std::chrono::seconds(2);
  start();
  std::promise<void> twice;
  std::atomic<int> welcomes{0};
  Client client(pinned());
  client.on_connection([&](bool there) {
    if (there && ++welcomes == 2) twice.set_value();
  });
  ASSERT_EQ(twice.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_TRUE(client.call("session.info", Json::array()));
}

// The `resumed` of a server's hello, from all that it has sent; nothing if there is none.
std::optional<bool> resumed(const std::string& received) {
  const std::size_t head = received.find("\r\n\r\n");
  if (head == std::string::npos || received.size() < head + 8) return std::nullopt;
  const std::string_view frame = std::string_view(received).substr(head + 4);
  const std::size_t size = static_cast<unsigned char>(frame[2]) << 8U |
                           static_cast<unsigned char>(frame[3]);  // of 126 to 65535 bytes
  const auto hello = raystream::detail::decode_server_hello(frame.substr(4, size));
  return hello ? hello->resumed.value_or(false) : std::optional<bool>();
}

TEST_F(RaystreamClientTest, ACutConnectionLosesWhatWasAskedAndIsResumed) {
  start();
  CuttingRelay relay(port());
  Client client(losing_calls(relay.port()));
  ASSERT_TRUE(client.connect());
  ASSERT_TRUE(client.call("table.create", {"t", Json::object()}));
  hold_writes();
  auto lost = call(client, "table.set", {"t", "a", {{"n", 1}}});
  wait_until([&] { return directory_->metrics().calls >= 3; });  // open, create, set
  relay.cut();
  const auto outcome = lost.get();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::timeout);
  EXPECT_THAT(outcome.error().message, HasSubstr("unknown"));
  release_writes();
  EXPECT_TRUE(client.call("table.get", {"t", "a"}));
  const auto received = relay.received();
  ASSERT_EQ(received.size(), 2U);
  EXPECT_EQ(resumed(received[0]), false);
  EXPECT_EQ(resumed(received[1]), true);
}

TEST_F(RaystreamClientTest, AChangedByteEndsTheConnectionAndNotTheClient) {
  start();
  CuttingRelay relay(port());
  Client client(losing_calls(relay.port()));
  ASSERT_TRUE(client.connect());
  bool changed = false;
  relay.change([&](std::string& bytes) {
    if (!std::exchange(changed, true)) bytes.back() = static_cast<char>(bytes.back() ^ 1);
  });
  const auto lost = client.call("session.info", Json::array());
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Errc::timeout);
  EXPECT_TRUE(client.call("session.info", Json::array()));
}

TEST_F(RaystreamClientTest, SomebodyInBetweenCanNotMakeTheClientGiveUp) {
  start();
  CuttingRelay relay(port());
  Client client(losing_calls(relay.port()));
  ASSERT_TRUE(client.connect());
  bool forged = false;
  // A close frame in plain text: 1008, KONTRACT_UNAUTHORIZED.
  relay.change([&](std::string& bytes) {
    const std::string reason = "KONTRACT_UNAUTHORIZED";
    if (!std::exchange(forged, true)) {
      bytes = std::string("\x88") + static_cast<char>(2 + reason.size()) + "\x03\xf0" + reason;
    }
  });
  EXPECT_FALSE(client.call("session.info", Json::array()));
  EXPECT_TRUE(client.call("session.info", Json::array()));
}

TEST_F(RaystreamClientTest, WhatWasAskedIsSentAgainOnTheNextChannel) {
  start();
  CuttingRelay relay(port());
  Client client(pinned(relay.port()));
  ASSERT_TRUE(client.connect());
  ASSERT_TRUE(client.call("table.create", {"t", Json::object()}));
  hold_writes();
  auto answer = call(client, "table.push", {"t", {{"n", 1}}});
  wait_until([&] { return directory_->metrics().calls >= 3; });  // open, create, push
  relay.cut();
  release_writes();
  EXPECT_TRUE(answer.get());
  const auto rows = client.call("table.query", {"t"});
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->result["rows"].size(), 1U) << "pushed once";
}

}  // namespace
}  // namespace kontract
