// SqlResult: the rows of a statement as JSON text.

#pragma once

#include <sqlite3.h>

#include "storage/detail/statement_cache.hpp"
#include "storage/result.hpp"

namespace kontract {

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
