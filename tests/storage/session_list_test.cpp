#include "storage/session_list.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/storage/manual_shard.hpp"

namespace kontract {
namespace {

using testing::TempDir;

class SessionListTest : public ::testing::Test {
 protected:
  void SetUp() override {
    StoreOptions options;
    options.data = directory_.path() / "data";
    options.map_bytes = 64 * limits::kMiB;
    options.disk_floor_bytes = options.ballast_bytes = 0;
    options.shards = 4;
    auto opened = Store::open(options);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
    for (const char* owner : {"o", "o/p", "q"}) {
      for (int i = 0; i < 25; ++i) put({owner, "room-" + std::to_string(i)});
    }
    ASSERT_TRUE(store_->flush());
  }
  void put(const Identity& identity) {
    Shard& shard = store_->shard_of(identity);
    SessionRow row;
    row.no = shard.allocate_session_no();
    row.sid = make_uuid_v7();
    row.reserved_until = 9;
    WriteBatch batch;
    put_session(batch, identity, row);
    shard.log().append(std::move(batch), shard.log().epoch(), nullptr);
  }
  // All pages, one after the other.
  std::set<std::string> all(SessionQuery query) {
    std::set<std::string> names;
    int pages = 0;
    do {
      const auto page = list_sessions(*store_, query);
      EXPECT_TRUE(page) << page.error().message;
      if (!page) return names;
      EXPECT_LE(page->sessions.size(), query.limit);
      EXPECT_EQ(page->count, page->sessions.size());
      for (const StoredSession& session : page->sessions) {
        EXPECT_TRUE(names.insert(session.identity.owner + ":" + session.identity.name).second);
      }
      query.after = page->next;
    } while (!query.after.empty() && ++pages < 1000);
    return names;
  }

  TempDir directory_;
  std::unique_ptr<Store> store_;
};

TEST_F(SessionListTest, PagesOfAnySizeHaveEachSessionOnce) {
  for (const std::size_t limit : {1U, 7U, 1000U}) {
    EXPECT_EQ(all({.limit = limit}).size(), 75U);
    EXPECT_EQ(all({.owner = "o", .limit = limit}).size(), 25U);
    EXPECT_EQ(all({.owner = "o/p", .limit = limit}).size(), 25U);
    EXPECT_EQ(all({.prefix = "room-1", .limit = limit}).size(), 3 * 11U);
    EXPECT_EQ(all({.owner = "q", .prefix = "room-2", .limit = limit}),
              (std::set<std::string>{"q:room-2", "q:room-20", "q:room-21", "q:room-22", "q:room-23",
                                     "q:room-24"}));
    EXPECT_EQ(all({.owner = "none", .limit = limit}).size(), 0U);
  }
  const auto count = list_sessions(*store_, {.owner = "o", .limit = 0});
  ASSERT_TRUE(count);
  EXPECT_EQ(count->count, 25U);
  EXPECT_TRUE(count->sessions.empty());
}

TEST_F(SessionListTest, AnAfterThatIsNoneIsRefused) {
  for (const char* bad : {"x", "0", "0/a", "a/b/c", "/b/c", "0//c", "0/a b/c", "-1/b/c"}) {
    const auto page = list_sessions(*store_, {.after = bad});
    ASSERT_FALSE(page) << bad;
    EXPECT_EQ(page.error().code, Errc::invalid_request);
  }
  EXPECT_TRUE(list_sessions(*store_, {.after = "99/b/c"})->sessions.empty());
}

TEST_F(SessionListTest, OneIsFoundWithWhatItHas) {
  const auto one = inspect_session(*store_, {"o/p", "room-3"});
  ASSERT_TRUE(one && *one);
  EXPECT_EQ((*one)->session.row.reserved_until, 9U);
  EXPECT_TRUE((*one)->tables.empty());
  EXPECT_EQ((*one)->replies, 0U);
  EXPECT_FALSE(*inspect_session(*store_, {"o/p", "room-99"}));
  EXPECT_FALSE(*inspect_session(*store_, {"o/p", std::string(5000, 'x')}));
}

}  // namespace
}  // namespace kontract
