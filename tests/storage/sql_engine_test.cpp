#include "storage/sql_engine.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/storage/sql_fake_table.hpp"
#include "tests/storage/table_driver.hpp"

namespace kontract {
namespace {

using testing::ManualShard;
using testing::SqlFakeTable;
using testing::TableDriver;

class SqlEngineTest : public ::testing::Test {
 protected:
  SqlEngineTest() {
    table_.its_columns = {{.path = "year", .type = "INTEGER"},
                          {.path = "title", .type = "TEXT"},
                          {.path = "gross", .type = "NUMERIC"},
                          {.path = "seen", .type = "BOOLEAN", .boolean = true},
                          {.path = "tags", .type = "", .json = true},
                          {.path = "by.name", .type = "TEXT"},
                          {.path = "grade", .type = "INTEGER", .read_only = true}};
    table_.its_indexes = {{{"year", "gross"}}, {{"title"}, true}};
    put("m1",
        R"({"title":"Léon","year":1994,"gross":19.5,"seen":true,"tags":["a","b"],"grade":9})");
    put("m2", R"({"title":"Heat","year":1995,"gross":187,"by":{"name":"Mann"}})");
    put("m3", R"({"title":"Pulp \"Fiction\"","year":1994,"gross":213,"seen":false})");
    put("m4", R"({"title":"Se7en","year":1995,"gross":327,"extra":{"deep":[1,2]}})");
  }

  void put(const std::string& id, const char* data) { table_.put(id, Json::parse(data)); }

  std::string exec(std::string_view sql, const Json& params = nullptr) {
    auto result = engine_.exec(sql, params);
    message_ = result ? "" : result.error().message;
    return result ? *result : std::string(result.error().name());
  }
  // The rows as an array of arrays of values, or the name of the error.
  Json rows(std::string_view sql, const Json& params = nullptr) {
    const std::string text = exec(sql, params);
    const Json result = Json::parse(text, nullptr, false);
    if (!result.is_object()) return text + ": " + message_;
    Json out = Json::array();
    for (const Json& row : result["rows"]) {
      Json values = Json::array();
      for (const Json& column : result["columns"]) values.push_back(row[column]);
      out.push_back(values.size() == 1 ? values[0] : values);
    }
    return out;
  }
  Json changes(std::string_view sql, const Json& params = nullptr) {
    const std::string text = exec(sql, params);
    const Json result = Json::parse(text, nullptr, false);
    return result.is_object() ? result["changes"] : Json(text + ": " + message_);
  }
  std::string plan(std::string_view sql) {
    const Json result = Json::parse(exec("EXPLAIN QUERY PLAN " + std::string(sql)));
    std::string text;
    for (const Json& row : result["rows"]) {
      text += (text.empty() ? "" : "; ") + row["detail"].get<std::string>();
    }
    return text;
  }

  SqlFakeTable table_;
  SqlEngine engine_{table_};
  std::string message_;
};

TEST_F(SqlEngineTest, AResultIsColumnsRowsAndChanges) {
  EXPECT_EQ(exec("SELECT id, year FROM movies WHERE id = 'm1'"),
            R"({"columns":["id","year"],"rows":[{"id":"m1","year":1994}],"changes":0})");
  EXPECT_EQ(exec("SELECT id FROM movies WHERE id = 'none'"),
            R"({"columns":["id"],"rows":[],"changes":0})");
}

TEST_F(SqlEngineTest, AllColumnsAreThere) {
  EXPECT_EQ(Json::parse(exec("SELECT * FROM movies WHERE id = 'm2'"))["rows"][0],
            Json({{"id", "m2"},
                  {"data", table_.rows["m2"].data},
                  {"_txid", 7},
                  {"_deleted_txid", nullptr},
                  {"_owner", "tenant"},
                  {"_order", 102},
                  {"year", 1995},
                  {"title", "Heat"},
                  {"gross", 187},
                  {"seen", nullptr},
                  {"tags", nullptr},
                  {"by.name", "Mann"},
                  {"grade", nullptr}}));
  EXPECT_EQ(rows("SELECT rowid FROM movies WHERE id = 'm2'"), Json({102}));
}

TEST_F(SqlEngineTest, ValuesBecomeJson) {
  EXPECT_EQ(exec("SELECT 9007199254740991 AS a, 9007199254740992 AS b, -9007199254740992 AS c, "
                 "1.5 AS d, 2.0 AS e, 9e999 AS f, NULL AS g, x'000102' AS h, 'q\"\\' AS i, "
                 "1e300 AS j, CAST(x'ff' AS TEXT) AS k"),
            R"({"columns":["a","b","c","d","e","f","g","h","i","j","k"],"rows":[{)"
            R"("a":9007199254740991,"b":"9007199254740992","c":"-9007199254740992","d":1.5,)"
            R"("e":2.0,"f":null,"g":null,"h":"AAEC","i":"q\"\\","j":1e+300,"k":")"
            "\xEF\xBF\xBD"
            R"("}],"changes":0})");
}

TEST_F(SqlEngineTest, ColumnsOfOneNameAreToldApart) {
  EXPECT_EQ(exec("SELECT 1 AS n, 2 AS n, 3 AS \"n:1\", 4 AS n"),
            R"({"columns":["n","n:1","n:1:1","n:2"],)"
            R"("rows":[{"n":1,"n:1":2,"n:1:1":3,"n:2":4}],"changes":0})");
}

TEST_F(SqlEngineTest, OrdinaryQueries) {
  struct Case {
    const char* sql;
    const char* rows;
  };
  for (const Case& c : {
           Case{"SELECT count(*) FROM movies", "[4]"},
           Case{"SELECT id FROM movies ORDER BY gross DESC LIMIT 2", R"(["m4","m3"])"},
           Case{"SELECT id FROM movies ORDER BY year DESC, gross DESC", R"(["m4","m2","m3","m1"])"},
           Case{"SELECT id FROM movies ORDER BY year, gross DESC", R"(["m3","m1","m4","m2"])"},
           Case{"SELECT year, count(*), sum(gross) FROM movies GROUP BY year ORDER BY 1",
                "[[1994,2,232.5],[1995,2,514]]"},
           Case{"SELECT year FROM movies GROUP BY year HAVING max(gross) > 300", "[1995]"},
           Case{"SELECT DISTINCT year FROM movies ORDER BY year DESC", "[1995,1994]"},
           Case{"SELECT a.id, b.id FROM movies a JOIN movies b ON a.year = b.year AND a.id < b.id "
                "ORDER BY 1",
                R"([["m1","m3"],["m2","m4"]])"},
           Case{"SELECT id FROM movies m WHERE gross = (SELECT max(gross) FROM movies "
                "WHERE year = m.year) ORDER BY id",
                R"(["m3","m4"])"},
           Case{"SELECT id, rank() OVER (ORDER BY gross DESC) FROM movies ORDER BY id LIMIT 2",
                R"([["m1",4],["m2",3]])"},
           Case{"WITH old AS (SELECT * FROM movies WHERE year = 1994) SELECT id FROM old "
                "ORDER BY id",
                R"(["m1","m3"])"},
           Case{"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 4) "
                "SELECT sum(i) FROM n",
                "[10]"},
           Case{"WITH movies(id) AS (VALUES ('shadow')) SELECT id FROM movies", R"(["shadow"])"},
           Case{"WITH json_each AS (SELECT 5) SELECT count(*) FROM json_each", "[1]"},
           Case{"SELECT id FROM movies WHERE year = 1994 UNION SELECT 'x' ORDER BY 1",
                R"(["m1","m3","x"])"},
           Case{"SELECT id FROM movies EXCEPT SELECT id FROM movies WHERE year = 1994 ORDER BY 1",
                R"(["m2","m4"])"},
           Case{"VALUES (1, 'a'), (2, 'b')", R"([[1,"a"],[2,"b"]])"},
           Case{"SELECT value FROM movies, json_each(movies.tags) WHERE movies.id = 'm1'",
                R"(["a","b"])"},
           Case{"SELECT count(*) FROM movies, json_tree(data) WHERE movies.id = 'm4'", "[8]"},
           Case{"SELECT id FROM movies WHERE data->>'title' = 'Heat'", R"(["m2"])"},
           Case{"SELECT json_extract(data, '$.extra.deep[1]') FROM movies WHERE id = 'm4'", "[2]"},
           Case{"SELECT id FROM movies WHERE \"by.name\" LIKE 'm_n%'", R"(["m2"])"},
           Case{"SELECT id FROM movies WHERE title GLOB 'Se[0-9]en'", R"(["m4"])"},
           Case{"SELECT title FROM movies WHERE title LIKE 'l\xC3\xA9on'", R"(["Léon"])"},
           Case{"SELECT id FROM movies WHERE seen", R"(["m1"])"},
           Case{"SELECT id FROM movies WHERE contains(data, '{\"extra\":{\"deep\":[2]}}')",
                R"(["m4"])"},
           Case{"SELECT contains('[1,2]', 1), contains('{}', NULL), contains('[]', '[1]')",
                "[[1,null,0]]"},
           Case{"SELECT id FROM movies WHERE id IN ('m3', 'm1', 'm1', 'zz') ORDER BY id",
                R"(["m1","m3"])"},
           Case{"SELECT id FROM movies WHERE year IN (1995, '1994') AND gross > 200 ORDER BY id",
                R"(["m3","m4"])"},
           Case{"SELECT id FROM movies WHERE (year, gross) = (1995, 187)", R"(["m2"])"},
           Case{"SELECT id FROM movies WHERE id > 'm1' AND id <= 'm3' ORDER BY id DESC",
                R"(["m3","m2"])"},
           Case{"SELECT id FROM movies WHERE _order BETWEEN 102 AND 103 ORDER BY _order DESC",
                R"(["m3","m2"])"},
           Case{"SELECT id FROM movies WHERE rowid = 103", R"(["m3"])"},
           Case{"SELECT id FROM movies WHERE rowid = '103.0'", R"(["m3"])"},
           Case{"SELECT id FROM movies WHERE rowid > 102.5 ORDER BY rowid", R"(["m3","m4"])"},
           Case{"SELECT id FROM movies WHERE tags = '[\"a\",\"b\"]'", R"(["m1"])"},
           Case{"SELECT max(year), id FROM movies WHERE gross < 100", R"([[1994,"m1"]])"},
           Case{"SELECT id FROM main.movies AS m WHERE m.id = 'm1' /* c */ ; -- end", R"(["m1"])"},
           Case{" ; SELECT 1", "[1]"},
       }) {
    SCOPED_TRACE(c.sql);
    EXPECT_EQ(rows(c.sql), Json::parse(c.rows));
  }
}

TEST_F(SqlEngineTest, BoundedFunctionsDoAsSQLitesOwn) {
  EXPECT_EQ(rows("SELECT instr('näch','c'), instr('abc',''), instr('abc','x'), instr(NULL,'a'), "
                 "instr(x'0102',x'02'), instr('aab','ab')"),
            Json::parse("[[3,1,0,null,2,2]]"));
  EXPECT_EQ(rows("SELECT replace('aXbX','X','yy'), replace('abc','','z'), replace('a',NULL,'b')"),
            Json::parse(R"([["ayybyy","abc",null]])"));
  EXPECT_EQ(rows("SELECT trim('xxaxx','x'), ltrim('öäa','äö'), rtrim('aäö','öä'), trim('  a ')"),
            Json::parse(R"([["a","a","a","a"]])"));
  EXPECT_EQ(rows("SELECT '10%' LIKE '10!%' ESCAPE '!', '10x' LIKE '10!%' ESCAPE '!', "
                 "x'61' LIKE 'a', NULL LIKE 'a', 'ab' GLOB 'A*'"),
            Json::parse("[[1,0,0,null,0]]"));
  EXPECT_EQ(rows(R"(SELECT json_patch('{"a":1,"b":2}','{"b":null,"c":[3]}'),
                    json_array(json_patch('{}','{"a":1}')))"),
            Json::parse(R"([["{\"a\":1,\"c\":[3]}","[{\"a\":1}]"]])"));
  EXPECT_EQ(rows("SELECT printf('%d|%5d|%-5d|%05d|%,d|%+d', 1, 2, 3, 4, 5000, 6)"),
            Json({"1|    2|3    |00004|5,000|+6"}));
  EXPECT_EQ(rows("SELECT printf('%x %X %o %u %lld', 255, 255, 8, 7, 9)"), Json({"ff FF 10 7 9"}));
  EXPECT_EQ(rows("SELECT printf('%.2f %e %g %s %.2s %5s %-3s| %%', 1.005, 2.0, 0.5, 'ab', 'xyz', "
                 "'r', 'l')"),
            Json({"1.01 2.000000e+00 0.5 ab xy     r l  | %"}));
  EXPECT_EQ(rows("SELECT format('%q %Q %w %Q %s|', 'a''b', 'c', 'd\"e', NULL, NULL)"),
            Json({"a''b 'c' d\"\"e NULL |"}));
  EXPECT_EQ(rows("SELECT printf('%c%.3c%4c|%-3c|%*d|%.*s|%*d', 'äb', 'ö', 'x', 'y', 4, 7, 2, "
                 "'abc', -4, 1)"),
            Json({"äööö   x|y  |   7|ab|1   "}));
  EXPECT_EQ(rows("SELECT printf('%d %s %f'), printf(NULL), printf('a%')"),
            Json::parse(R"([["0  0.000000",null,"a%"]])"));
  EXPECT_EQ(exec("SELECT json_patch('{', '{}')"), "KONTRACT_EXEC_FAILED");
  EXPECT_EQ(exec("SELECT 'a' LIKE 'a' ESCAPE 'ab'"), "KONTRACT_EXEC_FAILED");
  EXPECT_EQ(exec("SELECT contains('{', '{}')"), "KONTRACT_EXEC_FAILED");
  EXPECT_EQ(exec("SELECT contains('{}', '{')"), "KONTRACT_EXEC_FAILED");
}

// ---- plans

TEST_F(SqlEngineTest, PlansUseIdsOrdersAndIndexes) {
  table_.told_records = 10'000;
  struct Case {
    const char* where;
    const char* plan;
  };
  for (const Case& c : {
           Case{"WHERE id = 'm1'", "id (id=?)"},
           Case{"WHERE id IN ('m1','m2')", "id (id=?)"},
           Case{"WHERE id > 'm1' ORDER BY id LIMIT 10", "id (id>?)"},
           Case{"ORDER BY id DESC", "id descending"},
           Case{"WHERE _order = 5", "_order (_order=?)"},
           Case{"WHERE rowid >= 5 AND rowid < 9 ORDER BY _order",
                "_order (_order>=? AND _order<?)"},
           Case{"WHERE year = 1994", "index on year, gross (year=?)"},
           Case{"WHERE year = 1994 AND gross > 5", "index on year, gross (year=? AND gross>?)"},
           Case{"WHERE year = 1994 ORDER BY gross", "index on year, gross (year=?)"},
           Case{"WHERE year = 1994 ORDER BY gross DESC, _order DESC",
                "index on year, gross (year=?) descending"},
           Case{"ORDER BY year, gross, _order", "index on year, gross"},
           Case{"WHERE title = 'Heat'", "index on title (title=?)"},
           Case{"WHERE title = 'Heat' COLLATE NOCASE", "id"},
           Case{"WHERE gross = 5", "id"},
           Case{"", "id"},
       }) {
    SCOPED_TRACE(c.where);
    const std::string found = plan("SELECT id FROM movies " + std::string(c.where));
    EXPECT_EQ(found.substr(0, 32), "SCAN movies VIRTUAL TABLE INDEX ");
    EXPECT_EQ(found.substr(found.find(':') + 1), c.plan);  // and nothing that sorts
  }
  EXPECT_NE(plan("SELECT id FROM movies ORDER BY gross").find("TEMP B-TREE"), std::string::npos);
  EXPECT_NE(plan("SELECT id FROM movies ORDER BY title COLLATE NOCASE").find("TEMP B-TREE"),
            std::string::npos);
  EXPECT_NE(plan("SELECT id FROM movies ORDER BY title NULLS LAST").find("TEMP B-TREE"),
            std::string::npos);
}

TEST_F(SqlEngineTest, AScanReadsNoMoreThanItMust) {
  table_.told_records = 10'000;
  const auto reads = [&](std::string_view sql, const Json& params = nullptr) {
    table_.yielded = 0;
    exec(sql, params);
    return table_.yielded;
  };
  EXPECT_EQ(reads("SELECT data FROM movies WHERE id = ?", {"m2"}), 1u);
  EXPECT_EQ(reads("SELECT data FROM movies WHERE id IN (?, ?)", {"m2", "m3"}), 2u);
  EXPECT_EQ(reads("SELECT data FROM movies WHERE year = ? AND gross >= ?", {1995, "200"}), 1u);
  EXPECT_EQ(reads("SELECT data FROM movies ORDER BY year DESC, gross DESC LIMIT 1"), 1u);
  EXPECT_EQ(reads("SELECT data FROM movies ORDER BY id LIMIT 2"), 2u);
  EXPECT_EQ(reads("SELECT data FROM movies WHERE year = NULL"), 0u);
  EXPECT_EQ(reads("SELECT data FROM movies"), 4u);
}

TEST_F(SqlEngineTest, ComparisonsConvertAsSQLiteDoes) {
  put("5", R"({"title":"5","year":5})");
  put("05", R"({"title":"05","year":7})");
  EXPECT_EQ(rows("SELECT id FROM movies WHERE id = ?", {5}), Json({"5"}));
  EXPECT_EQ(rows("SELECT id FROM movies WHERE title = ?", {5}), Json({"5"}));
  EXPECT_EQ(rows("SELECT id FROM movies WHERE year = ?", {"7.0"}), Json({"05"}));
  EXPECT_EQ(rows("SELECT id FROM movies WHERE year = ?", {"x"}), Json::array());
  EXPECT_EQ(rows("SELECT id FROM movies WHERE year < ? ORDER BY year", {"7"}), Json({"5"}));
  EXPECT_EQ(rows("SELECT id FROM movies WHERE title < ? ORDER BY id", {5}), Json({"05"}));
  // A column that is a number makes the comparison one of numbers.
  EXPECT_EQ(rows("SELECT id FROM movies WHERE title <= CAST(5 AS INTEGER) ORDER BY id"),
            Json({"05", "5"}));
  EXPECT_EQ(rows("SELECT count(*) FROM movies WHERE year < x'00'"), Json::array({6}));
  EXPECT_EQ(rows("SELECT count(*) FROM movies WHERE year = x'00'"), Json::array({0}));
}

TEST_F(SqlEngineTest, WhatIsKeptAcrossRowsIsNotLost) {
  // The accumulators of these hold on to `data` while the cursor moves on.
  EXPECT_EQ(rows("SELECT min(gross), data FROM movies"), Json({{19.5, table_.rows["m1"].data}}));
  EXPECT_EQ(rows("SELECT max(data), min(data) FROM movies")[0].size(), 2u);
  EXPECT_EQ(rows("SELECT year, data FROM movies GROUP BY year HAVING max(gross) ORDER BY year"),
            Json({{1994, table_.rows["m3"].data}, {1995, table_.rows["m4"].data}}));
}

// ---- writes

TEST_F(SqlEngineTest, InsertTakesDataFieldsOrBoth) {
  EXPECT_EQ(changes("INSERT INTO movies(id, data) VALUES ('a', '{\"x\":1}')"), 1);
  EXPECT_EQ(table_.data_of("a"), Json({{"x", 1}}));
  EXPECT_EQ(changes("INSERT INTO movies(id, title, year, seen, tags, \"by.name\") "
                    "VALUES ('b', 'T', '1999', 1, '[1]', 'N')"),
            1);
  EXPECT_EQ(table_.data_of("b"), Json({{"title", "T"},
                                       {"year", 1999},
                                       {"seen", true},
                                       {"tags", {1}},
                                       {"by", {{"name", "N"}}}}));
  EXPECT_EQ(changes("INSERT INTO movies(id, data, year) VALUES ('c', '{\"x\":1,\"year\":1}', 2)"),
            1);
  EXPECT_EQ(table_.data_of("c"), Json({{"x", 1}, {"year", 2}}));
  EXPECT_EQ(changes("INSERT INTO movies(year) VALUES (1), (2), (3)"), 3);
  EXPECT_EQ(table_.rows.count("new-108"), 1u);
  EXPECT_EQ(changes("INSERT INTO movies(id, tags) VALUES ('d', x'0001')"), 1);
  EXPECT_EQ(table_.data_of("d"), Json({{"tags", "AAE="}}));
}

TEST_F(SqlEngineTest, InsertDealsWithConflictsAsTold) {
  EXPECT_EQ(changes("INSERT INTO movies(id, year) VALUES ('m1', 1)"),
            "KONTRACT_EXEC_FAILED: UNIQUE constraint failed");
  EXPECT_EQ(table_.data_of("m1")["year"], 1994);
  EXPECT_EQ(changes("INSERT OR IGNORE INTO movies(id, year) VALUES ('m1', 1), ('n', 2)"), 1);
  EXPECT_EQ(table_.data_of("m1")["year"], 1994);
  EXPECT_EQ(table_.data_of("n")["year"], 2);
  EXPECT_EQ(changes("INSERT OR REPLACE INTO movies(id, year) VALUES ('m1', 1)"), 1);
  EXPECT_EQ(table_.data_of("m1"), Json({{"year", 1}}));
  EXPECT_EQ(changes("REPLACE INTO movies(id, year) VALUES ('m1', 2)"), 1);
  EXPECT_EQ(table_.data_of("m1"), Json({{"year", 2}}));
}

TEST_F(SqlEngineTest, InsertFromItself) {
  EXPECT_EQ(changes("INSERT INTO movies(id, data) SELECT id || '-2', data FROM movies"), 4);
  EXPECT_EQ(table_.rows.size(), 8u);
  EXPECT_EQ(table_.data_of("m2-2"), table_.data_of("m2"));
}

TEST_F(SqlEngineTest, UpdateChangesWhatItNames) {
  const Json before = table_.data_of("m4");
  EXPECT_EQ(changes("UPDATE movies SET year = year + 1 WHERE id = 'm4'"), 1);
  Json after = before;
  after["year"] = 1996;
  EXPECT_EQ(table_.data_of("m4"), after);
  EXPECT_EQ(changes("UPDATE movies SET seen = 1, \"by.name\" = 'F'"), 4);
  after["seen"] = true;
  after["by"] = {{"name", "F"}};
  EXPECT_EQ(table_.data_of("m4"), after);
  EXPECT_EQ(table_.data_of("m1")["tags"], Json({"a", "b"}));
  EXPECT_EQ(changes("UPDATE movies SET data = json_set(data, '$.extra.deep', 'x') "
                    "WHERE year > 1995"),
            1);
  after["extra"]["deep"] = "x";
  EXPECT_EQ(table_.data_of("m4"), after);
  EXPECT_EQ(changes("UPDATE movies SET data = '{}', year = 3 WHERE rowid = 102"), 1);
  EXPECT_EQ(table_.data_of("m2"), Json({{"year", 3}}));
  EXPECT_EQ(changes("UPDATE movies SET year = NULL, \"by.name\" = NULL WHERE id = 'm4'"), 1);
  after.erase("year");
  after["by"] = Json::object();
  EXPECT_EQ(table_.data_of("m4"), after);
  EXPECT_EQ(changes("UPDATE movies SET year = 1 WHERE id = 'none'"), 0);
  EXPECT_EQ(changes("UPDATE movies SET year = s.n FROM (SELECT 'm1' AS i, 44 AS n) AS s "
                    "WHERE id = s.i"),
            1);
  EXPECT_EQ(table_.data_of("m1")["year"], 44);
  EXPECT_EQ(table_.data_of("m1")["tags"], Json({"a", "b"}));
  EXPECT_EQ(changes("UPDATE movies SET data = '{\"title\":\"new\"}' FROM (SELECT 'm1' AS i) "
                    "WHERE id = i"),
            1);
  EXPECT_EQ(table_.data_of("m1"), Json({{"title", "new"}}));
}

TEST_F(SqlEngineTest, AFieldGoesWhereItIsReadFrom) {
  put("p", R"({"by.name":"whole","by":{"name":"inner"}})");
  put("q", R"({"by":"no object"})");
  EXPECT_EQ(changes("UPDATE movies SET \"by.name\" = 'new' WHERE id IN ('p', 'q')"), 2);
  EXPECT_EQ(table_.data_of("p"), Json::parse(R"({"by.name":"new","by":{"name":"inner"}})"));
  EXPECT_EQ(table_.data_of("q"), Json::parse(R"({"by.name":"new","by":"no object"})"));
  EXPECT_EQ(rows("SELECT \"by.name\" FROM movies WHERE id IN ('p', 'q')"), Json({"new", "new"}));
}

TEST_F(SqlEngineTest, DeleteRemoves) {
  EXPECT_EQ(changes("DELETE FROM movies WHERE id = 'm1'"), 1);
  EXPECT_EQ(changes("DELETE FROM movies WHERE year = 1995 ORDER BY gross DESC LIMIT 1"), 1);
  EXPECT_EQ(rows("SELECT id FROM movies ORDER BY id"), Json({"m2", "m3"}));
  EXPECT_EQ(changes("DELETE FROM movies"), 2);
  EXPECT_TRUE(table_.rows.empty());
}

TEST_F(SqlEngineTest, WhatCannotBeStoredIsRefused) {
  struct Case {
    const char* sql;
    const char* code;
  };
  for (const Case& c : {
           Case{"INSERT INTO movies(id, data) VALUES ('x', '[1]')", "KONTRACT_INVALID_REQUEST"},
           Case{"INSERT INTO movies(id, data) VALUES ('x', '{\"a\":1,\"a\":2}')",
                "KONTRACT_INVALID_REQUEST"},
           Case{"INSERT INTO movies(id, data) VALUES ('x', 5)", "KONTRACT_INVALID_REQUEST"},
           Case{"UPDATE movies SET data = NULL", "KONTRACT_INVALID_REQUEST"},
           Case{"UPDATE movies SET tags = '[1,'", "KONTRACT_INVALID_REQUEST"},
           Case{"UPDATE movies SET year = 9007199254740992", "KONTRACT_EXEC_FAILED"},
           Case{"UPDATE movies SET gross = 9e999", "KONTRACT_EXEC_FAILED"},
           Case{"UPDATE movies SET title = CAST(x'ff' AS TEXT)", "KONTRACT_EXEC_FAILED"},
           Case{"UPDATE movies SET grade = NULL", "KONTRACT_PERMISSION_DENIED"},
           Case{"UPDATE movies SET id = 'z'", "KONTRACT_PERMISSION_DENIED"},
           Case{"UPDATE movies SET rowid = 1", "KONTRACT_PERMISSION_DENIED"},
           Case{"UPDATE movies SET _rowid_ = 1", "KONTRACT_PERMISSION_DENIED"},
           Case{"UPDATE movies SET _txid = 1", "KONTRACT_PERMISSION_DENIED"},
           Case{"UPDATE movies SET _owner = 'me', year = 5", "KONTRACT_PERMISSION_DENIED"},
           Case{"INSERT INTO movies(id, _txid) VALUES ('x', 1)", "KONTRACT_PERMISSION_DENIED"},
           Case{"INSERT INTO movies(id, _owner) VALUES ('x', 'me')", "KONTRACT_PERMISSION_DENIED"},
           Case{"INSERT INTO movies(id, _order) VALUES ('x', 1)", "KONTRACT_PERMISSION_DENIED"},
           Case{"INSERT INTO movies(rowid, id) VALUES (1, 'x')", "KONTRACT_PERMISSION_DENIED"},
       }) {
    SCOPED_TRACE(c.sql);
    const SqlFakeTable::Rows before = table_.rows;
    EXPECT_EQ(exec(c.sql), c.code) << message_;
    EXPECT_EQ(table_.rows, before);
  }
  exec("UPDATE movies SET _txid = 1");
  EXPECT_EQ(message_, "Field '_txid' is read-only");
}

// One named json_each could not be opened.
TEST_F(SqlEngineTest, ATableMayHaveTheNameOfAnything) {
  for (const char* name : {"json_each", "JSON_Tree", "select", "contains", "main", "rowid"}) {
    SCOPED_TRACE(name);
    SqlFakeTable table;
    table.its_name = name;
    table.put("r", {{"a", 1}});
    SqlEngine engine(table);
    const auto result = engine.exec("SELECT id FROM \"" + table.its_name + '"', nullptr);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(Json::parse(*result)["rows"], Json::parse(R"([{"id":"r"}])"));
  }
}

TEST_F(SqlEngineTest, ErrorsOfTheTableComeOutAsTheyAre) {
  table_.fails = Error(Errc::storage_corrupt, "a row is torn");
  for (const char* sql : {"SELECT * FROM movies", "INSERT INTO movies(id) VALUES ('x')",
                          "SELECT 1 WHERE EXISTS (SELECT 1 FROM movies WHERE id = 'm1')"}) {
    EXPECT_EQ(exec(sql), "KONTRACT_STORAGE_CORRUPT");
    EXPECT_EQ(message_, "a row is torn");
  }
  table_.fails.reset();
  EXPECT_EQ(rows("SELECT count(*) FROM movies"), Json({4}));
}

// ---- parameters

TEST_F(SqlEngineTest, ParametersGoByNumberOrName) {
  EXPECT_EQ(rows("SELECT $2, $1, $2", {"a", "b"}), Json::parse(R"([["b","a","b"]])"));
  EXPECT_EQ(rows("SELECT ?, ?", {1, 2.5}), Json::parse("[[1,2.5]]"));
  EXPECT_EQ(rows("SELECT ?2, ?1", {1, 2}), Json::parse("[[2,1]]"));
  EXPECT_EQ(rows("SELECT ?, ?, ?, ?", {true, nullptr, {1, "x"}, {{"a", 1}}}),
            Json::parse(R"([[1,null,"[1,\"x\"]","{\"a\":1}"]])"));
  EXPECT_EQ(rows("SELECT :a, @b, $c, :a", {{"a", 1}, {"@b", 2}, {"$c", 3}}),
            Json::parse("[[1,2,3,1]]"));
  EXPECT_EQ(rows("SELECT 1", Json::array()), Json({1}));
  EXPECT_EQ(rows("SELECT 1", Json::object()), Json({1}));
  EXPECT_EQ(rows("SELECT typeof(?)", Json::array({std::string("a\0b", 3)})), Json({"text"}));
}

TEST_F(SqlEngineTest, ParametersThatDoNotFitAreRefused) {
  struct Case {
    const char* sql;
    Json params;
  };
  for (const Case& c :
       {Case{"SELECT ?", nullptr}, Case{"SELECT ?", Json::array()}, Case{"SELECT ?", {1, 2}},
        Case{"SELECT $2", {1}}, Case{"SELECT :a", {1}}, Case{"SELECT ?, $1", {1, 2}},
        Case{"SELECT ?", {{"a", 1}}}, Case{"SELECT :a", {{"b", 1}}},
        Case{"SELECT :a", {{"a", 1}, {"b", 2}}}, Case{"SELECT :a", {{"a", 1}, {":a", 2}}},
        Case{"SELECT 1", "text"}, Case{"SELECT 1", {1}}}) {
    SCOPED_TRACE(std::string(c.sql) + " with " + c.params.dump());
    EXPECT_EQ(exec(c.sql, c.params), "KONTRACT_INVALID_REQUEST");
  }
  EXPECT_EQ(rows("SELECT ?", {1}), Json({1}));
}

// ---- limits

TEST_F(SqlEngineTest, LimitsAreNamed) {
  SqlLimits limits;
  limits.time = std::chrono::milliseconds(20);
  limits.rows = 3;
  limits.result_bytes = 1000;
  limits.sql_bytes = 2000;
  limits.parameters = 5;
  limits.value_bytes = 5000;
  SqlEngine small(table_, limits);
  struct Case {
    std::string sql;
    const char* named;
  };
  std::string deep = "1";
  for (int i = 0; i < 110; ++i) deep += "+1";
  std::string compound = "SELECT 1";
  for (int i = 0; i < 55; ++i) compound += " UNION ALL SELECT 1";
  for (const Case& c : {
           Case{"SELECT id FROM movies", "3 rows"},
           Case{"SELECT printf('%.2000c', 'x')", "1000 bytes"},
           Case{"SELECT '" + std::string(2000, 'x') + "'", "2000 bytes"},
           Case{"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) "
                "FROM n",
                "20 ms"},
           Case{"SELECT count(*) FROM movies a, movies b, movies c, movies d, movies e, movies f, "
                "movies g, movies h, movies i, movies j, movies k, movies l",
                "20 ms"},
           Case{"SELECT ?6", "variable number"},
           Case{"SELECT " + deep, "depth"},
           Case{compound, "compound"},
           Case{"SELECT 'a' LIKE '" + std::string(1001, '%') + "'", "1000 bytes"},
           Case{"SELECT replace(replace(printf('%.900c','a'),'a','aaaaaaaa'),'a','aaaaaaaa')",
                "5000 bytes"},
       }) {
    SCOPED_TRACE(c.sql.substr(0, 100));
    const auto result = small.exec(c.sql, nullptr);
    ASSERT_FALSE(result) << *result;
    EXPECT_EQ(result.error().name(), "KONTRACT_EXEC_LIMIT") << result.error().message;
    EXPECT_NE(result.error().message.find(c.named), std::string::npos) << result.error().message;
  }
  EXPECT_EQ(*small.exec("SELECT 1 AS n", nullptr),
            R"({"columns":["n"],"rows":[{"n":1}],"changes":0})");
}

TEST_F(SqlEngineTest, StatementsAreKeptWithinBounds) {
  SqlLimits limits;
  limits.statements = 2;
  SqlEngine small(table_, limits);
  for (int round = 0; round < 3; ++round) {
    for (int n = 0; n < 5; ++n) {
      const auto result = small.exec("SELECT " + std::to_string(n) + " AS n", nullptr);
      ASSERT_TRUE(result);
      EXPECT_EQ(Json::parse(*result)["rows"][0]["n"], n);
    }
  }
  limits.statement_bytes = 1;
  SqlEngine none(table_, limits);
  EXPECT_TRUE(none.exec("SELECT 1", nullptr));
  EXPECT_TRUE(none.exec("SELECT 1", nullptr));
}

TEST_F(SqlEngineTest, ANewSchemaIsSeen) {
  EXPECT_EQ(exec("SELECT rating FROM movies"), "KONTRACT_EXEC_FAILED");
  table_.its_columns.push_back({.path = "rating", .type = "NUMERIC"});
  table_.its_columns.push_back({.path = "Rating", .type = "TEXT"});  // SQL cannot tell it apart
  table_.its_columns.push_back({.path = "DATA", .type = "TEXT"});
  ++table_.version;
  EXPECT_EQ(changes("UPDATE movies SET rating = 5 WHERE id = 'm1'"), 1);
  EXPECT_EQ(rows("SELECT rating, data->>'rating' FROM movies WHERE id = 'm1'"), Json({{5, 5}}));
}

TEST_F(SqlEngineTest, NamesThatNeedQuotesWork) {
  SqlFakeTable odd;
  odd.its_name = "a.b:c-d";
  odd.put("x", {{"n", 1}});
  SqlEngine engine(odd);
  const auto result = engine.exec("SELECT id FROM \"a.b:c-d\"", nullptr);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(Json::parse(*result)["rows"][0]["id"], "x");
  odd.its_name = "sqlite_x";
  SqlEngine reserved(odd);
  EXPECT_EQ(reserved.exec("SELECT 1", nullptr).error().name(), "KONTRACT_EXEC_FAILED");
}

// ---- a real table

class SqlOnTableTest : public ::testing::Test {
 protected:
  std::string exec(std::string_view sql, const Json& params = nullptr) {
    return driver_.run([&](Table& table) { return table.exec(sql, params); });
  }
  Json ids(std::string_view sql) {
    const Json result = Json::parse(exec(sql), nullptr, false);
    Json out = Json::array();
    for (const Json& row : result["rows"]) out.push_back(row["id"]);
    return out;
  }

  ManualShard shard_;
  TableDriver driver_{shard_};
};

TEST_F(SqlOnTableTest, ReadsWhatIsPendingAndWhatIsStored) {
  driver_.set("b", {{"n", 1}});
  driver_.set("a", {{"n", 2}});
  driver_.settle();
  driver_.set("c", {{"n", 3}});
  driver_.update("b", {{"n", 4}});
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(ids("SELECT id FROM users ORDER BY id"), Json({"a", "b", "c"}));
    EXPECT_EQ(ids("SELECT id FROM users ORDER BY id DESC"), Json({"c", "b", "a"}));
    EXPECT_EQ(ids("SELECT id FROM users ORDER BY _order"), Json({"b", "a", "c"}));
    EXPECT_EQ(ids("SELECT id FROM users ORDER BY _order DESC LIMIT 2"), Json({"c", "a"}));
    EXPECT_EQ(ids("SELECT id FROM users WHERE data->>'n' > 2 ORDER BY id"), Json({"b", "c"}));
    EXPECT_EQ(ids("SELECT id FROM users WHERE id = 'a'"), Json({"a"}));
    EXPECT_EQ(ids("SELECT id FROM users WHERE id > 'a' ORDER BY id"), Json({"b", "c"}));
    EXPECT_EQ(ids("SELECT id FROM users WHERE id = ''"), Json::array());
    EXPECT_EQ(ids("SELECT a.id FROM users a, users b WHERE a._order = b._order ORDER BY 1"),
              Json({"a", "b", "c"}));
    driver_.settle();
  }
}

TEST_F(SqlOnTableTest, OrderRangesAreExact) {
  for (const char* id : {"a", "b", "c", "d"}) driver_.set(id, {{"n", 1}});
  const Json orders = Json::parse(exec("SELECT _order FROM users ORDER BY _order"))["rows"];
  const auto from_to = [&](const char* where, const char* direction) {
    const Json result = Json::parse(
        exec(std::string("SELECT id FROM users WHERE ") + where + " ORDER BY _order " + direction,
             {orders[1]["_order"], orders[2]["_order"]}));
    std::string out;
    for (const Json& row : result["rows"]) out += row["id"].get<std::string>();
    return out;
  };
  EXPECT_EQ(from_to("_order >= $1 AND _order <= $2", ""), "bc");
  EXPECT_EQ(from_to("_order > $1 AND _order <= $2", ""), "c");
  EXPECT_EQ(from_to("_order > $1 AND _order < $2", ""), "");
  EXPECT_EQ(from_to("_order >= $1 AND _order <= $2", "DESC"), "cb");
  EXPECT_EQ(from_to("_order >= $1 AND _order < $2", "DESC"), "b");
  EXPECT_EQ(from_to("_order >= $1 OR _order = $2", "DESC"), "dcb");
  EXPECT_EQ(ids("SELECT id FROM users WHERE _order > -5 ORDER BY _order"),
            Json({"a", "b", "c", "d"}));
  EXPECT_EQ(ids("SELECT id FROM users WHERE _order < -5 ORDER BY _order DESC"), Json::array());
}

TEST_F(SqlOnTableTest, WritesBelongToTheTransaction) {
  EXPECT_EQ(Json::parse(exec("INSERT INTO users(id, data) VALUES ('a', '{\"n\":1}')"))["changes"],
            1);
  EXPECT_EQ(driver_.get("a"), R"({"n":1})");
  exec("UPDATE users SET data = json_set(data, '$.n', 2) WHERE id = 'a'");
  EXPECT_EQ(driver_.get("a"), R"({"n":2})");
  driver_.settle();
  EXPECT_EQ(Json::parse(exec("INSERT INTO users(data) SELECT data FROM users"))["changes"], 1);
  EXPECT_EQ(driver_.count(), "2");
  EXPECT_EQ(Json::parse(exec("DELETE FROM users WHERE id <> 'a'"))["changes"], 1);
  EXPECT_EQ(driver_.count(), "1");
  // Several statements in one transaction see one another; rolled back, none has been.
  driver_.begin();
  EXPECT_TRUE(driver_.table().exec("DELETE FROM users", nullptr));
  EXPECT_TRUE(driver_.table().exec("INSERT INTO users(id) VALUES ('z')", nullptr));
  const auto seen = driver_.table().exec("SELECT id FROM users", nullptr);
  ASSERT_TRUE(seen);
  EXPECT_EQ(Json::parse(*seen)["rows"], Json::parse(R"([{"id":"z"}])"));
  driver_.table().rollback();
  EXPECT_EQ(ids("SELECT id FROM users"), Json({"a"}));
}

TEST_F(SqlOnTableTest, AStatementThatFailsHalfWayLeavesItToTheCaller) {
  driver_.set("b", {{"n", 1}});
  driver_.begin();
  const auto result =
      driver_.table().exec("INSERT INTO users(id) VALUES ('a'), ('b'), ('c')", nullptr);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().name(), "KONTRACT_EXEC_FAILED");
  EXPECT_EQ(result.error().message, "UNIQUE constraint failed: users.id");
  driver_.table().rollback();
  EXPECT_EQ(ids("SELECT id FROM users"), Json({"b"}));
}

TEST_F(SqlOnTableTest, ChangesOfACallAreBounded) {
  const std::string insert =
      "INSERT INTO users(id) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
      "LIMIT $1) SELECT printf('%05d', i) FROM n";
  driver_.begin();
  EXPECT_EQ(driver_.text_of(driver_.table().exec(insert, {1001})), "KONTRACT_TOO_LARGE");
  driver_.table().rollback();
  EXPECT_EQ(Json::parse(exec(insert, {1000}))["changes"], 1000);
  EXPECT_EQ(driver_.count(), "1000");
}

TEST_F(SqlOnTableTest, TheFullDiskRefusesWritesOnly) {
  driver_.set("a", {{"n", 1}});
  shard_.log().full = true;
  EXPECT_EQ(exec("INSERT INTO users(id) VALUES ('b')"), "KONTRACT_STORAGE_FULL");
  EXPECT_EQ(ids("SELECT id FROM users"), Json({"a"}));
}

TEST_F(SqlOnTableTest, ThePastIsRead) {
  driver_.set("a", {{"n", 1}});
  const Txid before = driver_.last_txid() + 1;
  driver_.run([](Table& table) { return table.set("a", {{"n", 2}}); }, before);
  driver_.run([](Table& table) { return table.set("b", {{"n", 2}}); }, before);
  const std::string past = driver_.read_at(
      before, [](Table& table) { return table.exec("SELECT data FROM users", nullptr); });
  EXPECT_EQ(Json::parse(past)["rows"], Json::parse(R"([{"data":"{\"n\":1}"}])"));
}

}  // namespace
}  // namespace kontract
