// A field that gets its type over records that are there: what is refused, and that an index over
// it answers as a scan does, now and for readers of before.

#include <gmock/gmock.h>

#include "storage/field_check.hpp"
#include "storage/index_registry.hpp"
#include "storage/mvcc_table.hpp"
#include "storage/schema_migration.hpp"
#include "tests/storage/table_driver.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;
using testing::kSession;
using testing::ManualShard;
using testing::TableDriver;
using testing::users_row;

// One of each JSON type, and text that SQLite takes for each of them.
const std::vector<const char*>& values() {
  static const std::vector<const char*> values = {"null",
                                                  "true",
                                                  "5",
                                                  "5.5",
                                                  "5.0",
                                                  "-3",
                                                  R"("5")",
                                                  R"("5.0")",
                                                  R"(" 5 ")",
                                                  R"("abc")",
                                                  R"("")",
                                                  R"("true")",
                                                  R"("2024-02-29")",
                                                  R"("AAAA")",
                                                  "[]",
                                                  "[5]",
                                                  R"({"a":5})"};
  return values;
}

const std::vector<std::string>& types() {
  static const std::vector<std::string> types = {"string",   "number", "integer", "boolean",
                                                 "datetime", "bytes",  "array",   "object"};
  return types;
}

Schema schema_of(const std::string& type, const char* more = "") {
  auto schema =
      Schema::parse(Json::parse(R"({"fields":{"n":{"type":")" + type + "\"" + more + "}}}"));
  EXPECT_TRUE(schema);
  return *std::move(schema);
}

TEST(FieldCheckTest, FindsWhatAWriteOfTheRecordWouldRefuse) {
  for (const std::string& type : types()) {
    const Schema schema = schema_of(type);
    const FieldCheck check(schema, {"n"});
    for (const char* value : values()) {
      const std::string data = std::string(R"({"n":)") + value + "}";
      SCOPED_TRACE(type + " " + data);
      Json written = Json::parse(data);
      const Status fits = schema.prepare("r", written, nullptr);
      const auto misfit = check.misfit(data);
      EXPECT_EQ(misfit.has_value(), !fits);
      if (!misfit || fits) continue;
      EXPECT_EQ(misfit->field, "n");
      EXPECT_EQ(misfit->why, fits.error().message);
    }
    EXPECT_FALSE(check.misfit("{}"));
    EXPECT_TRUE(FieldCheck(schema, {"m"}).empty());
  }
  EXPECT_TRUE(FieldCheck(schema_of("any"), {"n"}).empty());
}

TEST(FieldCheckTest, ADefaultNeedsAPlace) {
  auto schema = Schema::parse(
      Json::parse(R"({"fields":{"a.b":{"type":"integer","default":1,"required":true}}})"));
  ASSERT_TRUE(schema);
  const FieldCheck check(*schema, {"a.b"});
  struct Case {
    const char* data;
    bool fits;
  };
  for (const Case& c :
       {Case{R"({})", true}, Case{R"({"a":{}})", true}, Case{R"({"a":null})", true},
        Case{R"({"a":{"b":null}})", true}, Case{R"({"a":{"b":2}})", true},
        Case{R"({"a.b":"x"})", false}, Case{R"({"a":5})", false}, Case{R"({"a":"x"})", false}}) {
    SCOPED_TRACE(c.data);
    EXPECT_EQ(!check.misfit(c.data).has_value(), c.fits);
  }
}

// A table of records, one with each value, that a document then gives a schema.
class TypedFieldTest {
 public:
  explicit TypedFieldTest(const std::vector<const char*>& stored) {
    session_.no = kSession;
    session_.sid = "sid";
    session_.next_table_no = 2;
    WriteBatch batch;
    put_table(batch, kSession, users_row());
    shard_.commit(std::move(batch));
    for (const char* value : stored) {
      driver_.set("r" + std::to_string(records_++), {{"n", Json::parse(value)}});
    }
    old_ = driver_.last_txid() + 1;
  }

  Result<Migration> apply(const std::string& fields, const std::string& more = "",
                          bool dry_run = false) {
    EXPECT_TRUE(shard_.log().flush());
    auto txn = shard_.environment().read();
    MigrationInput input{.identity = {"tenant", "room"},
                         .session = session_,
                         .tables = *load_tables(*txn, kSession),
                         .documents = {},
                         .txid = kTxid,
                         .oldest_reader = old_,
                         .dry_run = dry_run};
    auto document = SchemaDocument::parse(
        Json::parse(R"({"version":1,"tables":{"users":{)" + fields + "}}" + more + "}"));
    EXPECT_TRUE(document) << document.error().message;
    input.documents.push_back(*std::move(document));
    auto migration = migrate(shard_, input);
    if (!migration || dry_run) return migration;
    shard_.commit(WriteBatch(migration->batch));
    open(migration->tables.back());
    return migration;
  }

  void open(const TableRow& row) {
    auto opened = Table::open(shard_, kSession, row);
    ASSERT_TRUE(opened) << opened.error().message;
    table_ = *std::move(opened);
    for (bool more = table_->indexes_unfinished(); more;) {
      WriteBatch batch;
      const auto left = table_->maintain_indexes(10, batch);
      ASSERT_TRUE(left);
      more = *left;
      shard_.commit(std::move(batch));
    }
  }

  std::string sql(const std::string& statement, Txid txid) {
    EXPECT_TRUE(table_->begin({"sid", "tenant", txid, perms::RWX, old_}));
    return TableDriver::text_of(table_->exec(statement, nullptr));
  }
  std::string plan(Txid txid) {
    return sql("EXPLAIN QUERY PLAN SELECT id FROM users WHERE n = 5", txid);
  }
  Txid before() const { return old_; }
  Txid after() const { return kTxid + 1; }
  std::size_t rows(Keyspace keyspace) {
    EXPECT_TRUE(shard_.log().flush());
    return shard_.rows(keyspace).size();
  }

 private:
  static constexpr Txid kTxid = 100;
  ManualShard shard_;
  TableDriver driver_{shard_};
  SessionRow session_;
  std::size_t records_ = 0;
  Txid old_ = 0;
  std::unique_ptr<Table> table_;
};

const std::vector<std::string>& questions() {
  static const std::vector<std::string> questions = [] {
    std::vector<std::string> out = {
        "SELECT id, typeof(n) FROM users ORDER BY n, id",
        "SELECT id, n FROM users ORDER BY n DESC, id",
        "SELECT count(*), min(n), max(n) FROM users",
        "SELECT n, count(*) FROM users GROUP BY n",
        "SELECT a.id, b.id FROM users a JOIN users b ON a.n = b.n ORDER BY 1, 2",
        "SELECT id FROM users WHERE n IS NULL ORDER BY id",
        "SELECT id FROM users WHERE n IN (5, '5', 5.5, 'abc', 1) ORDER BY id"};
    for (const char* value : {"5", "'5'", "5.5", "1", "'abc'", "''", "'true'", "'[5]'", "-3"}) {
      for (const char* op : {"=", "<", "<=", ">", ">="}) {
        out.push_back(std::string("SELECT id FROM users WHERE n ") + op + ' ' + value +
                      " ORDER BY id");
      }
    }
    return out;
  }();
  return questions;
}

TEST(TypedFieldAnswersTest, AnAddedFieldIsRefusedOrItsIndexAnswersAsAScan) {
  std::vector<std::string> added = types();
  added.emplace_back("any");
  for (const std::string& type : added) {
    const bool indexable = type != "array" && type != "object";
    for (const char* value : values()) {
      SCOPED_TRACE(type + " over " + value);
      const std::string plain = R"("fields":{"n":{"type":")" + type + "\"}}";
      const std::string indexed = R"("fields":{"n":{"type":")" + type + R"(","index":true}})";
      TypedFieldTest scanned({value, "null"}), found({value, "null"});
      const bool fits = scanned.apply(plain).has_value();
      const Schema schema = schema_of(type);
      EXPECT_EQ(fits, !FieldCheck(schema, {"n"}).misfit(std::string(R"({"n":)") + value + "}"));
      if (!indexable) continue;
      EXPECT_EQ(found.apply(indexed).has_value(), fits);
      if (!fits) continue;
      EXPECT_THAT(found.plan(found.after()), HasSubstr("index on n"));
      for (const std::string& question : questions()) {
        SCOPED_TRACE(question);
        EXPECT_EQ(found.sql(question, found.after()), scanned.sql(question, scanned.after()));
        EXPECT_EQ(found.sql(question, found.before()), scanned.sql(question, scanned.before()));
      }
    }
  }
}

// Records were converted; what they were before is there for those who read before.
TEST(TypedFieldAnswersTest, OlderVersionsAreFoundByIndexAsByScan) {
  const std::vector<const char*> texts = {R"("5")", R"("7")", "5", "true", "null", R"("-3")", "6"};
  const std::vector<const char*> numbers = {R"("5")", "5", R"("-3")", "-3", "5.0", "null", "1"};
  for (const auto& [type, stored] :
       {std::pair(std::string("string"), texts), std::pair(std::string("integer"), numbers),
        std::pair(std::string("number"), numbers)}) {
    SCOPED_TRACE(type);
    const std::string steps =
        R"(,"steps":[{"retype":{"table":"users","field":"n","to":")" + type + R"("}}])";
    const std::string field = R"("fields":{"n":{"type":")" + type + "\"}}";
    TypedFieldTest scanned(stored), found(stored), kept(stored);
    ASSERT_TRUE(scanned.apply(field, steps));
    ASSERT_TRUE(found.apply(field + R"(,"indexes":[{"fields":["n"]}])", steps));
    // An index that was there when the field was not declared.
    ASSERT_TRUE(kept.apply(R"("indexes":[{"fields":["n"]}])"));
    ASSERT_TRUE(kept.apply(field + R"(,"indexes":[{"fields":["n"]}])", steps));
    for (TypedFieldTest* table : {&found, &kept}) {
      EXPECT_THAT(table->plan(table->after()), HasSubstr("index on n"));
      for (const std::string& question : questions()) {
        SCOPED_TRACE(question);
        EXPECT_EQ(table->sql(question, table->after()), scanned.sql(question, scanned.after()));
        EXPECT_EQ(table->sql(question, table->before()), scanned.sql(question, scanned.before()));
      }
    }
  }
}

TEST(TypedFieldAnswersTest, ADryRunNamesTheRecordsThatDoNotFit) {
  TypedFieldTest table({"5", R"("5")", "null", R"("x")"});
  const std::string field = R"("fields":{"n":{"type":"integer"}})";
  const std::size_t rows = table.rows(Keyspace::registry) + table.rows(Keyspace::versions);
  const auto tried = table.apply(field, "", /*dry_run=*/true);
  ASSERT_TRUE(tried);
  ASSERT_EQ(tried->reports.size(), 1u);
  EXPECT_EQ(tried->reports[0].records, 4u);
  EXPECT_EQ(tried->reports[0].changed, 0u);
  EXPECT_EQ(tried->reports[0].failed, 2u);
  ASSERT_EQ(tried->reports[0].failures.size(), 2u);
  EXPECT_EQ(tried->reports[0].failures[0].id, "r1");
  EXPECT_THAT(tried->reports[0].failures[0].why, HasSubstr("Field 'n' must be an integer"));

  const auto failed = table.apply(field);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::schema_violation);
  EXPECT_EQ(failed.error().message,
            "Table users: 2 records do not fit a field that is added; the first is 'r1': Field 'n' "
            "must be an integer within +-(2^53 - 1); this string is not");
  EXPECT_THAT(failed.error().hint,
              HasSubstr(R"({"retype":{"field":"n","table":"users","to":"integer"}})"));
  EXPECT_EQ(table.rows(Keyspace::registry) + table.rows(Keyspace::versions), rows);
}

TEST(TypedFieldAnswersTest, WhatIsDoneAgainMustFitTheSchemaOfThen) {
  ManualShard shard;
  TableDriver driver(shard);
  driver.begin();
  ASSERT_TRUE(driver.table().set("u1", {{"n", "5"}}));
  const std::vector<RecordChange> changes = driver.table().changes();
  driver.table().rollback();
  TableRow row = users_row();
  row.schema = schema_of("integer").to_json();
  ASSERT_TRUE(driver.table().set_row(row));
  driver.begin();
  const Status again = driver.table().redo(changes);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::schema_violation);
  driver.table().rollback();
  EXPECT_EQ(driver.get("u1"), "null");
}

}  // namespace
}  // namespace kontract
