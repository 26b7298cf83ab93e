// SqlFakeTable: an SqlTable in memory that counts what is read of it.

#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "storage/sql_table.hpp"

namespace kontract::testing {

class SqlFakeTable final : public SqlTable {
 public:
  struct Row {
    std::uint64_t order = 0;
    JsonText data;
    bool operator==(const Row&) const = default;
  };
  using Rows = std::map<std::string, Row>;

  std::string its_name = "movies";
  std::uint64_t version = 1;
  std::vector<SqlColumn> its_columns;
  std::vector<IndexDefinition> its_indexes;
  Perm permissions = perms::RWX;
  std::optional<std::uint64_t> told_records;  // to the planner
  std::optional<Error> fails;                 // what every scan and write says
  Rows rows;
  std::size_t yielded = 0;  // records that cursors have shown
  std::vector<RecordScan> scans;

  void put(const std::string& id, const Json& data) {
    const auto known = rows.find(id);
    const std::uint64_t order = known == rows.end() ? ++last_order_ : known->second.order;
    rows[id] = {order, to_text(data)};
  }
  Json data_of(const std::string& id) const { return Json::parse(rows.at(id).data); }

  std::string_view name() const override { return its_name; }
  std::string_view owner() const override { return "tenant"; }
  std::uint64_t schema_version() const override { return version; }
  std::vector<SqlColumn> columns() const override { return its_columns; }
  std::vector<IndexRow> indexes() const override {
    std::vector<IndexRow> out;
    for (const IndexDefinition& index : its_indexes) {
      out.push_back({static_cast<IndexNo>(out.size() + 10), index, IndexState::ready});
    }
    return out;
  }
  std::uint64_t records() const override { return told_records.value_or(rows.size()); }

  Status require(Perm needed, std::string_view) const override {
    if (allows(permissions, needed)) return {};
    return Error{Errc::permission_denied, "Insufficient permissions"};
  }

  Result<std::unique_ptr<RecordCursor>> scan(const RecordScan& scan) override {
    if (fails) return *fails;
    scans.push_back(scan);
    std::vector<std::pair<std::vector<SqlValue>, RecordView>> found;
    for (const auto& [id, row] : rows) {
      std::vector<SqlValue> key;
      if (scan.by == RecordScan::By::id) {
        if (scan.id && *scan.id != id) continue;
        key = {id};
      }
      if (scan.by == RecordScan::By::index) {
        for (const std::string& path : its_indexes[scan.index - 10u].fields) {
          key.push_back(sql_value(json_field(row.data, path)));
        }
      }
      key.push_back(static_cast<std::int64_t>(row.order));
      if (within(scan, key)) found.emplace_back(key, RecordView{id, row.data, 7, row.order});
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return std::lexicographical_compare(
          a.first.begin(), a.first.end(), b.first.begin(), b.first.end(),
          [](const SqlValue& x, const SqlValue& y) { return compare(x, y) < 0; });
    });
    if (scan.descending) std::reverse(found.begin(), found.end());
    std::vector<RecordView> records;
    for (const auto& [key, record] : found) records.push_back(record);
    return std::unique_ptr<RecordCursor>(std::make_unique<Cursor>(*this, std::move(records)));
  }

  Result<std::optional<RecordView>> by_order(std::uint64_t order) override {
    for (const auto& [id, row] : rows) {
      if (row.order == order) return std::optional(RecordView{id, row.data, 7, order});
    }
    return std::optional<RecordView>();
  }

  Result<std::optional<std::string>> insert(std::optional<std::string> id, Json data,
                                            OnConflict on_conflict) override {
    if (fails) return *fails;
    if (!id) id = "new-" + std::to_string(last_order_ + 1);
    if (rows.contains(*id) && on_conflict == OnConflict::ignore) {
      return std::optional<std::string>();
    }
    if (rows.contains(*id) && on_conflict == OnConflict::fail) {
      return Error{Errc::exec_failed, "UNIQUE constraint failed"};
    }
    put(*id, data);
    return id;
  }
  Status replace(std::string_view id, Json data) override {
    if (fails) return *fails;
    put(std::string(id), data);
    return {};
  }
  Status erase_record(std::string_view id) override {
    if (fails) return *fails;
    rows.erase(std::string(id));
    return {};
  }

 private:
  // Copies what it shows into one place, so that a view that is kept too long is seen.
  class Cursor final : public RecordCursor {
   public:
    Cursor(SqlFakeTable& table, std::vector<RecordView> records)
        : table_(table), records_(std::move(records)) {}
    Result<bool> next() override {
      if (table_.fails) return *table_.fails;
      if (at_ == records_.size()) return false;
      ++table_.yielded;
      record_ = records_[at_++];
      id_ = record_.id;
      data_ = record_.data;
      record_.id = id_;
      record_.data = data_;
      return true;
    }
    const RecordView& record() const override { return record_; }

   private:
    SqlFakeTable& table_;
    const std::vector<RecordView> records_;
    std::size_t at_ = 0;
    std::string id_, data_;
    RecordView record_;
  };

  static bool within(const RecordScan& scan, const std::vector<SqlValue>& key) {
    for (std::size_t i = 0; i < scan.equal.size(); ++i) {
      if (compare(key[i], scan.equal[i]) != 0) return false;
    }
    const SqlValue& next = key[scan.equal.size()];
    const auto inside = [&](const std::optional<RecordScan::Bound>& bound, int sign) {
      if (!bound) return true;
      const int order = compare(next, bound->value) * sign;
      return order > 0 || (order == 0 && bound->inclusive);
    };
    return inside(scan.from, 1) && inside(scan.to, -1);
  }

  // NULL before numbers before text.
  static int compare(const SqlValue& a, const SqlValue& b) {
    const auto number = [](const SqlValue& value) -> std::optional<double> {
      if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        return static_cast<double>(*integer);
      }
      if (const auto* real = std::get_if<double>(&value)) return *real;
      return std::nullopt;
    };
    if (number(a) && number(b)) return *number(a) < *number(b) ? -1 : *number(a) > *number(b);
    return a < b ? -1 : a > b;
  }

  std::uint64_t last_order_ = 100;
};

}  // namespace kontract::testing
