// Who a server is: an Ed25519 key (RFC 8032) that signs its handshakes, and what a client trusts.
//
//   certificate := root_key_id(8) ‖ not_before:u64 ‖ not_after:u64 ‖ signature(64)
//
// A certificate lets a server change its key below a root key that clients know, which is kept off
// the server. Its signature is the root's, over the server's key and both times (ms since 1970).
// docs/raystream.md, sections 5 and 6.

#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/secret_bytes.hpp"
#include "storage/result.hpp"

namespace kontract::raystream {

inline constexpr std::size_t kIdentitySeedBytes = 32;
inline constexpr std::size_t kCertificateBytes = 8 + 8 + 8 + 64;

using Instant = std::chrono::system_clock::time_point;
using IdentityKey = std::array<char, 32>;  // public
using KeyHint = std::array<char, 8>;       // the first 8 bytes of a public key's SHA-256
using Signature = std::array<char, 64>;

KeyHint key_hint(const IdentityKey& key);

// A public key as people pass it on, a "pin": base64url, 43 characters.
std::string to_pin(const IdentityKey& key);
std::optional<IdentityKey> from_pin(std::string_view pin);  // nothing if it is no such text

// A pair of keys. Immutable; thread-safe.
class SigningKey {
 public:
  // Errors: invalid_request if the seed has not kIdentitySeedBytes.
  static Result<SigningKey> from_seed(std::string_view seed);

  const IdentityKey& public_key() const { return public_key_; }

  Signature sign(std::string_view message) const;

  // Makes a certificate for `server`, with this as the root. In force from `not_before` to
  // `not_after`, both included. REQUIRES: both are after 1970.
  std::string certify(const IdentityKey& server, Instant not_before, Instant not_after) const;

 private:
  SigningKey() = default;

  IdentityKey public_key_{};
  SecretBytes secret_;
};

bool signature_matches(const Signature& signature, std::string_view message,
                       const IdentityKey& signer);

// Which servers a client takes for the right ones: one of the pins; one with a certificate of one
// of the roots; and, if the client was told so, any that TLS vouches for.
struct ServerTrust {
  std::vector<IdentityKey> pins = {};
  std::vector<IdentityKey> roots = {};
  bool tls_vouches = false;  // configured by the user, never a default
  bool over_tls = false;     // the URL is wss:// and the certificate was verified

  // `certificate` is empty or what the server sent. Reads no clock.
  bool accepts(const IdentityKey& server, std::string_view certificate, Instant now) const;
};

}  // namespace kontract::raystream
