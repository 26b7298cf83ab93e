// TokenKeys: the keys that tokens are signed with, by `kid`.
//
// A key has one algorithm, HS256 (RFC 7515) or EdDSA with Ed25519 (RFC 8037), and one issuer: what
// a token says of itself can choose neither. A token that names no kid has the key whose kid is
// empty.
//
// JWK Set (RFC 7517), of which an identity provider's and that of our own keys are read:
//
//   {"keys":[{"kty":"OKP","crv":"Ed25519","x":<public, base64url>,"kid":...,"d":<seed>,...},...]}

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/json.hpp"
#include "storage/result.hpp"

namespace kontract {

inline constexpr std::size_t kSecretBytesMin = 32;  // as long as the MAC: RFC 7518, section 3.2
inline constexpr std::size_t kTokenSeedBytes = 32;  // of Ed25519
inline constexpr std::string_view kTokenIssuer = "kontract";    // where no other is configured
inline constexpr std::string_view kTokenAudience = "kontract";  // likewise

enum class TokenAlgorithm : std::uint8_t { hs256, eddsa };

// As a token's header has it.
std::string_view algorithm_name(TokenAlgorithm algorithm);

struct TokenKey {
  TokenAlgorithm algorithm = TokenAlgorithm::hs256;
  std::string kid;
  std::string issuer{kTokenIssuer};  // `iss` of all tokens that it signs
  std::string secret;      // hs256: 32 bytes or more; eddsa: the seed, or empty if it only verifies
  std::string public_key;  // eddsa: 32 bytes

  bool signs() const { return !secret.empty(); }
};

TokenKey secret_key(std::string secret, std::string issuer = std::string(kTokenIssuer));

// REQUIRES: seed has kTokenSeedBytes.
TokenKey seed_key(std::string seed, std::string kid,
                  std::string issuer = std::string(kTokenIssuer));

// REQUIRES: key.signs().
std::string sign(std::string_view text, const TokenKey& key);
bool is_signature(std::string_view signature, std::string_view text, const TokenKey& key);

class TokenKeys {
 public:
  explicit TokenKeys(std::string audience = std::string(kTokenAudience))
      : audience_(std::move(audience)) {}

  // Errors: invalid_request (a short secret, a kid that is taken).
  Status add(TokenKey key);

  const TokenKey* find(std::string_view kid) const;  // null: none
  const TokenKey* newest_signing() const;            // the last one added; null: none signs
  const std::string& audience() const { return audience_; }
  bool empty() const { return keys_.empty(); }

 private:
  std::vector<TokenKey> keys_;
  std::string audience_;
};

struct JwkSet {
  std::vector<TokenKey> keys;        // they only verify, unless they were read with their seeds
  std::vector<std::string> ignored;  // which keys were not taken, and why
};

enum class JwkParts : bool { public_only, with_seed };

// `text` as a JWK Set of keys of this issuer. Keys that are not for signatures of Ed25519 are
// ignored; a private part is not looked at unless it is asked for, and must then be there.
// Errors: invalid_request (no JWK Set, a key of Ed25519 that is none).
Result<JwkSet> read_jwks(std::string_view text, const std::string& issuer, JwkParts parts);

// Random, in hex: a kid or a jti.
std::string random_name(std::size_t bytes);

// The public half of an Ed25519 key as a JWK.
Json public_jwk(const TokenKey& key);

}  // namespace kontract
