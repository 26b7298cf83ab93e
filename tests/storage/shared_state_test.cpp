#include "storage/shared_state.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "storage/store.hpp"
#include "tests/storage/shared_state_fixture.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using testing::SharedStateFixture;
using testing::TempDir;

class SharedStateTest : public SharedStateFixture {};

TEST_F(SharedStateTest, WhatWasSetIsThereUntilItIsErased) {
  open();
  EXPECT_EQ(get("k"), std::nullopt);
  for (const Json& value : {Json(nullptr), Json(false), Json(7), Json(1.5), Json("text"),
                            Json::array({1, "a", nullptr}), Json{{"a", {{"b", 1}}}},
                            Json(std::numeric_limits<std::int64_t>::min()),
                            Json(std::numeric_limits<std::uint64_t>::max())}) {
    SCOPED_TRACE(value.dump());
    ASSERT_TRUE(state_->set("k", value));
    EXPECT_EQ(get("k"), value);
  }
  EXPECT_EQ(*state_->erase("k"), true);
  EXPECT_EQ(*state_->erase("k"), false);
  EXPECT_EQ(get("k"), std::nullopt);
  EXPECT_EQ(state_->metrics().entries, 0u);
  EXPECT_EQ(state_->metrics().bytes, 0u);
}

TEST_F(SharedStateTest, AKeyThatIsNoneIsRefusedByEveryOperation) {
  open();
  struct Case {
    const char* name;
    std::string key;
    bool valid;
  };
  using namespace std::string_literals;
  for (const Case& c :
       {Case{"empty", "", false}, Case{"one byte", "a", true}, Case{"with NUL", "a\0b"s, false},
        Case{"the longest", std::string(400, 'k'), true},
        Case{"too long", std::string(401, 'k'), false}, Case{"not UTF-8", "a\xFF", false},
        Case{"UTF-8", "schl\xC3\xBCssel", true}}) {
    SCOPED_TRACE(c.name);
    const auto expect = [&](const auto& result) {
      ASSERT_EQ(result.has_value(), c.valid);
      if (!c.valid) {
        EXPECT_EQ(result.error().code, Errc::invalid_request);
      }
    };
    expect(state_->get(c.key));
    expect(state_->set(c.key, 1));
    expect(state_->increment(c.key, 1));
    expect(state_->compare_and_set(c.key, Json(2), Json(3)));
    expect(state_->update(c.key, [](auto&, WallTime) { return Status(); }));
    expect(state_->erase(c.key));
  }
}

TEST_F(SharedStateTest, AValueOrTtlThatIsNoneIsRefusedAndChangesNothing) {
  open();
  ASSERT_TRUE(state_->set("k", "old"));
  Json deepest = 1;
  for (std::size_t i = 0; i < limits::kJsonDepthMax; ++i) deepest = Json::array({deepest});
  const std::string largest(limits::kSharedValueBytesMax - 2, 'x');  // and its quotes
  struct Case {
    const char* name;
    Json value;
    Ttl ttl;
    std::optional<Errc> error;
  };
  for (const Case& c :
       {Case{"the deepest", deepest, {}, {}},
        Case{"too deep", Json::array({deepest}), {}, Errc::invalid_request},
        Case{"no JSON", Json::parse("{", nullptr, false), {}, Errc::invalid_request},
        Case{"no JSON in it",
             Json::array({Json::parse("{", nullptr, false)}),
             {},
             Errc::invalid_request},
        Case{"the largest", largest, {}, {}}, Case{"too large", largest + "x", {}, Errc::too_large},
        Case{"the shortest ttl", 1, 1ms, {}},
        Case{"the longest ttl", 1, std::chrono::milliseconds::max(), {}},
        Case{"no time at all", 1, 0ms, Errc::invalid_request},
        Case{"a negative ttl", 1, -1ms, Errc::invalid_request}}) {
    SCOPED_TRACE(c.name);
    ASSERT_TRUE(state_->set("k", "old"));
    const Status set = state_->set("k", c.value, c.ttl);
    ASSERT_EQ(set.has_value(), !c.error.has_value());
    if (!set) {
      EXPECT_EQ(set.error().code, *c.error);
    }
    EXPECT_EQ(get("k"), c.error ? Json("old") : c.value);

    ASSERT_TRUE(state_->set("k", "old"));
    const auto swapped = state_->compare_and_set("k", Json("old"), c.value, c.ttl);
    ASSERT_EQ(swapped.has_value(), !c.error.has_value());
    if (!swapped) {
      EXPECT_EQ(swapped.error().code, *c.error);
    }
    EXPECT_EQ(get("k"), c.error ? Json("old") : c.value);
  }
}

TEST_F(SharedStateTest, ATextThatIsNotUtf8ComesBackWithReplacements) {
  open();
  ASSERT_TRUE(state_->set("k", "a\xFF"));
  EXPECT_EQ(get("k"), "a\xEF\xBF\xBD");
}

TEST_F(SharedStateTest, IncrementAddsToIntegersOnly) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  struct Case {
    const char* name;
    std::optional<Json> before;
    std::int64_t by;
    std::optional<std::int64_t> sum;  // none: refused
  };
  open();
  for (const Case& c :
       {Case{"absent", {}, 5, 5}, Case{"up", 7, 3, 10}, Case{"down", 7, -10, -3},
        Case{"nothing", 7, 0, 7}, Case{"fills the range", kMost - 1, 1, kMost},
        Case{"one too many", kMost, 1, {}}, Case{"fills it below", kLeast + 1, -1, kLeast},
        Case{"one too few", kLeast, -1, {}},
        Case{"past 64 bits", std::numeric_limits<std::uint64_t>::max(), -1, {}},
        Case{"a fraction", 1.5, 1, {}}, Case{"a whole number with a point", 1.0, 1, {}},
        Case{"text", "7", 1, {}}, Case{"null", nullptr, 1, {}},
        Case{"an array", Json::array({1}), 1, {}}}) {
    SCOPED_TRACE(c.name);
    ASSERT_TRUE(state_->erase("k"));
    if (c.before) {
      ASSERT_TRUE(state_->set("k", *c.before));
    }
    const auto sum = state_->increment("k", c.by);
    ASSERT_EQ(sum.has_value(), c.sum.has_value());
    if (!sum) {
      EXPECT_EQ(sum.error().code, Errc::invalid_request);
    }
    if (sum) {
      EXPECT_EQ(*sum, *c.sum);
    }
    EXPECT_EQ(get("k"), c.sum ? std::optional(Json(*c.sum)) : c.before);
  }
}

TEST_F(SharedStateTest, CompareAndSetChangesOnlyWhatIsAsExpected) {
  using Maybe = std::optional<Json>;
  struct Case {
    const char* name;
    Maybe before, expected, desired;
    bool matches;
  };
  open();
  for (const Case& c :
       {Case{"creates", {}, {}, 1, true}, Case{"is not absent", 1, {}, 2, false},
        Case{"is absent", {}, 1, 2, false}, Case{"null is not absent", nullptr, {}, 2, false},
        Case{"absent is not null", {}, Json(nullptr), 2, false}, Case{"replaces", 1, 1, 2, true},
        Case{"differs", 1, 3, 2, false}, Case{"by value", 1, 1.0, 2, true},
        Case{"erases", 1, 1, {}, true}, Case{"stays absent", {}, {}, {}, true},
        Case{"members in any order", Json{{"a", 1}, {"b", 2}}, Json::parse(R"({"b":2,"a":1})"), 2,
             true}}) {
    SCOPED_TRACE(c.name);
    ASSERT_TRUE(state_->erase("k"));
    if (c.before) {
      ASSERT_TRUE(state_->set("k", *c.before));
    }
    const auto done = state_->compare_and_set("k", c.expected, c.desired);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(*done, c.matches);
    EXPECT_EQ(get("k"), c.matches ? c.desired : c.before);
  }
}

TEST_F(SharedStateTest, UpdateSeesTheEntryAndKeepsItsExpiryUnlessItChangesIt) {
  open();
  ASSERT_TRUE(state_->set("k", 1, 100ms));
  const WallTime begin(std::chrono::milliseconds(clock_->load()));
  ASSERT_TRUE(state_->update("k", [&](std::optional<SharedValue>& entry, WallTime now) {
    EXPECT_EQ(now, begin);
    EXPECT_EQ(entry->value, 1);
    EXPECT_EQ(entry->expires, begin + 100ms);
    entry->value = 2;
    return Status();
  }));
  *clock_ += 99;
  EXPECT_EQ(get("k"), 2);
  // One that fails changes nothing, though it made its changes.
  const Status failed = state_->update("k", [](std::optional<SharedValue>& entry, WallTime) {
    entry.reset();
    return Status(Error(Errc::rate_limited, "no"));
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::rate_limited);
  EXPECT_EQ(get("k"), 2);
  ASSERT_TRUE(state_->update("k", [](std::optional<SharedValue>& entry, WallTime now) {
    entry->expires = now + 10ms;
    return Status();
  }));
  *clock_ += 9;
  EXPECT_EQ(get("k"), 2);
  *clock_ += 1;
  EXPECT_EQ(get("k"), std::nullopt);
  ASSERT_TRUE(state_->update("k", [](std::optional<SharedValue>& entry, WallTime now) {
    EXPECT_FALSE(entry);
    entry = {3, now};  // over at once
    return Status();
  }));
  EXPECT_EQ(get("k"), std::nullopt);
}

TEST_F(SharedStateTest, AValueIsAbsentFromTheMomentItExpires) {
  open();
  ASSERT_TRUE(state_->set("k", 1, 50ms));
  *clock_ += 49;
  EXPECT_EQ(get("k"), 1);
  *clock_ += 1;
  EXPECT_EQ(get("k"), std::nullopt);
  EXPECT_EQ(state_->metrics().entries, 1u) << "collected later";
  EXPECT_EQ(*state_->erase("k"), false);
  EXPECT_EQ(state_->metrics().entries, 0u);

  ASSERT_TRUE(state_->set("k", 1, 50ms));
  ASSERT_TRUE(state_->set("k", 2));  // for good
  *clock_ += 1000;
  EXPECT_EQ(get("k"), 2);
}

TEST_F(SharedStateTest, ACounterLastsFromItsFirstIncrement) {
  open();
  EXPECT_EQ(*state_->increment("k", 1, 50ms), 1);
  *clock_ += 40;
  EXPECT_EQ(*state_->increment("k", 1, 50ms), 2);
  *clock_ += 10;
  EXPECT_EQ(*state_->increment("k", 1, 50ms), 1);
}

TEST_F(SharedStateTest, WhatWasWrittenIsThereAfterARestart) {
  open();
  ASSERT_TRUE(state_->set("a", Json{{"n", 1}}));
  ASSERT_TRUE(state_->set("b", 2, 1s));
  ASSERT_TRUE(state_->set("c", 3));
  ASSERT_TRUE(state_->flush());
  ASSERT_TRUE(state_->erase("c"));
  open();
  EXPECT_EQ(get("a"), (Json{{"n", 1}}));
  EXPECT_EQ(get("b"), 2);
  EXPECT_EQ(get("c"), std::nullopt);
  EXPECT_EQ(state_->metrics().entries, 2u);
  EXPECT_EQ(state_->metrics().bytes, 2 + to_text(Json{{"n", 1}}).size() + 1);
  *clock_ += 999;
  EXPECT_EQ(get("b"), 2);
  state_.reset();
  *clock_ += 1;
  open();
  EXPECT_EQ(get("b"), std::nullopt);
  EXPECT_EQ(state_->metrics().entries, 1u);
  state_.reset();
  EXPECT_EQ(keys_on_disk(), std::vector<std::string>{"a"});
}

TEST_F(SharedStateTest, WhatHasExpiredLeavesMemoryAndDiskWithTheNextWrite) {
  open();
  ASSERT_TRUE(state_->set("a", 1, 50ms));
  ASSERT_TRUE(state_->set("b", 1));
  ASSERT_TRUE(state_->flush());
  *clock_ += 50;
  ASSERT_TRUE(state_->flush());
  EXPECT_EQ(state_->metrics().entries, 1u);
  EXPECT_EQ(state_->metrics().bytes, 2u);
  state_.reset();
  EXPECT_EQ(keys_on_disk(), std::vector<std::string>{"b"});
}

TEST_F(SharedStateTest, OneThatNobodyChangesMakesNoFiles) {
  open();
  EXPECT_EQ(get("k"), std::nullopt);
  EXPECT_EQ(*state_->erase("k"), false);
  EXPECT_TRUE(state_->flush());
  state_.reset();
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(SharedStateTest, AKeyThatChangesOftenIsWrittenOnce) {
  open();
  for (int i = 1; i <= 1000; ++i) ASSERT_TRUE(state_->increment("hot", 1));
  ASSERT_TRUE(state_->set("gone", 1));
  ASSERT_TRUE(state_->erase("gone"));  // the disk never had it
  ASSERT_TRUE(state_->flush());
  EXPECT_EQ(state_->metrics().commits, 1u);
  ASSERT_TRUE(state_->set("hot", 1000));  // as it is
  ASSERT_TRUE(state_->flush());
  EXPECT_EQ(state_->metrics().commits, 1u);
  state_.reset();
  EXPECT_EQ(last_commit().ops, 1u);
}

TEST_F(SharedStateTest, ChangesAreWrittenWithoutAFlush) {
  SharedStateOptions with = options();
  with.write_interval = 0ms;
  open(with);
  ASSERT_TRUE(state_->set("k", 1));
  while (state_->metrics().commits == 0) std::this_thread::yield();
  ASSERT_TRUE(state_->set("k", 2));
  while (state_->metrics().commits == 1) std::this_thread::yield();
}

TEST_F(SharedStateTest, PastItsBoundsItRefusesButEvictsNothing) {
  SharedStateOptions with = options();
  with.entries_max = 3;
  with.bytes_max = 100;
  open(with);
  const auto refused = [](const auto& result) {
    return !result && result.error().code == Errc::overloaded && !result.error().hint.empty();
  };
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(state_->set(key, 1));
  EXPECT_TRUE(refused(state_->set("d", 1)));
  EXPECT_TRUE(refused(state_->increment("d", 1)));
  EXPECT_TRUE(refused(state_->compare_and_set("d", {}, Json(1))));
  EXPECT_TRUE(refused(state_->update("d", [](std::optional<SharedValue>& entry, WallTime) {
    entry = {1, {}};
    return Status();
  })));
  EXPECT_TRUE(state_->set("a", 2)) << "one that is there needs no more room";
  EXPECT_TRUE(refused(state_->set("a", std::string(100, 'x'))));
  EXPECT_EQ(get("a"), 2);
  EXPECT_TRUE(state_->set("a", std::string(100 - 3 - 2 - 2, 'x'))) << "to the last byte";
  EXPECT_EQ(state_->metrics().bytes, 100u);
  EXPECT_TRUE(refused(state_->increment("b", 9))) << "one digit more";
  EXPECT_EQ(get("b"), 1);
  EXPECT_TRUE(state_->set("a", 1)) << "less is always possible";
  EXPECT_TRUE(*state_->erase("c"));
  EXPECT_TRUE(state_->set("d", 1));
  EXPECT_EQ(get("a"), 1);
  EXPECT_EQ(get("b"), 1);
}

TEST_F(SharedStateTest, WhatHasExpiredMakesRoom) {
  SharedStateOptions with = options();
  with.entries_max = 20;
  open(with);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(state_->set("k" + std::to_string(i), i, 10ms * (i + 1)));
  ASSERT_FALSE(state_->set("new", 1));
  *clock_ += 50;
  ASSERT_TRUE(state_->set("new", 1));
  EXPECT_EQ(state_->metrics().entries, 16u);
  EXPECT_EQ(get("k5"), 5);
}

TEST_F(SharedStateTest, MoreThanTheBoundsIsLoadedAllTheSame) {
  open();
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(state_->set(key, 1));
  SharedStateOptions with = options();
  with.entries_max = 1;
  with.bytes_max = 2;
  open(with);
  EXPECT_EQ(get("c"), 1);
  EXPECT_FALSE(state_->set("d", 1));
  EXPECT_TRUE(state_->set("c", 2));
  EXPECT_TRUE(*state_->erase("a"));
}

// Each part of the promise of atomicity with the disk written all the time.
TEST_F(SharedStateTest, NoIncrementOfManyThreadsIsLost) {
  constexpr int kThreads = 8, kRounds = 2000;
  SharedStateOptions with = options();
  with.write_interval = 0ms;
  open(with);
  std::atomic<int> swapped{0};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::string own = "own-" + std::to_string(t);
      for (int i = 0; i < kRounds; ++i) {
        EXPECT_TRUE(state_->increment("all", 1));
        EXPECT_TRUE(state_->increment("key-" + std::to_string(i % 50), 1));
        EXPECT_TRUE(i % 2 == 0 ? state_->set(own, i) : state_->set(own, i, 1h));
        EXPECT_EQ(get(own), i);
        EXPECT_TRUE(state_->update("list", [](std::optional<SharedValue>& entry, WallTime) {
          if (!entry) entry = {Json{{"n", 0}}, {}};
          entry->value["n"] = entry->value["n"].get<int>() + 1;
          return Status();
        }));
        const auto seen = state_->get("swap");
        const Json next = *seen ? (*seen)->get<int>() + 1 : 1;
        if (*state_->compare_and_set("swap", *seen, next)) ++swapped;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int restarts = 0; restarts < 2; ++restarts) {
    EXPECT_EQ(get("all"), kThreads * kRounds);
    EXPECT_EQ(get("list"), (Json{{"n", kThreads * kRounds}}));
    EXPECT_EQ(get("swap"), swapped.load());
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(get("key-" + std::to_string(i)), kThreads * kRounds / 50);
    }
    open();
  }
}

TEST_F(SharedStateTest, ManyThreadsNeverPassTheBounds) {
  SharedStateOptions with = options();
  with.entries_max = 100;
  open(with);
  std::vector<std::thread> threads;
  std::atomic<int> added{0};
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        added += state_->set(std::to_string(t) + '-' + std::to_string(i), i) ? 1 : 0;
        EXPECT_LE(state_->metrics().entries, 100u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(added, 100);
}

TEST_F(SharedStateTest, AStoreKeepsItInItsDirectory) {
  TempDir directory;
  StoreOptions with;
  with.data = directory.path() / "data";
  with.map_bytes = 16 * limits::kMiB;
  with.disk_floor_bytes = with.ballast_bytes = 0;
  for (int starts = 1; starts <= 2; ++starts) {
    auto store = Store::open(with);
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_EQ(*(*store)->shared().increment("starts", 1), starts);
  }
  const auto report = check_data_directory(with.data);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->problems, std::vector<std::string>{});

  testing::damage_shared_value(with.data / "shared", "starts");
  const auto damaged = check_data_directory(with.data);
  ASSERT_TRUE(damaged);
  ASSERT_FALSE(damaged->problems.empty());
  EXPECT_NE(damaged->problems[0].find(R"(row of shared, key "starts")"), std::string::npos);
  const auto store = Store::open(with);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Errc::storage_corrupt);
}

}  // namespace
}  // namespace kontract
