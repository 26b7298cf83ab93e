// What must not work: each statement with the code it is refused with, the table unchanged and the
// engine still good.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "storage/sql_engine.hpp"
#include "tests/storage/sql_fake_table.hpp"

namespace kontract {
namespace {

using testing::SqlFakeTable;

constexpr const char* kCross = "KONTRACT_EXEC_CROSS_TABLE";
constexpr const char* kFailed = "KONTRACT_EXEC_FAILED";
constexpr const char* kLimit = "KONTRACT_EXEC_LIMIT";
constexpr const char* kDenied = "KONTRACT_PERMISSION_DENIED";
constexpr const char* kFine = "";

struct GuardCase {
  std::string sql;
  const char* code;
};

class SqlGuardTest : public ::testing::Test {
 protected:
  explicit SqlGuardTest(std::chrono::milliseconds time = std::chrono::milliseconds(100))
      : engine_(table_, limits(time)) {
    table_.its_columns = {{.path = "n", .type = "INTEGER"}};
    table_.put("m1", {{"n", 1}});
    table_.put("m2", {{"n", 2}});
  }

  static SqlLimits limits(std::chrono::milliseconds time) {
    SqlLimits limits;
    limits.time = time;
    return limits;
  }

  std::string code(const std::string& sql, const Json& params = nullptr) {
    const auto result = engine_.exec(sql, params);
    message_ = result ? *result : result.error().message;
    return result ? "" : std::string(result.error().name());
  }

  void expect(const std::vector<GuardCase>& cases) {
    const SqlFakeTable::Rows before = table_.rows;
    for (const GuardCase& c : cases) {
      SCOPED_TRACE(c.sql.substr(0, 200));
      EXPECT_EQ(code(c.sql), c.code) << message_;
      if (c.code == kCross) {
        EXPECT_EQ(message_, "Cannot access other tables");
      }
      EXPECT_EQ(table_.rows, before);
      EXPECT_EQ(code("SELECT id FROM movies ORDER BY id"), "");
      EXPECT_EQ(message_, R"({"columns":["id"],"rows":[{"id":"m1"},{"id":"m2"}],"changes":0})");
    }
  }

  SqlFakeTable table_;
  SqlEngine engine_;
  std::string message_;
};

TEST_F(SqlGuardTest, OtherTablesCannotBeNamed) {
  expect({
      {"SELECT * FROM users", kCross},
      {"SELECT * FROM movies, users", kCross},
      {"SELECT * FROM movies JOIN \"users\" USING (id)", kCross},
      {"SELECT (SELECT id FROM [users]) FROM movies", kCross},
      {"SELECT * FROM movies WHERE EXISTS (SELECT 1 FROM `users`)", kCross},
      {"SELECT * FROM movies WHERE id IN users", kCross},
      {"SELECT id FROM movies UNION SELECT id FROM users", kCross},
      {"SELECT * FROM/**/users--", kCross},
      {"SELECT * FROM 'users'", kCross},
      {"SELECT * FROM main.users", kCross},
      {"SELECT * FROM temp.movies", kCross},
      {"SELECT * FROM other.movies", kCross},
      {"WITH x AS (SELECT * FROM users) SELECT * FROM x", kCross},
      {"WITH movies AS (SELECT * FROM users) SELECT * FROM movies", kCross},
      {"WITH movies AS (SELECT 1 AS id) SELECT * FROM main.users", kCross},
      {"INSERT INTO users SELECT * FROM movies", kCross},
      {"INSERT INTO movies(id) SELECT id FROM users", kCross},
      {"UPDATE users SET n = 1", kCross},
      {"UPDATE movies SET n = (SELECT count(*) FROM users)", kCross},
      {"UPDATE movies SET n = u.n FROM users AS u", kCross},
      {"DELETE FROM users", kCross},
      {"DELETE FROM movies WHERE id IN (SELECT id FROM users)", kCross},
      {"REPLACE INTO users(id) VALUES (1)", kCross},
      {"SELECT * FROM kontract_table", kCross},
      {"EXPLAIN QUERY PLAN SELECT * FROM users", kCross},
  });
}

TEST_F(SqlGuardTest, TheSchemaCannotBeReadUnderAnyName) {
  for (const std::string name :
       {"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema",
        "main.sqlite_master", "temp.sqlite_temp_schema", "\"SQLITE_Master\"", "[sqlite_schema]"}) {
    expect({
        {"SELECT * FROM " + name, kCross},
        {"SELECT count(*) FROM " + name, kCross},
        {"SELECT 1 FROM movies WHERE EXISTS (SELECT 1 FROM " + name + ")", kCross},
        {"SELECT s.sql FROM movies, " + name + " AS s", kCross},
        {"INSERT INTO " + name + " DEFAULT VALUES", kCross},
        {"DELETE FROM " + name, kCross},
        {"UPDATE " + name + " SET rowid = 5", kCross},
        {"INSERT INTO movies(id) SELECT count(*) FROM " + name, kCross},
    });
  }
  expect({
      {"SELECT * FROM sqlite_sequence", kCross},
      {"SELECT * FROM sqlite_stat1", kCross},
      {"SELECT * FROM sqlite_stmt", kCross},
      {"SELECT * FROM dbstat", kCross},
      {"SELECT * FROM bytecode('SELECT 1')", kCross},
      {"SELECT * FROM tables_used('SELECT 1')", kCross},
      {"SELECT * FROM generate_series(1, 3)", kCross},
      {"SELECT * FROM sqlite_dbpage", kCross},
      {"SELECT * FROM fts3tokenize('simple', 'x')", kCross},
      {"SELECT * FROM pragma_table_info('movies')", kCross},
      {"SELECT count(*) FROM pragma_database_list", kCross},
      {"SELECT * FROM pragma_function_list", kCross},
      {"SELECT * FROM pragma_compile_options()", kCross},
      {"SELECT m.name FROM movies, main.pragma_module_list AS m", kCross},
  });
}

TEST_F(SqlGuardTest, AnExpressionMayHaveAnyNameAndReachesNothing) {
  expect({
      {"WITH users AS (SELECT 1 AS a) SELECT a FROM users", kFine},
      {"WITH users AS (SELECT 1) SELECT count(*) FROM users", kFine},
      {"WITH sqlite_master AS (SELECT 1 AS a) SELECT a FROM sqlite_master", kFine},
      {"WITH pragma_table_info AS (SELECT 1) SELECT count(*) FROM pragma_table_info", kFine},
      {"WITH movies AS (SELECT 1 AS a) SELECT a FROM movies", kFine},
      {"WITH movies AS (SELECT 1 AS a) SELECT a, id FROM movies", kFailed},
      {"WITH movies AS (SELECT * FROM movies) SELECT * FROM movies", kFailed},  // of itself
      {"WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a", kFailed},
      {"WITH users AS (SELECT 1) DELETE FROM users", kCross},
      {"WITH users AS (SELECT 1) INSERT INTO users VALUES (1)", kCross},
      {"WITH sqlite_master AS (SELECT 1) SELECT sql FROM main.sqlite_master", kCross},
      {"WITH sqlite_master AS (SELECT 1) UPDATE sqlite_master SET sql = ''", kCross},
  });
}

TEST_F(SqlGuardTest, NothingIsMadeOrSetOrAttached) {
  const auto file = std::filesystem::temp_directory_path() / "kontract-sql-guard-test.db";
  std::filesystem::remove(file);
  const std::string path = file.string();
  expect({
      {"ATTACH ':memory:' AS other", kCross},
      {"ATTACH DATABASE '" + path + "' AS other", kCross},
      {"/* x */ aTTach '" + path + "' AS other", kCross},
      {"DETACH main", kCross},
      {"PRAGMA writable_schema = ON", kCross},
      {"PRAGMA main.writable_schema = 1;", kCross},
      {"PRAGMA hard_heap_limit = 1", kCross},
      {"PRAGMA table_info(movies)", kCross},
      {"-- x\nPRAGMA temp_store_directory = '/'", kCross},
      {"CREATE TABLE t(x)", kCross},
      {"CREATE TEMP TABLE movies(id)", kCross},
      {"CREATE TABLE IF NOT EXISTS movies(id)", kCross},
      {"CREATE TEMP VIEW movies AS SELECT 1", kCross},
      {"CREATE VIEW v AS SELECT * FROM movies", kCross},
      {"CREATE TRIGGER t AFTER INSERT ON movies BEGIN DELETE FROM movies; END", kCross},
      {"CREATE TEMP TRIGGER t AFTER DELETE ON movies BEGIN SELECT 1; END", kCross},
      {"CREATE VIRTUAL TABLE t USING fts5(x)", kCross},
      {"CREATE VIRTUAL TABLE t USING kontract_table", kCross},
      {"CREATE INDEX i ON movies(n)", kCross},
      {"DROP TABLE movies", kCross},
      {"DROP VIEW IF EXISTS v", kCross},
      {"DROP TRIGGER IF EXISTS t", kCross},
      {"ALTER TABLE movies RENAME TO films", kCross},
      {"ALTER TABLE movies ADD COLUMN x", kCross},
      {"VACUUM", kCross},
      {"VACUUM INTO '" + path + "'", kCross},
      {"VACUUM main INTO '" + path + "'", kCross},
      {"\xEF\xBB\xBFVACUUM INTO '" + path + "'", kCross},
      {"EXPLAIN QUERY PLAN VACUUM INTO '" + path + "'", kCross},
      {"REINDEX", kCross},
      {"REINDEX movies", kCross},
      {"ANALYZE", kCross},
      {"ANALYZE movies", kCross},
      {"BEGIN", kFailed},
      {"BEGIN EXCLUSIVE", kFailed},
      {"COMMIT", kFailed},
      {"END TRANSACTION", kFailed},
      {"ROLLBACK", kFailed},
      {"SAVEPOINT s", kFailed},
      {"RELEASE s", kFailed},
      {"EXPLAIN SELECT * FROM movies", kFailed},
      {"EXPLAIN QUERY PLAN EXPLAIN SELECT 1", kFailed},
      {"EXPLAIN DELETE FROM movies", kFailed},
  });
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(SqlGuardTest, FunctionsAreThoseOfAList) {
  for (const std::string call : {"load_extension('x')",
                                 "LOAD_EXTENSION('x', 'y')",
                                 "fts3_tokenizer('simple')",
                                 "readfile('/etc/passwd')",
                                 "writefile('/tmp/x', 'y')",
                                 "edit('x')",
                                 "eval('SELECT 1')",
                                 "zeroblob(1000000000)",
                                 "randomblob(1000000000)",
                                 "sqlite_version()",
                                 "sqlite_source_id()",
                                 "sqlite_compileoption_get(0)",
                                 "sqlite_compileoption_used('x')",
                                 "sqlite_log(1, 'x')",
                                 "sqlite_offset(id)",
                                 "changes()",
                                 "total_changes()",
                                 "last_insert_rowid()",
                                 "match('a', 'b')",
                                 "rtreecheck('x')",
                                 "fts5('x')",
                                 "subtype('x')",
                                 "\"load_extension\"('x')",
                                 "nonesuch(1)"}) {
    expect({
        {"SELECT " + call, kFailed},
        {"SELECT id FROM movies WHERE " + call, kFailed},
        {"UPDATE movies SET n = " + call, kFailed},
    });
  }
  expect({
      {"SELECT id FROM movies WHERE movies MATCH 'x'", kFailed},
      {"SELECT id FROM movies WHERE id REGEXP 'x'", kFailed},
      {"SELECT date('now'), current_timestamp, sqrt(2), json('[1]'), upper('x'), random() IS NOT "
       "NULL",
       kFine},
  });
}

TEST_F(SqlGuardTest, OneStatementAndNothingFancy) {
  expect({
      {"", kFailed},
      {" ;; /* nothing */ -- at all", kFailed},
      {"SELECT 1; SELECT 2", kFailed},
      {"SELECT 1; DELETE FROM movies", kFailed},
      {"SELECT 1;/**/PRAGMA x", kFailed},
      {"SELECT 1 /* ' */; ' */", kFailed},
      {std::string("SELECT 1\0; DELETE FROM movies", 29), kFailed},
      {"SELEC 1", kFailed},
      {"(SELECT 1)", kFailed},
      {"\xC2\xA0VACUUM", kFailed},
      {"SELECT nope FROM movies", kFailed},
      {"SELECT \"m1\"", kFailed},
      {"SELECT 'open", kFailed},
      {"INSERT INTO movies(id) VALUES ('x') RETURNING id", kFailed},
      {"UPDATE movies SET n = 5 RETURNING *", kFailed},
      {"DELETE FROM movies RETURNING 1", kFailed},
      {"INSERT INTO movies(id, n) VALUES ('m1', 5) ON CONFLICT(id) DO UPDATE SET n = 9", kFailed},
      {"INSERT INTO movies(id) VALUES ('m1') ON CONFLICT DO NOTHING", kFailed},
      {"SELECT * FROM movies INDEXED BY x", kFailed},
      {"SELECT * FROM movies('x')", kFailed},
      {"INSERT INTO movies(_txid) VALUES (1)", kDenied},
      {"UPDATE movies SET \"_TXID\" = 1", kDenied},
      {"UPDATE movies SET (n, id) = (1, 'x')", kDenied},
      {"UPDATE OR REPLACE movies SET oid = 1", kDenied},
  });
}

TEST_F(SqlGuardTest, WhatVirtualTablesLackSaysWhatToDoInstead) {
  struct Hint {
    const char* sql;
    const char* message;
    const char* hint;
  };
  for (const Hint& c : {
           Hint{"INSERT INTO movies(id) VALUES ('m1') ON CONFLICT(id) DO UPDATE SET n = 9",
                "ON CONFLICT is not available", "table.update"},
           Hint{"INSERT INTO movies(id) VALUES ('x') RETURNING id", "RETURNING is not available",
                "Give the id yourself"},
           Hint{"DELETE FROM movies RETURNING id", "RETURNING is not available", "table.batch"},
           Hint{"UPDATE movies SET n = 5 RETURNING id", "RETURNING is not available",
                "table.batch"},
       }) {
    SCOPED_TRACE(c.sql);
    const auto refused = engine_.exec(c.sql, nullptr);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, c.message);
    EXPECT_NE(refused.error().hint.find(c.hint), std::string::npos) << refused.error().hint;
  }
}

TEST_F(SqlGuardTest, WhatRunsAwayIsStopped) {
  const auto repeated = [](const std::string& part, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += part;
    return text;
  };
  std::string doubling = "WITH c0 AS (SELECT 1 AS x)";
  for (int i = 1; i < 40; ++i) {
    const std::string from = 'c' + std::to_string(i - 1);
    doubling += ", c" + std::to_string(i) + " AS (SELECT a.x FROM " + from + " a, " + from + " b)";
  }
  expect({
      {"WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n", kLimit},
      {"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", kLimit},
      {"WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) "
       "INSERT INTO movies(id) SELECT max(i) FROM n",
       kLimit},
      {"WITH RECURSIVE n(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM n) "
       "SELECT length(s) FROM n",
       kLimit},
      {"SELECT count(*) FROM movies" + repeated(", movies", 40), kLimit},
      {"SELECT 1 FROM movies" + repeated(", movies", 70), kLimit},
      {doubling + " SELECT count(*) FROM c39", kLimit},
      {"SELECT printf('%1000000000d', 1)", kLimit},
      {"SELECT printf('%.*c', 1000000000, 'x')", kLimit},
      {"SELECT printf(replace(hex(printf('%.100000c', 'x')), '7', '%.2000000c'), 'x')", kLimit},
      {"SELECT replace(hex(printf('%.1000000c', 'x')), '7', '" + repeated("x", 1000) + "')",
       kLimit},
      {"SELECT 'x' LIKE '" + repeated("%a", 600) + "'", kLimit},
      {"SELECT printf('%.2000000c', 'a') LIKE '%" + repeated("a", 900) + "b'", kLimit},
      {"SELECT printf('%.2000000c', 'a') GLOB '*" + repeated("a", 900) + "b'", kLimit},
      {"SELECT " + repeated("(", 200) + "1" + repeated(")", 200), kLimit},
      {"SELECT " + repeated("NOT ", 200) + "1", kLimit},
      {"SELECT 1" + repeated(" UNION SELECT 1", 60), kLimit},
      {"SELECT 1" + repeated(", 1", 300), kLimit},
      {"SELECT max(1" + repeated(", 1", 120) + ")", kLimit},
      {"SELECT ?100000", kLimit},
      {"SELECT '" + repeated("x", 20'000) + "'", kLimit},
      {"SELECT printf('%.1500000c', 'x')", kLimit},
      {"SELECT group_concat(printf('%.1000000c', 'x')) FROM movies a, movies b", kLimit},
  });
}

// On a busy machine, too, what is quick may take a while.
class SqlSearchTest : public SqlGuardTest {
 protected:
  SqlSearchTest() : SqlGuardTest(std::chrono::seconds(20)) {}
};

TEST_F(SqlSearchTest, SearchesOfLargeTextsAreQuick) {
  // Each would take a minute and more if it went on by the product of the sizes.
  expect({
      {"SELECT instr(printf('%.1000000c', 'a'), printf('%.500000c', 'a') || 'b')", kFine},
      {"SELECT length(replace(printf('%.1000000c', 'a'), printf('%.500000c', 'a') || 'b', 'c'))",
       kFine},
      {"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000), "
       "s(c) AS (SELECT group_concat(char(1000 + i), '') FROM n) "
       "SELECT length(trim(printf('%.1000000c', 'a'), c || 'a')) FROM s",
       kFine},
  });
}

TEST_F(SqlGuardTest, PermissionsAreThoseOfTheStatement) {
  struct Needs {
    const char* sql;
    Perm needed;
  };
  for (const Needs& c : {
           Needs{"SELECT id FROM movies", perms::R__},
           Needs{"SELECT count(*) FROM movies", perms::R__},
           Needs{"SELECT 1", perms::R__},
           Needs{"VALUES (1)", perms::R__},
           Needs{"EXPLAIN QUERY PLAN SELECT 1", perms::R__},
           Needs{"WITH movies AS (SELECT 1) SELECT * FROM movies", perms::R__},
           Needs{"INSERT INTO movies(id) VALUES ('x')", perms::_W_},
           Needs{"INSERT INTO movies(id) VALUES ('x'), ('y')", perms::_W_},
           Needs{"REPLACE INTO movies(id) VALUES ('x')", perms::_W_},
           Needs{"INSERT INTO movies(id) SELECT id || 'x' FROM movies WHERE id = 'm1'", perms::RW_},
           Needs{"INSERT INTO movies(id) SELECT count(*) || 'y' FROM movies", perms::RW_},
           Needs{"UPDATE movies SET n = 1", perms::_W_},
           Needs{"UPDATE movies SET n = 1 WHERE id = 'm1'", perms::RW_},
           Needs{"UPDATE movies SET n = n + 1", perms::RW_},
           Needs{"DELETE FROM movies WHERE id = 'x'", perms::R_X},
           Needs{"DELETE FROM movies", perms::__X},
       }) {
    for (Perm granted = perms::none; granted <= perms::RWX; ++granted) {
      SCOPED_TRACE(std::string(c.sql) + " with " + std::to_string(granted));
      const SqlFakeTable::Rows before = table_.rows;
      table_.permissions = granted;  // a statement that is kept prepared is asked again
      EXPECT_EQ(code(c.sql), allows(granted, c.needed) ? "" : kDenied) << message_;
      if (!allows(granted, c.needed)) {
        EXPECT_EQ(table_.rows, before);
      }
      table_.rows = before;
    }
  }
}

}  // namespace
}  // namespace kontract
