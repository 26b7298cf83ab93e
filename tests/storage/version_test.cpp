#include "storage/version.hpp"

#include <gtest/gtest.h>

namespace kontract {
namespace {

TEST(VersionTest, ATransactionSeesWhatWasWrittenBeforeItAndNotEndedBeforeIt) {
  struct Case {
    const char* name;
    Txid txid;
    std::optional<Txid> deleted_txid;
    Txid current;
    bool expected;
  };
  const Case cases[] = {
      {"written before", 5, std::nullopt, 6, true},
      {"written long before", 1, std::nullopt, 1'000'000, true},
      {"written by itself", 5, std::nullopt, 5, false},
      {"written afterwards", 5, std::nullopt, 4, false},
      {"ended before", 5, 7, 8, false},
      {"ended by itself", 5, 7, 7, true},
      {"ended afterwards", 5, 7, 6, true},
      {"neither written nor ended yet", 5, 7, 5, false},
      {"ended by who wrote it", 5, 5, 6, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(visible(c.txid, c.deleted_txid, c.current), c.expected);
  }
}

TEST(VersionTest, ExactlyOneVersionOfAChainIsVisibleToEachLaterTransaction) {
  constexpr Txid kChain[] = {3, 4, 9, 12};  // each ends the one before
  for (Txid current = 1; current < 20; ++current) {
    int seen = 0;
    for (std::size_t i = 0; i < std::size(kChain); ++i) {
      std::optional<Txid> deleted;
      if (i + 1 < std::size(kChain)) deleted = kChain[i + 1];
      seen += visible(kChain[i], deleted, current);
    }
    EXPECT_EQ(seen, current > 3 ? 1 : 0) << current;
  }
}

TEST(VersionTest, OrderGrowsWithTheTransactionAndWithinIt) {
  EXPECT_LT(make_order(1, 0), make_order(1, 1));
  EXPECT_LT(make_order(1, 1023), make_order(2, 0));
  EXPECT_GT(make_order((Txid{1} << 53) - 1, 1023), make_order((Txid{1} << 53) - 2, 1023));
}

}  // namespace
}  // namespace kontract
