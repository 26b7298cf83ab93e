// What an operator is told of room, and how often.

#include "storage/room.hpp"

#include <gtest/gtest.h>
#include <lmdb.h>

#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

#include "tests/storage/lmdb_faults.hpp"
#include "tests/storage/manual_shard.hpp"
#include "tests/storage/told.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using testing::Alarms;
using testing::FailingCall;
using testing::TempDir;

TEST(AlarmTest, WithoutAListenerItIsSilent) {
  const Alarm nobody;
  EXPECT_FALSE(nobody);
  nobody("unheard");
  const Alarm empty = std::function<void(const std::string&)>();
  EXPECT_FALSE(empty);
  empty("unheard");
}

TEST(AlarmTest, ItsCopiesAreHeardOneAtATime) {
  int inside = 0, most = 0, heard = 0;
  const Alarm alarm = [&](const std::string&) {
    most = std::max(most, ++inside);
    ++heard;
    std::this_thread::yield();
    --inside;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([copy = alarm] {
      for (int n = 0; n < 1000; ++n) copy("x");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(heard, 4000);
  EXPECT_EQ(most, 1);
}

TEST(RoomTest, ADiskThatDoesNotAnswerIsToldOnceUntilItDoes) {
  TempDir directory;
  const std::filesystem::path disk = directory.path() / "disk";
  std::filesystem::create_directory(disk);
  Alarms alarms;
  DiskRoom room(disk, 0, [&](const std::string& message) { alarms(message); });
  const std::size_t free = room.free_bytes();
  EXPECT_GT(free, 0U);
  for (int outage = 1; outage <= 2; ++outage) {
    std::filesystem::remove(disk);
    for (int i = 0; i < 5; ++i) room.refresh(0ms);
    EXPECT_EQ(alarms.count("cannot ask for the disk's free space"), outage);
    EXPECT_TRUE(room.admit(false)) << "what was known last holds";
    std::filesystem::create_directory(disk);
    room.refresh(0ms);
  }
  EXPECT_EQ(alarms.count(""), 2);
}

TEST(RoomTest, AMapThatCannotBeMeasuredIsToldOnceUntilItCan) {
  TempDir directory;
  auto environment = Environment::open(directory.path(), {limits::kMiB, false});
  ASSERT_TRUE(environment);
  // Past 75 %, where the free list is walked.
  for (int i = 0; (*environment)->high_water_bytes() < limits::kMiB * 77 / 100; ++i) {
    auto txn = (*environment)->write();
    ASSERT_TRUE(txn->put(Keyspace::versions, "key-" + std::to_string(i), std::string(3000, 'x')));
    ASSERT_TRUE(std::move(*txn).commit());
  }
  Alarms alarms;
  MapRoom room(**environment, [&](const std::string& message) { alarms(message); });
  const std::size_t used = room.used_bytes();
  EXPECT_GT(used, limits::kMiB / 2);
  for (int outage = 1; outage <= 2; ++outage) {
    for (int i = 0; i < 3; ++i) {
      const FailingCall failing(1, MDB_PAGE_NOTFOUND);  // the walk's cursor
      while (!failing.reached()) room.refresh();        // it is not walked every time
    }
    EXPECT_EQ(alarms.count("cannot read its free list"), outage);
    EXPECT_EQ(room.used_bytes(), used) << "what was known last holds";
    room.refresh();
  }
}

}  // namespace
}  // namespace kontract
