#include "storage/garbage.hpp"

#include "storage/format.hpp"

namespace kontract {
namespace {

constexpr std::size_t kOpsPerRowMax = 3;  // the garbage row, the version, its order row

class Collector {
 public:
  Collector(const ReadTxn& txn, Cursor versions, const IndexSet& indexes,
            const IndexOverlay& pending, WriteBatch& batch)
      : txn_(txn),
        versions_(std::move(versions)),
        indexes_(indexes),
        pending_(pending),
        batch_(batch) {}

  Status remove(const format::GarbageKey& garbage);

 private:
  Status remove_entries(const format::GarbageKey& garbage, const format::VersionRow& row,
                        std::string_view newer_data);
  Result<bool> taken_up_later(const format::GarbageKey& garbage, std::string_view entry,
                              std::uint64_t order);

  const ReadTxn& txn_;
  Cursor versions_;
  const IndexSet& indexes_;
  const IndexOverlay& pending_;
  WriteBatch& batch_;
};

Status Collector::remove(const format::GarbageKey& garbage) {
  const format::Key key =
      format::version_key(garbage.session, garbage.table, garbage.id, garbage.old);
  auto on_row = versions_.seek(key);
  if (!on_row) return std::move(on_row).error();
  if (!*on_row || versions_.key() != key.view()) return {};
  auto row = format::parse_version(versions_.key(), versions_.value());
  if (!row) return std::move(row).error();
  batch_.erase(Keyspace::versions, key.str());
  if (row->tombstone) return {};

  std::string_view newer_data;  // of the next newer row, if it has the same order
  auto on_newer = versions_.prev();
  if (!on_newer) return std::move(on_newer).error();
  if (*on_newer && format::same_record(versions_.key(), key)) {
    auto newer = format::parse_version(versions_.key(), versions_.value());
    if (!newer) return std::move(newer).error();
    if (!newer->tombstone && newer->order == row->order) newer_data = newer->data;
  }
  if (newer_data.empty()) {
    batch_.erase(Keyspace::order,
                 format::order_key(garbage.session, garbage.table, row->order).str());
  }
  return indexes_.keeps_entries() ? remove_entries(garbage, *row, newer_data) : Status();
}

Status Collector::remove_entries(const format::GarbageKey& garbage, const format::VersionRow& row,
                                 std::string_view newer_data) {
  IndexEntries entries = indexes_.entries(row.data);
  if (!newer_data.empty()) entries = without(entries, indexes_.entries(newer_data));
  for (const std::string& entry : entries) {
    auto stays = taken_up_later(garbage, entry, row.order);
    if (!stays) return std::move(stays).error();
    if (*stays) continue;
    batch_.erase(Keyspace::indexes,
                 format::index_key({garbage.session, garbage.table, entry, row.order}).str());
  }
  return {};
}

// Whether a version after the one that goes put the same entry.
Result<bool> Collector::taken_up_later(const format::GarbageKey& garbage, std::string_view entry,
                                       std::uint64_t order) {
  if (pending_.txid_of(IndexOverlay::key(entry, order)) > garbage.old) return true;
  const format::Key key = format::index_key({garbage.session, garbage.table, entry, order});
  auto value = txn_.get(Keyspace::indexes, key);
  if (!value) return std::move(value).error();
  if (!*value) return false;
  auto row = format::parse_index(key, **value);
  if (!row) return std::move(row).error();
  return row->txid > garbage.old;
}

}  // namespace

Result<GarbageRound> collect_garbage(const ReadTxn& txn, SessionNo session, TableNo table,
                                     const GarbageBounds& bounds, const IndexSet& indexes,
                                     const IndexOverlay& pending, WriteBatch& batch) {
  GarbageRound round;
  auto rows = txn.cursor(Keyspace::garbage);
  if (!rows) return std::move(rows).error();
  const format::Key prefix = format::rows_prefix(session, table);
  auto on_row = rows->seek(prefix);
  if (!on_row) return std::move(on_row).error();
  if (!*on_row || !rows->key().starts_with(prefix.view())) return round;

  auto versions = txn.cursor(Keyspace::versions);
  if (!versions) return std::move(versions).error();
  Collector collector(txn, *std::move(versions), indexes, pending, batch);
  const std::size_t ops_end = batch.ops().size() + bounds.ops_max;
  const std::size_t row_ops_max = kOpsPerRowMax + indexes.entries_max();
  for (; on_row && *on_row && rows->key().starts_with(prefix.view()); on_row = rows->next()) {
    auto garbage = format::parse_garbage_key(rows->key());
    if (!garbage) return std::move(garbage).error();
    auto superseded_ms = format::parse_garbage(rows->key(), rows->value());
    if (!superseded_ms) return std::move(superseded_ms).error();
    // Later rows were superseded later.
    if (garbage->superseding >= bounds.oldest_reader) return round;
    if (*superseded_ms > bounds.superseded_ms) return round;
    if (batch.ops().size() + row_ops_max > ops_end) {
      round.more = true;
      return round;
    }
    if (auto removed = collector.remove(*garbage); !removed) {
      return std::move(removed).error();
    }
    batch.erase(Keyspace::garbage, std::string(rows->key()));
    round.collected = garbage->superseding;
  }
  if (!on_row) return std::move(on_row).error();
  return round;
}

}  // namespace kontract
