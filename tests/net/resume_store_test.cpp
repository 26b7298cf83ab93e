#include "net/detail/resume_store.hpp"

#include <gtest/gtest.h>

namespace kontract::detail {
namespace {

using namespace std::chrono_literals;
using raystream::ChannelId;

ChannelId channel(char n) { return {n}; }
SecretBytes secret(char n) { return SecretBytes(std::string(32, n)); }

class ResumeStoreTest : public ::testing::Test {
 protected:
  struct Holder final : Connection {
    void drain() override {}
    void stop() override {}
  };

  std::uint64_t keep(char n) { return store_.keep(channel(n), secret(n), "me", holder_, now_); }

  const ResumeStore::Time now_ = ResumeStore::Time() + 1h;
  const std::shared_ptr<Holder> holder_ = std::make_shared<Holder>();
  ResumeStore store_{{.entries = 3, .after_end = 5min}};
};

TEST_F(ResumeStoreTest, ASecretStaysWhileItsConnectionIsThereAndForAWhileAfterIt) {
  const std::uint64_t entry = keep('a');
  EXPECT_EQ(store_.find(channel('a'), now_ + 100h)->secret.view(), secret('a').view());
  store_.ended(channel('a'), entry, now_);
  EXPECT_TRUE(store_.find(channel('a'), now_ + 5min - 1ms));
  EXPECT_FALSE(store_.find(channel('a'), now_ + 5min));
  EXPECT_EQ(store_.size(now_ + 5min), 0U);
}

TEST_F(ResumeStoreTest, ItIsUsedUpOnceByItsOwner) {
  const std::uint64_t entry = keep('a');
  EXPECT_EQ(store_.use_up(channel('a'), entry, "you", now_).error().code, Errc::unauthorized);
  EXPECT_EQ(store_.use_up(channel('a'), entry + 1, "me", now_).error().code, Errc::session_expired);
  const auto used = store_.use_up(channel('a'), entry, "me", now_);
  ASSERT_TRUE(used);
  EXPECT_EQ(*used, holder_);
  EXPECT_FALSE(store_.find(channel('a'), now_));
  EXPECT_EQ(store_.use_up(channel('a'), entry, "me", now_).error().code, Errc::session_expired);
}

TEST_F(ResumeStoreTest, ALaterSecretOfTheChannelIsAnotherOne) {
  const std::uint64_t first = keep('a'), second = keep('a');
  EXPECT_NE(first, second);
  store_.ended(channel('a'), first, now_);  // comes late
  EXPECT_EQ(store_.find(channel('a'), now_ + 1h)->entry, second);
  store_.ended(channel('a'), second, now_);
  store_.ended(channel('a'), second, now_ + 1min);  // twice does no harm
  const auto used = store_.use_up(channel('a'), second, "me", now_);
  ASSERT_TRUE(used);
  EXPECT_EQ(*used, nullptr);  // its connection is gone
}

TEST_F(ResumeStoreTest, WhereThereIsNoRoomTheOneThatEndedFirstGoes) {
  const std::uint64_t a = keep('a'), b = keep('b');
  keep('c');
  store_.ended(channel('b'), b, now_);
  store_.ended(channel('a'), a, now_ + 1s);
  keep('d');
  EXPECT_FALSE(store_.find(channel('b'), now_));
  EXPECT_TRUE(store_.find(channel('a'), now_));
  keep('e');
  EXPECT_FALSE(store_.find(channel('a'), now_));
  keep('f');  // nobody has ended: it is not kept
  EXPECT_FALSE(store_.find(channel('f'), now_));
  EXPECT_TRUE(store_.find(channel('c'), now_));
  EXPECT_EQ(store_.size(now_), 3U);
}

}  // namespace
}  // namespace kontract::detail
