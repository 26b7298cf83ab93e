#include "net/token_keys.hpp"

#include <gtest/gtest.h>

#include "net/detail/base64url.hpp"
#include "net/token.hpp"

namespace kontract {
namespace {

using detail::to_base64url;

const std::string kOurSecret(32, 's');
constexpr std::int64_t kIssued = 1'700'000'000;
const std::chrono::system_clock::time_point kThen{std::chrono::seconds(kIssued)};
const std::string kProvider = "https://id.example";
// The key of RFC 8037, appendix A.
const std::string kProviderX = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const std::string kProviderD = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

Json provider_jwk() {
  return {{"kty", "OKP"}, {"crv", "Ed25519"}, {"kid", "idp-1"}, {"x", kProviderX}};
}

TokenKey provider_key() {
  return seed_key(*detail::from_base64url(kProviderD), "idp-1", kProvider);
}

// Our secret, without kid, and the provider's public key.
TokenKeys both_keys() {
  TokenKeys keys;
  EXPECT_TRUE(keys.add(secret_key(kOurSecret)));
  auto set = read_jwks(Json{{"keys", {provider_jwk()}}}.dump(), kProvider, JwkParts::public_only);
  EXPECT_TRUE(set);
  for (TokenKey& key : set->keys) EXPECT_TRUE(keys.add(std::move(key)));
  return keys;
}

Json claims_of(const std::string& issuer) {
  return {{"iss", issuer}, {"aud", "kontract"}, {"sub", "u1"},
          {"owner", "o"},  {"iat", kIssued},    {"exp", kIssued + 60}};
}

// Signed with this key, under whatever header.
std::string token_under(const Json& header, const Json& claims, const TokenKey& key) {
  const std::string text = to_base64url(header.dump()) + '.' + to_base64url(claims.dump());
  return text + '.' + to_base64url(sign(text, key));
}

TEST(TokenKeysTest, ATokenOfAnIdentityProviderIsVerified) {
  // Made with Python's cryptography module.
  constexpr std::string_view kToken =
      "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImlkcC0xIn0."
      "eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQiOlsia29udHJhY3QiLCJv"
      "dGhlciJdLCJzdWIiOiJ1MSIsIm93bmVyIjoidGVuYW50LTEiLCJwZXJtIjo1LCJp"
      "YXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMDYwMH0."
      "FSFt_q7TjLKSxQGCBv0hX3rCYHWdUoukeMdZI6j34WKCmXvT4mrVRori_NU1bxXD"
      "ow_OIxdmsf0_EmxgCWlVBg";
  const auto identified = verify_token(kToken, both_keys(), kThen);
  ASSERT_TRUE(identified);
  EXPECT_EQ(identified->peer.owner, "tenant-1");
  EXPECT_EQ(identified->peer.perm, perms::R_X);
  EXPECT_EQ(identified->id.issuer, kProvider);
}

TEST(TokenKeysTest, AKeyIsGoodForItsAlgorithmAndItsIssuerOnly) {
  const Json own = claims_of("kontract");
  const Json foreign = claims_of(kProvider);
  const TokenKey secret = secret_key(kOurSecret);
  const TokenKey provider = provider_key();
  const TokenKey public_as_secret = secret_key(provider.public_key);
  const TokenKey stranger = seed_key(std::string(32, '\1'), "idp-1", kProvider);
  struct Case {
    const char* name;
    bool good;
    std::string token;
  };
  const Case cases[] = {
      {"HS256", true, token_under({{"alg", "HS256"}}, own, secret)},
      {"EdDSA", true, token_under({{"alg", "EdDSA"}, {"kid", "idp-1"}}, foreign, provider)},
      {"the public key as a secret", false,
       token_under({{"alg", "HS256"}, {"kid", "idp-1"}}, foreign, public_as_secret)},
      {"the public key as a secret, without kid", false,
       token_under({{"alg", "HS256"}}, own, public_as_secret)},
      {"the public key as text as a secret", false,
       token_under({{"alg", "HS256"}, {"kid", "idp-1"}}, foreign, secret_key(kProviderX))},
      {"the secret as a seed", false,
       token_under({{"alg", "EdDSA"}}, own, seed_key(kOurSecret, ""))},
      {"another key under its kid", false,
       token_under({{"alg", "EdDSA"}, {"kid", "idp-1"}}, foreign, stranger)},
      {"without its kid", false, token_under({{"alg", "EdDSA"}}, foreign, provider)},
      {"under a kid that there is not", false,
       token_under({{"alg", "EdDSA"}, {"kid", "idp-2"}}, foreign, provider)},
      {"our issuer from the provider's key", false,
       token_under({{"alg", "EdDSA"}, {"kid", "idp-1"}}, own, provider)},
      {"the provider's issuer from our secret", false,
       token_under({{"alg", "HS256"}}, foreign, secret)},
      {"none", false, token_under({{"alg", "none"}, {"kid", "idp-1"}}, foreign, provider)},
      {"Ed25519 as alg", false,
       token_under({{"alg", "Ed25519"}, {"kid", "idp-1"}}, foreign, provider)},
      {"a list of alg", false,
       token_under({{"alg", {"EdDSA"}}, {"kid", "idp-1"}}, foreign, provider)},
      {"crit", false,
       token_under({{"alg", "EdDSA"}, {"kid", "idp-1"}, {"crit", {"exp"}}}, foreign, provider)},
      {"an empty crit", false,
       token_under({{"alg", "EdDSA"}, {"kid", "idp-1"}, {"crit", Json::array()}}, foreign,
                   provider)},
      {"a key of its own in jwk", false,
       token_under({{"alg", "EdDSA"}, {"kid", "idp-1"}, {"jwk", public_jwk(stranger)}}, foreign,
                   stranger)},
      {"jwk beside the right key", true,
       token_under({{"alg", "EdDSA"}, {"kid", "idp-1"}, {"jwk", public_jwk(stranger)}}, foreign,
                   provider)},
      {"jku, x5u and x5c beside the right key", true,
       token_under({{"alg", "EdDSA"},
                    {"kid", "idp-1"},
                    {"jku", "http://127.0.0.1:1/keys"},
                    {"x5u", "http://127.0.0.1:1/cert"},
                    {"x5c", {"AAAA"}}},
                   foreign, provider)},
      {"jku of a stranger", false,
       token_under({{"alg", "EdDSA"}, {"kid", "s"}, {"jku", "http://127.0.0.1:1/keys"}}, foreign,
                   stranger)},
  };
  const TokenKeys keys = both_keys();
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(verify_token(c.token, keys, kThen).has_value(), c.good);
  }
}

TEST(TokenKeysTest, EveryFlippedBitOfAnEdDsaSignatureIsNoticed) {
  const std::string text = "signed";
  const TokenKey key = provider_key();
  const std::string good = sign(text, key);
  ASSERT_TRUE(is_signature(good, text, key));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(is_signature(bad, text, key)) << "bit " << bit;
  }
  EXPECT_FALSE(is_signature(good.substr(0, 63), text, key));
  EXPECT_FALSE(is_signature({}, text, key));
}

TEST(TokenKeysTest, OfAJwkSetTheKeysOfEd25519AreTaken) {
  const std::string x = kProviderX;
  const auto jwk = [&](const std::string& more) {
    return R"({"kty":"OKP","crv":"Ed25519","x":")" + x + "\"" + more + "}";
  };
  struct Set {
    std::string name, keys;
    std::size_t taken, ignored;
  };
  for (const Set& c :
       {Set{"one", jwk(""), 1, 0}, Set{"all that fits", jwk(R"(,"use":"sig","alg":"EdDSA")"), 1, 0},
        Set{"for verifying", jwk(R"(,"key_ops":["verify"])"), 1, 0},
        Set{"with a private part", jwk(R"(,"d":"zzz")"), 1, 0},
        Set{"two", jwk(R"(,"kid":"a")") + "," + jwk(R"(,"kid":"b")"), 2, 0},
        Set{"RSA", R"({"kty":"RSA","n":"AQ","e":"AQAB","kid":"r"},)" + jwk(""), 1, 1},
        Set{"a secret", R"({"kty":"oct","k":"AAAA"})", 0, 1},
        Set{"X25519", R"({"kty":"OKP","crv":"X25519","x":")" + x + "\"}", 0, 1},
        Set{"for encryption", jwk(R"(,"use":"enc")"), 0, 1},
        Set{"of another alg", jwk(R"(,"alg":"ES256")"), 0, 1},
        Set{"for signing only", jwk(R"(,"key_ops":["sign"])"), 0, 1}, Set{"none", "", 0, 0}}) {
    SCOPED_TRACE(c.name);
    const auto set = read_jwks(R"({"keys":[)" + c.keys + "]}", "i", JwkParts::public_only);
    ASSERT_TRUE(set) << set.error().message;
    EXPECT_EQ(set->keys.size(), c.taken);
    EXPECT_EQ(set->ignored.size(), c.ignored);
    for (const TokenKey& key : set->keys) {
      EXPECT_FALSE(key.signs());
      EXPECT_EQ(key.issuer, "i");
    }
  }
}

TEST(TokenKeysTest, WhatIsNoJwkSetIsRefused) {
  const std::string good = provider_jwk().dump();
  struct Set {
    std::string name, text;
  };
  for (
      const Set& c :
      {Set{"nothing", ""}, Set{"no JSON", "{"}, Set{"no object", "[]"}, Set{"no keys", "{}"},
       Set{"keys no array", R"({"keys":{}})"}, Set{"a key no object", R"({"keys":[1]})"},
       Set{"keys twice", R"({"keys":[],"keys":[)" + good + "]}"},
       Set{"x of 31 bytes",
           R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ"}]})"},
       Set{"x padded", R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":")" + kProviderX + "=\"}]}"},
       Set{"no x", R"({"keys":[{"kty":"OKP","crv":"Ed25519"}]})"},
       Set{"a kid that is no text",
           R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":1,"x":")" + kProviderX + "\"}]}"}}) {
    SCOPED_TRACE(c.name);
    const auto set = read_jwks(c.text, "i", JwkParts::public_only);
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code, Errc::invalid_request);
  }
  Json wrong = provider_jwk();
  wrong["d"] = to_base64url(std::string(32, '\1'));
  EXPECT_FALSE(read_jwks(Json{{"keys", {wrong}}}.dump(), "i", JwkParts::with_seed));
  EXPECT_FALSE(read_jwks(Json{{"keys", {provider_jwk()}}}.dump(), "i", JwkParts::with_seed));
  wrong["d"] = kProviderD;
  EXPECT_TRUE(read_jwks(Json{{"keys", {wrong}}}.dump(), "i", JwkParts::with_seed));
}

TEST(TokenKeysTest, AKidHasOneKeyAndASecretHas32Bytes) {
  TokenKeys keys = both_keys();
  EXPECT_FALSE(keys.add(secret_key(std::string(32, 'x'))));  // no kid, as the first
  EXPECT_FALSE(keys.add(provider_key()));
  EXPECT_FALSE(TokenKeys().add(secret_key(std::string(31, 'x'))));
  EXPECT_EQ(keys.newest_signing()->secret, kOurSecret);
}

}  // namespace
}  // namespace kontract
