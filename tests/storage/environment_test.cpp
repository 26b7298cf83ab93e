#include "storage/environment.hpp"

#include <gtest/gtest.h>
#include <lmdb.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>
#include <vector>

#include "storage/data_directory.hpp"
#include "storage/page_check.hpp"
#include "tests/storage/manual_shard.hpp"

namespace kontract {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

constexpr std::size_t kMap = 16 * limits::kMiB;

std::unique_ptr<Environment> open(const fs::path& directory, std::size_t map_bytes = kMap) {
  auto environment = Environment::open(directory, {map_bytes, false});
  EXPECT_TRUE(environment) << environment.error().message;
  return environment ? *std::move(environment) : nullptr;
}

void put(Environment& environment, Keyspace space, std::string_view key, std::string_view value) {
  auto txn = environment.write();
  ASSERT_TRUE(txn);
  ASSERT_TRUE(txn->put(space, key, value));
  ASSERT_TRUE(std::move(*txn).commit());
}

std::optional<std::string> get(Environment& environment, Keyspace space, std::string_view key) {
  auto txn = environment.read();
  EXPECT_TRUE(txn);
  auto value = txn->get(space, key);
  EXPECT_TRUE(value);
  if (!value || !*value) return std::nullopt;
  return std::string(**value);
}

// Writes and erases enough that the free list, overflow pages and several levels are in use.
void fill(Environment& environment) {
  for (int round = 0; round < 3; ++round) {
    auto txn = environment.write();
    ASSERT_TRUE(txn);
    for (int i = 0; i < 2000; ++i) {
      const std::string key = "key-" + std::to_string(i);
      if ((i + round) % 3 == 0) {
        ASSERT_TRUE(txn->erase(Keyspace::versions, key));
      } else {
        ASSERT_TRUE(txn->put(Keyspace::versions, key, std::string(i % 50 == 0 ? 9000 : 100, 'v')));
      }
    }
    ASSERT_TRUE(std::move(*txn).commit());
  }
}

TEST(EnvironmentTest, KeepsWhatWasCommittedAcrossOpenings) {
  TempDir directory;
  put(*open(directory.path()), Keyspace::versions, "key", "value");
  EXPECT_EQ(get(*open(directory.path()), Keyspace::versions, "key"), "value");
}

TEST(EnvironmentTest, AnAbandonedTransactionLeavesNothing) {
  TempDir directory;
  auto environment = open(directory.path());
  {
    auto txn = environment->write();
    ASSERT_TRUE(txn);
    ASSERT_TRUE(txn->put(Keyspace::versions, "key", "value"));
  }
  EXPECT_EQ(get(*environment, Keyspace::versions, "key"), std::nullopt);
}

TEST(EnvironmentTest, KeyspacesAreApart) {
  TempDir directory;
  auto environment = open(directory.path());
  for (std::size_t i = 0; i < kKeyspaces; ++i) {
    put(*environment, static_cast<Keyspace>(i), "key", std::to_string(i));
  }
  for (std::size_t i = 0; i < kKeyspaces; ++i) {
    EXPECT_EQ(get(*environment, static_cast<Keyspace>(i), "key"), std::to_string(i));
  }
}

TEST(EnvironmentTest, AKeyspaceThatAnOlderDirectoryLacksIsAdded) {
  TempDir directory;
  put(*open(directory.path()), Keyspace::versions, "key", "value");
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  ASSERT_EQ(mdb_env_create(&env), 0);
  ASSERT_EQ(mdb_env_set_maxdbs(env, kKeyspaces), 0);
  ASSERT_EQ(mdb_env_open(env, directory.path().c_str(), 0, 0600), 0);
  ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
  ASSERT_EQ(mdb_dbi_open(txn, "indexes", 0, &dbi), 0);
  ASSERT_EQ(mdb_drop(txn, dbi, 1), 0);
  ASSERT_EQ(mdb_txn_commit(txn), 0);
  mdb_env_close(env);
  {
    // Who only reads finds nothing in it, and adds nothing.
    auto environment = Environment::open(directory.path(), {limits::kMapBytes, true});
    ASSERT_TRUE(environment) << environment.error().message;
    EXPECT_EQ(get(**environment, Keyspace::versions, "key"), "value");
    EXPECT_EQ(get(**environment, Keyspace::indexes, "key"), std::nullopt);
    auto read = (*environment)->read();
    ASSERT_TRUE(read);
    auto cursor = read->cursor(Keyspace::indexes);
    ASSERT_TRUE(cursor);
    EXPECT_FALSE(*cursor->seek({}));
    EXPECT_FALSE(*cursor->seek_before("x"));
  }
  auto environment = open(directory.path());
  EXPECT_EQ(get(*environment, Keyspace::versions, "key"), "value");
  put(*environment, Keyspace::indexes, "key", "value");
  EXPECT_EQ(get(*environment, Keyspace::indexes, "key"), "value");
}

TEST(EnvironmentTest, ACursorFindsItsWayFromEveryPlace) {
  TempDir directory;
  auto environment = open(directory.path());
  for (const char* key : {"b", "d", "f"}) put(*environment, Keyspace::order, key, "v");
  auto txn = environment->read();
  ASSERT_TRUE(txn);
  auto cursor = txn->cursor(Keyspace::order);
  ASSERT_TRUE(cursor);
  const auto where = [&](const Result<bool>& moved) {
    EXPECT_TRUE(moved);
    return moved && *moved ? std::string(cursor->key()) : "-";
  };
  struct Case {
    const char* from;
    const char* at_or_after;
    const char* before;
  };
  for (const Case& c :
       {Case{"", "b", "-"}, Case{"a", "b", "-"}, Case{"b", "b", "-"}, Case{"c", "d", "b"},
        Case{"d", "d", "b"}, Case{"e", "f", "d"}, Case{"f", "f", "d"}, Case{"g", "-", "f"}}) {
    SCOPED_TRACE(c.from);
    EXPECT_EQ(where(cursor->seek_before(c.from)), c.before);
    EXPECT_EQ(where(cursor->seek(c.from)), c.at_or_after);
  }
  EXPECT_EQ(where(cursor->seek("b")), "b");
  EXPECT_EQ(where(cursor->next()), "d");
  EXPECT_EQ(where(cursor->next()), "f");
  EXPECT_EQ(where(cursor->next()), "-");
  EXPECT_EQ(where(cursor->seek("d")), "d");
  EXPECT_EQ(where(cursor->prev()), "b");
  EXPECT_EQ(where(cursor->prev()), "-");
  auto empty = txn->cursor(Keyspace::garbage);
  ASSERT_TRUE(empty);
  EXPECT_FALSE(*empty->seek({}));
  EXPECT_FALSE(*empty->seek_before("x"));
}

TEST(EnvironmentTest, AReaderSeesOneSnapshotForAsLongAsItLives) {
  TempDir directory;
  auto environment = open(directory.path());
  put(*environment, Keyspace::versions, "key", "old");
  auto txn = environment->read();
  ASSERT_TRUE(txn);
  put(*environment, Keyspace::versions, "key", "new");
  auto value = txn->get(Keyspace::versions, "key");
  ASSERT_TRUE(value);
  EXPECT_EQ(**value, "old");
  EXPECT_EQ(get(*environment, Keyspace::versions, "key"), "new");
}

TEST(EnvironmentTest, ManyThreadsReadWhileOneWrites) {
  TempDir directory;
  auto environment = open(directory.path());
  put(*environment, Keyspace::versions, "a", "0");
  put(*environment, Keyspace::versions, "b", "0");
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0}, backwards{0};
  std::vector<std::thread> readers;
  readers.reserve(4);
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      int last = 0;
      while (!stop) {
        auto txn = environment->read();
        auto a = txn->get(Keyspace::versions, "a"), b = txn->get(Keyspace::versions, "b");
        if (**a != **b) ++torn;
        const int now = std::stoi(std::string(**a));
        if (now < last) ++backwards;
        last = now;
      }
    });
  }
  for (int i = 1; i <= 500; ++i) {
    auto txn = environment->write();
    ASSERT_TRUE(txn->put(Keyspace::versions, "a", std::to_string(i)));
    ASSERT_TRUE(txn->put(Keyspace::versions, "b", std::to_string(i)));
    ASSERT_TRUE(std::move(*txn).commit());
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(backwards, 0);
}

TEST(EnvironmentTest, AFullMapIsStorageFullAndTheEnvironmentStaysUsable) {
  TempDir directory;
  auto environment = open(directory.path(), limits::kMiB);
  put(*environment, Keyspace::versions, "key", "value");
  {
    auto txn = environment->write();
    ASSERT_TRUE(txn);
    Status last;
    for (int i = 0; last && i < 1000; ++i) {
      last = txn->put(Keyspace::versions, "k" + std::to_string(i), std::string(4000, 'x'));
    }
    ASSERT_FALSE(last);
    EXPECT_EQ(last.error().code, Errc::storage_full);
    EXPECT_NE(last.error().message.find("data.mdb"), std::string::npos);
    EXPECT_FALSE(last.error().hint.empty());
  }
  EXPECT_EQ(get(*environment, Keyspace::versions, "key"), "value");
  put(*environment, Keyspace::versions, "key", "again");
  EXPECT_EQ(get(*environment, Keyspace::versions, "key"), "again");
}

TEST(EnvironmentTest, UsageFallsWhenRowsGoThoughTheHighWaterMarkStays) {
  TempDir directory;
  auto environment = open(directory.path());
  fill(*environment);
  auto full = environment->usage();
  ASSERT_TRUE(full);
  const std::size_t high_water = environment->high_water_bytes();
  auto txn = environment->write();
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(txn->erase(Keyspace::versions, "key-" + std::to_string(i)));
  }
  ASSERT_TRUE(std::move(*txn).commit());
  auto emptied = environment->usage();
  ASSERT_TRUE(emptied);
  EXPECT_LT(emptied->used_bytes, full->used_bytes / 2);
  EXPECT_GE(environment->high_water_bytes(), high_water);
  EXPECT_EQ(emptied->map_bytes, kMap);
}

TEST(EnvironmentTest, AFileOfAnotherProgramIsRefusedAndLeftAsItIs) {
  TempDir directory;
  MDB_env* env = nullptr;
  ASSERT_EQ(mdb_env_create(&env), 0);
  ASSERT_EQ(mdb_env_open(env, directory.path().c_str(), 0, 0600), 0);
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
  ASSERT_EQ(mdb_dbi_open(txn, nullptr, 0, &dbi), 0);
  char bytes[] = "meta";
  MDB_val row{4, bytes};
  ASSERT_EQ(mdb_put(txn, dbi, &row, &row, 0), 0);
  ASSERT_EQ(mdb_txn_commit(txn), 0);
  mdb_env_close(env);
  const auto contents = [&] {
    std::ifstream in(directory.path() / "data.mdb", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string before = contents();

  auto environment = Environment::open(directory.path(), {kMap, false});
  ASSERT_FALSE(environment);
  EXPECT_EQ(environment.error().code, Errc::invalid_request);
  EXPECT_NE(environment.error().message.find("data.mdb was not made by"), std::string::npos);
  EXPECT_EQ(contents(), before);
}

TEST(EnvironmentTest, BytesThatAreNoLmdbFileAreCorrupt) {
  struct Case {
    const char* name;
    std::size_t bytes;
  };
  for (const Case& c :
       {Case{"shorter than a page", 100}, Case{"one page", 4096}, Case{"many pages", 40960}}) {
    SCOPED_TRACE(c.name);
    TempDir directory;
    std::ofstream(directory.path() / "data.mdb") << std::string(c.bytes, '#');
    auto environment = Environment::open(directory.path(), {kMap, false});
    ASSERT_FALSE(environment);
    EXPECT_EQ(environment.error().code, Errc::storage_corrupt);
    EXPECT_NE(environment.error().message.find("data.mdb"), std::string::npos);
    EXPECT_FALSE(check_pages(directory.path() / "data.mdb"));
  }
}

TEST(EnvironmentTest, AFileCutAtAnyPageIsRefusedOrLosesNothing) {
  TempDir original;
  fill(*open(original.path()));
  const fs::path file = original.path() / "data.mdb";
  ASSERT_TRUE(check_pages(file));
  const std::uintmax_t size = fs::file_size(file);
  int refused = 0;
  for (std::uintmax_t keep = 0; keep < size; keep += 4096 * 3 + 1000) {
    SCOPED_TRACE(keep);
    TempDir copy;
    fs::copy_file(file, copy.path() / "data.mdb");
    fs::resize_file(copy.path() / "data.mdb", keep);
    if (keep == 0) continue;  // an empty file is a new one
    auto environment = Environment::open(copy.path(), {kMap, false});
    if (environment) {
      EXPECT_EQ(get(**environment, Keyspace::versions, "key-1").has_value(), true);
      EXPECT_TRUE(check_pages(copy.path() / "data.mdb"));
    } else {
      ++refused;
      EXPECT_EQ(environment.error().code, Errc::storage_corrupt);
      EXPECT_EQ(fs::file_size(copy.path() / "data.mdb"), keep) << "it was changed";
    }
  }
  EXPECT_GT(refused, 10);
}

TEST(EnvironmentTest, PageCheckNeverCrashesOnADamagedFile) {
  TempDir directory;
  fill(*open(directory.path()));
  const fs::path file = directory.path() / "data.mdb";
  std::string bytes;
  {
    std::ifstream in(file, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  int found = 0;
  // The headers of pages and of their first entries.
  for (std::size_t page = 0; page + 4096 <= bytes.size(); page += 4096) {
    for (const std::size_t at :
         {page + 2, page + 10, page + 13, page + 16, page + 40, page + 150}) {
      std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
      out.seekp(static_cast<std::streamoff>(at));
      out.put(static_cast<char>(bytes[at] ^ 0x55));
      out.close();
      if (!check_pages(file)) ++found;
      out.open(file, std::ios::binary | std::ios::in | std::ios::out);
      out.seekp(static_cast<std::streamoff>(at));
      out.put(bytes[at]);
    }
  }
  EXPECT_GT(found, 100);
  EXPECT_TRUE(check_pages(file));
}

TEST(EnvironmentTest, ReadersOfAKilledProcessAreCleared) {
  TempDir directory;
  // The child must exist before the environment is opened here: LMDB does not survive a fork.
  int to_child[2], to_parent[2];
  ASSERT_EQ(pipe(to_child), 0);
  ASSERT_EQ(pipe(to_parent), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    char byte = 0;
    if (::read(to_child[0], &byte, 1) != 1) _exit(1);
    auto environment = Environment::open(directory.path(), {kMap, false});
    if (!environment) _exit(1);
    auto txn = (*environment)->read();
    if (!txn || ::write(to_parent[1], "r", 1) != 1) _exit(1);
    pause();
    _exit(1);
  }
  auto environment = open(directory.path());
  char byte = 'g';
  ASSERT_EQ(::write(to_child[1], &byte, 1), 1);
  ASSERT_EQ(::read(to_parent[0], &byte, 1), 1);
  EXPECT_EQ(*environment->clear_stale_readers(), 0);
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(*environment->clear_stale_readers(), 1);
  EXPECT_EQ(*environment->clear_stale_readers(), 0);
  for (const int fd : {to_child[0], to_child[1], to_parent[0], to_parent[1]}) close(fd);
}

TEST(EnvironmentTest, AMissingDirectoryIsRefusedInWords) {
  auto environment = Environment::open("/nonexistent/kontract", {kMap, false});
  ASSERT_FALSE(environment);
  EXPECT_EQ(environment.error().code, Errc::invalid_request);
  EXPECT_NE(environment.error().message.find("/nonexistent/kontract"), std::string::npos);
}

}  // namespace
}  // namespace kontract
