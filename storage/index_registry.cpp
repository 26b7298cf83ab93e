#include "storage/index_registry.hpp"

#include <algorithm>
#include <limits>

#include "storage/format.hpp"
#include "storage/index_set.hpp"

namespace kontract {
namespace {

Status validate(const IndexDefinition& definition) {
  const std::size_t fields = definition.fields.size();
  if (fields == 0 || fields > limits::kIndexFieldsMax) {
    return Error{Errc::invalid_request, "An index has 1 to " +
                                            std::to_string(limits::kIndexFieldsMax) +
                                            " fields; this has " + std::to_string(fields)};
  }
  for (const std::string& path : definition.fields) {
    if (!path.empty() && path.size() <= limits::kFieldPathBytesMax) continue;
    return Error{Errc::invalid_request, "An indexed field's name has 1 to " +
                                            std::to_string(limits::kFieldPathBytesMax) +
                                            " bytes; this has " + std::to_string(path.size())};
  }
  return {};
}

}  // namespace

Result<std::vector<IndexRow>> load_indexes(const ReadTxn& txn, SessionNo session, TableNo table) {
  std::vector<IndexRow> rows;
  auto cursor = txn.cursor(Keyspace::registry);
  if (!cursor) return std::move(cursor).error();
  const format::Key prefix = format::index_row_prefix(session, table);
  auto on_row = cursor->seek(prefix);
  for (; on_row && *on_row && cursor->key().starts_with(prefix); on_row = cursor->next()) {
    auto row = format::parse_index_row(cursor->key(), cursor->value());
    if (!row) return std::move(row).error();
    rows.push_back(*std::move(row));
  }
  if (!on_row) return std::move(on_row).error();
  return rows;
}

void put_index(WriteBatch& batch, SessionNo session, TableNo table, const IndexRow& row) {
  const format::Key key = format::index_row_key(session, table, row.no);
  batch.put(Keyspace::registry, key.str(), format::index_row_value(key, row));
}

void erase_index(WriteBatch& batch, SessionNo session, TableNo table, IndexNo index) {
  batch.erase(Keyspace::registry, format::index_row_key(session, table, index).str());
}

Result<IndexChanges> plan_index_changes(const std::vector<IndexRow>& existing,
                                        const std::vector<IndexDefinition>& wanted,
                                        IndexState state) {
  std::vector<IndexDefinition> missing;
  for (const IndexDefinition& definition : wanted) {
    if (Status valid = validate(definition); !valid) return std::move(valid).error();
    if (std::find(missing.begin(), missing.end(), definition) == missing.end()) {
      missing.push_back(definition);
    }
  }
  if (missing.size() > limits::kIndexesPerTableMax) {
    return Error{Errc::too_large, "A table has at most " +
                                      std::to_string(limits::kIndexesPerTableMax) +
                                      " indexes; these are " + std::to_string(missing.size())};
  }

  IndexChanges changes;
  std::size_t highest = 0;
  for (IndexRow row : existing) {
    highest = std::max<std::size_t>(highest, row.no);
    const auto same = std::find(missing.begin(), missing.end(), row.definition);
    if (is_kept(row.state) && same != missing.end()) {
      missing.erase(same);
    } else if (row.state != IndexState::dropped) {
      row.state = IndexState::dropped;
      changes.put.push_back(row);
    }
    changes.after.push_back(std::move(row));
  }
  if (highest + missing.size() > std::numeric_limits<IndexNo>::max()) {
    return Error{Errc::too_large, "The table has had as many indexes as there are numbers for them",
                 "Copy its records to a new table."};
  }
  for (IndexDefinition& definition : missing) {
    IndexRow row{static_cast<IndexNo>(++highest), std::move(definition), state};
    changes.put.push_back(row);
    changes.after.push_back(std::move(row));
  }
  return changes;
}

void withhold(IndexChanges& changes, const std::vector<std::string>& fields, Txid since) {
  for (IndexRow& row : changes.after) {
    const auto& its = row.definition.fields;
    if (!is_kept(row.state) ||
        std::find_first_of(its.begin(), its.end(), fields.begin(), fields.end()) == its.end()) {
      continue;
    }
    row.since = since;
    const auto put = std::find_if(changes.put.begin(), changes.put.end(),
                                  [&](const IndexRow& other) { return other.no == row.no; });
    if (put == changes.put.end()) {
      changes.put.push_back(row);
    } else {
      *put = row;
    }
  }
}

}  // namespace kontract
