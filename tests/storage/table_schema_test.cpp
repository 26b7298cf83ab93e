// What a schema does to the operations of a table.

#include <gtest/gtest.h>

#include <functional>

#include "storage/format.hpp"
#include "tests/storage/json_text.hpp"
#include "tests/storage/table_driver.hpp"

namespace kontract {
namespace {

using testing::kSession;
using testing::ManualShard;
using testing::TableDriver;
using testing::users_row;

// Each test runs with batches applied at once and with batches that stay pending.
class TableSchemaTest : public ::testing::TestWithParam<bool> {
 protected:
  void use(const char* schema) {
    TableRow row = users_row();
    row.schema = to_text(json(schema));
    const Status set = driver_.table().set_row(std::move(row));
    ASSERT_TRUE(set) << set.error().message;
  }
  std::string run(const std::function<Result<JsonText>(Table&)>& operation) {
    message_.clear();
    driver_.begin();
    const Result<JsonText> result = operation(driver_.table());
    if (!result) message_ = result.error().message;
    std::string text = TableDriver::text_of(result);
    if (!result) driver_.table().rollback();
    driver_.end();
    if (GetParam()) {
      EXPECT_TRUE(shard_.log().flush());
    }
    return text;
  }
  std::string set(std::string_view id, const char* data) {
    return run([&](Table& t) { return t.set(id, json(data)); });
  }
  std::string set(const char* data) {
    return run([&](Table& t) { return t.set(json(data)); });
  }
  std::string update(std::string_view id, const char* partial) {
    return run([&](Table& t) { return t.update(id, json(partial)); });
  }
  std::string push(const char* data) {
    return run([&](Table& t) { return t.push(json(data)); });
  }
  std::string get(std::string_view id) { return driver_.get(id); }

  ManualShard shard_;
  TableDriver driver_{shard_};
  std::string message_;  // of the last error
};

INSTANTIATE_TEST_SUITE_P(Log, TableSchemaTest, ::testing::Bool(),
                         [](const auto& applied) { return applied.param ? "Applied" : "Pending"; });

TEST_P(TableSchemaTest, WritesAreCheckedAndFilledIn) {
  use(R"({"fields":{"name":{"type":"string","required":true},
                    "age":{"type":"integer","default":18}}})");
  EXPECT_EQ(set("u1", R"({"name":"Ann"})"), "true");
  EXPECT_EQ(get("u1"), R"({"age":18,"name":"Ann"})");
  EXPECT_EQ(set("u1", R"({"age":1})"), "KONTRACT_SCHEMA_VIOLATION");
  EXPECT_EQ(message_, "Field 'name' is required: expected a string");
  EXPECT_EQ(push(R"({"name":5})"), "KONTRACT_SCHEMA_VIOLATION");
  EXPECT_EQ(update("u1", R"({"age":"old"})"), "KONTRACT_SCHEMA_VIOLATION");
  EXPECT_EQ(update("u1", R"({"name":null})"), "KONTRACT_SCHEMA_VIOLATION");
  EXPECT_EQ(update("u1", R"({"age":31.0,"x":[1]})"), "true");
  EXPECT_EQ(get("u1"), R"({"age":31,"name":"Ann","x":[1]})");
  EXPECT_EQ(driver_.count(), "1");
}

TEST_P(TableSchemaTest, AReadOnlyFieldStaysUntilTheRecordIsDeleted) {
  use(R"({"fields":{"email":{"type":"string","perm":4}}})");
  EXPECT_EQ(set("u1", R"({"email":"a","n":1})"), "true");
  EXPECT_EQ(update("u1", R"({"email":"b"})"), "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(message_, "Field 'email' is read-only");
  EXPECT_EQ(set("u1", R"({"email":null})"), "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(update("u1", R"({"email":"a","n":2})"), "true");
  EXPECT_EQ(set("u1", R"({"n":3})"), "true");
  EXPECT_EQ(get("u1"), R"({"email":"a","n":3})");
  EXPECT_EQ(run([](Table& t) { return t.erase("u1"); }), "true");
  EXPECT_EQ(set("u1", R"({"email":"b"})"), "true");
  EXPECT_EQ(get("u1"), R"({"email":"b"})");
}

// Statements refused to write such a field at all.
TEST_P(TableSchemaTest, SqlWritesAReadOnlyFieldOnceAsSetDoes) {
  use(R"({"fields":{"email":{"type":"string","perm":4},"n":{"type":"integer"}}})");
  const auto sql = [&](const char* statement) {
    return run([&](Table& t) { return t.exec(statement, nullptr); });
  };
  constexpr const char* kOne = R"({"columns":[],"rows":[],"changes":1})";
  EXPECT_EQ(sql("INSERT INTO users (id, email) VALUES ('u1', 'a'), ('u2', NULL)"),
            R"({"columns":[],"rows":[],"changes":2})");
  EXPECT_EQ(get("u1"), R"({"email":"a"})");
  for (const char* refused :
       {"UPDATE users SET email = 'b' WHERE id = 'u1'", "UPDATE users SET email = NULL",
        "UPDATE users SET n = 1, email = email || 'b'",
        "REPLACE INTO users (id, email) VALUES ('u1', 'b')",
        "UPDATE users SET email = o.id FROM users o WHERE o.id = 'u2' AND users.id = 'u1'"}) {
    SCOPED_TRACE(refused);
    EXPECT_EQ(sql(refused), "KONTRACT_PERMISSION_DENIED");
    EXPECT_EQ(message_, "Field 'email' is read-only");
  }
  EXPECT_EQ(sql("UPDATE users SET email = 'a', n = 2 WHERE id = 'u1'"), kOne);
  EXPECT_EQ(sql("UPDATE users SET email = NULL WHERE id = 'u2'"), kOne);
  EXPECT_EQ(sql("UPDATE users SET email = 'c' WHERE id = 'u2'"), kOne);
  EXPECT_EQ(sql("UPDATE users SET email = 'd' WHERE id = 'u2'"), "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(get("u1"), R"({"email":"a","n":2})");
  EXPECT_EQ(get("u2"), R"({"email":"c"})");
}

TEST_P(TableSchemaTest, AFieldWrittenInTheTransactionIsReadOnlyInItToo) {
  use(R"({"fields":{"email":{"type":"string","perm":4}}})");
  EXPECT_EQ(run([](Table& t) {
              EXPECT_TRUE(t.set("u1", json(R"({"email":"a"})")));
              return t.set("u1", json(R"({"email":"b"})"));
            }),
            "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(get("u1"), "null");
}

TEST_P(TableSchemaTest, AHiddenFieldIsWrittenAndKeptButNotRead) {
  use(R"({"fields":{"hash":{"type":"string","perm":2},"a.key":{"type":"integer","perm":0}}})");
  EXPECT_EQ(set("u1", R"({"hash":"h1","a":{"key":1,"n":1},"n":1})"), "true");
  EXPECT_EQ(get("u1"), R"({"a":{"n":1},"n":1})");
  EXPECT_EQ(update("u1", R"({"a":{"n":2}})"), "true");
  EXPECT_EQ(update("u1", R"({"a":{"key":1}})"), "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(set("u1", R"({"n":3})"), "true");
  EXPECT_EQ(driver_.query(), R"({"rows":[{"id":"u1","data":{"a":{},"n":3}}],"next":null})");
  EXPECT_EQ(driver_.query(json(R"({"n":3})")),
            R"({"rows":[{"id":"u1","data":{"a":{},"n":3}}],"next":null})");
  EXPECT_EQ(driver_.query(json(R"({"n":4})")), R"({"rows":[],"next":null})");
  for (const char* filter : {R"({"hash":"h1"})", R"({"a":{"key":1}})"}) {
    EXPECT_EQ(run([&](Table& t) { return t.query(json(filter), {}); }),
              "KONTRACT_PERMISSION_DENIED");
  }
  EXPECT_EQ(message_, "Field 'a.key' is not readable");
  // Without the schema all of it is there.
  ASSERT_TRUE(driver_.table().set_row(users_row()));
  EXPECT_EQ(get("u1"), R"({"a":{"key":1},"hash":"h1","n":3})");
}

TEST_P(TableSchemaTest, PopAndShiftLeaveHiddenFieldsOut) {
  use(R"({"fields":{"s":{"type":"any","perm":2}}})");
  EXPECT_EQ(set("a", R"({"n":1,"s":1})"), "true");
  EXPECT_EQ(set("b", R"({"n":2,"s":1})"), "true");
  EXPECT_EQ(run([](Table& t) { return t.pop(); }), R"({"n":2})");
  EXPECT_EQ(run([](Table& t) { return t.shift(); }), R"({"n":1})");
}

TEST_P(TableSchemaTest, APrimaryKeyGivesTheId) {
  use(R"({"fields":{"email":{"type":"string","primkey":true}}})");
  EXPECT_EQ(set(R"({"email":"a\"b","n":1})"), "true");
  EXPECT_EQ(get("a\"b"), R"({"email":"a\"b","n":1})");
  EXPECT_EQ(set(R"({"email":"a\"b","n":2})"), "true");  // set replaces
  EXPECT_EQ(push(R"({"email":"c\"d"})"), R"("c\"d")");
  EXPECT_EQ(push(R"({"email":"c\"d"})"), "KONTRACT_SCHEMA_VIOLATION");
  EXPECT_EQ(message_, "Field 'email' is the primary key, and there is a record of this value");
  EXPECT_EQ(push("{}"), "KONTRACT_SCHEMA_VIOLATION");
  EXPECT_EQ(push(R"({"email":""})"), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(set(R"({"email":5})"), "KONTRACT_SCHEMA_VIOLATION");
  EXPECT_EQ(set("x", R"({"n":1})"), "true");
  EXPECT_EQ(get("x"), R"({"email":"x","n":1})");
  EXPECT_EQ(set("x", R"({"email":"y"})"), "KONTRACT_SCHEMA_VIOLATION");
  EXPECT_EQ(update("x", R"({"email":"y"})"), "KONTRACT_SCHEMA_VIOLATION");
  EXPECT_EQ(update("z", R"({"n":2})"), "true");
  EXPECT_EQ(get("z"), R"({"email":"z","n":2})");
  EXPECT_EQ(driver_.count(), "4");
  EXPECT_EQ(run([](Table& t) { return t.erase("x"); }), "true");
  EXPECT_EQ(push(R"({"email":"x"})"), R"("x")");
}

TEST_P(TableSchemaTest, AnIntegerIsAnIdInDecimal) {
  use(R"({"fields":{"n":{"type":"integer","primkey":true}}})");
  EXPECT_EQ(push(R"({"n":-5.0})"), R"("-5")");
  EXPECT_EQ(get("-5"), R"({"n":-5})");
  EXPECT_EQ(set("12", "{}"), "true");
  EXPECT_EQ(get("12"), R"({"n":12})");
  EXPECT_EQ(set("x", "{}"), "KONTRACT_SCHEMA_VIOLATION");
}

TEST_P(TableSchemaTest, ATableWithoutPrimaryKeyNeedsAnId) {
  EXPECT_EQ(set(R"({"n":1})"), "KONTRACT_INVALID_REQUEST");
  use(R"({"fields":{"n":{"type":"integer"}}})");
  EXPECT_EQ(set(R"({"n":1})"), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(message_, "Table users has no primary key to take an id from");
}

TEST(StoredSchemaTest, ASchemaThatDoesNotParseIsCorrupt) {
  for (const char* schema : {"{", "[]", R"({"fields":{"n":{"type":"int"}}})"}) {
    SCOPED_TRACE(schema);
    ManualShard shard;
    TableRow row = users_row();
    row.schema = schema;
    const auto opened = Table::open(shard, kSession, row);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::storage_corrupt);

    TableDriver driver(shard);
    EXPECT_EQ(driver.set("a", {{"n", 1}}), "true");
    const Status changed = driver.table().set_row(row);
    ASSERT_FALSE(changed);
    EXPECT_EQ(changed.error().code, Errc::storage_corrupt);
    EXPECT_EQ(driver.table().row().schema, "");
    EXPECT_EQ(driver.get("a"), R"({"n":1})");
  }
}

TEST(StoredSchemaTest, ATableIsOpenedWithItsSchema) {
  ManualShard shard;
  TableRow row = users_row();
  row.schema = R"({"fields":{"n":{"type":"integer"}}})";
  auto table = Table::open(shard, kSession, row);
  ASSERT_TRUE(table) << table.error().message;
  ASSERT_TRUE((*table)->begin({"sid", "tenant", 1, perms::RWX, 2}));
  const auto refused = (*table)->set("a", {{"n", "x"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::schema_violation);
}

}  // namespace
}  // namespace kontract
