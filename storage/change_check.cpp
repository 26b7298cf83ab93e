#include "storage/change_check.hpp"

#include <optional>
#include <set>
#include <utility>

#include "storage/detail/each_row.hpp"
#include "storage/format.hpp"

namespace kontract {
namespace {

using TableId = std::pair<SessionNo, TableNo>;

Result<std::set<TableId>> known_tables(const ReadTxn& txn) {
  std::set<TableId> tables;
  Status walked = each_row(txn, Keyspace::registry, [&](auto key, auto value) {
    if (auto dropped = format::parse_dropped_key(key)) {
      tables.emplace(dropped->session, dropped->table);
    } else if (auto named = format::parse_table_key(key)) {
      if (auto row = format::parse_table(key, value)) tables.emplace(named->session, row->no);
    }
    return Status();
  });
  if (!walked) return std::move(walked).error();
  return tables;
}

}  // namespace

Status check_changes(const ReadTxn& txn, const std::function<void(const std::string&)>& problem) {
  auto tables = known_tables(txn);
  if (!tables) return std::move(tables).error();
  std::optional<TableId> table;  // of the rows at hand
  std::optional<format::ChangeHead> head;
  std::optional<format::ChangeTotals> before;  // of the row before, if it is one of the log
  return each_row(txn, Keyspace::changes, [&](std::string_view key, std::string_view value) {
    auto parsed = format::parse_change_key(key);
    if (!parsed) return Status();
    const auto wrong = [&](const char* what) {
      problem("the " + format::describe(Keyspace::changes, key) + ' ' + what);
      return Status();
    };
    const TableId id{parsed->session, parsed->table};
    if (table != id) {
      table = id;
      head.reset();
      before.reset();
      if (!tables->contains(id)) return wrong("is of a table that is not registered");
    }
    if (parsed->txid == 0) {
      if (auto row = format::parse_change_head(key, value)) head = *row;
      return Status();
    }
    auto row = format::parse_change(key, value);
    // Up to the floor rows are on their way out.
    if (!row || !head || parsed->txid <= head->floor) return Status();
    const format::ChangeTotals last = before.value_or(head->totals);
    before = row->totals;
    if (row->totals.changes != last.changes + 1 || row->totals.bytes <= last.bytes) {
      return wrong("does not follow the one before it");
    }
    return Status();
  });
}

}  // namespace kontract
