// Statements over a registry: what they see, what they change, what they are refused.

#include "storage/registry_sql.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kontract {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

RegistryView two_tables() {
  return {.owner = "dev",
          .tables = {{"films", "tbl_films_1", "dev", perms::RWX, 3, R"({"fields":{}})"},
                     {"users", "tbl_users_1", "tenant-1", perms::R__, 5, {}}},
          .transactions = {{41, "dev"}, {57, "tenant-1"}}};
}

Result<RegistrySql::Outcome> run(std::string_view sql, const Json& params = {},
                                 RegistryView view = two_tables()) {
  auto statement = RegistrySql::prepare(std::move(view), sql);
  if (!statement) return std::move(statement).error();
  return (*statement)->run(params);
}

Json result_of(std::string_view sql, const Json& params = {}) {
  auto outcome = run(sql, params);
  if (!outcome) {
    ADD_FAILURE() << sql << ": " << outcome.error().message;
    return {};
  }
  return Json::parse(outcome->result);
}

RegistryChange change_of(std::string_view sql, const Json& params = {}) {
  auto outcome = run(sql, params);
  if (!outcome) {
    ADD_FAILURE() << sql << ": " << outcome.error().message;
    return {};
  }
  return std::move(outcome->change);
}

Error error_of(std::string_view sql, const Json& params = {}) {
  auto outcome = run(sql, params);
  if (!outcome) return std::move(outcome).error();
  ADD_FAILURE() << sql << " succeeded: " << outcome->result;
  return {};
}

TEST(RegistrySqlTest, SelectShowsTablesAndActiveTransactions) {
  EXPECT_EQ(result_of("SELECT * FROM storage ORDER BY id"),
            Json::parse(R"({"columns":["id","ptr","owner","permissions","schema"],"rows":[
                {"id":"films","ptr":"tbl_films_1","owner":"dev","permissions":7,
                 "schema":"{\"fields\":{}}"},
                {"id":"users","ptr":"tbl_users_1","owner":"tenant-1","permissions":4,
                 "schema":null}],"changes":0})"));
  EXPECT_EQ(result_of("select t.txid, s.id from trxs t join storage s using (owner) order by 1")
                .at("rows"),
            Json::parse(R"([{"txid":41,"id":"films"},{"txid":57,"id":"users"}])"));
  EXPECT_EQ(result_of("SELECT count(*) AS n FROM storage").at("rows"), Json::parse(R"([{"n":2}])"));
  EXPECT_EQ(result_of("WITH mine AS (SELECT id FROM storage WHERE owner = 'dev') "
                      "SELECT upper(id) AS id FROM mine")
                .at("rows"),
            Json::parse(R"([{"id":"FILMS"}])"));
}

TEST(RegistrySqlTest, TheInsertThatPeopleKnowRegistersATable) {
  const RegistryChange change = change_of(
      "INSERT INTO storage (id, ptr, owner, permissions) VALUES "
      "('books', 'tbl_books_abc123', 'tenant-1', 6);");
  ASSERT_EQ(change.created.size(), 1U);
  EXPECT_TRUE(change.changed.empty() && change.dropped.empty());
  EXPECT_EQ(change.created[0].id, "books");
  EXPECT_EQ(change.created[0].ptr, "tbl_books_abc123");
  EXPECT_EQ(change.created[0].owner, "tenant-1");
  EXPECT_EQ(change.created[0].permissions, 6);
}

TEST(RegistrySqlTest, WhatAnInsertLeavesOutIsFilledIn) {
  const RegistryChange change = change_of("INSERT INTO storage (id) VALUES ('a'), ('b')");
  ASSERT_EQ(change.created.size(), 2U);
  EXPECT_THAT(change.created[0].ptr, StartsWith("tbl_a_"));
  EXPECT_EQ(change.created[1].owner, "dev");
  EXPECT_EQ(change.created[1].permissions, perms::RWX);
}

TEST(RegistrySqlTest, AnOwnerWithAQuoteIsTheDefaultAsItIs) {
  RegistryView view = two_tables();
  view.owner = "o'neil'); DROP TABLE storage; --";
  auto outcome = run("INSERT INTO storage (id) VALUES ('a')", {}, view);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->change.created.at(0).owner, view.owner);
}

TEST(RegistrySqlTest, UpdateGivesTheWholeChangedRow) {
  const RegistryChange change =
      change_of("UPDATE storage SET permissions = 5, owner = 'x' WHERE id = 'films'");
  ASSERT_EQ(change.changed.size(), 1U);
  EXPECT_EQ(change.changed[0].no, 3U);
  EXPECT_EQ(change.changed[0].schema, R"({"fields":{}})");
  EXPECT_EQ(change.changed[0].permissions, perms::R_X);
  EXPECT_EQ(change.changed[0].owner, "x");
  EXPECT_TRUE(change_of("UPDATE storage SET permissions = 7 WHERE id = 'films'").empty());
}

TEST(RegistrySqlTest, AnUpsertAndAReplaceWithTheSamePtrChangeTheRow) {
  for (const char* sql :
       {"INSERT INTO storage (id) VALUES ('films') ON CONFLICT (id) DO UPDATE SET permissions = 4",
        "INSERT OR REPLACE INTO storage (id, ptr, permissions) VALUES ('films','tbl_films_1',4)"}) {
    SCOPED_TRACE(sql);
    const RegistryChange change = change_of(sql);
    ASSERT_EQ(change.changed.size(), 1U);
    EXPECT_TRUE(change.created.empty() && change.dropped.empty());
    EXPECT_EQ(change.changed[0].permissions, perms::R__);
    EXPECT_EQ(change.changed[0].schema, R"({"fields":{}})");
  }
}

TEST(RegistrySqlTest, DeleteDropsTables) {
  EXPECT_EQ(change_of("DELETE FROM storage WHERE owner = 'tenant-1'").dropped,
            std::vector<std::string>{"users"});
  EXPECT_EQ(change_of("DELETE FROM storage").dropped.size(), 2U);
  EXPECT_EQ(result_of("DELETE FROM storage").at("changes"), 2);
}

TEST(RegistrySqlTest, AStatementSaysWhichBitsItNeeds) {
  struct Case {
    const char* sql;
    Perm needs;
  };
  for (const Case& c : {Case{"SELECT 1", perms::R__}, Case{"SELECT * FROM trxs", perms::R__},
                        Case{"INSERT INTO storage (id) VALUES ('a')", perms::_W_},
                        Case{"INSERT INTO storage (id) VALUES ('a'), ('b')", perms::_W_},
                        Case{"INSERT INTO storage (id) VALUES ('a') RETURNING owner", perms::RW_},
                        Case{"UPDATE storage SET owner = 'a' WHERE id = 'b'", perms::_W_},
                        Case{"DELETE FROM storage WHERE id = 'b'", perms::__X}}) {
    SCOPED_TRACE(c.sql);
    auto statement = RegistrySql::prepare(two_tables(), c.sql);
    ASSERT_TRUE(statement) << statement.error().message;
    EXPECT_EQ((*statement)->needs(), c.needs);
  }
}

TEST(RegistrySqlTest, ParametersGoByPlaceOrByName) {
  EXPECT_EQ(result_of("SELECT id FROM storage WHERE owner = $2 AND permissions = $1",
                      {7, "dev"})["rows"][0]["id"],
            "films");
  EXPECT_EQ(result_of("SELECT id FROM storage WHERE owner = ?", {"dev"})["rows"][0]["id"], "films");
  EXPECT_EQ(result_of("SELECT :x AS x, @y AS y, :x AS x", {{"x", nullptr}, {"y", 1.5}})["rows"][0],
            Json::parse(R"({"x":null,"y":1.5,"x:1":null})"));
  EXPECT_EQ(result_of("SELECT ? AS t, ? AS j", Json::array({true, {{"a", 1}}}))["rows"][0],
            Json::parse(R"({"t":1,"j":"{\"a\":1}"})"));
  struct Case {
    const char* sql;
    Json params;
  };
  for (const Case& c : std::vector<Case>{{"SELECT ?", nullptr},
                                         {"SELECT ?", {1, 2}},
                                         {"SELECT $2", Json::array({1})},
                                         {"SELECT :x", Json::array({1})},
                                         {"SELECT :x", {{"y", 1}}},
                                         {"SELECT :x", {{"x", 1}, {"y", 1}}},
                                         {"SELECT ?", {{"x", 1}}},
                                         {"SELECT 1", 5}}) {
    SCOPED_TRACE(c.sql + c.params.dump());
    EXPECT_EQ(error_of(c.sql, c.params).code, Errc::invalid_request);
  }
}

TEST(RegistrySqlTest, ValuesThatJsonLacksAreText) {
  EXPECT_EQ(result_of("SELECT 9223372036854775807 AS big, x'00ff' AS blob, 1e999 AS huge, "
                      "'' AS empty, 2.0 AS real, CAST(x'ff' AS TEXT) AS bad")["rows"][0],
            Json::parse(R"({"big":"9223372036854775807","blob":"AP8=","huge":null,"empty":"",
                            "real":2.0,"bad":"\uFFFD"})"));
}

TEST(RegistrySqlTest, RowsThatMayNotBeAreRefusedWithTheReason) {
  struct Case {
    const char* sql;
    Errc code;
    const char* message;
  };
  for (const Case& c :
       {Case{"INSERT INTO storage (id) VALUES ('a b')", Errc::invalid_request, "A table id is"},
        Case{"INSERT INTO storage (id) VALUES ('')", Errc::invalid_request, "A table id is"},
        Case{"INSERT INTO storage (id, ptr) VALUES ('a', 'x-y')", Errc::invalid_request,
             "A ptr is"},
        Case{"INSERT INTO storage (id, owner) VALUES ('a', '')", Errc::invalid_request,
             "An owner is"},
        Case{"UPDATE storage SET owner = char(10)", Errc::invalid_request, "An owner is"},
        Case{"INSERT INTO storage (id, permissions) VALUES ('a', 8)", Errc::exec_failed,
             "permissions is an integer 0..7"},
        Case{"UPDATE storage SET permissions = -1", Errc::exec_failed,
             "permissions is an integer 0..7"},
        Case{"UPDATE storage SET permissions = 'all'", Errc::exec_failed, "INTEGER"},
        Case{"UPDATE storage SET permissions = NULL", Errc::exec_failed, "NOT NULL"},
        Case{"INSERT INTO storage (id) VALUES (x'61')", Errc::exec_failed, "BLOB"},
        Case{"INSERT INTO storage (ptr) VALUES ('p')", Errc::exec_failed, "NOT NULL"},
        Case{"INSERT INTO storage (id) VALUES ('users')", Errc::exec_failed, "storage.id"},
        Case{"INSERT INTO storage (id, ptr) VALUES ('a', 'tbl_users_1')", Errc::exec_failed,
             "storage.ptr"},
        Case{"INSERT INTO storage (id, schema) VALUES ('a', '{}')", Errc::permission_denied,
             "Field 'schema' is read-only"},
        Case{"UPDATE storage SET ptr = 'other' WHERE id = 'users'", Errc::permission_denied,
             "Field 'ptr' is read-only"},
        Case{"UPDATE storage SET id = 'other' WHERE id = 'users'", Errc::permission_denied,
             "Field 'id' is read-only"},
        Case{"UPDATE storage SET schema = NULL", Errc::permission_denied,
             "Field 'schema' is read-only"},
        Case{"INSERT OR REPLACE INTO storage (id, ptr) VALUES ('users', 'other')",
             Errc::permission_denied, "Field 'ptr' is read-only"},
        Case{"REPLACE INTO storage (id, ptr) VALUES ('new', 'tbl_users_1')", Errc::exec_failed,
             "would drop table users"},
        Case{"DELETE FROM trxs", Errc::permission_denied, "trxs is read-only"},
        Case{"INSERT INTO trxs VALUES (1, 'dev')", Errc::permission_denied, "trxs is read-only"}}) {
    SCOPED_TRACE(c.sql);
    const Error error = error_of(c.sql);
    EXPECT_EQ(error.code, c.code) << error.message;
    EXPECT_THAT(error.message, HasSubstr(c.message));
  }
}

TEST(RegistrySqlTest, WhatIsNoBusinessOfARegistryIsRefused) {
  struct Case {
    const char* sql;
    Errc code = Errc::exec_failed;
  };
  for (const Case& c :
       {Case{"SELECT * FROM sqlite_master", Errc::exec_cross_table},
        Case{"SELECT count(*) FROM sqlite_schema", Errc::exec_cross_table},
        Case{"SELECT * FROM sqlite_temp_master", Errc::exec_cross_table},
        Case{"SELECT * FROM users", Errc::exec_cross_table},
        Case{"SELECT (SELECT name FROM sqlite_master) FROM storage", Errc::exec_cross_table},
        Case{"INSERT INTO storage (id) SELECT name FROM sqlite_master", Errc::exec_cross_table},
        Case{"DELETE FROM users", Errc::exec_cross_table},
        Case{"UPDATE sqlite_master SET sql = ''"},
        Case{"DELETE FROM sqlite_master"},
        Case{"SELECT * FROM pragma_table_info('storage')"},
        Case{"SELECT * FROM json_each('[1]')"},
        Case{"ATTACH '/tmp/kontract_registry_attach.db' AS other"},
        Case{"DETACH main"},
        Case{"PRAGMA journal_mode"},
        Case{"PRAGMA writable_schema = ON"},
        Case{"CREATE TABLE t (a)"},
        Case{"CREATE TEMP TABLE storage (id)"},
        Case{"CREATE VIEW v AS SELECT * FROM storage"},
        Case{"CREATE TRIGGER g AFTER INSERT ON storage BEGIN SELECT 1; END"},
        Case{"CREATE VIRTUAL TABLE v USING fts5(a)"},
        Case{"CREATE INDEX i ON storage (owner)"},
        Case{"DROP TABLE storage"},
        Case{"ALTER TABLE storage RENAME TO s"},
        Case{"BEGIN"},
        Case{"COMMIT"},
        Case{"SAVEPOINT a"},
        Case{"VACUUM"},
        Case{"VACUUM INTO '/tmp/kontract_registry_vacuum.db'"},
        Case{"REINDEX"},
        Case{"ANALYZE"},
        Case{"EXPLAIN SELECT * FROM storage"},
        Case{"EXPLAIN QUERY PLAN DELETE FROM storage"},
        Case{"SELECT load_extension('x')"},
        Case{"SELECT readfile('/etc/passwd')"},
        Case{"SELECT fts3_tokenizer('simple')"},
        Case{"SELECT randomblob(1000)"},
        Case{"SELECT zeroblob(1000000000)"},
        Case{"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"},
        Case{"SELECT 1; SELECT 2"},
        Case{"SELECT 1; DROP TABLE storage"},
        Case{"DELETE FROM storage; --\nDELETE FROM trxs", Errc::permission_denied},
        Case{""},
        Case{" ; -- nothing"},
        Case{"SELEKT 1"},
        Case{"SELECT \"nothing\""},
        Case{"SELECT rowid FROM storage"}}) {
    SCOPED_TRACE(c.sql);
    const Error error = error_of(c.sql);
    EXPECT_EQ(error.code, c.code) << error.message;
    if (c.code != Errc::exec_cross_table) continue;
    EXPECT_EQ(error.message, "Cannot access other tables");
  }
  EXPECT_EQ(error_of(std::string_view("SELECT 1\0; DROP TABLE storage", 29)).code,
            Errc::exec_failed);
}

TEST(RegistrySqlTest, OneStatementMayBeFollowedByCommentsAndSemicolons) {
  EXPECT_EQ(result_of("SELECT 1 AS one; ; -- done\n /* really */ ;")["rows"][0]["one"], 1);
}

TEST(RegistrySqlTest, AStatementHasLimitsOfLengthRowsBytesAndTime) {
  RegistryView view = two_tables();
  for (int i = 0; i < 250; ++i) {
    const std::string n = std::to_string(i);
    view.tables.push_back({"t" + n, "p" + n, "dev", perms::RWX, 100, {}});
  }
  struct Case {
    std::string sql;
    const char* message;
  };
  for (const Case& c :
       {Case{"SELECT 1 --" + std::string(limits::kSqlBytesMax, ' '), "16384 are allowed"},
        Case{"SELECT a.id FROM storage a, storage b", "more than 10000 rows"},
        Case{"SELECT printf('%.*c', 900000, 'x') AS a, printf('%.*c', 900000, 'x') AS b",
             "more than 1048576 bytes"},
        Case{"SELECT replace(printf('%.*c', 900000, 'x'), 'x', 'xx')", "too big"},
        Case{"SELECT count(*) FROM storage a, storage b, storage c, storage d",
             "more than 200 ms"}}) {
    SCOPED_TRACE(c.sql.substr(0, 60));
    const auto outcome = run(c.sql, {}, view);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Errc::exec_limit) << outcome.error().message;
    EXPECT_THAT(outcome.error().message, HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace kontract
