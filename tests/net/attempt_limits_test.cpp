#include "net/detail/attempt_limits.hpp"

#include <gtest/gtest.h>

namespace kontract::detail {
namespace {

using namespace std::chrono_literals;

class AttemptLimitsTest : public ::testing::Test {
 protected:
  // 0: it was let through; else for how long to wait.
  std::chrono::milliseconds tried(AttemptLimits& limits, const std::vector<std::string>& keys) {
    const Status may = limits.take(keys, now_);
    return may ? 0ms : may.error().retry_after.value();
  }

  AttemptLimits::Time now_{1000h};
};

TEST_F(AttemptLimitsTest, NoMinuteAndNoHourSeesMoreWhereverItBegins) {
  AttemptLimits limits({2, 3});
  EXPECT_EQ(tried(limits, {"a"}), 0ms);
  now_ += 50s;
  EXPECT_EQ(tried(limits, {"a"}), 0ms);
  EXPECT_EQ(tried(limits, {"a"}), 10s);
  EXPECT_EQ(tried(limits, {"b"}), 0ms);
  now_ += 10s - 1ns;
  EXPECT_EQ(tried(limits, {"a"}), 1s);
  now_ += 1ns;
  EXPECT_EQ(tried(limits, {"a"}), 0ms);  // 50 s after the second
  EXPECT_EQ(tried(limits, {"a"}), 59min);
  now_ += 59min;
  EXPECT_EQ(tried(limits, {"a"}), 0ms);
  EXPECT_EQ(tried(limits, {"a"}), 50s);
}

TEST_F(AttemptLimitsTest, OneKeyThatHasHadAllStopsTheOthersUncounted) {
  AttemptLimits limits({2, 100});
  EXPECT_EQ(tried(limits, {"address", "ann"}), 0ms);
  EXPECT_EQ(tried(limits, {"address", "bob"}), 0ms);
  EXPECT_EQ(tried(limits, {"address", "ann"}), 60s);
  EXPECT_EQ(tried(limits, {"another", "ann"}), 0ms);
  EXPECT_EQ(tried(limits, {"third", "ann"}), 60s);
  EXPECT_EQ(tried(limits, {"third"}), 0ms);
  EXPECT_EQ(tried(limits, {"third"}), 0ms);
}

TEST_F(AttemptLimitsTest, WhatWasNoAttemptIsGivenBackAndASuccessForgetsAll) {
  AttemptLimits limits({2, 100});
  EXPECT_EQ(tried(limits, {"a"}), 0ms);
  EXPECT_EQ(tried(limits, {"a"}), 0ms);
  limits.give_back("a");
  EXPECT_EQ(tried(limits, {"a"}), 0ms);
  EXPECT_EQ(tried(limits, {"a"}), 60s);
  limits.forget("a");
  EXPECT_EQ(tried(limits, {"a"}), 0ms);
  limits.give_back("a");
  limits.give_back("a");  // of nobody
  limits.forget("a");
  EXPECT_EQ(tried(limits, {"a"}), 0ms);
}

TEST_F(AttemptLimitsTest, OfTooManyKeysTheOneThatTriedLongestAgoIsForgotten) {
  AttemptLimits limits({1, 100}, 2);
  EXPECT_EQ(tried(limits, {"a"}), 0ms);
  EXPECT_EQ(tried(limits, {"b"}), 0ms);
  now_ += 1min;
  EXPECT_EQ(tried(limits, {"a"}), 0ms);  // so that it is b
  EXPECT_EQ(tried(limits, {"c"}), 0ms);
  EXPECT_EQ(tried(limits, {"a"}), 60s);
  EXPECT_EQ(tried(limits, {"c"}), 60s);
  EXPECT_EQ(tried(limits, {"b"}), 0ms);
}

TEST(AddressKeyTest, AClientOfIPv6HasANetworkOfAddresses) {
  struct Case {
    const char* name;
    const char* address;
    const char* key;
  };
  for (const Case& c :
       {Case{"IPv4", "192.0.2.7", "192.0.2.7"}, Case{"mapped", "::ffff:192.0.2.7", "192.0.2.7"},
        Case{"IPv6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
        Case{"its neighbour", "2001:db8:1:2::1", "2001:db8:1:2::/64"},
        Case{"no address", "somebody", "somebody"}}) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(address_key(c.address), c.key);
  }
}

}  // namespace
}  // namespace kontract::detail
