// NativeSqlite: the same records in an ordinary table of SQLite, as the yardstick for table.exec.
//
//   CREATE TABLE t (id TEXT PRIMARY KEY, data TEXT, city INTEGER); CREATE INDEX c ON t (city)
//
// On disk, in WAL mode, with a cache for all of it. A statement is prepared once; its answer is
// written as the JSON text that table.exec returns.

#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <variant>

namespace kontract::bench {

class NativeSqlite {
 public:
  using Parameter = std::variant<std::int64_t, std::string>;

  // Throws std::runtime_error for what fails.
  NativeSqlite(const std::filesystem::path& file, std::uint64_t records);

  std::string exec(const std::string& sql, const Parameter& parameter);

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close(db); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };

  void run(const char* sql);
  sqlite3_stmt* prepared(const std::string& sql);
  void check(int rc, int expected) const;

  std::unique_ptr<sqlite3, Close> db_;
  std::map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;  // go before it
};

}  // namespace kontract::bench
