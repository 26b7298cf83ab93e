// Comparisons in which SQLite converts one side: what a statement finds does not depend on the
// indexes that are there, and is what SQLite finds in a table of its own with the same values.

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/storage/index_driver.hpp"

namespace kontract {
namespace {

using testing::ManualShard;
using testing::TableDriver;

constexpr const char* kSchema = R"({"fields":{"k":{"type":"any"},"n":{"type":"integer"},
    "s":{"type":"string"}}})";

struct AffinityRow {
  const char* id;
  Json k, n, s;
};

const std::vector<AffinityRow>& affinity_rows() {
  static const std::vector<AffinityRow> rows = {
      {"1", 1, 5, "05"},           {"01", "1", 1, "1"},       {"2", "5", 7, "5"},
      {"05", 5, 5, "5.0"},         {"5", "05", nullptr, "a"}, {"a", " 5", -3, ""},
      {"b", "abc", 2, "!"},        {"c", 5.5, 6, "5.5"},      {"d", "5.5", 0, "1e1"},
      {"e", "+7", 7, "+7"},        {"f", "!", 10, "\t7"},     {"g", "1e1", 10, ":"},
      {"h", nullptr, -1, nullptr}, {"i", "-3", 5, "-3"},      {"j", ":", 0, "5x"},
      {"-3", "", nullptr, "7"},    {"7.0", -3, 1, "05"},      {"k", ".5", 3, " 5 "},
      {"l", "\t", 5, "\t"}};
  return rows;
}

// The first column of each row, and the second behind it if there is one.
class AffinityReference {
 public:
  AffinityReference() {
    EXPECT_EQ(sqlite3_open(":memory:", &db_), SQLITE_OK);
    rows("CREATE TABLE users(id TEXT, k, n INTEGER, s TEXT)", nullptr);
    for (const AffinityRow& row : affinity_rows()) {
      rows("INSERT INTO users VALUES (?, ?, ?, ?)", {row.id, row.k, row.n, row.s});
    }
  }
  ~AffinityReference() { sqlite3_close(db_); }
  AffinityReference(const AffinityReference&) = delete;
  AffinityReference& operator=(const AffinityReference&) = delete;

  Json rows(const std::string& sql, const Json& params) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
        << sql << ": " << sqlite3_errmsg(db_);
    int at = 0;
    for (const Json& param : params) bind(statement, ++at, param);
    Json out = Json::array();
    while (sqlite3_step(statement) == SQLITE_ROW) {
      for (int i = 0; i < sqlite3_column_count(statement); ++i) {
        out.push_back(reinterpret_cast<const char*>(sqlite3_column_text(statement, i)));
      }
    }
    sqlite3_finalize(statement);
    return out;
  }

 private:
  static void bind(sqlite3_stmt* statement, int at, const Json& value) {
    if (value.is_number_integer()) {
      sqlite3_bind_int64(statement, at, value.get<std::int64_t>());
    } else if (value.is_number()) {
      sqlite3_bind_double(statement, at, value.get<double>());
    } else if (value.is_string()) {
      sqlite3_bind_text(statement, at, value.get<std::string>().c_str(), -1, SQLITE_TRANSIENT);
    }
  }

  sqlite3* db_ = nullptr;
};

class SqlAffinityTest : public ::testing::Test {
 protected:
  SqlAffinityTest() {
    TableRow row = testing::users_row();
    row.schema = to_text(Json::parse(kSchema));
    WriteBatch batch;
    put_table(batch, testing::kSession, row);
    shard_.commit(std::move(batch));
    EXPECT_TRUE(driver_.table().set_row(row));
    for (const AffinityRow& its : affinity_rows()) {
      Json data = Json::object();
      if (!its.k.is_null()) data["k"] = its.k;
      if (!its.n.is_null()) data["n"] = its.n;
      if (!its.s.is_null()) data["s"] = its.s;
      EXPECT_EQ(driver_.set(its.id, data), "true");
    }
    driver_.settle();
  }

  void use(const std::vector<IndexDefinition>& indexes) {
    testing::want_indexes(shard_, driver_.table(), indexes);
    ASSERT_TRUE(shard_.log().flush());
    testing::finish_indexes(shard_, driver_.table());
  }

  Json exec(const std::string& sql, const Json& params) {
    const std::string text = driver_.run([&](Table& table) { return table.exec(sql, params); });
    Json result = Json::parse(text, nullptr, false);
    EXPECT_TRUE(result.is_object()) << sql << ": " << text;
    return result;
  }
  Json rows(const std::string& sql, const Json& params) {
    const Json result = exec(sql, params);
    Json out = Json::array();
    for (const Json& row : result["rows"]) {
      for (const Json& column : result["columns"]) {
        out.push_back(row[column.get<std::string>()]);
      }
    }
    return out;
  }
  std::string plan(const std::string& sql, const Json& params) {
    std::string text;
    const Json result = exec("EXPLAIN QUERY PLAN " + sql, params);
    for (const Json& row : result["rows"]) text += row["detail"].get<std::string>() + "; ";
    return text;
  }

  // SQLite takes a column that equals a constant for one that need not be sorted by, also where the
  // column has 5 and '05': so the order is compared with that of the scans without an index, which
  // come first.
  void expect_as_reference(const std::string& sql, const Json& params = Json::array()) {
    const Json found = rows(sql, params);
    const auto [ordered, first] = ordered_.try_emplace(sql + params.dump(), found);
    if (!first) {
      EXPECT_EQ(found, ordered->second) << sql << ' ' << params << ' ' << plan(sql, params);
      return;
    }
    const auto sorted = [](Json list) {
      std::sort(list.begin(), list.end());
      return list;
    };
    EXPECT_EQ(sorted(found), sorted(reference_.rows(sql, params)))
        << sql << ' ' << params << ' ' << plan(sql, params);
  }

  ManualShard shard_;
  TableDriver driver_{shard_};
  AffinityReference reference_;
  std::map<std::string, Json> ordered_;  // by statement
};

const std::vector<std::vector<IndexDefinition>>& index_sets() {
  static const std::vector<std::vector<IndexDefinition>> sets = {
      {}, {{{"k"}}, {{"s"}}, {{"n"}}}, {{{"k", "s"}}, {{"s", "k"}}, {{"n", "k"}}}};
  return sets;
}

const std::vector<std::string> kOperators = {"=", "<", "<=", ">", ">="};
const std::vector<std::string> kColumns = {"k", "s", "n", "id"};

TEST_F(SqlAffinityTest, JoinsFindWhatSQLiteFinds) {
  for (const auto& indexes : index_sets()) {
    use(indexes);
    for (const std::string& op : kOperators) {
      for (const std::string& left : kColumns) {
        for (const std::string& right : kColumns) {
          for (const std::string& on :
               {"b." + left + ' ' + op + " a." + right, "a." + left + ' ' + op + " b." + right}) {
            expect_as_reference("SELECT a.id, b.id AS x FROM users a CROSS JOIN users b ON " + on +
                                " ORDER BY a.id, b.id");
            expect_as_reference(
                "WITH q AS (SELECT id, k, n, s FROM users) SELECT a.id, b.id AS x "
                "FROM q a CROSS JOIN q b ON " +
                on + " ORDER BY a.id, b.id");
          }
        }
      }
    }
  }
}

TEST_F(SqlAffinityTest, ComparisonsFindWhatSQLiteFinds) {
  const std::vector<Json> params = {5,    "5", "05", 5.5,  "5.5", "a", "!",  "",    ":",
                                    " 5", 7,   "+7", 10.0, -3,    "x", "\t", 1e300, nullptr};
  for (const auto& indexes : index_sets()) {
    use(indexes);
    for (const std::string& op : kOperators) {
      for (const std::string& column : kColumns) {
        for (const char* with : {"?", "CAST(? AS INTEGER)", "CAST(? AS NUMERIC)", "CAST(? AS TEXT)",
                                 "CAST(CAST(? AS INTEGER) AS TEXT)", "+CAST(? AS REAL)"}) {
          for (const char* order : {"", " DESC"}) {
            for (const Json& param : params) {
              expect_as_reference("SELECT id FROM users WHERE " + column + ' ' + op + ' ' + with +
                                      " ORDER BY " + column + order + ", id",
                                  Json::array({param}));
            }
          }
        }
      }
    }
  }
}

TEST_F(SqlAffinityTest, ListsAndSubqueriesFindWhatSQLiteFinds) {
  const std::vector<std::string> wheres = {
      "X IN (SELECT n FROM users)",
      "X IN (SELECT k FROM users WHERE n > 4)",
      "X IN (SELECT s FROM users WHERE n > 4)",
      "X IN (SELECT n FROM users UNION SELECT s FROM users)",
      "X IN (SELECT CAST(s AS INTEGER) FROM users WHERE n < 6)",
      "X IN (5, '5', 7)",
      "X IN (?, ?)",
      "X IN (CAST(? AS INTEGER), CAST(? AS NUMERIC))",
      "X IN (CAST(? AS INTEGER)) AND s <> ?",
      "X IN (SELECT value FROM json_each('[5,\"7\",\"05\"]'))",
      "X IN (SELECT rowid FROM json_each('[5,\"7\",\"05\",1,1,1,1,1]'))",
      "(X, s) IN (SELECT n, s FROM users)",
      "(X, s) IN (SELECT CAST(k AS INTEGER), s FROM users)",
      "(X, s) IN (SELECT value, value FROM json_each('[5,\"7\",\"05\"]'))",
      "lower(X) IN (5, '5') AND coalesce(X, 1) IN (?, '5') AND X <> ?",
      "(s, X) IN (SELECT s, n FROM users WHERE id <> ? AND id <> ?)",
      "X = (SELECT n FROM users WHERE id = '1')",
      "X < (SELECT max(n) FROM users WHERE id IN ('1', '2'))",
      "X <= (SELECT n FROM users WHERE id = '1')",
      "X = 5 OR X = (SELECT n FROM users WHERE id = '2')",
      "X BETWEEN (SELECT n FROM users WHERE id = '1') AND (SELECT n FROM users WHERE id = 'g')",
      "X BETWEEN CAST(? AS INTEGER) AND ?",
      "X = CAST('5' AS INTEGER)",
      "X > CAST(5 AS NUMERIC) AND X < CAST('7.5' AS REAL)",
      "s = '05' AND X = CAST('05' AS INTEGER)",
      "X = CAST(? AS INTEGER) AND s IN (SELECT CAST(n AS INTEGER) FROM users WHERE n <> ?)",
      "X IS CAST('5' AS INTEGER)",
      "X IN (WITH q(v) AS (SELECT n FROM users) SELECT v FROM q)",
  };
  for (const auto& indexes : index_sets()) {
    use(indexes);
    for (const std::string& column : kColumns) {
      for (std::string where : wheres) {
        const auto parameters = std::count(where.begin(), where.end(), '?');
        const Json params = parameters == 2 ? Json({"5", "7"}) : Json::array();
        for (auto at = where.find('X'); at != where.npos; at = where.find('X')) {
          where.replace(at, 1, column);
        }
        for (const std::string order : {"id", "k, id", "k DESC, s DESC, id DESC", "s, k, n, id"}) {
          expect_as_reference("SELECT id FROM users WHERE " + where + " ORDER BY " + order, params);
        }
      }
    }
  }
}

TEST_F(SqlAffinityTest, OtherWaysToCompareWithANumberFindWhatSQLiteFinds) {
  const std::vector<std::string> froms = {
      "users a JOIN (SELECT n AS v FROM users UNION ALL SELECT s FROM users) q ON a.X = q.v",
      "users a JOIN (SELECT n AS v FROM users UNION SELECT k FROM users) q ON a.X <= q.v",
      "users a JOIN (SELECT n AS v FROM users UNION SELECT s FROM users) q ON a.X > q.v",
      "users a JOIN (SELECT DISTINCT n AS v FROM users) q ON q.v = a.X",
      "users a JOIN json_each('[1,2,3,4,5,6,7]') q ON a.X = q.rowid",
      "users a JOIN json_each('[1,\"05\",5,\"5\",7]') q ON a.X = q.value",
      "users a JOIN json_each('[1,\"05\",5,\"5\",7]') q ON a.X > q.value",
      "users a JOIN (SELECT CAST(s AS INTEGER) AS v FROM users) q ON a.X = q.v",
      "users a JOIN users q ON a.X = q.n AND a.s = q.s",
      "users a JOIN users q ON a.s = q.n AND a.X >= q.n",
      "users a JOIN users q ON a.X = q.n AND a.X > q.s",
      "users a LEFT JOIN users q ON q.X = a.n AND q.s > ''",
      "users a JOIN users q ON a.X = q.\"n\" /* ) IN */ -- (",
      "users AS a, \"users\" AS q WHERE a.X = q._order - q._order + 5",
  };
  for (const auto& indexes : index_sets()) {
    use(indexes);
    for (const std::string& column : kColumns) {
      for (std::string from : froms) {
        for (auto at = from.find('X'); at != from.npos; at = from.find('X')) {
          from.replace(at, 1, column);
        }
        const bool ordered = from.find("_order") != from.npos;  // which the reference has not
        if (ordered) {
          const std::string sql = "SELECT a.id FROM " + from + "\nORDER BY a.k, a.id";
          EXPECT_EQ(rows(sql, nullptr),
                    reference_.rows(sql.substr(0, sql.find("q._")) + "5 ORDER BY a.k, a.id", {}));
          continue;
        }
        for (const std::string order : {"a.k, a.id", "a.s DESC, a.k DESC, a.id"}) {
          expect_as_reference("SELECT a.id FROM " + from + "\nORDER BY " + order);
        }
      }
    }
  }
}

TEST_F(SqlAffinityTest, WritesReachWhatSQLiteReaches) {
  use(index_sets()[1]);
  for (const char* where : {"k = CAST(? AS INTEGER)", "s = CAST(? AS INTEGER)",
                            "id = CAST(? AS INTEGER)", "k IN (SELECT n FROM users WHERE n = ?)"}) {
    const Json found = reference_.rows(std::string("SELECT id FROM users WHERE ") + where, {5});
    EXPECT_GT(found.size(), 1u) << where;
    EXPECT_EQ(exec(std::string("UPDATE users SET n = n WHERE ") + where, {5})["changes"],
              found.size())
        << where;
  }
}

// One value is looked for where no affinity comes in, and one and the numerals where it may.
TEST_F(SqlAffinityTest, IndexesAreUsed) {
  use(index_sets()[1]);
  struct Case {
    const char *sql, *plan;
  };
  for (const Case& c : {
           Case{"SELECT n FROM users WHERE k = 5 ORDER BY _order", "index on k (k=?); "},
           Case{"SELECT n FROM users WHERE users.k = ? ORDER BY _order", "index on k (k=?); "},
           Case{"SELECT n FROM users WHERE k = '5' AND n > 3 ORDER BY n", "index on k (k=?); "},
           Case{"SELECT n FROM users WHERE k > ? AND k < 7 ORDER BY k",
                "index on k (k>? AND k<?); "},
           Case{"SELECT n FROM users WHERE s = ? ORDER BY _order", "index on s (s=?); "},
           Case{"SELECT n FROM users WHERE k = CAST(? AS INTEGER) ORDER BY k DESC, _order DESC",
                "index on k (k=?) descending; "},
           Case{"SELECT b.n FROM users a CROSS JOIN users b ON b.k = a.n", "index on k (k=?); "},
           Case{"SELECT b.n FROM users a CROSS JOIN users b ON b.id = a.s", "id (id=?); "},
           Case{"SELECT n FROM users WHERE id IN (SELECT s FROM users)", "id (id=?); "},
       }) {
    SCOPED_TRACE(c.sql);
    const std::string found =
        plan(c.sql,
             std::string(c.sql).find('?') == std::string::npos ? Json::array() : Json::array({5}));
    EXPECT_NE(found.find(std::string(":") + c.plan), std::string::npos) << found;
  }
}

}  // namespace
}  // namespace kontract
