// Each call of LMDB fails once, in each operation of the storage: it says so, nothing is half done,
// and afterwards all is as before.

#include <gtest/gtest.h>
#include <lmdb.h>

#include <atomic>
#include <cerrno>
#include <functional>

#include "storage/registry.hpp"
#include "storage/store.hpp"
#include "tests/storage/lmdb_faults.hpp"
#include "tests/storage/table_driver.hpp"

namespace kontract {
namespace {

using testing::FailingCall;
using testing::kSession;
using testing::ManualShard;
using testing::TableDriver;
using testing::TempDir;
using testing::users_row;

// Runs `attempt` with its first call failing, then its second, until it makes no more. It returns
// whether it noticed; `verify` looks at what is left. Returns how many calls there were.
int with_each_call_failing(int error, const std::function<bool()>& attempt,
                           const std::function<void()>& verify) {
  for (int nth = 1;; ++nth) {
    SCOPED_TRACE("call " + std::to_string(nth));
    bool noticed = false;
    {
      const FailingCall failing(nth, error);
      noticed = attempt();
      if (!failing.reached()) {
        EXPECT_FALSE(noticed) << "no call failed";
        return nth - 1;
      }
    }
    EXPECT_TRUE(noticed);
    verify();
    if (::testing::Test::HasFailure()) return nth;
  }
}

class StoreFaultTest : public ::testing::Test {
 protected:
  StoreOptions options(unsigned shards) {
    StoreOptions options;
    options.data = directory_.path() / "data";
    options.shards = shards;
    options.map_bytes = 16 * limits::kMiB;
    options.disk_floor_bytes = options.ballast_bytes = 0;
    options.alarm = [this](const std::string&) { ++alarms_; };
    return options;
  }
  // A session with two tables, one of them dropped, and some history.
  void fill() {
    auto store = Store::open(options(2));
    ASSERT_TRUE(store);
    Shard& shard = (*store)->shard_of(identity_);
    SessionRow session;
    session.no = shard.allocate_session_no();
    session.sid = make_uuid_v7();
    WriteBatch created;
    put_session(created, identity_, session);
    for (const TableNo no : {1U, 2U}) {
      const std::string id = "t" + std::to_string(no);
      const TableRow row{id, "ptr_" + id, "owner", perms::RWX, no, ""};
      put_table(created, session.no, row);
      auto table = Table::open(shard, session.no, row);
      ASSERT_TRUE(table);
      for (Txid txid = 1; txid <= 4; ++txid) {
        ASSERT_TRUE((*table)->begin({"sid", "owner", txid, perms::RWX, 1}));
        ASSERT_TRUE((*table)->set("id-" + std::to_string(txid / 2), Json{{"n", txid}}));
        (*table)->seal(shard.log().append((*table)->take_staged(), shard.log().epoch(), nullptr));
      }
      if (no == 2) drop_table(created, session.no, row);
    }
    shard.log().append(std::move(created), shard.log().epoch(), nullptr);
    ASSERT_TRUE((*store)->flush());
  }

  TempDir directory_;
  const Identity identity_{"owner", "session"};
  std::atomic<int> alarms_{0};
};

TEST_F(StoreFaultTest, ACheckNamesWhatItCouldNotRead) {
  fill();
  const auto sound = [&] {
    auto report = check_data_directory(directory_.path() / "data");
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->problems.empty()) << report->problems[0];
    EXPECT_EQ(report->records, 3U);
  };
  for (const int error : {MDB_PAGE_NOTFOUND, ENOMEM}) {
    const int calls = with_each_call_failing(
        error,
        [&] {
          const auto report = check_data_directory(directory_.path() / "data");
          return !report || !report->problems.empty();
        },
        sound);
    EXPECT_GT(calls, 100);
  }
}

TEST_F(StoreFaultTest, AStoreThatCannotBeOpenedSaysSoAndIsAsItWas) {
  fill();
  const int calls = with_each_call_failing(
      MDB_PAGE_NOTFOUND,
      [&] {
        alarms_ = 0;
        auto store = Store::open(options(2));
        if (!store) {
          EXPECT_EQ(store.error().code, Errc::storage_corrupt) << store.error().message;
        }
        return !store || alarms_ > 0;
      },
      [&] {
        auto store = Store::open(options(2));
        ASSERT_TRUE(store) << store.error().message;
        auto txn = (*store)->shard_of(identity_).environment().read();
        EXPECT_TRUE(load_session(*txn, identity_)->has_value());
      });
  EXPECT_GT(calls, 30);
}

TEST_F(StoreFaultTest, AStoreThatCannotBeMadeIsMadeAtTheNextAttempt) {
  const std::filesystem::path data = directory_.path() / "data";
  const int calls = with_each_call_failing(
      ENOSPC,
      [&] {
        std::filesystem::remove_all(data);
        alarms_ = 0;
        auto store = Store::open(options(2));
        if (!store) {
          EXPECT_EQ(store.error().code, Errc::storage_full) << store.error().message;
        }
        return !store || alarms_ > 0;
      },
      [&] {
        auto store = Store::open(options(2));
        ASSERT_TRUE(store) << store.error().message;
        EXPECT_EQ((*store)->shards(), 2U);
        EXPECT_EQ((*store)->shard(0).allocate_session_no(), 1U);
      });
  EXPECT_GT(calls, 30);
}

class TableFaultTest : public ::testing::Test {
 protected:
  using Operation = std::function<std::string(Table&)>;

  void SetUp() override {
    for (int i = 0; i < 6; ++i) driver_.set("id-" + std::to_string(i), {{"n", i}});
    driver_.run([](Table& t) { return t.update("id-1", {{"more", 1}}); }, 1);
    driver_.run([](Table& t) { return t.erase("id-0"); }, 1);
    driver_.run([](Table& t) { return t.erase("id-5"); }, 1);
    ASSERT_TRUE(shard_.log().flush());
  }
  std::string everything() { return driver_.query() + driver_.count(); }

  ManualShard shard_;
  TableDriver driver_{shard_};
};

TEST_F(TableFaultTest, AnOperationThatCannotReadChangesNothing) {
  struct Case {
    const char* name;
    Operation run;
  };
  const std::string before = everything();
  for (const Case& c : {
           Case{"get", [](Table& t) { return TableDriver::text_of(t.get("id-1")); }},
           Case{"set",
                [](Table& t) {
                  return TableDriver::text_of(t.set("id-1", {{"n", 9}}));
                }},
           Case{"update",
                [](Table& t) {
                  return TableDriver::text_of(t.update("id-1", {{"n", 9}}));
                }},
           Case{"delete", [](Table& t) { return TableDriver::text_of(t.erase("id-1")); }},
           Case{"pop", [](Table& t) { return TableDriver::text_of(t.pop()); }},
           Case{"shift", [](Table& t) { return TableDriver::text_of(t.shift()); }},
           Case{"query",
                [](Table& t) {
                  return TableDriver::text_of(t.query({{"n", 2}}, {}));
                }},
       }) {
    SCOPED_TRACE(c.name);
    const int calls = with_each_call_failing(
        ENOMEM,
        [&] {
          driver_.begin();
          const std::string text = c.run(driver_.table());
          driver_.table().rollback();
          return text == "KONTRACT_OVERLOADED";
        },
        [&] { EXPECT_EQ(everything(), before); });
    EXPECT_GT(calls, 1);
  }
}

TEST_F(TableFaultTest, ACountOfThePastThatCannotReadSaysSo) {
  const Txid past = driver_.last_txid() - 1;
  const std::string before = driver_.read_at(past, [](Table& t) { return t.count(); });
  const int calls = with_each_call_failing(
      MDB_CORRUPTED,
      [&] {
        return driver_.read_at(past, [](Table& t) { return t.count(); }) ==
               "KONTRACT_STORAGE_CORRUPT";
      },
      [&] { EXPECT_EQ(driver_.read_at(past, [](Table& t) { return t.count(); }), before); });
  EXPECT_GT(calls, 5);
}

TEST_F(TableFaultTest, ACollectionThatCannotReadIsRepeated) {
  const std::string before = everything();
  const auto collect = [&](WriteBatch& batch) {
    return driver_.table().collect_garbage(driver_.last_txid() + 1,
                                           std::chrono::system_clock::now(), 100, batch);
  };
  std::size_t removals = 0;
  {
    WriteBatch batch;
    ASSERT_TRUE(collect(batch));
    removals = batch.ops().size();
  }
  EXPECT_GT(removals, 5U);
  const int calls = with_each_call_failing(
      ENOMEM,
      [&] {
        WriteBatch batch;
        return !collect(batch);
      },
      [&] {
        WriteBatch batch;
        ASSERT_TRUE(collect(batch));
        EXPECT_EQ(batch.ops().size(), removals);
      });
  EXPECT_GT(calls, 5);
  driver_.settle();
  EXPECT_EQ(everything(), before);
}

TEST_F(TableFaultTest, ATableThatCannotBeLoadedIsLoadedLater) {
  const std::string before = everything();
  const int calls = with_each_call_failing(
      MDB_PAGE_NOTFOUND, [&] { return !Table::open(shard_, kSession, users_row()); },
      [&] { EXPECT_TRUE(Table::open(shard_, kSession, users_row())); });
  EXPECT_GT(calls, 0);
  // After a failed group it loads itself again.
  with_each_call_failing(
      MDB_PAGE_NOTFOUND,
      [&] {
        shard_.log().fail();
        return !driver_.table().begin({"sid", "tenant", driver_.last_txid() + 1, perms::RWX, 1});
      },
      [&] { EXPECT_EQ(everything(), before); });
}

TEST_F(TableFaultTest, WhatASessionIsMadeOfIsReadOrNot) {
  WriteBatch batch;
  SessionRow session;
  session.no = kSession;
  session.sid = make_uuid_v7();
  put_session(batch, {"tenant", "s"}, session);
  put_table(batch, kSession, users_row());
  TableRow gone = users_row();
  gone.id = "gone";
  gone.no = 2;
  drop_table(batch, kSession, gone);
  shard_.commit(std::move(batch));
  struct Case {
    const char* name;
    std::function<Status(const ReadTxn&)> read;
  };
  const auto status = [](const auto& result) { return result ? Status() : Status(result.error()); };
  for (const Case& c : {
           Case{"session",
                [&](const ReadTxn& txn) {
                  return status(load_session(txn, {"tenant", "s"}));
                }},
           Case{"tables", [&](const ReadTxn& txn) { return status(load_tables(txn, kSession)); }},
           Case{"purge",
                [&](const ReadTxn& txn) {
                  WriteBatch purged;
                  return status(purge_dropped(txn, kSession, 100, purged));
                }},
       }) {
    SCOPED_TRACE(c.name);
    auto txn = shard_.environment().read();
    ASSERT_TRUE(txn);
    const int calls = with_each_call_failing(
        MDB_CORRUPTED, [&] { return !c.read(*txn); }, [&] { EXPECT_TRUE(c.read(*txn)); });
    EXPECT_GT(calls, 0);
  }
}

TEST(EnvironmentFaultTest, AnEnvironmentOutOfReaderSlotsSaysWhichLimitToRaise) {
  ManualShard shard;
  Environment& environment = shard.environment();
  std::vector<ReadTxn> readers;
  for (;;) {
    auto txn = environment.read();
    if (!txn) {
      EXPECT_EQ(txn.error().code, Errc::overloaded);
      EXPECT_NE(txn.error().hint.find("reader slots"), std::string::npos);
      break;
    }
    readers.push_back(std::move(*txn));
    ASSERT_LE(readers.size(), limits::kLmdbReadersMax);
  }
  EXPECT_EQ(environment.usage().error().code, Errc::overloaded);
  readers.pop_back();
  EXPECT_TRUE(environment.usage());
}

TEST(EnvironmentFaultTest, ACodeOfLmdbBecomesWhatTheCallerCanDo) {
  struct Case {
    int rc;
    Errc code;
  };
  for (const Case& c :
       {Case{MDB_MAP_FULL, Errc::storage_full}, Case{ENOSPC, Errc::storage_full},
        Case{EDQUOT, Errc::storage_full}, Case{MDB_READERS_FULL, Errc::overloaded},
        Case{ENOMEM, Errc::overloaded}, Case{EMFILE, Errc::overloaded},
        Case{MDB_CORRUPTED, Errc::storage_corrupt}, Case{MDB_PANIC, Errc::storage_corrupt},
        Case{EIO, Errc::storage_corrupt}, Case{EACCES, Errc::invalid_request},
        Case{ENOTDIR, Errc::invalid_request}, Case{MDB_BAD_DBI, Errc::internal}}) {
    SCOPED_TRACE(c.rc);
    const Error error = lmdb_error(c.rc, "cannot test", "/some/file");
    EXPECT_EQ(error.code, c.code);
    EXPECT_NE(error.message.find("/some/file: cannot test"), std::string::npos);
  }
}

TEST(EnvironmentFaultTest, AWriteThatFailsInTheMiddleLeavesNothing) {
  ManualShard shard;
  const auto write = [&]() -> Status {
    auto txn = shard.environment().write();
    if (!txn) return std::move(txn).error();
    for (const Keyspace space : {Keyspace::versions, Keyspace::order}) {
      for (const char* key : {"a", "b"}) {
        if (Status put = txn->put(space, key, "value"); !put) return put;
      }
      if (Status erased = txn->erase(space, "a"); !erased) return erased;
    }
    return std::move(*txn).commit();
  };
  const int calls = with_each_call_failing(
      ENOSPC,
      [&] {
        const Status written = write();
        if (!written) {
          EXPECT_EQ(written.error().code, Errc::storage_full);
        }
        return !written;
      },
      [&] {
        EXPECT_TRUE(shard.rows(Keyspace::versions).empty());
        EXPECT_TRUE(shard.rows(Keyspace::order).empty());
      });
  EXPECT_GT(calls, 8);
  EXPECT_EQ(shard.rows(Keyspace::versions).size(), 1U);
}

}  // namespace
}  // namespace kontract
