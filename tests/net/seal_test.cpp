#include "net/seal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/net/raystream_fixture.hpp"

namespace kontract {
namespace {

using raystream::flipped;
using testing::HasSubstr;

const std::string kKey(kSealKeyBytes, 'k');
const std::string kNonce(kSealNonceBytes, 'n');
constexpr std::string_view kText = "a text that nobody else reads";

class SealTest : public testing::TestWithParam<Cipher> {
 protected:
  SealWith with() const { return {GetParam(), kKey, kNonce, "header"}; }
};

TEST_P(SealTest, WhatWasEncryptedIsDecrypted) {
  for (const std::size_t size : {0, 1, 15, 16, 17, 64, 1000, 100'000}) {
    for (const std::string_view associated : {"", "header"}) {
      SCOPED_TRACE(size);
      SealWith with_this = with();
      with_this.associated = associated;
      const std::string text(size, 'x');
      const auto sealed = encrypt(text, with_this);
      ASSERT_TRUE(sealed);
      EXPECT_EQ(sealed->size(), size + kSealTagBytes);
      const auto opened = decrypt(*sealed, with_this);
      ASSERT_TRUE(opened);
      EXPECT_EQ(*opened, text);
    }
  }
}

TEST_P(SealTest, WhatDoesNotFitDoesNotOpenAndTheHintSaysWhatItCanBe) {
  const std::string sealed = *encrypt(kText, with());
  const Cipher other =
      GetParam() == Cipher::aes_256_gcm ? Cipher::chacha20_poly1305 : Cipher::aes_256_gcm;
  const std::string other_key = flipped(kKey, 7);
  const std::string other_nonce = flipped(kNonce, 0);
  struct Case {
    const char* name;
    SealWith with;
    std::string sealed;
  };
  for (const Case& c : {Case{"another key", {GetParam(), other_key, kNonce, "header"}, sealed},
                        Case{"another nonce", {GetParam(), kKey, other_nonce, "header"}, sealed},
                        Case{"another header", {GetParam(), kKey, kNonce, "Header"}, sealed},
                        Case{"no header", {GetParam(), kKey, kNonce, ""}, sealed},
                        Case{"another cipher", {other, kKey, kNonce, "header"}, sealed},
                        Case{"no tag", with(), sealed.substr(0, kText.size())},
                        Case{"shorter than a tag", with(), "short"}, Case{"nothing", with(), ""}}) {
    SCOPED_TRACE(c.name);
    const auto opened = decrypt(c.sealed, c.with);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().name(), "KONTRACT_DECRYPT_FAILED");
    for (const char* cause : {"keys", "nonce", "tag", "cipher"}) {
      EXPECT_THAT(opened.error().hint, HasSubstr(cause));
    }
  }
}

TEST_P(SealTest, EveryFlippedBitAndEveryCutIsNoticed) {
  const std::string sealed = *encrypt(kText, with());
  for (std::size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    EXPECT_FALSE(decrypt(flipped(sealed, bit), with())) << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(decrypt(std::string_view(sealed).substr(0, size), with())) << size;
  }
  EXPECT_TRUE(decrypt(sealed, with()));
}

TEST_P(SealTest, OtherSizesOfKeyOrNonceAreInvalid) {
  struct Case {
    const char* name;
    std::size_t key_bytes, nonce_bytes;
  };
  for (const Case& c : {Case{"short key", 31, 12}, Case{"a key in hex", 64, 12},
                        Case{"no key", 0, 12}, Case{"short nonce", 32, 11},
                        Case{"a nonce of XChaCha20", 32, 24}, Case{"no nonce", 32, 0}}) {
    SCOPED_TRACE(c.name);
    const std::string key(c.key_bytes, 'k');
    const std::string nonce(c.nonce_bytes, 'n');
    const SealWith with_these{GetParam(), key, nonce, ""};
    const auto sealed = encrypt(kText, with_these);
    ASSERT_FALSE(sealed);
    EXPECT_EQ(sealed.error().code, Errc::invalid_request);
    const auto opened = decrypt(std::string(100, 'x'), with_these);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::invalid_request);
  }
}

INSTANTIATE_TEST_SUITE_P(BothCiphers, SealTest, testing::ValuesIn(raystream::kCiphers));

TEST(SealCipherTest, ANumberThatIsNoCipherIsUnsupported) {
  const auto sealed = encrypt(kText, {static_cast<Cipher>(3), kKey, kNonce, ""});
  ASSERT_FALSE(sealed);
  EXPECT_EQ(sealed.error().code, Errc::crypto_unsupported);
}

TEST(HkdfTest, TheLongestOutputIsThatOfRfc5869) {
  const auto longest = hkdf("key", "salt", "info", kHkdfBytesMax);
  ASSERT_TRUE(longest);
  EXPECT_EQ(longest->size(), 8160U);
  EXPECT_EQ(longest->view().substr(0, 32), hkdf("key", "salt", "info", 32)->view());
  const auto longer = hkdf("key", "salt", "info", kHkdfBytesMax + 1);
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, Errc::invalid_request);
  EXPECT_TRUE(hkdf("key", "salt", "info", 0)->empty());
}

TEST(SecretBytesTest, MoveLeavesNothingBehind) {
  SecretBytes first("secret");
  SecretBytes second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): what is tested
  EXPECT_EQ(second.view(), "secret");
  SecretBytes third("other");
  third = std::move(second);
  EXPECT_EQ(third.view(), "secret");
  EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move)
  const SecretBytes copy = third.copy();
  third.wipe();
  EXPECT_TRUE(third.empty());
  EXPECT_EQ(copy.view(), "secret");
}

TEST(SecretBytesTest, RandomOnesDiffer) {
  const SecretBytes one = SecretBytes::random(32);
  EXPECT_EQ(one.size(), 32U);
  EXPECT_FALSE(equal_in_constant_time(one.view(), SecretBytes::random(32).view()));
}

TEST(SecretBytesTest, AreComparedAsAWhole) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
  EXPECT_TRUE(equal_in_constant_time("", ""));
}

}  // namespace
}  // namespace kontract
