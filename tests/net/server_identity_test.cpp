#include "net/server_identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace kontract {
namespace {

using raystream::to_pin;
using ::testing::HasSubstr;

class ServerIdentityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "identity-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = std::filesystem::path(pattern) / kIdentityFile;
  }
  void TearDown() override { std::filesystem::remove_all(path_.parent_path()); }

  std::vector<std::string> pins() const {
    std::vector<std::string> pins;
    const auto keys = read_identities(path_);
    if (!keys) return {keys.error().message};
    for (const auto& key : *keys) pins.push_back(to_pin(key.public_key()));
    return pins;
  }
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  std::string text() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::filesystem::path path_;
};

TEST_F(ServerIdentityTest, TheKeyIsMadeOnceAndForItsOwnerAlone) {
  EXPECT_EQ(read_identities(path_).error().code, Errc::not_found);
  const auto made = ensure_identities(path_);
  ASSERT_TRUE(made);
  ASSERT_EQ(made->size(), 1U);
  struct stat facts {};
  ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  const auto again = ensure_identities(path_);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->front().public_key(), made->front().public_key());
}

TEST_F(ServerIdentityTest, ARotatedKeyComesFirstAndTheOldOnesStayUntilTheyAreDropped) {
  EXPECT_EQ(drop_old_identities(path_).error().code, Errc::not_found);
  const std::string first = to_pin(ensure_identities(path_)->front().public_key());
  const auto second = rotate_identity(path_);
  ASSERT_TRUE(second);
  EXPECT_EQ(pins(), (std::vector<std::string>{to_pin(*second), first}));
  EXPECT_TRUE(drop_old_identities(path_));
  EXPECT_EQ(pins(), std::vector<std::string>{to_pin(*second)});
  for (std::size_t i = 1; i < kIdentitiesMax; ++i) EXPECT_TRUE(rotate_identity(path_));
  EXPECT_THAT(rotate_identity(path_).error().hint, HasSubstr("--drop-old"));
  EXPECT_EQ(pins().size(), kIdentitiesMax);
  EXPECT_EQ(pins().back(), to_pin(*second));
}

TEST_F(ServerIdentityTest, AFileThatOthersMayReadOrThatHoldsAnythingElseIsRefused) {
  ASSERT_TRUE(ensure_identities(path_));
  ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
  const auto open_to_others = ensure_identities(path_);
  EXPECT_EQ(open_to_others.error().code, Errc::invalid_request);
  EXPECT_THAT(open_to_others.error().hint, HasSubstr("chmod 600"));
  ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
  const std::string good = text();
  for (const std::string& bad : {std::string(), std::string("\n"), good + "x\n", good + "\n" + good,
                                 good.substr(1), good + "# note\n"}) {
    SCOPED_TRACE(bad.size());
    write(bad);
    EXPECT_EQ(ensure_identities(path_).error().code, Errc::invalid_request);
    EXPECT_EQ(rotate_identity(path_).error().code, Errc::invalid_request);
    EXPECT_EQ(drop_old_identities(path_).error().code, Errc::invalid_request);
    EXPECT_EQ(text(), bad);  // whatever it is, it may be all that is left
  }
}

}  // namespace
}  // namespace kontract
