#include "net/token_keyring.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "net/signing_keys.hpp"
#include "net/token.hpp"

namespace kontract {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TokenKeyringTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "keyring-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    options_.signing_keys = own_file().string();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path own_file() const { return folder_ / kSigningKeysFile; }

  // One that looks at its files each time.
  Result<std::unique_ptr<TokenKeyring>> open() {
    return TokenKeyring::open(
        options_, [this](const std::string& what) { log_.push_back(what); }, milliseconds(0));
  }

  std::string rotate() {
    const auto kid = rotate_signing_keys(own_file());
    EXPECT_TRUE(kid) << kid.error().message;
    return kid ? *kid : "";
  }

  static std::string issue(const TokenKeys& keys) {
    const TokenKey& key = *keys.newest_signing();
    return issue_token(token_claims(development_peer(), {key.issuer, "t"}, keys.audience(),
                                    system_clock::now(), std::chrono::seconds(60)),
                       key);
  }
  static bool good(const std::string& token, const TokenKeys& keys) {
    return verify_token(token, keys, system_clock::now()).has_value();
  }

  std::string write(const char* name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  // A provider's set with the key of this seed.
  static std::string set_of(char seed, const std::string& kid) {
    return Json{{"keys", {public_jwk(seed_key(std::string(32, seed), kid))}}}.dump();
  }

  std::filesystem::path folder_;
  ServerOptions options_;
  std::vector<std::string> log_;
};

TEST_F(TokenKeyringTest, WithoutAnyKeyTokensAreNotRequired) {
  EXPECT_FALSE(tokens_required(options_));
  rotate();
  EXPECT_TRUE(tokens_required(options_));
  options_.signing_keys.clear();
  options_.jwks = "/missing";
  EXPECT_TRUE(tokens_required(options_));
}

TEST_F(TokenKeyringTest, ANewKeySignsAndTheOldOneVerifiesUntilItIsRetired) {
  const std::string first = rotate();
  auto ring = open();
  ASSERT_TRUE(ring) << ring.error().message;
  const std::string old_token = issue(*(*ring)->keys());
  EXPECT_TRUE(good(old_token, *(*ring)->keys()));

  const std::string second = rotate();
  EXPECT_NE(first, second);
  const std::string new_token = issue(*(*ring)->keys());
  EXPECT_EQ((*ring)->keys()->newest_signing()->kid, second);
  EXPECT_TRUE(good(old_token, *(*ring)->keys()));
  EXPECT_TRUE(good(new_token, *(*ring)->keys()));

  EXPECT_EQ(retire_signing_key(own_file(), second).error().code, Errc::invalid_request);
  EXPECT_EQ(retire_signing_key(own_file(), "none").error().code, Errc::not_found);
  ASSERT_TRUE(retire_signing_key(own_file(), first));
  EXPECT_FALSE(good(old_token, *(*ring)->keys()));
  EXPECT_TRUE(good(new_token, *(*ring)->keys()));
}

TEST_F(TokenKeyringTest, NobodyElseMayReadTheKeys) {
  rotate();
  struct stat facts {};
  ASSERT_EQ(::stat(own_file().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  ASSERT_EQ(::chmod(own_file().c_str(), 0640), 0);
  EXPECT_THAT(open().error().message, HasSubstr("read by others"));
  EXPECT_FALSE(rotate_signing_keys(own_file()));
}

TEST_F(TokenKeyringTest, AFileThatIsDamagedLaterChangesNothing) {
  options_.secret = std::string(32, 's');
  rotate();
  auto ring = open();
  ASSERT_TRUE(ring);
  const std::string token = issue(*(*ring)->keys());
  for (const char* text : {"", "{}", R"({"keys":[]})"}) {
    std::ofstream(own_file(), std::ios::trunc) << text;
    EXPECT_TRUE(good(token, *(*ring)->keys())) << text;
    EXPECT_FALSE(open()) << text;
  }
  std::filesystem::remove(own_file());
  EXPECT_TRUE(good(token, *(*ring)->keys()));
  EXPECT_THAT(log_.back(), HasSubstr("is gone"));
}

TEST_F(TokenKeyringTest, TheSecretSignsUntilThereIsAKey) {
  options_.secret = std::string(32, 's');
  auto ring = open();
  ASSERT_TRUE(ring);
  const std::string by_secret = issue(*(*ring)->keys());
  rotate();
  const std::string by_key = issue(*(*ring)->keys());
  EXPECT_EQ((*ring)->keys()->newest_signing()->algorithm, TokenAlgorithm::eddsa);
  EXPECT_TRUE(good(by_secret, *(*ring)->keys()));
  EXPECT_TRUE(good(by_key, *(*ring)->keys()));
}

TEST_F(TokenKeyringTest, AJwkSetIsAFileOrInlineAndFollowsTheProvider) {
  options_.jwks_issuer = "https://id.example";
  const auto token_of = [](char seed, const std::string& kid) {
    return issue_token(token_claims(development_peer(), {"https://id.example", "t"}, "kontract",
                                    system_clock::now(), std::chrono::seconds(60)),
                       seed_key(std::string(32, seed), kid));
  };
  options_.jwks = set_of('a', "k1");
  auto inlined = open();
  ASSERT_TRUE(inlined) << inlined.error().message;
  EXPECT_TRUE(good(token_of('a', "k1"), *(*inlined)->keys()));

  options_.jwks = write("jwks.json", set_of('a', "k1"));
  auto ring = open();
  ASSERT_TRUE(ring) << ring.error().message;
  EXPECT_TRUE(good(token_of('a', "k1"), *(*ring)->keys()));
  EXPECT_FALSE(good(token_of('b', "second"), *(*ring)->keys()));
  write("jwks.json", set_of('b', "second"));
  EXPECT_TRUE(good(token_of('b', "second"), *(*ring)->keys()));
  EXPECT_FALSE(good(token_of('a', "k1"), *(*ring)->keys()));
}

TEST_F(TokenKeyringTest, IgnoredKeysOfAProviderAreNamed) {
  options_.jwks = R"({"keys":[{"kty":"RSA","kid":"r","n":"AQ","e":"AQAB"},)" +
                  public_jwk(seed_key(std::string(32, 'a'), "k")).dump() + "]}";
  ASSERT_TRUE(open());
  EXPECT_THAT(log_, ElementsAre(HasSubstr("r: it is not a key of Ed25519")));
}

TEST_F(TokenKeyringTest, WhatCannotBeUsedIsRefusedAtTheStart) {
  struct Case {
    const char* message;
    std::function<void(ServerOptions&)> change;
  };
  for (const Case& c :
       {Case{"shorter than 32", [](ServerOptions& o) { o.secret = std::string(31, 's'); }},
        Case{"/missing", [](ServerOptions& o) { o.jwks = "/missing"; }},
        Case{"no key of Ed25519", [](ServerOptions& o) { o.jwks = R"({"keys":[]})"; }},
        Case{"is no JSON", [](ServerOptions& o) { o.jwks = "{"; }},
        Case{"have no kid",
             [](ServerOptions& o) {
               o.jwks = set_of('a', "");
               o.secret = std::string(32, 's');
             }},
        Case{"must not be empty", [](ServerOptions& o) {
               o.secret = std::string(32, 's');
               o.token_issuer.clear();
             }}}) {
    SCOPED_TRACE(c.message);
    options_ = {};
    c.change(options_);
    const auto ring = open();
    ASSERT_FALSE(ring);
    EXPECT_EQ(ring.error().code, Errc::invalid_request);
    EXPECT_THAT(ring.error().message, HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace kontract
