#include "net/raystream_identity.hpp"

#include "tests/net/raystream_fixture.hpp"

namespace kontract::raystream {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

const Instant kFrom = kNow - hours(1);
const Instant kUntil = kNow + hours(1);

TEST(RaystreamIdentityTest, ASeedHas32Bytes) {
  const auto made = SigningKey::from_seed("short");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::invalid_request);
}

TEST(RaystreamIdentityTest, TheHintIsThatOfTheVectors) {
  const KeyHint hint = key_hint(server_identity().public_key());
  EXPECT_EQ(to_hex({hint.data(), hint.size()}), "1cfdd7ea676ac1f0");
}

TEST(RaystreamIdentityTest, AServerIsTrustedByPinByRootOrByTls) {
  const IdentityKey server = server_identity().public_key();
  const IdentityKey other = identity(1).public_key();
  const SigningKey root = identity(2);
  const std::string certificate = root.certify(server, kFrom, kUntil);
  const std::string of_another_root = identity(3).certify(server, kFrom, kUntil);
  const std::string of_another_server = root.certify(other, kFrom, kUntil);
  struct Case {
    const char* name;
    bool trusted;
    ServerTrust trust;
    std::string certificate;
    Instant now = kNow;
  };
  for (const Case& c : {
           Case{"nothing configured", false, {}, certificate},
           Case{"pinned", true, {.pins = {server}}, ""},
           Case{"one of two pins", true, {.pins = {other, server}}, ""},
           Case{"another one is pinned", false, {.pins = {other}}, certificate},
           Case{
               "the root is pinned as a server", false, {.pins = {root.public_key()}}, certificate},
           Case{"certified", true, {.roots = {root.public_key()}}, certificate},
           Case{"by one of two roots", true, {.roots = {other, root.public_key()}}, certificate},
           Case{"no certificate", false, {.roots = {root.public_key()}}, ""},
           Case{"of another root", false, {.roots = {root.public_key()}}, of_another_root},
           Case{"of another server", false, {.roots = {root.public_key()}}, of_another_server},
           Case{"cut short", false, {.roots = {root.public_key()}}, certificate.substr(0, 87)},
           Case{"before",
                false,
                {.roots = {root.public_key()}},
                certificate,
                kFrom - milliseconds(1)},
           Case{"from its first", true, {.roots = {root.public_key()}}, certificate, kFrom},
           Case{"to its last", true, {.roots = {root.public_key()}}, certificate, kUntil},
           Case{"after",
                false,
                {.roots = {root.public_key()}},
                certificate,
                kUntil + milliseconds(1)},
           Case{"TLS as configured", true, {.tls_vouches = true, .over_tls = true}, ""},
           Case{"TLS without being told so", false, {.over_tls = true}, ""},
           Case{"told so but without TLS", false, {.tls_vouches = true}, ""},
       }) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(c.trust.accepts(server, c.certificate, c.now), c.trusted);
  }
}

TEST(RaystreamIdentityTest, EveryFlippedBitOfACertificateIsNoticed) {
  const IdentityKey server = server_identity().public_key();
  const SigningKey root = identity(2);
  const ServerTrust trust{.roots = {root.public_key()}};
  const std::string certificate = root.certify(server, kFrom, kUntil);
  ASSERT_EQ(certificate.size(), kCertificateBytes);
  ASSERT_TRUE(trust.accepts(server, certificate, kNow));
  for (std::size_t bit = 0; bit < 8 * certificate.size(); ++bit) {
    EXPECT_FALSE(trust.accepts(server, flipped(certificate, bit), kNow)) << bit;
  }
}

TEST(RaystreamIdentityTest, ACertifiedServerShakesHandsWithWhoOnlyKnowsTheRoot) {
  const SigningKey root = identity(2);
  ServerSetup setup = server_setup();
  setup.identities[0].certificate = root.certify(server_identity().public_key(), kFrom, kUntil);
  const auto attempt = [&](Instant now) {
    ClientSetup knows_root;
    knows_root.trust.roots = {root.public_key()};
    ClientHandshake handshake(std::move(knows_root));
    const auto answer = answer_hello(handshake.hello(), setup, nullptr, now, fresh());
    return handshake.finish(answer->frame, now);
  };
  EXPECT_TRUE(attempt(kNow));
  EXPECT_FALSE(attempt(kUntil + milliseconds(1)));
}

}  // namespace
}  // namespace kontract::raystream
