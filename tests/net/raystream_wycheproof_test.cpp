// The vectors of C2SP/wycheproof, which attack what implementations get wrong. They are not part of
// this repository: the tests look for them in $KONTRACT_SHARED_DATA/wycheproof or beside the
// repository in ../shared/data/wycheproof, and say so when they are not there.
//
// What has other key or nonce sizes than ours is not run but must be refused as such.

#include <cstdlib>
#include <fstream>
#include <iostream>

#include "net/detail/raystream_keys.hpp"
#include "storage/json.hpp"
#include "tests/net/raystream_fixture.hpp"

namespace kontract::raystream {
namespace {

std::string vectors_path(const std::string& name) {
  const char* const given = std::getenv("KONTRACT_SHARED_DATA");
  const std::string folder =
      given != nullptr ? given : std::string(KONTRACT_SOURCE_DIR) + "/../shared/data";
  return folder + "/wycheproof/" + name;
}

struct Counts {
  int run = 0, accepted = 0, skipped = 0;
};

// Calls each(group, test, counts) for every test of the file. Nothing if there is no file.
template <class Each>
std::optional<Counts> for_each_test(const std::string& name, Each each) {
  std::ifstream file(vectors_path(name));
  if (!file) return std::nullopt;
  const Json vectors = Json::parse(file, nullptr, false);
  Counts counts;
  for (const Json& group : vectors.at("testGroups")) {
    for (const Json& test : group.at("tests")) {
      SCOPED_TRACE(name + " " + test.at("tcId").dump());
      each(group, test, counts);
    }
  }
  EXPECT_EQ(counts.run + counts.skipped, vectors.at("numberOfTests").get<int>());
  std::cout << name << ": " << counts.run << " run, " << counts.accepted << " of them accepted; "
            << counts.skipped << " skipped, of other key or nonce sizes\n";
  return counts;
}

std::string bytes(const Json& object, const char* name) {
  return from_hex(object.at(name).get_ref<const std::string&>());
}

bool is_valid(const Json& test) { return test.at("result") == "valid"; }

void run_aead(Cipher cipher, const Json& test, Counts& counts) {
  const std::string key = bytes(test, "key");
  const std::string nonce = bytes(test, "iv");
  const std::string associated = bytes(test, "aad");
  const std::string plaintext = bytes(test, "msg");
  const std::string sealed = bytes(test, "ct") + bytes(test, "tag");
  const SealWith with{cipher, key, nonce, associated};
  const auto opened = decrypt(sealed, with);
  if (key.size() != kSealKeyBytes || nonce.size() != kSealNonceBytes) {
    ++counts.skipped;
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::invalid_request);
    return;
  }
  ++counts.run;
  const auto again = encrypt(plaintext, with);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again == sealed, is_valid(test));
  ASSERT_EQ(opened.has_value(), is_valid(test));
  if (opened) {
    ++counts.accepted;
    EXPECT_EQ(*opened, plaintext);
  } else {
    EXPECT_EQ(opened.error().code, Errc::decrypt_failed);
  }
}

TEST(WycheproofTest, ChaCha20Poly1305) {
  const auto counts =
      for_each_test("chacha20_poly1305_test.json", [](const Json&, const Json& test, Counts& c) {
        run_aead(Cipher::chacha20_poly1305, test, c);
      });
  if (!counts) GTEST_SKIP() << "there is no " << vectors_path("chacha20_poly1305_test.json");
  EXPECT_EQ(counts->run, 316);
  EXPECT_EQ(counts->skipped, 9);
  EXPECT_EQ(counts->accepted, 256);
}

TEST(WycheproofTest, AesGcm) {
  const auto counts = for_each_test(
      "aes_gcm_test.json",
      [](const Json&, const Json& test, Counts& c) { run_aead(Cipher::aes_256_gcm, test, c); });
  if (!counts) GTEST_SKIP() << "there is no " << vectors_path("aes_gcm_test.json");
  EXPECT_EQ(counts->run, 66);
  EXPECT_EQ(counts->skipped, 250);
  EXPECT_EQ(counts->accepted, 39);
}

TEST(WycheproofTest, Hkdf) {
  const auto counts =
      for_each_test("hkdf_sha256_test.json", [](const Json&, const Json& test, Counts& c) {
        const auto derived = hkdf(bytes(test, "ikm"), bytes(test, "salt"), bytes(test, "info"),
                                  test.at("size").get<std::size_t>());
        ++c.run;
        ASSERT_EQ(derived.has_value(), is_valid(test));
        if (!derived) return;
        ++c.accepted;
        EXPECT_EQ(derived->view(), bytes(test, "okm"));
      });
  if (!counts) GTEST_SKIP() << "there is no " << vectors_path("hkdf_sha256_test.json");
  EXPECT_EQ(counts->run, 86);
  EXPECT_EQ(counts->accepted, 83);
}

// "acceptable" are odd public keys. They give what they give, except when that is all zeros.
TEST(WycheproofTest, X25519) {
  const auto counts =
      for_each_test("x25519_test.json", [](const Json&, const Json& test, Counts& c) {
        const SecretBytes own_private(bytes(test, "private"));
        const std::string expected = bytes(test, "shared");
        const std::string given = bytes(test, "public");
        detail::ExchangeKey peer;
        ASSERT_EQ(given.size(), peer.size());
        std::copy(given.begin(), given.end(), peer.begin());
        const auto shared = detail::exchange(own_private, peer);
        ++c.run;
        ASSERT_EQ(shared.has_value(), expected != std::string(32, '\0'));
        if (!shared) {
          EXPECT_NE(test.at("result"), "valid");
          return;
        }
        ++c.accepted;
        EXPECT_EQ(shared->view(), expected);
      });
  if (!counts) GTEST_SKIP() << "there is no " << vectors_path("x25519_test.json");
  EXPECT_EQ(counts->run, 518);
  EXPECT_EQ(counts->accepted, 487);  // the others are of low order
}

TEST(WycheproofTest, Ed25519) {
  const auto counts =
      for_each_test("ed25519_test.json", [](const Json& group, const Json& test, Counts& c) {
        const std::string key = bytes(group.at("publicKey"), "pk");
        const std::string sent = bytes(test, "sig");
        IdentityKey signer;
        ASSERT_EQ(key.size(), signer.size());
        std::copy(key.begin(), key.end(), signer.begin());
        Signature signature;
        // One of another size has no place in a frame.
        bool matches = sent.size() == signature.size();
        if (matches) {
          std::copy(sent.begin(), sent.end(), signature.begin());
          matches = signature_matches(signature, bytes(test, "msg"), signer);
        }
        ++c.run;
        c.accepted += matches ? 1 : 0;
        EXPECT_EQ(matches, is_valid(test));
      });
  if (!counts) GTEST_SKIP() << "there is no " << vectors_path("ed25519_test.json");
  EXPECT_EQ(counts->run, 151);
  EXPECT_EQ(counts->accepted, 88);
}

}  // namespace
}  // namespace kontract::raystream
