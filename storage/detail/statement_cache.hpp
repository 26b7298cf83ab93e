// CachedStatement: a prepared statement with what its use needs to know. StatementCache: those of
// one engine that are kept, least recently used first out.

#pragma once

#include <sqlite3.h>

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/detail/sql_shape.hpp"
#include "storage/json.hpp"
#include "storage/perms.hpp"
#include "storage/sql_limits.hpp"

namespace kontract {

struct SqlFinalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

struct CachedStatement {
  std::string sql;
  std::unique_ptr<sqlite3_stmt, SqlFinalize> prepared;
  Perm needs = perms::none;
  bool writes = false;
  SqlShape shape;
  std::vector<std::string> columns;  // the names of the result's, each once, as JSON strings

  std::size_t bytes() const;
};

// Binds `params`, which must stay as they are until the statement is reset.
// Errors: invalid_request if they are not exactly those that the statement has; exec_limit.
Status bind_sql(sqlite3_stmt* statement, const Json& params);

class StatementCache {
 public:
  explicit StatementCache(const SqlLimits& limits) : limits_(limits) {}

  CachedStatement* find(std::string_view sql);  // null if it is not there
  CachedStatement& keep(CachedStatement statement);
  // Drops what is too much. Not while one of them runs.
  void trim();

 private:
  const SqlLimits& limits_;
  std::list<CachedStatement> statements_;  // the last used first
  std::unordered_map<std::string_view, std::list<CachedStatement>::iterator> by_sql_;
  std::size_t bytes_ = 0;
};

}  // namespace kontract
