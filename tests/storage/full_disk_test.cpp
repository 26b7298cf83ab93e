// A disk that is really full: a small tmpfs, which needs the right to mount.

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "storage/ballast.hpp"
#include "storage/store.hpp"
#include "tests/storage/manual_shard.hpp"
#include "tests/storage/told.hpp"

namespace kontract {
namespace {

namespace fs = std::filesystem;
using testing::Alarms;
using testing::TempDir;
using testing::Told;

class FullDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::mount("tmpfs", mount_point_.path().c_str(), "tmpfs", 0, "size=8m") != 0) {
      GTEST_SKIP() << "NOT TESTED: a full disk. Cannot mount a tmpfs: " << std::strerror(errno);
    }
    mounted_ = true;
  }
  void TearDown() override {
    store_.reset();
    if (mounted_) {
      EXPECT_EQ(::umount2(mount_point_.path().c_str(), MNT_DETACH), 0);
    }
  }

  StoreOptions options() {
    StoreOptions options;
    options.data = mount_point_.path() / "data";
    options.map_bytes = 64 * limits::kMiB;
    options.disk_floor_bytes = 0;
    options.ballast_bytes = 0;
    options.alarm = [this](const std::string& message) { alarms_(message); };
    return options;
  }
  void open(const StoreOptions& with) {
    auto store = Store::open(with);
    ASSERT_TRUE(store) << store.error().message;
    store_ = *std::move(store);
  }
  Status write(const std::string& key, std::size_t bytes) {
    Told told;
    WriteBatch batch;
    batch.put(Keyspace::versions, key, std::string(bytes, 'x'));
    CommitLog& log = store_->shard(0).log();
    log.append(std::move(batch), log.epoch(), told.waiter(1));
    return told.wait_for(1)[0].status;
  }
  bool holds(const std::string& key) {
    auto txn = store_->shard(0).environment().read();
    auto value = txn->get(Keyspace::versions, key);
    return value && *value;
  }

  TempDir mount_point_;
  bool mounted_ = false;
  Alarms alarms_;
  std::unique_ptr<Store> store_;
};

TEST_F(FullDiskTest, AWriteThatDoesNotFitFailsWholeAndTheNextThatFitsSucceeds) {
  open(options());
  int written = 0;
  Status last;
  // Values of many pages and of one, so that the disk fills up in the middle of a write as well.
  while (last && written < 1000) {
    last = write("key-" + std::to_string(written), written % 2 == 0 ? 100'000 : 1000);
    written += last ? 1 : 0;
  }
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, Errc::storage_full) << last.error().message;
  EXPECT_NE(last.error().message.find("data.mdb"), std::string::npos);
  for (int i = 0; i < written; ++i) EXPECT_TRUE(holds("key-" + std::to_string(i)));
  EXPECT_FALSE(holds("key-" + std::to_string(written)));

  // Deletes need a few pages, which the failed write has left in the file. How many, and so how
  // many deletes fit one commit, is LMDB's affair: one that does not is tried again.
  CommitLog& log = store_->shard(0).log();
  for (int i = 0; i < written / 2; ++i) {
    const auto erase = [&] {
      WriteBatch batch;
      batch.erase(Keyspace::versions, "key-" + std::to_string(i));
      log.append(std::move(batch), log.epoch(), nullptr);
      return log.flush();
    };
    Status erased = erase();
    for (int more = 0; !erased && more < 10; ++more) erased = erase();
    ASSERT_TRUE(erased) << erased.error().message;
  }
  EXPECT_TRUE(write("again", 100'000));

  store_.reset();
  open(options());
  EXPECT_TRUE(holds("again"));
  EXPECT_FALSE(holds("key-0"));
  EXPECT_TRUE(holds("key-" + std::to_string(written - 1)));
}

TEST_F(FullDiskTest, DeletingTheBallastGivesRoom) {
  StoreOptions with = options();
  with.ballast_bytes = 2 * limits::kMiB;
  open(with);
  const fs::path ballast = with.data / "ballast";
  ASSERT_EQ(fs::file_size(ballast), with.ballast_bytes);
  Status last;
  for (int i = 0; last && i < 1000; ++i) last = write("key-" + std::to_string(i), 100'000);
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, Errc::storage_full);
  EXPECT_EQ(fs::file_size(ballast), with.ballast_bytes);

  fs::remove(ballast);
  EXPECT_TRUE(write("after", 1'000'000));
  auto kept = keep_ballast(with.data, with.ballast_bytes, 0);
  ASSERT_TRUE(kept);
  EXPECT_FALSE(*kept) << "it would fill the disk again";
}

TEST_F(FullDiskTest, AStartWithoutRoomIsRefused) {
  StoreOptions with = options();
  with.disk_floor_bytes = 4 * limits::kGiB;
  auto store = Store::open(with);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Errc::storage_full);
  EXPECT_NE(store.error().message.find("128 MiB are needed to start"), std::string::npos);
  EXPECT_FALSE(fs::exists(with.data / "shard-00"));
}

TEST_F(FullDiskTest, ADiskThatSomebodyElseFillsIsRefusedBeforeItIsFull) {
  StoreOptions with = options();
  with.disk_floor_bytes = 4 * limits::kMiB;
  open(with);
  EXPECT_TRUE(store_->shard(0).log().admit(false));
  std::ofstream(mount_point_.path() / "other") << std::string(5 * limits::kMiB, 'x');
  // The housekeeping sees it by itself.
  while (store_->shard(0).log().admit(false)) std::this_thread::yield();
  EXPECT_EQ(store_->shard(0).log().admit(false).error().code, Errc::storage_full);
  while (alarms_.count("the floor is") == 0) std::this_thread::yield();
  fs::remove(mount_point_.path() / "other");
  while (!store_->shard(0).log().admit(false)) std::this_thread::yield();
  EXPECT_EQ(alarms_.count("the floor is"), 1);
}

}  // namespace
}  // namespace kontract
