// SqlTable: what the SQL engine needs of a table. All of it belongs to the transaction that is open
// on the table.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/index.hpp"
#include "storage/json.hpp"
#include "storage/perms.hpp"
#include "storage/record_cursor.hpp"
#include "storage/result.hpp"

namespace kontract {

struct SqlColumn {
  std::string path;        // of the field; also the column's name
  std::string type;        // as SQLite has it: INTEGER, NUMERIC, TEXT, BOOLEAN or nothing
  bool boolean = false;    // 0 and 1 are stored as false and true
  bool json = false;       // array or object: text that is JSON is stored as what it says
  bool read_only = false;  // once it has a value, which the table sees to
};

class SqlTable {
 public:
  virtual ~SqlTable() = default;

  virtual std::string_view name() const = 0;  // the logical one
  virtual std::string_view owner() const = 0;
  virtual std::uint64_t schema_version() const = 0;  // changes when columns or indexes do
  virtual std::vector<SqlColumn> columns() const = 0;
  virtual std::vector<IndexRow> indexes() const = 0;  // those that can be read now
  virtual std::uint64_t records() const = 0;          // about so many, for the planner

  // Errors: permission_denied if a bit is missing in the context or the table.
  virtual Status require(Perm needed, std::string_view function) const = 0;

  // SQLite need not copy the data of a record that `lasts`.
  virtual Result<std::unique_ptr<RecordCursor>> scan(const RecordScan& scan) = 0;
  // The record with this _order, as the transaction sees it; its views live until the next call.
  virtual Result<std::optional<RecordView>> by_order(std::uint64_t order) = 0;

  enum class OnConflict : std::uint8_t { fail, ignore, replace };
  // Writes a new record; without an id it gets a new one (or that of its primary-key field).
  // Returns its id, nothing if it was ignored. Errors: exec_failed if the id is taken, and those of
  // Table::set. insert() and replace() do not check permissions: see require().
  virtual Result<std::optional<std::string>> insert(std::optional<std::string> id, Json data,
                                                    OnConflict on_conflict) = 0;
  // REQUIRES: the record is there.
  virtual Status replace(std::string_view id, Json data) = 0;
  virtual Status erase_record(std::string_view id) = 0;
};

}  // namespace kontract
