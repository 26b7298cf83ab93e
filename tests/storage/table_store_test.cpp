// A table on a real store: the log applies on its own thread, batches go in groups, and what was
// acknowledged is there after a restart.

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "storage/index_registry.hpp"
#include "storage/table.hpp"
#include "tests/storage/manual_shard.hpp"

namespace kontract {
namespace {

StoreOptions options(const std::filesystem::path& data) {
  StoreOptions made;
  made.data = data;
  made.map_bytes = 64 * limits::kMiB;
  made.disk_floor_bytes = 0;
  made.ballast_bytes = 0;
  return made;
}

TEST(TableStoreTest, ATableSurvivesARestartAndItsDirectoryIsSound) {
  const testing::TempDir directory;
  const Identity identity{"tenant", "room"};
  const TableRow row{"users", "tbl_users_1", "tenant", perms::RWX, 1, ""};
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::map<std::string, std::string> model;
  SessionNo session = 0;
  Txid txid = 0;

  for (int life = 0; life < 3; ++life) {
    auto store = Store::open(options(directory.path()));
    ASSERT_TRUE(store) << store.error().message;
    Shard& shard = (*store)->shard_of(identity);
    if (life == 0) {
      session = shard.allocate_session_no();
      WriteBatch batch;
      put_session(batch, identity, {session, make_uuid_v7(), 4097, 2, 0});
      put_table(batch, session, row);
      put_index(batch, session, row.no, {1, {{"n"}, false}, IndexState::ready});
      shard.log().append(std::move(batch), shard.log().epoch(), nullptr);
      ASSERT_TRUE(shard.log().flush())
          << "a table is opened when the rows of its indexes are there";
    }
    auto opened = Table::open(shard, session, row);
    ASSERT_TRUE(opened) << opened.error().message;
    Table& table = **opened;
    const auto begin = [&] {
      ++txid;
      // Every third transaction leaves garbage behind, as if a reader were open.
      const Txid oldest_reader = txid % 3 == 0 ? 1 : txid + 1;
      ASSERT_TRUE(table.begin({"sid", "tenant", txid, perms::RWX, oldest_reader}));
    };
    for (int i = 0; i < 400; ++i) {
      const std::string id = "id" + std::to_string(random() % 20);
      begin();
      const auto seen = table.get(id);
      ASSERT_TRUE(seen) << seen.error().message;
      EXPECT_EQ(*seen, model.contains(id) ? model[id] : "null");
      if (random() % 3 == 0) {
        ASSERT_TRUE(table.erase(id));
        model.erase(id);
      } else {
        const Json data{{"n", i}};
        ASSERT_TRUE(table.set(id, data));
        model[id] = data.dump();
      }
      if (!table.staged().empty()) {
        table.seal(shard.log().append(table.take_staged(), table.epoch(), nullptr));
      }
      if (i % 50 == 0) {
        WriteBatch garbage;
        ASSERT_TRUE(table.collect_garbage(txid + 1, std::chrono::system_clock::now(), 50, garbage));
        shard.log().append(std::move(garbage), table.epoch(), nullptr);
      }
    }
    begin();
    EXPECT_EQ(*table.count(), model.size());
    ASSERT_TRUE((*store)->flush());
    opened->reset();
    store->reset();

    const auto report = check_data_directory(directory.path());
    ASSERT_TRUE(report) << report.error().message;
    for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
    EXPECT_EQ(report->sessions, 1u);
    EXPECT_EQ(report->tables, 1u);
    EXPECT_EQ(report->records, model.size());
  }
}

}  // namespace
}  // namespace kontract
