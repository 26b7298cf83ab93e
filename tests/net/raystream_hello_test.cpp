#include "net/detail/raystream_hello.hpp"

#include "net/detail/raystream_header.hpp"
#include "storage/byte_codec.hpp"
#include "tests/net/raystream_fixture.hpp"

namespace kontract::raystream {
namespace {

// Extensions, in hex: type, size, value.
const std::string kHint =
    "00010008"
    "0102030405060708";
const std::string kResume = "00ff0030" + std::string(96, 'a');
const std::string kIdentity = "01010020" + std::string(64, 'b');
const std::string kMaxVersion =
    "01020001"
    "01";
const std::string kLimits = "01030010" + std::string(32, '1');
const std::string kResumed =
    "01040001"
    "01";
const std::string kCertificate = "01050058" + std::string(176, 'c');

std::string client_frame(const std::string& ciphers, const std::string& extensions,
                         int version = 1) {
  const std::string cipher_bytes = from_hex(ciphers);
  const std::string extension_bytes = from_hex(extensions);
  ByteWriter out(128);
  out.be(static_cast<std::uint8_t>(version)).be(static_cast<std::uint8_t>(cipher_bytes.size()));
  out.be(static_cast<std::uint16_t>(extension_bytes.size())).bytes(std::string(32, 'k'));
  out.bytes(cipher_bytes).bytes(extension_bytes);
  return detail::handshake_frame(FrameType::handshake_init, out.view());
}

std::string server_frame(const std::string& extensions) {
  const std::string extension_bytes = from_hex(extensions);
  ByteWriter out(512);
  out.be(std::uint8_t{1}).be(std::uint8_t{1});
  out.be(static_cast<std::uint16_t>(extension_bytes.size()));
  out.bytes(std::string(32 + 16 + 8, 'k')).bytes(extension_bytes).bytes(std::string(96, 's'));
  return detail::handshake_frame(FrameType::handshake_response, out.view());
}

TEST(RaystreamHelloTest, AClientsHelloHasOneForm) {
  struct Case {
    const char* name;
    bool good;
    std::string ciphers, extensions;
    int version = 1;
  };
  for (const Case& c : {
           Case{"plain", true, "0102", ""},
           Case{"all extensions", true, "0102", kHint + kResume},
           Case{"a later version", true, "0102", "", 9},
           Case{"version 0", false, "0102", "", 0},
           Case{"unknown ciphers between", true, "7f01ff02", ""},
           Case{"only unknown ciphers", true, "7f", ""},
           Case{"eight ciphers", true, "0102030405060708", ""},
           Case{"nine ciphers", false, "010203040506070809", ""},
           Case{"no cipher", false, "", ""},
           Case{"a cipher twice", false, "010201", ""},
           Case{"an unknown cipher twice", false, "017f7f", ""},
           Case{"an unknown extension", true, "01", "00020001ff"},
           Case{"an unknown, empty extension", true, "01", "00020000"},
           Case{"an unknown, critical extension", false, "01", "80020000"},
           Case{"extensions out of order", false, "01", "00020000" + kHint},
           Case{"an extension twice", false, "01", kHint + kHint},
           Case{"something behind resume", false, "01", kResume + "01000000"},
           Case{"a short hint", false, "01",
                "00010007"
                "01020304050607"},
           Case{"a long hint", false, "01",
                "00010009"
                "010203040506070809"},
           Case{"a short resume", false, "01", "00ff002f" + std::string(94, 'a')},
           Case{"an extension cut short", false, "01", "00020002ff"},
           Case{"half a type", false, "01", "00"},
       }) {
    SCOPED_TRACE(c.name);
    const auto hello =
        detail::decode_client_hello(client_frame(c.ciphers, c.extensions, c.version));
    EXPECT_EQ(hello.has_value(), c.good);
  }
}

TEST(RaystreamHelloTest, AServersHelloHasOneForm) {
  const std::string required = kIdentity + kMaxVersion + kLimits;
  struct Case {
    const char* name;
    bool good;
    std::string extensions;
  };
  for (const Case& c : {
           Case{"what is required", true, required},
           Case{"all there are", true, required + kResumed + kCertificate},
           Case{"no identity", false, kMaxVersion + kLimits},
           Case{"no highest version", false, kIdentity + kLimits},
           Case{"no limits", false, kIdentity + kMaxVersion},
           Case{"none", false, ""},
           Case{"out of order", false, kMaxVersion + kIdentity + kLimits},
           Case{"twice", false, kIdentity + kIdentity + kMaxVersion + kLimits},
           Case{"an unknown one", true, required + "02000000"},
           Case{"an unknown, critical one", false, required + "82000000"},
           Case{"an unknown one that is cut short", false, required + "02000001"},
           Case{"resumed neither 0 nor 1", false,
                required + "01040001"
                           "02"},
           Case{"resumed of two bytes", false,
                required + "01040002"
                           "0001"},
           Case{"a short identity", false,
                "0101001f" + std::string(62, 'b') + kMaxVersion + kLimits},
           Case{"long limits", false, kIdentity + kMaxVersion + "01030011" + std::string(34, '1')},
           Case{"an empty certificate", false, required + "01050000"},
       }) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(detail::decode_server_hello(server_frame(c.extensions)).has_value(), c.good);
  }
}

TEST(RaystreamHelloTest, TheHeaderOfAHandshakeFrameIsAsItMustBe) {
  const std::string good = client_frame("0102", kHint);
  ASSERT_TRUE(detail::decode_client_hello(good));
  for (std::size_t bit = 0; bit < 8 * kHeaderBytes; ++bit) {
    EXPECT_FALSE(detail::decode_client_hello(flipped(good, bit))) << bit;
  }
}

TEST(RaystreamHelloTest, WhatIsDecodedIsWhatWasEncoded) {
  detail::ServerHello hello;
  hello.cipher = 2;
  hello.channel_id.fill('i');
  hello.expires_ms = 0x0102030405060708;
  hello.limits = {1, 2, 3, 4};
  hello.resumed = false;
  hello.certificate = std::string(kCertificateBytes, 'c');
  const std::string frame = detail::encode_without_proof(hello) + std::string(64, 's') +
                            std::string(detail::kFinishedBytes, 'f');
  const auto decoded = detail::decode_server_hello(frame);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->cipher, 2);
  EXPECT_EQ(decoded->channel_id, hello.channel_id);
  EXPECT_EQ(decoded->expires_ms, hello.expires_ms);
  EXPECT_EQ(decoded->limits, hello.limits);
  EXPECT_EQ(decoded->resumed, hello.resumed);
  EXPECT_EQ(decoded->certificate, hello.certificate);
  EXPECT_EQ(decoded->signature[63], 's');
  EXPECT_EQ(decoded->finished, std::string(32, 'f'));
}

}  // namespace
}  // namespace kontract::raystream
