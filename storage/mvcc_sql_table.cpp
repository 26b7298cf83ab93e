#include "storage/mvcc_sql_table.hpp"

#include "storage/schema.hpp"

namespace kontract {
namespace {

std::string_view affinity_of(FieldType type) {
  switch (type) {
    case FieldType::integer:
      return "INTEGER";
    case FieldType::number:
      return "NUMERIC";
    case FieldType::boolean:
      return "BOOLEAN";
    case FieldType::any:
      return "";
    default:
      return "TEXT";
  }
}

}  // namespace

// Leaves out what nobody may read.
class MvccSqlTable::VisibleCursor final : public RecordCursor {
 public:
  VisibleCursor(const Schema& schema, std::unique_ptr<RecordCursor> records)
      : schema_(schema), records_(std::move(records)) {}

  Result<bool> next() override {
    auto found = records_->next();
    if (!found || !*found) return found;
    data_ = schema_.visible_data(records_->record().data);
    record_ = records_->record();
    record_.data = data_;
    record_.lasts = false;
    return true;
  }
  const RecordView& record() const override { return record_; }

 private:
  const Schema& schema_;
  const std::unique_ptr<RecordCursor> records_;
  JsonText data_;
  RecordView record_;
};

Result<JsonText> MvccSqlTable::exec(std::string_view sql, const Json& params) {
  snapshot_.emplace(table_.shard_.environment(), table_.session_, table_.row_.no);
  auto result = engine_.exec(sql, params);
  snapshot_.reset();
  return result;
}

std::string_view MvccSqlTable::name() const { return table_.row_.id; }
std::string_view MvccSqlTable::owner() const { return table_.row_.owner; }
std::uint64_t MvccSqlTable::schema_version() const { return table_.shape(); }

std::vector<SqlColumn> MvccSqlTable::columns() const {
  std::vector<SqlColumn> columns;
  if (schema() == nullptr) return columns;
  for (const SchemaField& field : schema()->fields()) {
    if (!field.readable()) continue;
    const bool json = field.type == FieldType::array || field.type == FieldType::object;
    columns.push_back({field.name, std::string(affinity_of(field.type)),
                       field.type == FieldType::boolean, json, !field.writable()});
  }
  return columns;
}

std::vector<IndexRow> MvccSqlTable::indexes() const { return table_.indexes(); }

std::uint64_t MvccSqlTable::records() const {
  return table_.count_.records + static_cast<std::uint64_t>(table_.staged_.count_delta());
}

Status MvccSqlTable::require(Perm needed, std::string_view function) const {
  return table_.require(needed, function);
}

Result<std::unique_ptr<RecordCursor>> MvccSqlTable::scan(const RecordScan& scan) {
  auto records = table_.scan(scan, &*snapshot_);
  if (!records || schema() == nullptr || !schema()->hides()) return records;
  return std::unique_ptr<RecordCursor>(
      std::make_unique<VisibleCursor>(*schema(), *std::move(records)));
}

Result<std::optional<RecordView>> MvccSqlTable::by_order(std::uint64_t order) {
  auto found = table_.by_order(order);
  if (found && *found && schema() != nullptr && schema()->hides()) {
    shown_data_ = schema()->visible_data((*found)->data);
    (*found)->data = shown_data_;
  }
  return found;
}

// The id of a record that was given none.
Result<std::string> MvccSqlTable::new_id(const Json& data) const {
  if (schema() != nullptr && schema()->primkey() != nullptr) return schema()->id_of(data);
  return make_uuid_v7();
}

Result<std::optional<std::string>> MvccSqlTable::insert(std::optional<std::string> id, Json data,
                                                        OnConflict on_conflict) {
  RecordState before;
  const bool keyed = schema() != nullptr && schema()->primkey() != nullptr;
  if (!id) {
    auto made = new_id(data);
    if (!made) return std::move(made).error();
    id = *std::move(made);
    before.alone = !keyed;  // a new id is not looked up
  }
  if (!before.alone) {
    if (auto valid = validate_record_id(*id, table_.shard_.options().record_id_bytes_max); !valid) {
      return std::move(valid).error();
    }
    auto state = table_.record_to_change(*id, *snapshot_);
    if (!state) return std::move(state).error();
    before = *state;
    if (before.live() && on_conflict == OnConflict::ignore) return std::optional<std::string>();
    if (before.live() && on_conflict == OnConflict::fail) {
      return Error(Errc::exec_failed, "UNIQUE constraint failed: " + table_.row_.id + ".id",
                   "The id is taken. INSERT OR REPLACE replaces the record.");
    }
  }
  if (auto ok = table_.admit(perms::none, "table.exec", false); !ok) return std::move(ok).error();
  if (auto put = table_.put_record(*id, before, data); !put) return std::move(put).error();
  return id;
}

Status MvccSqlTable::replace(std::string_view id, Json data) {
  if (auto ok = table_.admit(perms::none, "table.exec", false); !ok) return ok;
  auto before = table_.record_to_change(id, *snapshot_);
  if (!before) return std::move(before).error();
  return table_.put_record(id, *before, data);
}

Status MvccSqlTable::erase_record(std::string_view id) {
  if (auto ok = table_.admit(perms::none, "table.exec", true); !ok) return ok;
  auto before = table_.record_to_change(id, *snapshot_);
  if (!before) return std::move(before).error();
  if (!before->live()) return {};
  table_.changed();
  table_.staged_.erase(id, *before);
  return {};
}

MvccTable::~MvccTable() = default;

Result<JsonText> MvccTable::exec(std::string_view sql, const Json& params) {
  KONTRACT_ASSERT(stage_ == Stage::begun);
  if (!sql_) sql_ = std::make_unique<MvccSqlTable>(*this, shard_.options().sql);
  sql_->engine().set_time(sql_time_);
  auto result = sql_->exec(sql, params);
  sql_timed_out_ = sql_->engine().ran_out_of_time();
  return result;
}

}  // namespace kontract
