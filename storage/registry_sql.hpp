// RegistrySql: one statement of SQL over a session's registry.
//
//   storage (id, ptr, owner, permissions, schema)   the tables; SELECT, INSERT, UPDATE and DELETE
//   trxs    (txid, owner)                           the active transactions; SELECT
//
// The rows are copied into a database in memory; the statement runs there and nowhere else, and the
// difference that it made is handed back. To keep it is the caller's part, so that a table is
// created and dropped in one way only. An authorizer refuses everything else that SQL can say.
//
// A row that is inserted without owner is the session's owner's; without permissions it has 7;
// without ptr (RETURNING shows it as null) it is given one. id and ptr of a table that is there
// stay; its schema is not changed here. A DELETE drops the table.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/json.hpp"
#include "storage/registry.hpp"
#include "storage/result.hpp"

namespace kontract {

// What is to become of the registry.
struct RegistryChange {
  std::vector<TableRow> created = {};     // valid, without a number
  std::vector<TableRow> changed = {};     // owner or permissions
  std::vector<std::string> dropped = {};  // ids

  bool empty() const { return created.empty() && changed.empty() && dropped.empty(); }
};

// What a statement sees.
struct RegistryView {
  std::string owner;  // of the session
  std::vector<TableRow> tables;
  std::vector<std::pair<Txid, std::string>> transactions;  // begin txid, owner
};

class RegistrySql {
 public:
  // Errors: exec_failed with SQLite's own words; exec_cross_table; exec_limit; permission_denied
  // for a field that is read-only.
  static Result<std::unique_ptr<RegistrySql>> prepare(RegistryView view, std::string_view sql);
  ~RegistrySql();

  // R if it returns rows, W if it inserts or updates, X if it deletes.
  Perm needs() const;

  struct Outcome {
    JsonText result;  // see SqlStatement::run
    RegistryChange change;
  };
  // Errors: those of prepare and of SqlStatement::bind; invalid_request for a name that is not
  // allowed. REQUIRES: called once.
  Result<Outcome> run(const Json& params);

 private:
  struct Parts;
  explicit RegistrySql(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace kontract
