#include "storage/pending_set.hpp"

#include <gtest/gtest.h>

namespace kontract {
namespace {

PendingVersion version(Ticket ticket, Txid txid, std::uint64_t inserted_order = 0) {
  PendingVersion made;
  made.ticket = ticket;
  made.txid = txid;
  made.inserted = inserted_order != 0;
  made.order = inserted_order;
  return made;
}

TEST(PendingSetTest, WhatIsAppliedIsForgottenOldestFirst) {
  PendingSet set;
  set.add("a", version(1, 1, 10));
  set.add("b", version(1, 1, 11));
  set.add("a", version(2, 2));
  set.add("a", version(5, 3));
  EXPECT_EQ(set.inserted(), (PendingSet::Orders{{10, "a"}, {11, "b"}}));
  ASSERT_EQ(set.find("a")->size(), 3u);

  set.drop_applied(0);
  EXPECT_EQ(set.find("a")->size(), 3u);
  set.drop_applied(1);
  EXPECT_EQ(set.find("b"), nullptr);
  ASSERT_EQ(set.find("a")->size(), 2u);
  EXPECT_EQ(set.find("a")->front().txid, 2u);
  EXPECT_TRUE(set.inserted().empty());
  set.drop_applied(4);
  EXPECT_EQ(set.find("a")->size(), 1u);
  EXPECT_FALSE(set.empty());
  set.drop_applied(5);
  EXPECT_TRUE(set.empty());
}

TEST(PendingSetTest, ManyVersionsComeAndGo) {
  PendingSet set;
  for (Ticket ticket = 1; ticket <= 20'000; ++ticket) {
    set.add("id" + std::to_string(ticket % 100), version(ticket, ticket, ticket));
    if (ticket > 3000) set.drop_applied(ticket - 3000);
  }
  EXPECT_EQ(set.inserted().size(), 3000u);
  EXPECT_EQ(set.find("id7")->size(), 30u);
  EXPECT_EQ(set.find("id7")->back().txid, 19'907u);
  set.drop_applied(20'000);
  EXPECT_TRUE(set.empty());
  EXPECT_TRUE(set.inserted().empty());

  set.add("a", version(20'001, 20'001, 1));
  set.clear();
  EXPECT_TRUE(set.empty());
  EXPECT_TRUE(set.inserted().empty());
}

}  // namespace
}  // namespace kontract
