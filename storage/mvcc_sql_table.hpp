// MvccSqlTable: an MvccTable as the SQL engine has it, and its engine.
//
// All that one statement reads comes from one LMDB read transaction, held until the statement is
// over: what its cursors show stays where it is until then, unless the statement wrote it itself.
// Of a schema's fields, those that may be read are columns; the others are not in `data` either.

#pragma once

#include <optional>
#include <string>

#include "storage/mvcc_table.hpp"
#include "storage/sql_engine.hpp"
#include "storage/sql_table.hpp"

namespace kontract {

class MvccSqlTable final : public SqlTable {
 public:
  MvccSqlTable(MvccTable& table, const SqlLimits& limits) : table_(table), engine_(*this, limits) {}

  // As MvccTable::exec.
  Result<JsonText> exec(std::string_view sql, const Json& params);
  SqlEngine& engine() { return engine_; }

  std::string_view name() const override;
  std::string_view owner() const override;
  std::uint64_t schema_version() const override;
  std::vector<SqlColumn> columns() const override;
  std::vector<IndexRow> indexes() const override;
  std::uint64_t records() const override;
  Status require(Perm needed, std::string_view function) const override;
  Result<std::unique_ptr<RecordCursor>> scan(const RecordScan& scan) override;
  Result<std::optional<RecordView>> by_order(std::uint64_t order) override;
  Result<std::optional<std::string>> insert(std::optional<std::string> id, Json data,
                                            OnConflict on_conflict) override;
  Status replace(std::string_view id, Json data) override;
  Status erase_record(std::string_view id) override;

 private:
  class VisibleCursor;

  const Schema* schema() const { return table_.schema_.get(); }
  Result<std::string> new_id(const Json& data) const;

  MvccTable& table_;
  std::optional<Snapshot> snapshot_;  // while a statement runs
  std::string shown_data_;            // what by_order() showed
  SqlEngine engine_;
};

}  // namespace kontract
