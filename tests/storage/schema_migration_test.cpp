// Migrations on a real environment: versions, indexes and order are kept, and a failure leaves no
// trace.

#include "storage/schema_migration.hpp"

#include <gmock/gmock.h>

#include "storage/format.hpp"
#include "storage/index_registry.hpp"
#include "tests/storage/table_driver.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;
using testing::kSession;
using testing::ManualShard;
using testing::TableDriver;
using testing::users_row;

class SchemaMigrationTest : public ::testing::Test {
 protected:
  SchemaMigrationTest() {
    session_.no = kSession;
    session_.sid = "sid";
    session_.next_table_no = 2;
    WriteBatch batch;
    put_table(batch, kSession, users_row());
    shard_.commit(std::move(batch));
  }

  MigrationInput input(const std::vector<const char*>& documents) {
    EXPECT_TRUE(shard_.log().flush());
    auto txn = shard_.environment().read();
    MigrationInput input{.identity = {"tenant", "room"},
                         .session = session_,
                         .tables = *load_tables(*txn, kSession),
                         .documents = {},
                         .txid = kTxid,
                         .oldest_reader = oldest_reader_};
    for (const char* text : documents) {
      auto document = SchemaDocument::parse(Json::parse(text));
      EXPECT_TRUE(document) << document.error().message;
      input.documents.push_back(*std::move(document));
    }
    return input;
  }

  // Runs the documents and goes on with what came of it.
  Migration run(const std::vector<const char*>& documents) {
    auto migration = migrate(shard_, input(documents));
    if (!migration) {
      ADD_FAILURE() << migration.error().message;
      return {};
    }
    shard_.commit(std::move(migration->batch));
    session_ = migration->session;
    if (!migration->tables.empty()) open(migration->tables.back());
    return *std::move(migration);
  }

  void open(const TableRow& row) {
    auto opened = Table::open(shard_, kSession, row);
    ASSERT_TRUE(opened) << opened.error().message;
    table_ = *std::move(opened);
  }

  template <class Operation>
  std::string at(Txid txid, const Operation& operation) {
    EXPECT_TRUE(table_->begin({"sid", "tenant", txid, perms::RWX, txid}));
    return TableDriver::text_of(operation(*table_));
  }
  std::string get(std::string_view id, Txid txid = kTxid + 1) {
    return at(txid, [&](Table& t) { return t.get(id); });
  }

  static constexpr Txid kTxid = 100;
  ManualShard shard_;
  TableDriver driver_{shard_};
  SessionRow session_;
  Txid oldest_reader_ = kTxid + 1;
  std::unique_ptr<Table> table_;
};

constexpr const char* kSteps = R"({"version": 1,
  "tables": {"users": {"fields": {"years": {"type": "integer", "index": true},
                                  "name": {"type": "string", "default": "none"}}}},
  "steps": [{"rename": {"table": "users", "from": "age", "to": "years"}},
            {"remove": {"table": "users", "field": "x"}},
            {"retype": {"table": "users", "field": "years", "to": "integer"}}]})";

TEST_F(SchemaMigrationTest, StepsRunOnEachRecordAndOrderIsKept) {
  for (int i = 0; i < 30; ++i) {
    driver_.set("u" + std::to_string(99 - i), {{"age", std::to_string(i % 3)}, {"x", 1}});
  }
  driver_.erase("u99");
  const Migration done = run({kSteps});
  EXPECT_EQ(done.session.schema_version, 1u);
  ASSERT_EQ(done.reports.size(), 1u);
  EXPECT_EQ(done.reports[0].records, 29u);
  EXPECT_EQ(done.reports[0].changed, 29u);
  EXPECT_EQ(get("u97"), R"({"name":"none","years":2})");
  EXPECT_EQ(get("u99"), "null");
  const Json page = Json::parse(at(kTxid + 1, [](Table& t) { return t.query(nullptr, {}); }));
  ASSERT_EQ(page["rows"].size(), 29u);
  EXPECT_EQ(page["rows"][0]["id"], "u98");
  EXPECT_EQ(page["rows"][28]["id"], "u70");
}

TEST_F(SchemaMigrationTest, OlderReadersSeeWhatTheySaw) {
  driver_.set("u1", {{"age", "7"}});
  const Txid old = driver_.last_txid() + 1;
  oldest_reader_ = old;
  run({kSteps});
  EXPECT_EQ(get("u1", old), R"({"age":"7"})");
  EXPECT_EQ(get("u1", kTxid), R"({"age":"7"})");
  EXPECT_EQ(get("u1"), R"({"name":"none","years":7})");
}

TEST_F(SchemaMigrationTest, NewIndexesAreBuiltFromTheNewValues) {
  for (int i = 0; i < 30; ++i) {
    driver_.set("u" + std::to_string(i), {{"age", std::to_string(i % 3)}});
  }
  run({kSteps});
  ASSERT_TRUE(table_->indexes_unfinished());
  for (bool more = true; more;) {
    WriteBatch batch;
    const auto left = table_->maintain_indexes(10, batch);
    ASSERT_TRUE(left);
    more = *left;
    shard_.commit(std::move(batch));
  }
  ASSERT_EQ(table_->index_rows().size(), 1u);
  EXPECT_EQ(table_->index_rows()[0].state, IndexState::ready);
  const Json found = Json::parse(at(kTxid + 1, [](Table& t) {
    return t.query({{"years", 2}}, {});
  }));
  EXPECT_EQ(found["rows"].size(), 10u);
  EXPECT_EQ(shard_.rows(Keyspace::indexes).size(), 30u);
}

TEST_F(SchemaMigrationTest, ARecordThatDoesNotFitFailsTheWhole) {
  for (int i = 0; i < 9; ++i) driver_.set("u" + std::to_string(i), {{"age", "1"}});
  driver_.set("u5", {{"age", "old"}});
  driver_.set("u7", {{"age", "1"}, {"years", 1}});
  const auto rows = [this] {
    return std::pair(shard_.rows(Keyspace::registry), shard_.rows(Keyspace::versions));
  };
  MigrationInput given = input({kSteps});
  const auto before = rows();
  const auto failed = migrate(shard_, given);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::schema_violation);
  EXPECT_THAT(failed.error().message,
              HasSubstr("Table users, record 'u5': Field 'years' cannot become an integer"));
  EXPECT_EQ(rows(), before);

  given.dry_run = true;
  const auto tried = migrate(shard_, given);
  ASSERT_TRUE(tried);
  ASSERT_EQ(tried->reports.size(), 1u);
  EXPECT_EQ(tried->reports[0].records, 9u);
  EXPECT_EQ(tried->reports[0].changed, 7u);
  EXPECT_EQ(tried->reports[0].failed, 2u);
  ASSERT_EQ(tried->reports[0].failures.size(), 2u);
  EXPECT_EQ(tried->reports[0].failures[1].id, "u7");
  EXPECT_THAT(tried->reports[0].failures[1].why, HasSubstr("has a value already"));
  EXPECT_EQ(rows(), before);
}

TEST_F(SchemaMigrationTest, AUniqueIndexThatRecordsDoNotFitFailsTheWhole) {
  driver_.set("u1", {{"mail", "a"}});
  driver_.set("u2", {{"mail", "b"}});
  driver_.set("u3", {{"mail", nullptr}});
  driver_.set("u4", Json::object());
  constexpr const char* kUnique = R"({"version": 1, "tables": {"users": {"fields":
      {"mail": {"type": "string", "unique": true}}}}})";
  ASSERT_TRUE(migrate(shard_, input({kUnique})));
  driver_.set("u5", {{"mail", "b"}});
  const auto failed = migrate(shard_, input({kUnique}));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("record 'u5': Field 'mail' must be unique"));
}

TEST_F(SchemaMigrationTest, ASessionThatSleptThroughVersionsRunsThemInOrder) {
  driver_.set("u1", {{"a", "1"}});
  const Migration done = run({
      R"({"version": 1, "tables": {"users": {"fields": {"a": {"type": "string"}}},
                                   "logs": {}, "gone": {}}})",
      R"({"version": 2, "tables": {"users": {"fields": {"b": {"type": "integer"}}}, "gone": {}},
          "steps": [{"rename": {"table": "users", "from": "a", "to": "b"}},
                    {"retype": {"table": "users", "field": "b", "to": "integer"}},
                    {"drop": {"table": "logs"}}]})",
      R"({"version": 5, "tables": {"users": {"permissions": 6,
                                             "fields": {"c": {"type": "number"}}}, "logs": {}},
          "steps": [{"rename": {"table": "users", "from": "b", "to": "c"}},
                    {"drop": {"table": "gone"}}]})",
  });
  EXPECT_EQ(done.session.schema_version, 5u);
  ASSERT_EQ(done.tables.size(), 2u);
  EXPECT_EQ(done.tables[0].id, "logs");
  EXPECT_EQ(done.tables[1].permissions, perms::RW_);
  EXPECT_FALSE(done.drops);  // they were never there
  EXPECT_EQ(get("u1"), R"({"c":1})");
}

TEST_F(SchemaMigrationTest, WhatIsSafeLeavesTheRecordsAlone) {
  driver_.set("u1", {{"a", "1"}});
  const auto versions = [this] { return shard_.rows(Keyspace::versions); };
  MigrationInput given = input({R"({"version": 1, "tables": {"users":
      {"fields": {"a": {"type": "string"}, "b": {"type": "string", "default": "x"}}}}})"});
  const auto before = versions();
  const auto done = migrate(shard_, given);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->reports[0].records, 1u);  // looked at, for fields got their types
  EXPECT_EQ(done->reports[0].changed, 0u);
  EXPECT_EQ(versions(), before);
}

TEST_F(SchemaMigrationTest, ADroppedTableGoesWithItsRecords) {
  driver_.set("u1", {{"a", "1"}});
  const Migration done = run({R"({"version": 1, "steps": [{"drop": {"table": "users"}}]})"});
  EXPECT_TRUE(done.drops);
  EXPECT_TRUE(done.tables.empty());
  auto txn = shard_.environment().read();
  EXPECT_TRUE(load_tables(*txn, kSession)->empty());
}

TEST_F(SchemaMigrationTest, MoreThanACallMayWriteIsNoLimit) {
  const std::string big(100'000, 'x');
  for (int i = 0; i < 60; ++i) {
    driver_.set("u" + std::to_string(i), {{"age", "1"}, {"big", big}});
  }
  EXPECT_EQ(run({kSteps}).reports[0].changed, 60u);
  EXPECT_EQ(Json::parse(get("u59"))["years"], 1);
}

TEST_F(SchemaMigrationTest, ATableOfAnotherOwnerIsNotTouched) {
  TableRow row = users_row();
  row.owner = "somebody";
  WriteBatch batch;
  put_table(batch, kSession, row);
  shard_.commit(std::move(batch));
  const auto failed = migrate(shard_, input({kSteps}));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "Table users belongs to owner somebody");
}

}  // namespace
}  // namespace kontract
