#include "storage/index_build.hpp"

#include "storage/format.hpp"

namespace kontract {
namespace {

struct Survivor {
  Txid txid = 0;
  std::uint64_t order = 0;
  std::string_view data;
};

// What is left of a stored version once all that is pending is applied: itself, or the version that
// took its place. Nothing if it is deleted, or its order has ended.
std::optional<Survivor> survivor_of(const Survivor& stored, const PendingSet::Chain* chain) {
  Survivor left = stored;
  if (chain == nullptr) return left;
  for (const PendingVersion& version : *chain) {
    if (version.erased != left.txid) continue;
    if (version.deleted || version.order != left.order) return std::nullopt;
    left = {version.txid, version.order, version.data};
  }
  return left;
}

}  // namespace

Result<bool> fill_indexes(const ReadTxn& txn, const IndexRound& round, const IndexSet& building,
                          const PendingSet& pending, std::string& position,
                          std::vector<IndexNo>& unfit, WriteBatch& batch) {
  auto versions = txn.cursor(Keyspace::versions);
  if (!versions) return std::move(versions).error();
  const format::Key prefix = format::rows_prefix(round.session, round.table);
  const std::size_t ops_end = batch.ops().size() + round.ops_max;
  if (position.empty()) position = format::rows_prefix(round.session, round.table + 1).str();

  // Rows without a record to index cost time, too.
  std::size_t rows_left = round.ops_max;
  auto on_row = versions->seek_before(position);
  for (; on_row && *on_row && versions->key().starts_with(prefix.view());
       on_row = versions->prev()) {
    if (rows_left-- == 0 || batch.ops().size() + building.entries_max() > ops_end) return true;
    auto key = format::parse_version_key(versions->key());
    auto row = format::parse_version(versions->key(), versions->value());
    if (!key) return std::move(key).error();
    if (!row) return std::move(row).error();
    position = versions->key();
    if (row->tombstone) continue;
    const auto left = survivor_of({key->txid, row->order, row->data}, pending.find(key->id));
    if (!left) continue;
    for (const std::string& entry : building.entries(left->data, &unfit)) {
      if (pending.entries().txid_of(IndexOverlay::key(entry, left->order)) != 0) continue;
      const format::Key at = format::index_key({round.session, round.table, entry, left->order});
      batch.put(Keyspace::indexes, at.str(), format::index_value(at, {left->txid, key->id}));
    }
  }
  if (!on_row) return std::move(on_row).error();
  return false;
}

Result<bool> remove_entries(const ReadTxn& txn, const IndexRound& round, IndexNo index,
                            WriteBatch& batch) {
  auto entries = txn.cursor(Keyspace::indexes);
  if (!entries) return std::move(entries).error();
  const std::size_t ops_end = batch.ops().size() + round.ops_max;
  const std::string prefix =
      format::rows_prefix(round.session, round.table).str() + entry_prefix(index);
  auto on_row = entries->seek(prefix);
  for (; on_row && *on_row && entries->key().starts_with(prefix); on_row = entries->next()) {
    if (batch.ops().size() >= ops_end) return true;
    batch.erase(Keyspace::indexes, std::string(entries->key()));
  }
  if (!on_row) return std::move(on_row).error();
  return false;
}

}  // namespace kontract
