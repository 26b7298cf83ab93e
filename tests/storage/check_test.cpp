#include <gtest/gtest.h>

#include <fstream>

#include "storage/format.hpp"
#include "storage/format_replies.hpp"
#include "storage/index_registry.hpp"
#include "storage/index_set.hpp"
#include "storage/registry.hpp"
#include "storage/reply_rows.hpp"
#include "storage/store.hpp"
#include "storage/table.hpp"
#include "tests/storage/manual_shard.hpp"

namespace kontract {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

constexpr std::size_t kMap = 16 * limits::kMiB;

// A directory with a session, a table of five records with some history, and a dropped table.
class CheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    StoreOptions options;
    options.data = data_;
    options.map_bytes = kMap;
    options.disk_floor_bytes = options.ballast_bytes = 0;
    auto store = Store::open(options);
    ASSERT_TRUE(store) << store.error().message;
    Shard& shard = (*store)->shard(0);
    SessionRow session;
    session.no = shard.allocate_session_no();
    session.sid = make_uuid_v7();
    const TableRow users{"users", "tbl_users_1", "owner", perms::RWX, 1, ""};
    const TableRow old{"old", "tbl_old_1", "owner", perms::RWX, 2, ""};
    WriteBatch created;
    put_session(created, {"owner", "session"}, session);
    put_table(created, session.no, users);
    put_table(created, session.no, old);
    ReplyEnd end;
    for (const char* key : {"k1", "k2"}) {
      put_reply(created, session.no, key,
                {.fingerprint = call_fingerprint("u", "f", Json::array({key})), .result = "1"},
                end);
    }
    for (const TableRow& row : {users, old}) put_index(created, session.no, row.no, kIndex);
    append(shard, std::move(created));
    for (const TableRow& row : {users, old}) {
      auto table = Table::open(shard, session.no, row);
      ASSERT_TRUE(table);
      Txid txid = 0;
      const auto run = [&](auto operation) {
        ++txid;
        // A reader stays behind, so that versions are kept.
        ASSERT_TRUE((*table)->begin({"sid", "owner", txid, perms::RWX, 1}));
        ASSERT_TRUE(operation(**table));
        const Ticket ticket =
            shard.log().append((*table)->take_staged(), (*table)->epoch(), nullptr);
        (*table)->seal(ticket);
      };
      for (int i = 0; i < 6; ++i) {
        run([&](Table& t) { return t.set("id-" + std::to_string(i), Json{{"n", i}}); });
      }
      run([](Table& t) { return t.update("id-1", Json{{"more", true}}); });
      run([](Table& t) { return t.erase("id-2"); });
      ASSERT_TRUE(shard.log().flush());
    }
    WriteBatch dropped;
    drop_table(dropped, session.no, old);
    append(shard, std::move(dropped));
    session_ = session.no;
  }

  // Where the number that a record had, or has, is in the index.
  format::Key indexed(int n, std::uint64_t order) const {
    const std::string entry =
        IndexSet({kIndex}).entries("{\"n\":" + std::to_string(n) + "}").front();
    return format::index_key({session_, 1, entry, order});
  }

  static void append(Shard& shard, WriteBatch batch) {
    shard.log().append(std::move(batch), shard.log().epoch(), nullptr);
    ASSERT_TRUE(shard.log().flush());
  }
  CheckReport check() {
    auto report = check_data_directory(data_);
    EXPECT_TRUE(report) << report.error().message;
    return report ? *report : CheckReport{};
  }
  void change(const std::function<Status(WriteTxn&)>& edit) {
    auto environment = Environment::open(data_ / "shard-00", {kMap, false});
    ASSERT_TRUE(environment);
    auto txn = (*environment)->write();
    ASSERT_TRUE(edit(*txn));
    ASSERT_TRUE(std::move(*txn).commit());
  }

  const IndexRow kIndex{1, {{"n"}, false}, IndexState::ready};
  TempDir directory_;
  fs::path data_ = directory_.path() / "data";
  SessionNo session_ = 0;
};

TEST_F(CheckTest, ASoundDirectoryHasNoProblemsAndIsCounted) {
  const CheckReport report = check();
  EXPECT_EQ(report.problems, std::vector<std::string>{});
  EXPECT_EQ(report.sessions, 1U);
  EXPECT_EQ(report.tables, 1U);
  EXPECT_EQ(report.records, 5U);
  EXPECT_EQ(report.versions, 16U) << "of both tables: six, an update and a tombstone each";
}

TEST_F(CheckTest, EachDamageIsNamed) {
  const auto version = [&](std::string_view id, Txid txid) {
    return format::version_key(session_, 1, id, txid);
  };
  struct Case {
    const char* name;
    std::function<Status(WriteTxn&)> edit;
    const char* says;
  };
  for (const Case& c : {
           Case{"lost reply",
                [&](WriteTxn& t) {
                  return t.erase(Keyspace::replies, format::reply_key(session_, "k1"));
                },
                "reply 1 has no reply"},
           Case{"lost place of a reply",
                [&](WriteTxn& t) {
                  return t.erase(Keyspace::replies, format::reply_age_key(session_, 2));
                },
                "key \"k2\" is not in the order of age"},
           Case{"reply of nobody",
                [&](WriteTxn& t) {
                  const format::Key key = format::replies_gone_key(session_ + 1);
                  Status put = t.put(Keyspace::replies, key, format::replies_gone_value(key, 1));
                  const format::Key reply = format::reply_key(session_ + 1, "k");
                  const std::string print(format::kFingerprintBytes, 'f');
                  const format::ReplyRow row{print, 1, 1, 1, 0, {}, "1"};
                  if (put) {
                    put = t.put(Keyspace::replies, reply, format::reply_value(reply, row));
                  }
                  return put;
                },
                "is of a session that is not there"},
           Case{"lost version",
                [&](WriteTxn& t) { return t.erase(Keyspace::versions, version("id-0", 1)); },
                "order 1024 has no version"},
           Case{"lost order row",
                [&](WriteTxn& t) {
                  return t.erase(Keyspace::order, format::order_key(session_, 1, make_order(4, 0)));
                },
                "record \"id-3\", txid 4 has no order row"},
           Case{"changed version",
                [&](WriteTxn& t) {
                  const format::Key key = version("id-4", 5);
                  std::string value = format::version_value(key, {false, 5, "owner", "{}"});
                  value[3] = static_cast<char>(value[3] ^ 1);
                  return t.put(Keyspace::versions, key, value);
                },
                "record \"id-4\", txid 5 is damaged: its checksum does not match"},
           Case{"wrong count",
                [&](WriteTxn& t) {
                  const format::Key key = format::count_key(session_, 1);
                  return t.put(Keyspace::registry, key, format::count_value(key, {9, 9}));
                },
                "has 5 records but counts 9"},
           Case{"lost table",
                [&](WriteTxn& t) {
                  return t.erase(Keyspace::registry, format::table_key(session_, "users"));
                },
                "has rows of table 1, which is not registered"},
           Case{"a schema that is none",
                [&](WriteTxn& t) {
                  const format::Key key = format::table_key(session_, "users");
                  const TableRow row{"users", "tbl_users_1", "owner", perms::RWX, 1, R"({"a":1})"};
                  return t.put(Keyspace::registry, key, format::table_value(key, row));
                },
                "has a schema that is not one: schema: unknown key 'a'"},
           Case{"lost name of a session",
                [&](WriteTxn& t) {
                  return t.erase(Keyspace::sessions, format::session_key({"owner", "session"}));
                },
                "do not agree"},
           Case{"lost number of a session",
                [&](WriteTxn& t) {
                  return t.erase(Keyspace::sessions, format::session_no_key(session_));
                },
                "do not agree"},
           Case{"lost entry of an index",
                [&](WriteTxn& t) {
                  return t.erase(Keyspace::indexes, indexed(3, make_order(4, 0)));
                },
                "record \"id-3\", txid 4 is not in index 1"},
           Case{"entry of another record",
                [&](WriteTxn& t) {
                  const format::Key key = indexed(3, make_order(4, 0));
                  return t.put(Keyspace::indexes, key, format::index_value(key, {4, "id-4"}));
                },
                "record \"id-3\", txid 4 is not in index 1"},
           Case{"entry without a version",
                [&](WriteTxn& t) {
                  const format::Key key = indexed(7, make_order(4, 0));
                  return t.put(Keyspace::indexes, key, format::index_value(key, {4, "id-3"}));
                },
                "index 1, order 4096 has no version"},
           Case{"entry of a transaction that is to come",
                [&](WriteTxn& t) {
                  const format::Key key = indexed(3, make_order(4, 0));
                  return t.put(Keyspace::indexes, key, format::index_value(key, {9, "id-3"}));
                },
                "index 1, order 4096 has no version"},
           Case{"lost row of an index",
                [&](WriteTxn& t) {
                  return t.erase(Keyspace::registry, format::index_row_key(session_, 1, 1));
                },
                "index 1, order 4096 is of no index"},
           Case{"index of nobody",
                [&](WriteTxn& t) {
                  const format::Key key = format::index_row_key(session_, 9, 1);
                  return t.put(Keyspace::registry, key, format::index_row_value(key, kIndex));
                },
                "has indexes of table 9, which is not registered"},
           Case{"a key of nobody",
                [&](WriteTxn& t) { return t.put(Keyspace::registry, "?", "value"); },
                "its key does not parse"},
           Case{"lost format row",
                [&](WriteTxn& t) { return t.erase(Keyspace::meta, format::format_key()); },
                "no row says in which format"},
       }) {
    SCOPED_TRACE(c.name);
    const fs::path file = data_ / "shard-00" / "data.mdb";
    const fs::path backup = directory_.path() / "backup";
    fs::copy_file(file, backup, fs::copy_options::overwrite_existing);
    change(c.edit);
    const CheckReport report = check();
    bool found = false;
    for (const std::string& problem : report.problems) {
      EXPECT_NE(problem.find("data.mdb"), std::string::npos) << problem;
      found = found || problem.find(c.says) != std::string::npos;
    }
    EXPECT_TRUE(found) << ::testing::PrintToString(report.problems);
    fs::copy_file(backup, file, fs::copy_options::overwrite_existing);
  }
  EXPECT_EQ(check().problems, std::vector<std::string>{});
}

TEST_F(CheckTest, DamagedPagesAreAProblemNotACrash) {
  const fs::path file = data_ / "shard-00" / "data.mdb";
  fs::resize_file(file, 4 * 4096);
  const CheckReport report = check();
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_NE(report.problems[0].find("data.mdb is damaged: page"), std::string::npos);
}

TEST_F(CheckTest, AMissingShardIsAProblem) {
  StoreOptions options;
  options.data = directory_.path() / "two";
  options.shards = 2;
  options.map_bytes = kMap;
  options.disk_floor_bytes = options.ballast_bytes = 0;
  ASSERT_TRUE(Store::open(options));
  fs::remove_all(options.data / "shard-01");
  auto report = check_data_directory(options.data);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->problems.size(), 1U);
  EXPECT_NE(report->problems[0].find("shard-01"), std::string::npos);
}

TEST_F(CheckTest, WhatIsNoDataDirectoryOrIsInUseIsAnError) {
  for (const fs::path& path : {fs::path("/nonexistent/data"), directory_.path()}) {
    SCOPED_TRACE(path);
    auto report = check_data_directory(path);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Errc::invalid_request);
  }
  StoreOptions options;
  options.data = data_;
  options.map_bytes = kMap;
  options.disk_floor_bytes = options.ballast_bytes = 0;
  auto store = Store::open(options);
  ASSERT_TRUE(store);
  auto report = check_data_directory(data_);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Errc::invalid_request);
}

TEST_F(CheckTest, APartThatBelongsElsewhereIsNamed) {
  const auto says = [&](const std::string& part) {
    for (const std::string& problem : check().problems) {
      if (problem.find(part) != problem.npos) return true;
    }
    return false;
  };
  fs::remove_all(data_ / "shared");
  fs::copy(data_ / "shard-00", data_ / "shared", fs::copy_options::recursive);
  EXPECT_TRUE(says("shared/data.mdb is a shard, not the shared state"));
  fs::remove_all(data_ / "shared");

  StoreOptions options;
  options.data = directory_.path() / "other";
  options.shards = 2;
  options.map_bytes = kMap;
  options.disk_floor_bytes = options.ballast_bytes = 0;
  ASSERT_TRUE(Store::open(options));
  fs::remove_all(data_ / "shard-00");
  fs::copy(options.data / "shard-01", data_ / "shard-00", fs::copy_options::recursive);
  EXPECT_TRUE(says("shard-00/data.mdb is not shard 0 of 2"));
  EXPECT_TRUE(says("shard-01/data.mdb is missing"));
}

TEST_F(CheckTest, AShardThatDoesNotSayItsFormatIsNamed) {
  const auto expect = [&](const char* what) {
    const CheckReport report = check();
    ASSERT_EQ(report.problems.size(), 1U);
    EXPECT_NE(report.problems[0].find(what), std::string::npos) << report.problems[0];
  };
  change([](WriteTxn& txn) { return txn.erase(Keyspace::meta, format::format_key()); });
  expect("holds sessions but no row says in which format");

  StoreOptions options;  // of one that has no sessions yet
  data_ = options.data = directory_.path() / "empty";
  options.map_bytes = kMap;
  options.disk_floor_bytes = options.ballast_bytes = 0;
  ASSERT_TRUE(Store::open(options));
  change([](WriteTxn& txn) { return txn.erase(Keyspace::meta, format::format_key()); });
  expect("has no row that says its format");
}

TEST_F(CheckTest, ADocumentOfSchemasThatIsNoneIsNamed) {
  for (const char* text : {"{", R"({"version": 4})"}) {
    SCOPED_TRACE(text);
    change([&](WriteTxn& txn) {
      const format::Key key = format::document_key("owner", 3);
      return txn.put(Keyspace::registry, key.str(), format::document_value(key, text));
    });
    const CheckReport report = check();
    ASSERT_EQ(report.problems.size(), 1U);
    EXPECT_NE(report.problems[0].find("is not a document of schemas"), std::string::npos);
  }
}

}  // namespace
}  // namespace kontract
