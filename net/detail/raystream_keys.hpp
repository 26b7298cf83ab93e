// The key schedule of the handshake (docs/raystream.md, section 6): from both hellos and the shared
// secret to the secrets of the channel.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/detail/raystream_kdf.hpp"
#include "net/raystream_frame.hpp"
#include "net/raystream_identity.hpp"

namespace kontract::raystream::detail {

using kontract::detail::Hash;
using ExchangeKey = std::array<char, 32>;  // X25519, public

// 64 spaces, the context, a zero byte, the text: so that a signature made for one purpose is none
// for another.
std::string signed_text(std::string_view context, std::string_view text);
std::string server_hello_text(const Hash& transcript);

// Milliseconds since 1970. What lies outside of 1970 to about the year 292,000,000 is brought in.
std::uint64_t to_ms(Instant time);

ExchangeKey exchange_public(const SecretBytes& own_private);

// Nothing if the peer's key makes the secret all zero, which everybody would know.
std::optional<SecretBytes> exchange(const SecretBytes& own_private, const ExchangeKey& peer);

// HKDF-Extract; `resume_secret` is empty in a full handshake.
SecretBytes handshake_key(const SecretBytes& shared, std::string_view resume_secret);

struct ChannelKeys {
  SecretBytes client_to_server, server_to_client, finished, resume, exporter;
};

struct Bindings {  // what all keys hang on
  const ChannelId& channel_id;
  const ExchangeKey& client;
  const ExchangeKey& server;
  const Hash& transcript;
};
ChannelKeys channel_keys(const SecretBytes& handshake_key, const Bindings& bindings);

SecretBytes finished_mac(const ChannelKeys& keys, const Hash& transcript,
                         const Signature& signature);

// The binder of a ClientHello: `frame` is all of it but the binder itself.
SecretBytes resume_binder(std::string_view resume_secret, std::string_view frame);

}  // namespace kontract::raystream::detail
