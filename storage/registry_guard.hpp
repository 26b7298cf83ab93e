// RegistryGuard: what a statement over the registry may do. Refuses by default; notes which
// permission bits the statement needs.

#pragma once

#include <optional>

#include "storage/perms.hpp"
#include "storage/result.hpp"

struct sqlite3;

namespace kontract {

class RegistryGuard {
 public:
  // Installs itself as the authorizer; it must stay where it is until `end`.
  void begin(sqlite3* db);
  void end(sqlite3* db);

  Perm writes() const { return writes_; }           // W and X
  bool is_statement() const { return statement_; }  // SELECT, INSERT, UPDATE or DELETE
  const std::optional<Error>& refusal() const { return refusal_; }  // better than SQLite's words

 private:
  int decide(int action, const char* first, const char* second, const char* database);
  int read(const char* table, const char* database);
  int write(const char* table, const char* column, Perm bit);
  int refuse(Error error);

  Perm writes_ = perms::none;
  bool statement_ = false;
  std::optional<Error> refusal_;
};

}  // namespace kontract
