#include "storage/detail/sql_shape.hpp"

#include <gtest/gtest.h>

#include <string>

namespace kontract {
namespace {

// c: CAST, j: two rows, u: a compound, r: a row value.
std::string shown(const SqlShape& shape) {
  return std::string(shape.casts ? "c" : "") + (shape.joins ? "j" : "") +
         (shape.compounds ? "u" : "") + (shape.row_values ? "r" : "");
}

TEST(SqlShapeTest, AStatementShowsWhatItMayCompareAColumnWith) {
  struct Case {
    const char *sql, *shape;
  };
  for (const Case& c : {
           Case{"SELECT id FROM users WHERE k = ? AND n > 5 ORDER BY _order", ""},
           Case{"SELECT users.id, \"users\".n, [users] . k FROM users WHERE users.k = 1", ""},
           Case{"SELECT * FROM users u WHERE k = 'cast' AND \"union\" = 'users' -- cast", "j"},
           Case{"SELECT 'it''s a cast', \"a\"\"with\", `union`, [cast] FROM users", ""},
           Case{"SELECT /* cast */ 1 -- with\n, 2 FROM users", ""},
           Case{"SELECT broadcast, withal, cast_ FROM users", ""},
           Case{"SELECT cAsT(k AS INTEGER) FROM users", "c"},
           Case{"SELECT 1 FROM users/**/a, USERS", "j"},
           Case{"SELECT 1 FROM 'users' a JOIN \"Users\" b", "j"},
           Case{"WITH q AS (SELECT 1) SELECT 1", "j"},
           Case{"SELECT 1 UNION SELECT 2", "u"},
           Case{"SELECT 1 EXCEPT SELECT 2 INTERSECT SELECT 3", "u"},
           Case{"INSERT INTO users (id, n) VALUES (1, 2)", "u"},
           Case{"SELECT 1 FROM users WHERE k IN (1, 2) AND (k) IN (3, 4)", ""},
           Case{"SELECT 1 FROM users WHERE coalesce(k, 1) IN (1, 2)", ""},
           Case{"SELECT 1 FROM users WHERE (k, n) IN (SELECT 1, 2)", "r"},
           Case{"SELECT 1 FROM users WHERE ((k, f(n))) /* ( */ in (SELECT 1, 2)", "r"},
           Case{"SELECT 1 FROM users WHERE 1 AND(k,n)IN(SELECT 1, 2)", "r"},
           // A quote in a parameter's name begins no string.
           Case{"SELECT $a('), CAST(1 AS INTEGER)", "cjur"},
           Case{"SELECT :a::b('), CAST(1 AS INTEGER)", "cjur"},
           Case{"SELECT 'not ended CAST(", ""},
           Case{"SELECT /* not ended CAST(", ""},
           Case{"", ""},
       }) {
    SCOPED_TRACE(c.sql);
    EXPECT_EQ(shown(sql_shape(c.sql, "users")), c.shape);
  }
}

TEST(SqlShapeTest, OneThatComparesNumbersOfTwoRowsIsDoubtful) {
  SqlShape shape = sql_shape("SELECT 1 FROM users a, users b", "users");
  EXPECT_FALSE(shape.doubtful());
  shape.numbers = true;
  EXPECT_TRUE(shape.doubtful());
  shape.joins = false;
  EXPECT_FALSE(shape.doubtful());
  shape.casts = true;
  EXPECT_TRUE(shape.doubtful());
}

}  // namespace
}  // namespace kontract
