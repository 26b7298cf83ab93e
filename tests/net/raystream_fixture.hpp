// What the tests of raystream share: bytes from hex, the inputs of the vectors, two ends of a
// channel.

#pragma once

#include <gtest/gtest.h>
#include <sodium.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/raystream_handshake.hpp"

namespace kontract::raystream {

inline std::string from_hex(std::string_view hex) {
  std::string bytes(hex.size() / 2, '\0');
  std::size_t size = 0;
  const int rc = sodium_hex2bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(),
                                hex.data(), hex.size(), nullptr, &size, nullptr);
  EXPECT_TRUE(rc == 0 && size == bytes.size()) << hex;
  return bytes;
}

inline std::string to_hex(std::string_view bytes) {
  std::string hex(2 * bytes.size() + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                 bytes.size());
  hex.pop_back();
  return hex;
}

// The 32 bytes first, first + 1, ...
inline SecretBytes counting(int first) {
  SecretBytes bytes(32);
  for (int i = 0; i < 32; ++i) bytes.data()[i] = static_cast<char>(first + i);
  return bytes;
}

inline std::string flipped(std::string bytes, std::size_t bit) {
  bytes[bit / 8] = static_cast<char>(static_cast<unsigned char>(bytes[bit / 8]) ^ 1U << bit % 8);
  return bytes;
}

inline Instant at_ms(std::int64_t ms) { return Instant{std::chrono::milliseconds(ms)}; }

// The vectors' handshakes are an hour before their end.
inline constexpr std::chrono::hours kLife{1};
inline const Instant kNow = at_ms(1'767'225'600'000) - kLife;

inline SigningKey identity(int first) { return *SigningKey::from_seed(counting(first).view()); }
inline SigningKey server_identity() { return identity(0x81); }

inline ServerSetup server_setup() {
  ServerSetup setup;
  setup.identities.push_back({server_identity(), ""});
  setup.life = kLife;
  return setup;
}

inline ClientSetup client_setup(std::vector<Cipher> ciphers = {Cipher::chacha20_poly1305,
                                                               Cipher::aes_256_gcm}) {
  ClientSetup setup;
  setup.ciphers = std::move(ciphers);
  setup.trust.pins = {server_identity().public_key()};
  return setup;
}

inline ServerFresh fresh(int first = 0x41) {
  ServerFresh made{counting(first), {}};
  const std::string id = from_hex("0192f0c4a5b67c8d9e0f112233445566");
  std::copy(id.begin(), id.end(), made.channel_id.begin());
  return made;
}

inline FindResumeSecret knows(const SecretBytes& secret) {
  return [&secret](const ChannelId&) { return std::optional(secret.copy()); };
}

inline const Cipher kCiphers[] = {Cipher::chacha20_poly1305, Cipher::aes_256_gcm};

}  // namespace kontract::raystream
