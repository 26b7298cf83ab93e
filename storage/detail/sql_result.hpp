// SqlResult: the rows of a statement as JSON text. All SQL from outside has its values in one way.

#pragma once

#include <sqlite3.h>

#include "storage/detail/statement_cache.hpp"
#include "storage/result.hpp"

namespace kontract {

// Appends a value of the row that the statement stands on. An integer beyond +-(2^53 - 1) is a
// string of its digits, a blob one of base64; what is not finite is null.
void append_sql_column(JsonText& out, sqlite3_stmt* statement, int column);

class SqlResult {
 public:
  SqlResult(const CachedStatement& statement, const SqlLimits& limits);

  // The row that the statement stands on. Errors: exec_limit.
  Status add_row();
  JsonText take(std::int64_t changes) &&;

 private:
  const CachedStatement& statement_;
  const SqlLimits& limits_;
  JsonText text_;
  std::size_t rows_ = 0;
};

}  // namespace kontract
