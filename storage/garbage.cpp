#include "storage/garbage.hpp"

#include "storage/format.hpp"

namespace kontract {
namespace {

constexpr std::size_t kOpsPerRowMax = 3;  // the garbage row, the version, its order row

// The order that ends with the version under the cursor; nothing if the next newer row has it too.
Result<std::optional<std::uint64_t>> ended_order(Cursor& versions) {
  std::optional<std::uint64_t> none;
  const std::string_view key = versions.key();
  auto row = format::parse_version(key, versions.value());
  if (!row) return std::move(row).error();
  if (row->tombstone) return none;
  auto on_newer = versions.prev();
  if (!on_newer) return std::move(on_newer).error();
  if (*on_newer && format::same_record(versions.key(), key)) {
    auto newer = format::parse_version(versions.key(), versions.value());
    if (!newer) return std::move(newer).error();
    if (!newer->tombstone && newer->order == row->order) return none;
  }
  return std::optional(row->order);
}

Status remove(Cursor& versions, const format::GarbageKey& garbage, WriteBatch& batch) {
  const format::Key key =
      format::version_key(garbage.session, garbage.table, garbage.id, garbage.old);
  auto on_row = versions.seek(key);
  if (!on_row) return std::move(on_row).error();
  if (!*on_row || versions.key() != key.view()) return {};
  auto order = ended_order(versions);
  if (!order) return std::move(order).error();
  batch.erase(Keyspace::versions, key.str());
  if (*order) {
    batch.erase(Keyspace::order, format::order_key(garbage.session, garbage.table, **order).str());
  }
  return {};
}

}  // namespace

Result<bool> collect_garbage(const ReadTxn& txn, SessionNo session, TableNo table,
                             const GarbageBounds& bounds, WriteBatch& batch) {
  auto rows = txn.cursor(Keyspace::garbage);
  if (!rows) return std::move(rows).error();
  const format::Key prefix = format::rows_prefix(session, table);
  auto on_row = rows->seek(prefix);
  if (!on_row) return on_row;
  if (!*on_row || !rows->key().starts_with(prefix.view())) return false;

  auto versions = txn.cursor(Keyspace::versions);
  if (!versions) return std::move(versions).error();
  const std::size_t ops_end = batch.ops().size() + bounds.ops_max;
  for (; on_row && *on_row && rows->key().starts_with(prefix.view()); on_row = rows->next()) {
    auto garbage = format::parse_garbage_key(rows->key());
    if (!garbage) return std::move(garbage).error();
    auto superseded_ms = format::parse_garbage(rows->key(), rows->value());
    if (!superseded_ms) return std::move(superseded_ms).error();
    // Later rows were superseded later.
    if (garbage->superseding >= bounds.oldest_reader) return false;
    if (*superseded_ms > bounds.superseded_ms) return false;
    if (batch.ops().size() + kOpsPerRowMax > ops_end) return true;
    if (auto removed = remove(*versions, *garbage, batch); !removed) {
      return std::move(removed).error();
    }
    batch.erase(Keyspace::garbage, std::string(rows->key()));
  }
  if (!on_row) return on_row;
  return false;
}

}  // namespace kontract
