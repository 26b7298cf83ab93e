#include "storage/index_check.hpp"

#include <map>
#include <set>

#include "storage/format.hpp"
#include "storage/index_set.hpp"

namespace kontract {
namespace {

using TableId = std::pair<SessionNo, TableNo>;

class IndexCheck {
 public:
  using Problem = std::function<void(const std::string&)>;

  IndexCheck(const ReadTxn& txn, const Problem& problem) : txn_(txn), problem_(problem) {}

  Status run() {
    for (auto step : {&IndexCheck::load, &IndexCheck::records, &IndexCheck::entries}) {
      if (Status done = (this->*step)(); !done) return done;
    }
    return {};
  }

 private:
  template <class Visit>
  Status walk(Keyspace space, std::string_view prefix, const Visit& visit) {
    auto cursor = txn_.cursor(space);
    if (!cursor) return std::move(cursor).error();
    auto on_row = cursor->seek(prefix);
    for (; on_row && *on_row && cursor->key().starts_with(prefix); on_row = cursor->next()) {
      if (Status visited = visit(cursor->key(), cursor->value()); !visited) return visited;
    }
    if (!on_row) return std::move(on_row).error();
    return {};
  }

  Status load() {
    std::map<TableId, std::vector<IndexRow>> rows;
    Status walked = walk(Keyspace::registry, {}, [&](auto key, auto value) -> Status {
      if (auto table = format::parse_table_key(key)) {
        if (auto row = format::parse_table(key, value)) tables_.insert({table->session, row->no});
      } else if (auto gone = format::parse_dropped_key(key)) {
        dropped_.insert({gone->session, gone->table});
      } else if (auto index = format::parse_index_row_key(key)) {
        if (auto row = format::parse_index_row(key, value)) {
          rows[{index->session, index->table}].push_back(*std::move(row));
        }
      }
      return {};
    });
    for (auto& [table, of_table] : rows) {
      if (dropped_.contains(table)) continue;
      if (!tables_.contains(table)) {
        problem_("session " + std::to_string(table.first) + " has indexes of table " +
                 std::to_string(table.second) + ", which is not registered");
      }
      indexes_.emplace(table, IndexSet(std::move(of_table)));
    }
    return walked;
  }

  // Each record has its entries.
  Status records() {
    for (const auto& [table, indexes] : indexes_) {
      const IndexSet ready(indexes.in_state(IndexState::ready));
      if (!ready.keeps_entries()) continue;
      std::string newest;  // key of the newest row of the record at hand: it comes first
      const format::Key prefix = format::rows_prefix(table.first, table.second);
      Status walked = walk(Keyspace::versions, prefix, [&](auto key, auto value) -> Status {
        if (format::same_record(newest, key)) return {};
        newest = key;
        auto parsed = format::parse_version_key(key);
        auto row = format::parse_version(key, value);
        if (!parsed || !row || row->tombstone) return {};
        return record(ready, *parsed, *row);
      });
      if (!walked) return walked;
    }
    return {};
  }

  Status record(const IndexSet& ready, const format::VersionKey& at,
                const format::VersionRow& row) {
    std::vector<IndexNo> missing;
    for (const std::string& entry : ready.entries(row.data, &missing)) {
      const format::Key key = format::index_key({at.session, at.table, entry, row.order});
      auto value = txn_.get(Keyspace::indexes, key);
      if (!value) return std::move(value).error();
      Result<format::IndexValue> found = format::IndexValue{};
      if (*value) found = format::parse_index(key, **value);
      if (found && found->id != at.id) missing.push_back(format::index_of(entry));
    }
    for (const IndexNo index : missing) {
      problem_("the " +
               format::describe(Keyspace::versions,
                                format::version_key(at.session, at.table, at.id, at.txid)) +
               " is not in index " + std::to_string(index));
    }
    return {};
  }

  // Each entry is of an index that is there, and of a version with its values.
  Status entries() {
    auto versions = txn_.cursor(Keyspace::versions);
    if (!versions) return std::move(versions).error();
    return walk(Keyspace::indexes, {}, [&](auto key, auto value) -> Status {
      auto at = format::parse_index_key(key);
      auto held = format::parse_index(key, value);
      if (!at || !held || dropped_.contains({at->session, at->table})) return {};
      const auto table = indexes_.find({at->session, at->table});
      const IndexRow* index =
          table == indexes_.end() ? nullptr : table->second.find(format::index_of(at->entry));
      if (index == nullptr) {
        problem_("the " + format::describe(Keyspace::indexes, key) + " is of no index");
        return {};
      }
      if (!is_kept(index->state)) return {};  // being removed
      auto found = has_version(*versions, *at, *held, IndexSet({*index}));
      if (!found) return std::move(found).error();
      if (!*found) {
        problem_("the " + format::describe(Keyspace::indexes, key) + " has no version");
      }
      return {};
    });
  }

  // The newest such version may be newer than the one that put the entry, not older.
  static Result<bool> has_version(Cursor& versions, const format::IndexKey& at,
                                  const format::IndexValue& held, const IndexSet& index) {
    const format::Key prefix = format::version_prefix(at.session, at.table, held.id);
    auto on_row = versions.seek(prefix);
    for (; on_row && *on_row && versions.key().starts_with(prefix.view());
         on_row = versions.next()) {
      auto row = format::parse_version(versions.key(), versions.value());
      if (!row) return true;  // damaged, which is told elsewhere
      if (row->tombstone || row->order != at.order) continue;
      if (has_entry(index.entries(row->data), at.entry)) {
        return format::txid_of(versions.key()) >= held.txid;
      }
    }
    if (!on_row) return on_row;
    return false;
  }

  const ReadTxn& txn_;
  const Problem& problem_;
  std::set<TableId> tables_, dropped_;
  std::map<TableId, IndexSet> indexes_;
};

}  // namespace

Status check_indexes(const ReadTxn& txn, const std::function<void(const std::string&)>& problem) {
  return IndexCheck(txn, problem).run();
}

}  // namespace kontract
