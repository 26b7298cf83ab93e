// xUpdate: what INSERT, UPDATE and DELETE do to a record.

#include <string>

#include "storage/detail/sql_module.hpp"
#include "storage/detail/sql_values.hpp"

namespace kontract {
namespace {

// The member that json_field() would read at `path`; null if there is none.
Json* find_member(Json& object, std::string_view path) {
  if (!object.is_object()) return nullptr;
  if (const auto whole = object.find(path); whole != object.end()) return &*whole;
  for (std::size_t dot = path.find('.'); dot != path.npos; dot = path.find('.', dot + 1)) {
    const auto inner = object.find(path.substr(0, dot));
    if (inner == object.end()) continue;
    if (Json* found = find_member(*inner, path.substr(dot + 1))) return found;
  }
  return nullptr;
}

void add_member(Json& object, std::string_view path, Json value) {
  const std::size_t dot = path.find('.');
  if (dot != path.npos) {
    auto inner = object.find(path.substr(0, dot));
    if (inner == object.end()) {
      inner = object.emplace(std::string(path.substr(0, dot)), Json::object()).first;
    }
    if (inner->is_object()) return add_member(*inner, path.substr(dot + 1), std::move(value));
  }
  // Also where something that is no object is in the way: what is read first is the whole path.
  object[std::string(path)] = std::move(value);
}

void remove_member(Json& object, std::string_view path) {
  if (!object.is_object() || object.erase(std::string(path)) > 0) return;
  for (std::size_t dot = path.find('.'); dot != path.npos; dot = path.find('.', dot + 1)) {
    const auto inner = object.find(path.substr(0, dot));
    if (inner == object.end() || find_member(*inner, path.substr(dot + 1)) == nullptr) continue;
    return remove_member(*inner, path.substr(dot + 1));
  }
}

// NULL takes the field away.
void set_field(Json& data, std::string_view path, Json value) {
  if (value.is_null()) {
    remove_member(data, path);
  } else if (Json* member = find_member(data, path)) {
    *member = std::move(value);
  } else {
    add_member(data, path, std::move(value));
  }
}

Result<Json> parse_record(sqlite3_value* value) {
  if (sqlite3_value_type(value) == SQLITE_TEXT) {
    auto data = parse_json(sql_text(value));
    if (!data) {
      return Error(Errc::invalid_request, "data: " + data.error().message, data.error().hint);
    }
    if (data->is_object()) return data;
  }
  return Error(Errc::invalid_request, "data must be the text of a JSON object");
}

class Writer {
 public:
  // `columns` are the values of the row after the statement.
  Writer(sqlite3* db, SqlState& state, sqlite3_value** columns)
      : db_(db), state_(state), columns_(columns) {}

  Result<bool> insert(sqlite3_value* rowid) {
    if (sqlite3_value_type(rowid) != SQLITE_NULL) return sql_read_only("rowid");
    for (const auto& [column, name] :
         {std::pair(kSqlTxid, "_txid"), std::pair(kSqlDeletedTxid, "_deleted_txid"),
          std::pair(kSqlOwner, "_owner"), std::pair(kSqlOrder, "_order")}) {
      if (!is_null(column)) return sql_read_only(name);
    }
    std::optional<std::string> id;
    if (!is_null(kSqlId)) id = std::string(sql_text(columns_[kSqlId]));
    Result<Json> data = Json::object();
    if (!is_null(kSqlData)) data = parse_record(columns_[kSqlData]);
    if (!data) return std::move(data).error();
    for (std::size_t i = 0; i < state_.fields.size(); ++i) {
      if (is_null(kSqlFirstField + static_cast<int>(i))) continue;
      if (auto done = overlay(*data, i); !done) return std::move(done).error();
    }
    auto inserted = state_.table.insert(std::move(id), *std::move(data), on_conflict());
    if (!inserted) return std::move(inserted).error();
    return inserted->has_value();
  }

  Status update(std::uint64_t order) {
    auto record = state_.table.by_order(order);
    if (!record) return std::move(record).error();
    if (!*record) return gone();
    const std::string id((*record)->id);
    Result<Json> data = Json();
    const std::string_view old = (*record)->data;
    if (is_changed(kSqlData, old)) {
      data = parse_record(columns_[kSqlData]);
    } else {
      data = Json::parse(old, nullptr, false);
      if (!data->is_object()) {
        return Error(Errc::storage_corrupt, "The data of a record is not a JSON object");
      }
    }
    if (!data) return std::move(data).error();
    for (std::size_t i = 0; i < state_.fields.size(); ++i) {
      if (!is_changed(kSqlFirstField + static_cast<int>(i), old)) continue;
      if (auto done = overlay(*data, i); !done) return done;
    }
    return state_.table.replace(id, *std::move(data));
  }

  Status erase(std::uint64_t order) {
    auto record = state_.table.by_order(order);
    if (!record) return std::move(record).error();
    if (!*record) return gone();
    return state_.table.erase_record(std::string((*record)->id));
  }

 private:
  static Error gone() {
    return {Errc::exec_failed, "A record that the statement changes has gone meanwhile"};
  }

  sqlite3_value* at(int column) const { return columns_[column]; }
  bool is_null(int column) const { return sqlite3_value_type(at(column)) == SQLITE_NULL; }

  // Whether the statement sets the column. UPDATE ... FROM gives the values of all columns, as one
  // sees by those that cannot be set: then it is the ones that differ from what was.
  bool is_changed(int column, std::string_view old) const {
    if (sqlite3_value_nochange(at(column)) != 0) return false;
    if (sqlite3_value_nochange(at(kSqlTxid)) != 0) return true;
    if (column == kSqlData) return sql_text(at(column)) != old;
    const SqlField& field = state_.fields[static_cast<std::size_t>(column - kSqlFirstField)];
    return !is_sql_value(at(column), sql_value(json_field(old, field.column.path)));
  }

  Status overlay(Json& data, std::size_t field) {
    const SqlField& its = state_.fields[field];
    auto value = json_of(at(kSqlFirstField + static_cast<int>(field)), its);
    if (!value) return std::move(value).error();
    if (value->is_null() && its.column.read_only) {
      // To the table, one that is missing is one that is kept.
      const Json* member = find_member(data, its.column.path);
      if (member != nullptr && !member->is_null()) return sql_read_only(its.column.path);
    }
    set_field(data, its.column.path, *std::move(value));
    return {};
  }

  SqlTable::OnConflict on_conflict() const {
    switch (sqlite3_vtab_on_conflict(db_)) {
      case SQLITE_IGNORE:
        return SqlTable::OnConflict::ignore;
      case SQLITE_REPLACE:
        return SqlTable::OnConflict::replace;
      default:
        return SqlTable::OnConflict::fail;
    }
  }

  sqlite3* const db_;
  SqlState& state_;
  sqlite3_value** const columns_;
};

}  // namespace

int sql_update(sqlite3_vtab* table, int argc, sqlite3_value** argv, sqlite3_int64* rowid) noexcept {
  auto& its = *static_cast<SqlVirtualTable*>(table);
  Writer writer(its.db, its.state, argv + 2);
  Status status;
  bool ignored = false;
  if (its.state.time_is_over()) return SQLITE_ERROR;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) {
    const Result<bool> inserted = writer.insert(argv[1]);
    if (!inserted) status = inserted.error();
    ignored = inserted && !*inserted;
    *rowid = 0;  // what last_insert_rowid() would say; nobody may ask
  } else {
    const auto order = static_cast<std::uint64_t>(sqlite3_value_int64(argv[0]));
    status = argc == 1 ? writer.erase(order) : writer.update(order);
  }
  if (!status) {
    its.state.fail(std::move(status).error());
    return SQLITE_ERROR;
  }
  // SQLite passes over this one and does not count it.
  return ignored ? SQLITE_CONSTRAINT : SQLITE_OK;
}

}  // namespace kontract
