#include "storage/store.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "storage/ballast.hpp"
#include "storage/data_directory.hpp"
#include "storage/shard.hpp"
#include "tests/storage/io_faults.hpp"
#include "tests/storage/manual_shard.hpp"
#include "tests/storage/told.hpp"

namespace kontract {
namespace {

namespace fs = std::filesystem;
using testing::Alarms;
using testing::TempDir;

constexpr std::size_t kMap = 16 * limits::kMiB;

std::string contents(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class StoreTest : public ::testing::Test {
 protected:
  StoreOptions options(unsigned shards = 1) {
    StoreOptions options;
    options.data = data_;
    options.shards = shards;
    options.map_bytes = kMap;
    options.disk_floor_bytes = 0;
    options.ballast_bytes = 0;
    options.alarm = [this](const std::string& message) { alarms_(message); };
    return options;
  }
  std::unique_ptr<Store> open(StoreOptions with) {
    auto store = Store::open(std::move(with));
    EXPECT_TRUE(store) << store.error().message;
    return store ? *std::move(store) : nullptr;
  }
  Error refused(StoreOptions with) {
    auto store = Store::open(std::move(with));
    EXPECT_FALSE(store);
    return store ? Error() : store.error();
  }
  // One committed row of `versions`.
  static void commit(Shard& shard, const std::string& key, const std::string& value) {
    WriteBatch batch;
    batch.put(Keyspace::versions, key, value);
    shard.log().append(std::move(batch), shard.log().epoch(), nullptr);
    ASSERT_TRUE(shard.log().flush());
  }
  // Puts a row past the log.
  void forge(unsigned shard, Keyspace space, std::string_view key, std::string_view value) {
    auto environment =
        Environment::open(data_ / ("shard-0" + std::to_string(shard)), {kMap, false});
    ASSERT_TRUE(environment);
    auto txn = (*environment)->write();
    ASSERT_TRUE(txn->put(space, key, value));
    ASSERT_TRUE(std::move(*txn).commit());
  }

  TempDir directory_;
  fs::path data_ = directory_.path() / "some" / "data";
  Alarms alarms_;
};

TEST_F(StoreTest, ANewDirectoryIsCreatedAndOpensAgain) {
  {
    auto store = open(options(3));
    EXPECT_EQ(store->shards(), 3U);
    for (std::size_t i = 0; i < 3; ++i) commit(store->shard(i), "key", std::to_string(i));
    EXPECT_EQ(store->metrics().commits, 3U);
    EXPECT_EQ(store->metrics().batches, 3U);
    EXPECT_EQ(store->metrics().bytes_written, 12U);
    EXPECT_GT(store->metrics().map_used_bytes, 0U);
    EXPECT_GT(store->metrics().disk_free_bytes, 0U);
    EXPECT_TRUE(store->metrics().writable);
  }
  for (const unsigned shards : {0U, 3U}) {
    auto store = open(options(shards));
    EXPECT_EQ(store->shards(), 3U);
    EXPECT_EQ(store->options().shards, 3U);
    for (std::size_t i = 0; i < 3; ++i) {
      auto txn = store->shard(i).environment().read();
      EXPECT_EQ(**txn->get(Keyspace::versions, "key"), std::to_string(i));
    }
  }
  EXPECT_NE(refused(options(2)).message.find("it has 3"), std::string::npos);
  EXPECT_NE(refused(options(2)).hint.find("0 to take whatever"), std::string::npos);
}

TEST_F(StoreTest, ASessionStaysInItsShard) {
  auto store = open(options(7));
  struct Case {
    Identity identity;
    std::size_t shard;
  };
  // FNV-1a, computed elsewhere: what is stored is looked for there for ever.
  for (const Case& c :
       {Case{{"dev", "room-1"}, 4}, Case{{"dev", "room-2"}, 2}, Case{{"tenant-1", "room-1"}, 0},
        Case{{"a", "bc"}, 0}, Case{{"ab", "c"}, 5}}) {
    SCOPED_TRACE(c.identity.owner + "/" + c.identity.name);
    EXPECT_EQ(&store->shard_of(c.identity), &store->shard(c.shard));
  }
  std::set<Shard*> used;
  for (int i = 0; i < 100; ++i) used.insert(&store->shard_of({"o", std::to_string(i)}));
  EXPECT_EQ(used.size(), 7U);
}

TEST_F(StoreTest, SessionNumbersGoOnAfterTheHighestStored) {
  {
    auto store = open(options());
    EXPECT_EQ(store->shard(0).allocate_session_no(), 1U);
    EXPECT_EQ(store->shard(0).allocate_session_no(), 2U);
    WriteBatch batch;
    for (const SessionNo no : {SessionNo{1}, SessionNo{300}}) {
      const Identity identity{"owner", "session-" + std::to_string(no)};
      const format::Key key = format::session_no_key(no);
      batch.put(Keyspace::sessions, key.str(), format::session_no_value(key, identity));
      SessionRow row;
      row.no = no;
      put_session(batch, identity, row);
    }
    store->shard(0).log().append(std::move(batch), store->shard(0).log().epoch(), nullptr);
    ASSERT_TRUE(store->flush());
  }
  EXPECT_EQ(open(options())->shard(0).allocate_session_no(), 301U);
}

TEST_F(StoreTest, ADirectoryOpensOnceInAProcess) {
  auto store = open(options());
  Error error = refused(options());
  EXPECT_EQ(error.code, Errc::invalid_request);
  EXPECT_NE(error.message.find("open in this process already"), std::string::npos);
  // Another name does not help.
  fs::create_directory_symlink(data_, directory_.path() / "alias");
  StoreOptions alias = options();
  alias.data = directory_.path() / "alias";
  EXPECT_EQ(refused(alias).code, Errc::invalid_request);
  store.reset();
  open(options());
}

TEST_F(StoreTest, ADirectoryOpensInOneProcessAtATime) {
  int to_child[2], to_parent[2];
  ASSERT_EQ(pipe(to_child), 0);
  ASSERT_EQ(pipe(to_parent), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  char byte = 'x';
  if (child == 0) {
    auto store = Store::open(options());
    if (!store || ::write(to_parent[1], &byte, 1) != 1) _exit(1);
    if (::read(to_child[0], &byte, 1) != 1) _exit(1);
    store->reset();
    _exit(0);
  }
  ASSERT_EQ(::read(to_parent[0], &byte, 1), 1);
  const Error error = refused(options());
  EXPECT_EQ(error.code, Errc::invalid_request);
  EXPECT_NE(error.message.find("held by process " + std::to_string(child)), std::string::npos)
      << error.message;
  ASSERT_EQ(::write(to_child[1], &byte, 1), 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  open(options());
  for (const int fd : {to_child[0], to_child[1], to_parent[0], to_parent[1]}) close(fd);
}

TEST_F(StoreTest, WhatIsNoDataDirectoryIsRefused) {
  fs::create_directories(data_.parent_path());
  std::ofstream(data_) << "a file";
  EXPECT_EQ(refused(options()).code, Errc::invalid_request);
  EXPECT_EQ(contents(data_), "a file");

  StoreOptions none = options();
  none.data.clear();
  EXPECT_EQ(refused(none).code, Errc::invalid_request);
  EXPECT_EQ(refused(options(1000)).code, Errc::invalid_request);
}

TEST(DataDirectoryTest, FileSystemsOfOtherMachinesAreKnown) {
  struct Case {
    const char* name;
    std::uint64_t type;
    bool network;
  };
  for (const Case& c :
       {Case{"nfs", 0x6969, true}, Case{"cifs", 0xFF534D42, true}, Case{"smb2", 0xFE534D42, true},
        Case{"ext4", 0xEF53, false}, Case{"xfs", 0x58465342, false},
        Case{"tmpfs", 0x01021994, false}, Case{"fuse", 0x65735546, false}}) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(is_network_file_system(c.type), c.network);
  }
}

TEST_F(StoreTest, ANewerFormatIsRefusedAndLeftAsItIs) {
  open(options());
  format::FormatRow newer;
  newer.version = format::kFormatVersion + 1;
  forge(0, Keyspace::meta, format::format_key(), format::format_value(newer));
  const std::string before = contents(data_ / "shard-00" / "data.mdb");
  const Error error = refused(options());
  EXPECT_EQ(error.code, Errc::invalid_request);
  EXPECT_NE(error.message.find("data.mdb has format 2"), std::string::npos) << error.message;
  EXPECT_EQ(contents(data_ / "shard-00" / "data.mdb"), before);
}

TEST_F(StoreTest, AnUnfinishedCreationIsFinished) {
  open(options(3));
  fs::remove_all(data_ / "shard-00");  // it is made last
  fs::remove_all(data_ / "shard-01");
  EXPECT_EQ(open(options(2))->shards(), 2U);
  EXPECT_EQ(open(options(0))->shards(), 2U);
}

TEST_F(StoreTest, AMissingOrMisplacedShardIsCorrupt) {
  {
    auto store = open(options(3));
    for (std::size_t i = 0; i < 3; ++i) commit(store->shard(i), "key", "value");
  }
  const auto expect_corrupt = [&](std::string_view part) {
    const Error error = refused(options(3));
    EXPECT_EQ(error.code, Errc::storage_corrupt);
    EXPECT_NE(error.message.find(part), std::string::npos) << error.message;
  };
  for (const char* name : {"shard-00", "shard-01", "shard-02"}) {
    SCOPED_TRACE(name);
    fs::rename(data_ / name, data_ / "away");
    expect_corrupt(name);
    EXPECT_FALSE(fs::exists(data_ / name / "data.mdb"));
    fs::remove_all(data_ / name);
    fs::rename(data_ / "away", data_ / name);
  }
  fs::rename(data_ / "shard-01", data_ / "away");
  fs::rename(data_ / "shard-02", data_ / "shard-01");
  fs::rename(data_ / "away", data_ / "shard-02");
  expect_corrupt("is not shard");
}

TEST_F(StoreTest, ABitFlipInARowOfTheLastCommitIsFoundAtTheStart) {
  const std::string value = "a value that is found again in the file";
  commit(open(options())->shard(0), "the-key", value);
  const fs::path file = data_ / "shard-00" / "data.mdb";
  std::string bytes = contents(file);
  int copies = 0;
  for (std::size_t at = 0; (at = bytes.find(value, at)) != bytes.npos; ++at, ++copies) {
    bytes[at + 7] = static_cast<char>(bytes[at + 7] ^ 4);
  }
  ASSERT_GT(copies, 0);
  std::ofstream(file, std::ios::binary) << bytes;
  const Error error = refused(options());
  EXPECT_EQ(error.code, Errc::storage_corrupt);
  EXPECT_NE(error.message.find("data.mdb"), std::string::npos);
  EXPECT_NE(error.message.find("commit 1"), std::string::npos) << error.message;
}

TEST_F(StoreTest, EveryBitFlipInTheCommitRecordIsFoundAtTheStart) {
  commit(open(options())->shard(0), "the-key", "value");
  std::string row;
  {
    auto environment = Environment::open(data_ / "shard-00", {kMap, false});
    auto txn = (*environment)->read();
    row = **txn->get(Keyspace::meta, format::commit_key());
  }
  for (std::size_t bit = 0; bit < row.size() * 8; bit += 3) {
    SCOPED_TRACE(bit);
    std::string flipped = row;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    forge(0, Keyspace::meta, format::commit_key(), flipped);
    const Error error = refused(options());
    EXPECT_EQ(error.code, Errc::storage_corrupt);
    EXPECT_NE(error.message.find("data.mdb"), std::string::npos);
  }
  forge(0, Keyspace::meta, format::commit_key(), row);
  open(options());
}

TEST_F(StoreTest, ATruncatedFileIsCorrupt) {
  {
    auto store = open(options());
    for (int i = 0; i < 50; ++i) {
      commit(store->shard(0), "key-" + std::to_string(i), std::string(3000, 'x'));
    }
  }
  fs::resize_file(data_ / "shard-00" / "data.mdb", 3 * 4096);
  const Error error = refused(options());
  EXPECT_EQ(error.code, Errc::storage_corrupt);
  EXPECT_NE(error.message.find("data.mdb"), std::string::npos) << error.message;
}

TEST_F(StoreTest, AfterAFailedSyncARestartOpensWithAllThatWasAcknowledged) {
  {
    auto store = open(options());
    commit(store->shard(0), "before", "value");
    const testing::FailingSync failing(EIO);
    WriteBatch batch;
    batch.put(Keyspace::versions, "lost", "value");
    store->shard(0).log().append(std::move(batch), store->shard(0).log().epoch(), nullptr);
    EXPECT_FALSE(store->flush());
    EXPECT_FALSE(store->metrics().writable);
    EXPECT_EQ(store->metrics().failed_groups, 1U);
  }
  auto store = open(options());
  EXPECT_TRUE(store->metrics().writable);
  auto txn = store->shard(0).environment().read();
  EXPECT_EQ(**txn->get(Keyspace::versions, "before"), "value");
  EXPECT_FALSE((*txn->get(Keyspace::versions, "lost")).has_value());
}

TEST_F(StoreTest, BelowTheDiskFloorOnlyDeletesAreTakenAndFarBelowItNothing) {
  const auto free = disk_free_bytes(directory_.path());
  ASSERT_TRUE(free);
  struct Case {
    const char* name;
    std::size_t floor;
    bool write, erase;
    int alarms;
  };
  for (const Case& c :
       {Case{"above", *free / 2, true, true, 0}, Case{"below", *free + *free / 4, false, true, 1},
        Case{"far below", *free * 3, false, false, 1}}) {
    SCOPED_TRACE(c.name);
    StoreOptions with = options();
    with.disk_floor_bytes = c.floor;
    Alarms alarms;
    with.alarm = [&](const std::string& message) { alarms(message); };
    auto store = open(with);
    const CommitLog& log = store->shard(0).log();
    EXPECT_EQ(log.admit(false).has_value(), c.write);
    EXPECT_EQ(log.admit(true).has_value(), c.erase);
    if (!c.write) {
      EXPECT_EQ(log.admit(false).error().code, Errc::storage_full);
    }
    EXPECT_EQ(alarms.count("the floor is"), c.alarms);
    EXPECT_EQ(store->metrics().writable, c.write);
  }
}

TEST_F(StoreTest, TheBallastIsMadeWhereThereIsRoomAndGoesWhenNotWanted) {
  const fs::path ballast = data_ / "ballast";
  StoreOptions with = options();
  with.ballast_bytes = limits::kMiB;
  open(with);
  EXPECT_EQ(fs::file_size(ballast), limits::kMiB);
  open(options());
  EXPECT_FALSE(fs::exists(ballast));

  const auto free = disk_free_bytes(data_);
  ASSERT_TRUE(free);
  auto kept = keep_ballast(data_, limits::kMiB, *free);
  ASSERT_TRUE(kept);
  EXPECT_FALSE(*kept) << "the floor comes first";
  EXPECT_FALSE(fs::exists(ballast));
}

}  // namespace
}  // namespace kontract
