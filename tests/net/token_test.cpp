#include "net/token.hpp"

#include <gtest/gtest.h>
#include <sodium.h>

#include <functional>

namespace kontract {
namespace {

const std::string kSecret = "0123456789abcdef0123456789abcdef";
constexpr std::int64_t kNow = 1'700'000'000;
const std::chrono::system_clock::time_point kTime{std::chrono::seconds(kNow)};

const TokenKeys& keys() {
  static const TokenKeys only = [] {
    TokenKeys made;
    EXPECT_TRUE(made.add(secret_key(kSecret)));
    return made;
  }();
  return only;
}

Json good_claims() {
  return {{"iss", "kontract"},   {"aud", "kontract"}, {"sub", "u1"},
          {"owner", "tenant-1"}, {"perm", 6},         {"ugroups", {"admin", "staff"}},
          {"iat", kNow},         {"exp", kNow + 600}};
}

std::string base64url(std::string_view text) {
  constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string out(sodium_base64_encoded_len(text.size(), kVariant), '\0');
  sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(text.data()),
                    text.size(), kVariant);
  out.pop_back();
  return out;
}

// Signed rightly, whatever header and payload are.
std::string signed_token(std::string_view header, std::string_view payload) {
  const std::string text = base64url(header) + '.' + base64url(payload);
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(kSecret.data()),
                              kSecret.size());
  crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()),
                                text.size());
  std::string mac(crypto_auth_hmacsha256_BYTES, '\0');
  crypto_auth_hmacsha256_final(&state, reinterpret_cast<unsigned char*>(mac.data()));
  return text + '.' + base64url(mac);
}

std::string with_header(std::string_view header) {
  return signed_token(header, good_claims().dump());
}

TEST(TokenTest, AGoodTokenSaysWhoTheCallerIs) {
  Json claims = good_claims();
  claims["sid"] = "room-1";
  claims["isAnonymous"] = true;
  const auto identified = verify_token(issue_token(claims, secret_key(kSecret)), keys(), kTime);
  ASSERT_TRUE(identified);
  const Peer& peer = identified->peer;
  EXPECT_EQ(peer.user, "u1");
  EXPECT_EQ(peer.owner, "tenant-1");
  EXPECT_EQ(peer.perm, perms::RW_);
  EXPECT_EQ(peer.ugroups, (std::vector<std::string>{"admin", "staff"}));
  EXPECT_EQ(peer.only_session, "room-1");
  EXPECT_TRUE(peer.anonymous);
  EXPECT_EQ(identified->expires, kTime + std::chrono::seconds(600));
}

TEST(TokenTest, WhatATokenDoesNotSayItDoesNotGive) {
  Json claims = good_claims();
  claims.erase("perm");
  claims.erase("ugroups");
  const auto identified = verify_token(issue_token(claims, secret_key(kSecret)), keys(), kTime);
  ASSERT_TRUE(identified);
  EXPECT_EQ(identified->peer.perm, perms::none);
  EXPECT_TRUE(identified->peer.ugroups.empty());
  EXPECT_FALSE(identified->peer.only_session);
  EXPECT_FALSE(identified->peer.anonymous);
}

TEST(TokenTest, ATokenOfAnotherImplementationIsVerified) {
  // Made with Python's hmac and base64 modules.
  constexpr std::string_view kToken =
      "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJrb250cmFjdCIsImF1ZCI6ImtvbnRyYWN0Iiwic3ViIjoidTEiLCJv"
      "d25lciI6InRlbmFudC0xIiwicGVybSI6NSwiaWF0IjoxNzAwMDAwMDAwLCJleHAi"
      "OjE3MDAwMDA2MDB9."
      "0pjgX1Nk6hVeZcCwPtIKDzkLyQ9tBK5a1oOrv2RrFmI";
  const auto identified = verify_token(kToken, keys(), kTime);
  ASSERT_TRUE(identified);
  EXPECT_EQ(identified->peer.owner, "tenant-1");
  EXPECT_EQ(identified->peer.perm, perms::R_X);
}

TEST(TokenTest, ClaimsAreHeldToTheirRules) {
  struct Case {
    const char* name;
    bool good;
    std::function<void(Json&)> change;
  };
  const Case cases[] = {
      {"as they are", true, [](Json&) {}},
      {"no sub", false, [](Json& c) { c.erase("sub"); }},
      {"empty sub", false, [](Json& c) { c["sub"] = ""; }},
      {"no owner", false, [](Json& c) { c.erase("owner"); }},
      {"owner no string", false, [](Json& c) { c["owner"] = 7; }},
      {"no exp", false, [](Json& c) { c.erase("exp"); }},
      {"no iat", false, [](Json& c) { c.erase("iat"); }},
      {"exp as text", false, [](Json& c) { c["exp"] = "1700000600"; }},
      {"exp as a fraction", false, [](Json& c) { c["exp"] = kNow + 600.5; }},
      {"expired within the skew", true,
       [](Json& c) { c["iat"] = kNow - 100, c["exp"] = kNow - 29; }},
      {"expired", false, [](Json& c) { c["iat"] = kNow - 100, c["exp"] = kNow - 30; }},
      {"issued within the skew", true, [](Json& c) { c["iat"] = kNow + 30; }},
      {"issued in the future", false, [](Json& c) { c["iat"] = kNow + 31; }},
      {"an hour long", true, [](Json& c) { c["exp"] = kNow + 3600; }},
      {"too long", false, [](Json& c) { c["exp"] = kNow + 3601; }},
      {"ends before it begins", false, [](Json& c) { c["exp"] = kNow - 1; }},
      {"nbf within the skew", true, [](Json& c) { c["nbf"] = kNow + 30; }},
      {"nbf to come", false, [](Json& c) { c["nbf"] = kNow + 31; }},
      {"nbf no number", false, [](Json& c) { c["nbf"] = "now"; }},
      {"perm 0", true, [](Json& c) { c["perm"] = 0; }},
      {"perm 8", false, [](Json& c) { c["perm"] = 8; }},
      {"perm -1", false, [](Json& c) { c["perm"] = -1; }},
      {"perm as text", false, [](Json& c) { c["perm"] = "7"; }},
      {"ugroups no array", false, [](Json& c) { c["ugroups"] = "admin"; }},
      {"a group no string", false,
       [](Json& c) {
         c["ugroups"] = {"admin", 7};
       }},
      {"sid no string", false, [](Json& c) { c["sid"] = 7; }},
      {"sid empty", false, [](Json& c) { c["sid"] = ""; }},
      {"isAnonymous no boolean", false, [](Json& c) { c["isAnonymous"] = "yes"; }},
      {"unknown claims", true, [](Json& c) { c["azp"] = "someone", c["scope"] = {"a"}; }},
      {"no iss", false, [](Json& c) { c.erase("iss"); }},
      {"another iss", false, [](Json& c) { c["iss"] = "someone"; }},
      {"iss no text", false, [](Json& c) { c["iss"] = {"kontract"}; }},
      {"no aud", false, [](Json& c) { c.erase("aud"); }},
      {"another aud", false, [](Json& c) { c["aud"] = "kontrac"; }},
      {"ours among several aud", true,
       [](Json& c) {
         c["aud"] = {"other", "kontract"};
       }},
      {"ours not among several aud", false,
       [](Json& c) {
         c["aud"] = {"other", "another"};
       }},
      {"an aud that is no text", false,
       [](Json& c) {
         c["aud"] = {"kontract", 7};
       }},
      {"no audience at all", false, [](Json& c) { c["aud"] = Json::array(); }},
      {"jti", true, [](Json& c) { c["jti"] = "1"; }},
      {"jti no text", false, [](Json& c) { c["jti"] = 1; }},
      {"jti empty", false, [](Json& c) { c["jti"] = ""; }},
      {"larger than 4 KiB", false, [](Json& c) { c["note"] = std::string(4096, 'x'); }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Json claims = good_claims();
    c.change(claims);
    EXPECT_EQ(verify_token(issue_token(claims, secret_key(kSecret)), keys(), kTime).has_value(),
              c.good);
  }
}

TEST(TokenTest, NoOtherFormIsTakenForAToken) {
  const std::string good = issue_token(good_claims(), secret_key(kSecret));
  ASSERT_TRUE(verify_token(good, keys(), kTime));
  const std::size_t first = good.find('.');
  const std::size_t second = good.find('.', first + 1);
  const std::string header = good.substr(0, first);
  const std::string payload = good.substr(first + 1, second - first - 1);
  const std::string signature = good.substr(second + 1);
  struct Case {
    const char* name;
    std::string token;
  };
  const Case cases[] = {
      {"nothing", ""},
      {"dots only", ".."},
      {"two parts", header + '.' + payload},
      {"no signature", header + '.' + payload + '.'},
      {"four parts", good + ".x"},
      {"padded", good + "="},
      {"a space", good + " "},
      {"standard alphabet", header + '.' + payload + "./" + signature.substr(1)},
      {"short signature", good.substr(0, good.size() - 2)},
      {"bits left over", good.substr(0, good.size() - 1) +
                             static_cast<char>(good.back() == 'z' ? 'y' : good.back() + 1)},
      {"another payload", header + '.' + base64url(R"({"sub":"root"})") + '.' + signature},
      {"alg none", with_header(R"({"alg":"none"})")},
      {"alg none without signature", base64url(R"({"alg":"none"})") + '.' + payload + '.'},
      {"alg in lower case", with_header(R"({"alg":"hs256"})")},
      {"another alg", with_header(R"({"alg":"RS256"})")},
      {"no alg", with_header(R"({"typ":"JWT"})")},
      {"alg twice", with_header(R"({"alg":"HS256","alg":"HS256"})")},
      {"EdDSA with our secret", with_header(R"({"alg":"EdDSA"})")},
      {"a kid that there is not", with_header(R"({"alg":"HS256","kid":"1"})")},
      {"a kid that is no text", with_header(R"({"alg":"HS256","kid":1})")},
      {"crit", with_header(R"({"alg":"HS256","crit":["exp"]})")},
      {"header no object", with_header(R"(["HS256"])")},
      {"header no JSON", with_header("HS256")},
      {"payload no JSON", signed_token(R"({"alg":"HS256"})", "owner")},
      {"payload no object", signed_token(R"({"alg":"HS256"})", "[]")},
      {"claim twice",
       signed_token(R"({"alg":"HS256"})", R"({"sub":"a","owner":"b","owner":"c","iat":1700000000,)"
                                          R"("exp":1700000600})")},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto identified = verify_token(c.token, keys(), kTime);
    ASSERT_FALSE(identified);
    EXPECT_EQ(identified.error().code, Errc::unauthorized);
    EXPECT_EQ(identified.error().message, "No valid token");  // the same for every cause
  }
}

TEST(TokenTest, WhoMayKnowIsToldTheCause) {
  struct Case {
    const char* cause;
    std::string token;
  };
  Json late = good_claims(), wrong = good_claims();
  late["iat"] = kNow - 700, late["exp"] = kNow - 100;
  wrong["aud"] = "other";
  for (const Case& c :
       {Case{"expired", issue_token(late, secret_key(kSecret))},
        Case{"aud", issue_token(wrong, secret_key(kSecret))}, Case{"three parts", "a.b"},
        Case{"alg", with_header(R"({"alg":"none"})")},
        Case{"signature", issue_token(good_claims(), secret_key(std::string(32, 'x')))}}) {
    const auto checked = check_token(c.token, keys(), kTime);
    ASSERT_FALSE(checked);
    EXPECT_NE(checked.error().message.find(c.cause), std::string::npos) << checked.error().message;
  }
  const auto good = check_token(issue_token(good_claims(), secret_key(kSecret)), keys(), kTime);
  ASSERT_TRUE(good);
  EXPECT_EQ(good->claims, good_claims());
}

TEST(TokenTest, ClaimsThatWeMakeSayWhatTheyWereMadeOf) {
  Peer peer = development_peer();
  peer.only_session = "room-1";
  peer.anonymous = true;
  const Json claims =
      token_claims(peer, {"kontract", "t1"}, "kontract", kTime, std::chrono::seconds(60));
  const auto identified = verify_token(issue_token(claims, secret_key(kSecret)), keys(), kTime);
  ASSERT_TRUE(identified);
  EXPECT_EQ(identified->peer.owner, "dev");
  EXPECT_EQ(identified->peer.ugroups, peer.ugroups);
  EXPECT_EQ(identified->peer.only_session, "room-1");
  EXPECT_TRUE(identified->peer.anonymous);
  EXPECT_EQ(identified->id.issuer, "kontract");
  EXPECT_EQ(identified->id.jti, "t1");
  EXPECT_EQ(identified->life, std::chrono::seconds(60));
  EXPECT_EQ(identified->expires, kTime + std::chrono::seconds(60));
}

TEST(TokenTest, ATokenOfAnotherSecretIsRefused) {
  const std::string other(32, 'x');
  EXPECT_FALSE(verify_token(issue_token(good_claims(), secret_key(other)), keys(), kTime));
}

TEST(TokenTest, EveryFlippedCharacterIsNoticed) {
  const std::string good = issue_token(good_claims(), secret_key(kSecret));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verify_token(bad, keys(), kTime)) << "at " << i;
  }
}

TEST(TokenTest, WithoutKeysEverybodyIsTheDeveloper) {
  const Peer peer = development_peer();
  EXPECT_EQ(peer.owner, "dev");
  EXPECT_EQ(peer.perm, perms::RWX);
  EXPECT_TRUE(peer.in_group("admin"));
}

}  // namespace
}  // namespace kontract
