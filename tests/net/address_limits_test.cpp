#include "net/detail/address_limits.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "net/detail/owner_rates.hpp"

namespace kontract::detail {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::make_address;
using Time = AddressLimits::Time;
using Place = AddressLimits::Place;

class AddressLimitsTest : public ::testing::Test {
 protected:
  void limit(const AddressLimits::Options& options) {
    limits_ = std::make_shared<AddressLimits>(options);
  }
  std::optional<Refusal> take(const std::string& address) {
    auto taken = limits_->take(make_address(address), now_);
    if (!taken.refused) places_.push_back(std::move(taken.place));
    return taken.refused;
  }

  std::shared_ptr<AddressLimits> limits_;
  Time now_{1h};
  std::vector<Place> places_;
};

TEST_F(AddressLimitsTest, AnAddressHasSoManyConnectionsAndGetsThemBack) {
  limit({.connections_max = 2});
  EXPECT_EQ(take("192.0.2.1"), std::nullopt);
  EXPECT_EQ(take("192.0.2.1"), std::nullopt);
  EXPECT_EQ(take("192.0.2.1"), Refusal::address_connections);
  EXPECT_EQ(take("192.0.2.2"), std::nullopt) << "another address";
  places_.erase(places_.begin());
  EXPECT_EQ(take("192.0.2.1"), std::nullopt);
  EXPECT_EQ(take("192.0.2.1"), Refusal::address_connections);
}

TEST_F(AddressLimitsTest, OfThoseOnlyAFewAreOfNobodyKnown) {
  limit({.connections_max = 4, .unauthenticated_max = 1});
  EXPECT_EQ(take("192.0.2.1"), std::nullopt);
  EXPECT_EQ(take("192.0.2.1"), Refusal::address_unauthenticated);
  places_.back().known();
  places_.back().known();
  EXPECT_EQ(take("192.0.2.1"), std::nullopt);
  EXPECT_EQ(take("192.0.2.1"), Refusal::address_unauthenticated);
  places_.clear();
  EXPECT_EQ(take("192.0.2.1"), std::nullopt);
}

TEST_F(AddressLimitsTest, WhichAddressesAreOne) {
  struct Case {
    const char* name;
    const char* other;
    bool same;
  };
  limit({.connections_max = 1});
  ASSERT_EQ(take("192.0.2.1"), std::nullopt);
  ASSERT_EQ(take("2001:db8:1:2::1"), std::nullopt);
  for (const Case& c : {Case{"mapped into IPv6", "::ffff:192.0.2.1", true},
                        Case{"another one mapped", "::ffff:192.0.2.9", false},
                        Case{"the same /64", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
                        Case{"the next /64", "2001:db8:1:3::1", false}}) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(take(c.other).has_value(), c.same);
  }
}

TEST_F(AddressLimitsTest, NewConnectionsComeAtARateAndTwiceAsManyAtOnce) {
  limit({.accepts_per_second = 10});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(take("192.0.2.1"), std::nullopt) << i;
  EXPECT_EQ(take("192.0.2.1"), Refusal::address_accepts);
  EXPECT_EQ(take("192.0.2.2"), std::nullopt);
  now_ += 100ms;
  EXPECT_EQ(take("192.0.2.1"), std::nullopt);
  EXPECT_EQ(take("192.0.2.1"), Refusal::address_accepts);
  places_.clear();
  EXPECT_EQ(take("192.0.2.1"), Refusal::address_accepts) << "that they ended does not help";
  now_ += 2s;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(take("192.0.2.1"), std::nullopt) << i;
  EXPECT_EQ(take("192.0.2.1"), Refusal::address_accepts);
}

TEST_F(AddressLimitsTest, HandshakesComeAtARateOfTheirOwn) {
  limit({.handshakes_per_second = 1});
  ASSERT_EQ(take("192.0.2.1"), std::nullopt);
  ASSERT_EQ(take("192.0.2.1"), std::nullopt);
  EXPECT_TRUE(places_[0].take_handshake(now_));
  EXPECT_TRUE(places_[1].take_handshake(now_));
  EXPECT_FALSE(places_[0].take_handshake(now_));
  EXPECT_FALSE(places_[1].take_handshake(now_ + 999ms));
  EXPECT_TRUE(places_[1].take_handshake(now_ + 1s));
}

TEST_F(AddressLimitsTest, LoopbackIsLimitedOnlyIfSoSaid) {
  for (const char* address : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"}) {
    SCOPED_TRACE(address);
    limit({.connections_max = 1, .handshakes_per_second = 1});
    for (int i = 0; i < 5; ++i) EXPECT_EQ(take(address), std::nullopt);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(places_.back().take_handshake(now_));
    EXPECT_EQ(limits_->tracked(), 0U);
    places_.clear();
    limit({.connections_max = 1, .loopback = true});
    EXPECT_EQ(take(address), std::nullopt);
    EXPECT_EQ(take(address), Refusal::address_connections);
    places_.clear();
  }
}

TEST_F(AddressLimitsTest, WithoutLimitsNothingIsRefused) {
  limit({});
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(take("192.0.2.1"), std::nullopt);
  EXPECT_TRUE(places_.back().take_handshake(now_));
}

TEST_F(AddressLimitsTest, NoMoreAddressesAreRememberedThanSaid) {
  limit({.connections_max = 1, .accepts_per_second = 1, .tracked_max = 100});
  const auto address = [](int i) {
    return "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256);
  };
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(take(address(i)), std::nullopt);
    places_.clear();
    ASSERT_LE(limits_->tracked(), 100U);
  }
  EXPECT_EQ(limits_->tracked(), 100U) << "none was still for long enough";
  now_ += 1h;
  EXPECT_EQ(take("192.0.2.1"), std::nullopt);
  EXPECT_EQ(limits_->tracked(), 1U) << "those that were still are forgotten";
}

TEST_F(AddressLimitsTest, AnAddressWithAConnectionIsNotForgotten) {
  limit({.connections_max = 1, .tracked_max = 2});
  EXPECT_EQ(take("192.0.2.1"), std::nullopt);
  EXPECT_EQ(take("192.0.2.2"), std::nullopt);
  EXPECT_EQ(take("192.0.2.3"), Refusal::address_connections) << "there is no room for it";
  EXPECT_EQ(take("192.0.2.1"), Refusal::address_connections) << "it is still known";
  places_.pop_back();
  EXPECT_EQ(take("192.0.2.3"), std::nullopt);
  EXPECT_EQ(limits_->tracked(), 2U);
}

TEST_F(AddressLimitsTest, ThreadsTakeNoMoreThanThereIs) {
  limit({.connections_max = 10});
  std::vector<std::thread> threads;
  std::atomic<int> taken{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::vector<Place> mine;
      for (int i = 0; i < 1000; ++i) {
        auto one = limits_->take(make_address("192.0.2.1"), now_);
        if (one.refused) {
          taken -= static_cast<int>(mine.size());
          mine.clear();
        } else {
          EXPECT_LE(++taken, 10);
          mine.push_back(std::move(one.place));
        }
      }
      taken -= static_cast<int>(mine.size());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 0);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(take("192.0.2.1"), std::nullopt);
  EXPECT_EQ(take("192.0.2.1"), Refusal::address_connections);
}

TEST(OwnerRatesTest, AllConnectionsOfAnOwnerShareOneRate) {
  OwnerRates rates(2);
  const Time now{1h};
  const auto one = rates.of("ann", now), two = rates.of("ann", now), other = rates.of("bob", now);
  EXPECT_EQ(one, two);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE((i % 2 == 0 ? one : two)->refuse(now)) << i;
  const auto refused = one->refuse(now);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Errc::rate_limited);
  EXPECT_EQ(refused->retry_after, 500ms);
  EXPECT_EQ(two->refuse(now + 200ms)->retry_after, 300ms);
  EXPECT_FALSE(two->refuse(now + 500ms)) << "what was refused cost nothing";
  EXPECT_FALSE(other->refuse(now));
}

TEST(OwnerRatesTest, WithoutALimitThereIsNothingToAsk) {
  EXPECT_EQ(OwnerRates(0).of("ann", Time{1h}), nullptr);
}

TEST(OwnerRatesTest, OwnersWhoAreGoneAreForgottenButNotWhatTheyUsedUp) {
  OwnerRates rates(1);
  Time now{1h};
  const auto held = rates.of("held", now);
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(rates.of("hasty", now)->refuse(now));
  for (int i = 0; i < 5000; ++i) rates.of("owner-" + std::to_string(i), now);
  EXPECT_LE(rates.tracked(), 2048U);
  EXPECT_TRUE(rates.of("hasty", now)->refuse(now)) << "connecting again does not help";
  EXPECT_EQ(rates.of("held", now), held);
}

}  // namespace
}  // namespace kontract::detail
