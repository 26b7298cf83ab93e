// Places in the file system that a store cannot use: it says which and why, and uses them when they
// are put right.

#include "storage/data_directory.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "storage/store.hpp"
#include "tests/storage/manual_shard.hpp"

namespace kontract {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::TempDir;

StoreOptions options_for(const fs::path& data) {
  StoreOptions options;
  options.data = data;
  options.map_bytes = 16 * limits::kMiB;
  options.disk_floor_bytes = options.ballast_bytes = 0;
  return options;
}

TEST(DataDirectoryPlacesTest, WhatIsInTheWayIsNamed) {
  struct Case {
    const char* name;
    std::string in_the_way;  // below the temporary directory
    bool is_directory;
  };
  for (const Case& c : {Case{"a file above it", "some", false},
                        Case{"a directory called lock", "some/data/lock", true},
                        Case{"a file called shard-00", "some/data/shard-00", false},
                        Case{"a directory called data.mdb", "some/data/shard-00/data.mdb", true}}) {
    SCOPED_TRACE(c.name);
    TempDir directory;
    const fs::path obstacle = directory.path() / c.in_the_way;
    fs::create_directories(obstacle.parent_path());
    if (c.is_directory) {
      fs::create_directory(obstacle);
    } else {
      std::ofstream(obstacle) << "x";
    }
    const fs::path data = directory.path() / "some" / "data";
    const auto refused = Store::open(options_for(data));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::invalid_request) << refused.error().message;
    EXPECT_THAT(refused.error().message, HasSubstr((directory.path() / "some").string()));
    fs::remove(obstacle);
    EXPECT_TRUE(Store::open(options_for(data)));
  }
}

TEST(DataDirectoryPlacesTest, OnlyRecordsThatCanBeStoredMayBeAllowed) {
  TempDir directory;
  StoreOptions options = options_for(directory.path() / "data");
  options.record_id_bytes_max = limits::kRecordIdBytesMax + 1;
  EXPECT_FALSE(Store::open(options));
  options.record_id_bytes_max = 10;
  options.record_bytes_max = limits::kRecordBytesCeiling + 1;
  EXPECT_FALSE(Store::open(options));
  options.record_bytes_max = limits::kRecordBytesCeiling;
  EXPECT_TRUE(Store::open(options));
}

TEST(DataDirectoryPlacesTest, ADirectoryThatIsNotThereCannotBeSynced) {
  TempDir directory;
  EXPECT_TRUE(sync_directory(directory.path()));
  const Status synced = sync_directory(directory.path() / "nowhere");
  ASSERT_FALSE(synced);
  EXPECT_THAT(synced.error().message, HasSubstr("cannot sync the directory"));
}

TEST(DataDirectoryPlacesTest, AnEmptyEnvironmentIsNotMadeByReadingIt) {
  TempDir directory;
  std::ofstream(directory.path() / "data.mdb").flush();
  const auto refused = Environment::open(directory.path(), {16 * limits::kMiB, true});
  EXPECT_FALSE(refused);
  EXPECT_TRUE(Environment::open(directory.path(), {16 * limits::kMiB, false}));
  EXPECT_TRUE(Environment::open(directory.path(), {16 * limits::kMiB, true}));
}

}  // namespace
}  // namespace kontract
