#include "net/password_hash.hpp"

#include <gmock/gmock.h>

namespace kontract {
namespace {

using ::testing::StartsWith;

TEST(PasswordHashTest, AHashIsOfItsPasswordAndOfNoOther) {
  const auto hash = hash_password("correct horse", kPasswordCostLeast);
  ASSERT_TRUE(hash);
  EXPECT_THAT(*hash, StartsWith("$argon2id$v=19$m=8,t=1,p=1$"));
  for (const char* other : {"", "correct horsf", "correct hors", "correct horse "}) {
    const auto same = is_password(*hash, other);
    ASSERT_TRUE(same);
    EXPECT_FALSE(*same) << other;
  }
  EXPECT_TRUE(is_password(*hash, "correct horse").value());
  EXPECT_FALSE(is_password("no hash", "correct horse").value());
  EXPECT_NE(*hash, hash_password("correct horse", kPasswordCostLeast).value());  // another salt
}

TEST(PasswordHashTest, TheDefaultCostIsWhatLibsodiumAdvisesForLogins) {
  EXPECT_THAT(unmatchable_hash(PasswordCost()), StartsWith("$argon2id$v=19$m=65536,t=2,p=1$"));
}

TEST(PasswordHashTest, AHashThatNothingMatchesIsInAllElseAsOneThatSomethingDoes) {
  for (const PasswordCost cost : {kPasswordCostLeast, PasswordCost{3, 32 * limits::kKiB}}) {
    const std::string real = hash_password("correct horse", cost).value();
    const std::string none = unmatchable_hash(cost);
    EXPECT_EQ(none.size(), real.size());
    EXPECT_EQ(none.substr(0, none.find("p=1$")), real.substr(0, real.find("p=1$")));
    EXPECT_FALSE(needs_rehash(none, cost));  // libsodium reads it as it reads its own
    EXPECT_FALSE(is_password(none, "correct horse").value());
    EXPECT_NE(none, unmatchable_hash(cost));
  }
}

TEST(PasswordHashTest, AnotherCostNeedsAnotherHash) {
  const std::string hash = hash_password("correct horse", kPasswordCostLeast).value();
  EXPECT_FALSE(needs_rehash(hash, kPasswordCostLeast));
  EXPECT_TRUE(needs_rehash(hash, {2, kPasswordCostLeast.memory_bytes}));
  EXPECT_TRUE(needs_rehash(hash, {1, 16 * limits::kKiB}));
}

TEST(PasswordHashTest, MemoryThatIsNotThereIsSaid) {
  const auto hash = hash_password("correct horse", {1, std::size_t{4096} * limits::kGiB});
  ASSERT_FALSE(hash);
  EXPECT_EQ(hash.error().code, Errc::overloaded);
}

}  // namespace
}  // namespace kontract
