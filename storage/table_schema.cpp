// What a schema adds to the operations of MvccTable.

#include <algorithm>
#include <iterator>

#include "storage/mvcc_table.hpp"

namespace kontract {
namespace {

Result<std::unique_ptr<const Schema>> parse_stored(SessionNo session, const TableRow& row) {
  if (row.schema.empty()) return std::unique_ptr<const Schema>();
  auto schema = Schema::parse(Json::parse(row.schema, nullptr, false));
  if (schema) return std::unique_ptr<const Schema>(new Schema(*std::move(schema)));
  return format::corrupt(Keyspace::registry, format::table_key(session, row.id),
                         "its schema is not one: " + schema.error().message);
}

}  // namespace

Status MvccTable::read_schema() {
  auto schema = parse_stored(session_, row_);
  if (!schema) return std::move(schema).error();
  schema_ = *std::move(schema);
  ++schemas_read_;
  return {};
}

Status MvccTable::set_row(TableRow row) {
  KONTRACT_ASSERT(row.no == row_.no);
  auto schema = parse_stored(session_, row);
  if (!schema) return std::move(schema).error();
  row_ = std::move(row);
  schema_ = *std::move(schema);
  ++schemas_read_;
  return {};
}

std::uint64_t MvccTable::shape() const {
  std::uint64_t shape = schemas_read_;
  for (const IndexRow& index : indexes_.rows()) {
    if (serves_sql(index)) shape = shape * 65'537 + index.no + 1;
  }
  return shape;
}

bool MvccTable::serves_sql(const IndexRow& index) const {
  return index.state == IndexState::ready && index.since <= current_;
}

std::vector<IndexRow> MvccTable::indexes() const {
  std::vector<IndexRow> rows;
  std::copy_if(indexes_.rows().begin(), indexes_.rows().end(), std::back_inserter(rows),
               [this](const IndexRow& index) { return serves_sql(index); });
  return rows;
}

Result<Misfits> MvccTable::find_misfits(const FieldCheck& check,
                                        const std::function<bool()>& over) {
  constexpr std::uint64_t kRecordsBetweenLooks = 256;
  constexpr std::size_t kFirstMax = 5;
  Misfits found;
  auto records = scan({});
  if (!records) return std::move(records).error();
  for (;;) {
    if (found.looked_at % kRecordsBetweenLooks == 0 && over()) return found;
    auto more = (*records)->next();
    if (!more) return std::move(more).error();
    if (!*more) return found;
    ++found.looked_at;
    const RecordView& record = (*records)->record();
    auto misfit = check.misfit(record.data);
    if (!misfit) continue;
    ++found.records;
    if (found.first.size() < kFirstMax) found.first.emplace_back(record.id, *std::move(misfit));
  }
}

// `data` as it is stored.
Result<Json> MvccTable::fit_schema(std::string_view id, const RecordState& before,
                                   Json data) const {
  Result<Json> old = Json();
  if (before.live() && schema_->guards()) old = parse_data(id, before);
  if (!old) return old;
  const Json* was = old->is_null() ? nullptr : &*old;
  if (Status fits = schema_->prepare(id, data, was); !fits) return std::move(fits).error();
  return data;
}

Result<JsonText> MvccTable::set(const Json& data) {
  if (auto allowed = require(perms::_W_, "table.set"); !allowed) return std::move(allowed).error();
  if (!schema_ || schema_->primkey() == nullptr) {
    return Error{Errc::invalid_request,
                 "Table " + row_.id + " has no primary key to take an id from",
                 "Call it as table.set(table, id, data)."};
  }
  const Result<std::string> id = schema_->id_of(data);
  return id ? set(*id, data) : id.error();
}

// REQUIRES: admitted, and `data` is an object.
Result<JsonText> MvccTable::push_by_key(const Json& data) {
  const Result<std::string> id = schema_->id_of(data);
  if (!id) return id.error();
  if (auto valid = validate_record_id(*id, shard_.options().record_id_bytes_max); !valid) {
    return std::move(valid).error();
  }
  Snapshot in = snapshot();
  auto before = record_to_change(*id, in);
  if (!before) return std::move(before).error();
  if (before->live()) {
    return Error{Errc::schema_violation,
                 "Field '" + shown(schema_->primkey()->name) +
                     "' is the primary key, and there is a record of this value",
                 "Change that one with table.set or table.update."};
  }
  if (auto put = put_record(*id, *before, data); !put) return std::move(put).error();
  JsonText text;
  append_json_string(text, *id);
  return text;
}

// What others are told of the transaction: what readers may see of it.
void MvccTable::tell_sink(Ticket ticket) {
  std::vector<Change> changes;
  changes.reserve(staged_.size());
  const auto shown_part = [this](std::string_view data) {
    return hides() && !data.empty() ? schema_->visible_data(data) : JsonText(data);
  };
  staged_.each_change([&](const StagedSet::Change& change) {
    changes.push_back({change.kind, std::string(change.id), shown_part(change.data),
                       shown_part(change.old_data)});
  });
  if (!changes.empty()) sink_->sealed(ticket, current_, std::move(changes));
}

// The text of a live record, as readers get it.
JsonText MvccTable::visible_data(const RecordState& record) const {
  return hides() ? schema_->visible_data(record.data) : JsonText(record.data);
}

Result<Json> MvccTable::parse_visible(std::string_view id, const RecordState& record) const {
  if (!hides()) return parse_data(id, record);
  const JsonText text = visible_data(record);
  RecordState visible_part = record;
  visible_part.data = text;
  return parse_data(id, visible_part);
}

}  // namespace kontract
