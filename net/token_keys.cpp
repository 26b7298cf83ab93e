#include "net/token_keys.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <utility>

#include "net/detail/base64url.hpp"

namespace kontract {

namespace {

using Mac = std::array<unsigned char, crypto_auth_hmacsha256_BYTES>;
using SigningKey = std::array<unsigned char, crypto_sign_SECRETKEYBYTES>;

static_assert(kTokenSeedBytes == crypto_sign_SEEDBYTES);

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

template <std::size_t n>
std::string text_of(const std::array<unsigned char, n>& binary) {
  return {reinterpret_cast<const char*>(binary.data()), n};
}

Mac hmac_sha256(std::string_view message, std::string_view secret) {
  crypto_auth_hmacsha256_state state;
  Mac mac;
  crypto_auth_hmacsha256_init(&state, bytes(secret), secret.size());
  crypto_auth_hmacsha256_update(&state, bytes(message), message.size());
  crypto_auth_hmacsha256_final(&state, mac.data());
  sodium_memzero(&state, sizeof state);
  return mac;
}

std::string text_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Why this JWK is not one that tokens can be verified with; empty if it is.
std::string unsuitable(const Json& jwk) {
  if (text_member(jwk, "kty") != "OKP" || text_member(jwk, "crv") != "Ed25519") {
    return "it is not a key of Ed25519";
  }
  if (jwk.contains("use") && jwk["use"] != "sig") return "its use is not sig";
  if (jwk.contains("alg") && jwk["alg"] != "EdDSA") return "its alg is not EdDSA";
  if (const auto uses = jwk.find("key_ops"); uses != jwk.end()) {
    const bool verifies =
        uses->is_array() && std::find(uses->begin(), uses->end(), "verify") != uses->end();
    if (!verifies) return "its key_ops have no verify";
  }
  return {};
}

Error bad_jwk(const std::string& name, const std::string& what) {
  return {Errc::invalid_request, "The key " + name + " of the JWK Set " + what,
          "Take the set as the one who signs publishes it."};
}

}  // namespace

std::string_view algorithm_name(TokenAlgorithm algorithm) {
  return algorithm == TokenAlgorithm::hs256 ? "HS256" : "EdDSA";
}

TokenKey secret_key(std::string secret, std::string issuer) {
  TokenKey key;
  key.issuer = std::move(issuer);
  key.secret = std::move(secret);
  return key;
}

TokenKey seed_key(std::string seed, std::string kid, std::string issuer) {
  KONTRACT_ASSERT(seed.size() == kTokenSeedBytes);
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> public_key;
  SigningKey full;
  crypto_sign_seed_keypair(public_key.data(), full.data(), bytes(seed));
  sodium_memzero(full.data(), full.size());
  TokenKey key;
  key.algorithm = TokenAlgorithm::eddsa;
  key.kid = std::move(kid);
  key.issuer = std::move(issuer);
  key.secret = std::move(seed);
  key.public_key = text_of(public_key);
  return key;
}

std::string sign(std::string_view text, const TokenKey& key) {
  KONTRACT_ASSERT(key.signs());
  if (key.algorithm == TokenAlgorithm::hs256) return text_of(hmac_sha256(text, key.secret));
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> ignored;
  SigningKey full;
  std::array<unsigned char, crypto_sign_BYTES> signature;
  crypto_sign_seed_keypair(ignored.data(), full.data(), bytes(key.secret));
  crypto_sign_detached(signature.data(), nullptr, bytes(text), text.size(), full.data());
  sodium_memzero(full.data(), full.size());
  return text_of(signature);
}

bool is_signature(std::string_view signature, std::string_view text, const TokenKey& key) {
  if (key.algorithm == TokenAlgorithm::hs256) {
    const Mac expected = hmac_sha256(text, key.secret);
    return signature.size() == expected.size() &&
           sodium_memcmp(signature.data(), expected.data(), expected.size()) == 0;
  }
  return signature.size() == crypto_sign_BYTES &&
         crypto_sign_verify_detached(bytes(signature), bytes(text), text.size(),
                                     bytes(key.public_key)) == 0;
}

Status TokenKeys::add(TokenKey key) {
  if (key.algorithm == TokenAlgorithm::hs256 && key.secret.size() < kSecretBytesMin) {
    return Error{Errc::invalid_request, "The secret is shorter than 32 bytes",
                 "Generate one, for example with 'openssl rand -base64 48'."};
  }
  if (find(key.kid) != nullptr) {
    return Error{
        Errc::invalid_request,
        key.kid.empty() ? "Two keys of tokens have no kid" : "Two keys have the kid " + key.kid,
        "Give each key a kid of its own; the secret is the one that has none."};
  }
  keys_.push_back(std::move(key));
  return {};
}

const TokenKey* TokenKeys::find(std::string_view kid) const {
  const auto found = std::ranges::find(keys_, kid, &TokenKey::kid);
  return found == keys_.end() ? nullptr : &*found;
}

const TokenKey* TokenKeys::newest_signing() const {
  const auto found =
      std::find_if(keys_.rbegin(), keys_.rend(), [](const TokenKey& key) { return key.signs(); });
  return found == keys_.rend() ? nullptr : &*found;
}

Result<JwkSet> read_jwks(std::string_view text, const std::string& issuer, JwkParts parts) {
  const auto parsed = parse_json(text);
  if (!parsed) {
    return Error{Errc::invalid_request, "The JWK Set is no JSON: " + parsed.error().message};
  }
  const auto list = parsed->find("keys");
  if (!parsed->is_object() || list == parsed->end() || !list->is_array()) {
    return Error{Errc::invalid_request, "This is no JWK Set",
                 "It is an object with an array 'keys' (RFC 7517, section 5)."};
  }
  JwkSet set;
  for (const Json& jwk : *list) {
    if (!jwk.is_object()) return bad_jwk(to_text(jwk), "is no object");
    const std::string kid = text_member(jwk, "kid");
    const std::string name = kid.empty() ? "without kid" : kid;
    if (jwk.contains("kid") && kid.empty()) return bad_jwk(name, "has a kid that is no name");
    if (std::string why = unsuitable(jwk); !why.empty()) {
      set.ignored.push_back(name + ": " + why);
      continue;
    }
    auto point = detail::from_base64url(text_member(jwk, "x"));
    if (!point || point->size() != crypto_sign_PUBLICKEYBYTES) {
      return bad_jwk(name, "has an x that is not 32 bytes in base64url");
    }
    TokenKey key;
    if (parts == JwkParts::with_seed) {
      auto seed = detail::from_base64url(text_member(jwk, "d"));
      if (!seed || seed->size() != kTokenSeedBytes) {
        return bad_jwk(name, "has a d that is not 32 bytes in base64url");
      }
      key = seed_key(std::move(*seed), kid, issuer);
      if (key.public_key != *point) return bad_jwk(name, "has an x that is not that of its d");
    }
    key.algorithm = TokenAlgorithm::eddsa;
    key.kid = kid;
    key.issuer = issuer;
    key.public_key = std::move(*point);
    set.keys.push_back(std::move(key));
  }
  return set;
}

std::string random_name(std::size_t bytes) {
  std::string random(bytes, '\0');
  randombytes_buf(random.data(), random.size());
  std::string name(2 * bytes + 1, '\0');
  sodium_bin2hex(name.data(), name.size(), reinterpret_cast<const unsigned char*>(random.data()),
                 random.size());
  name.pop_back();  // the terminating zero
  return name;
}

Json public_jwk(const TokenKey& key) {
  KONTRACT_ASSERT(key.algorithm == TokenAlgorithm::eddsa);
  Json jwk = {{"kty", "OKP"},
              {"crv", "Ed25519"},
              {"use", "sig"},
              {"alg", "EdDSA"},
              {"x", detail::to_base64url(key.public_key)}};
  if (!key.kid.empty()) jwk["kid"] = key.kid;
  return jwk;
}

}  // namespace kontract
