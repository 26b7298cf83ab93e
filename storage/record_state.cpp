#include "storage/record_state.hpp"

#include <string>

#include "storage/format.hpp"

namespace kontract {

Result<const ReadTxn*> Snapshot::txn() {
  if (!txn_) {
    auto txn = environment_.read();
    if (!txn) return std::move(txn).error();
    txn_.emplace(*std::move(txn));
  }
  return &*txn_;
}

Result<Cursor*> Snapshot::versions() {
  if (!versions_) {
    auto in = txn();
    if (!in) return std::move(in).error();
    auto cursor = (*in)->cursor(Keyspace::versions);
    if (!cursor) return std::move(cursor).error();
    versions_.emplace(*std::move(cursor));
  }
  return &*versions_;
}

Result<RecordState> Snapshot::newest_before(std::string_view id, Txid below) {
  auto cursor = versions();
  if (!cursor) return std::move(cursor).error();
  const format::Key key = format::version_key(session_, table_, id, below - 1);
  auto on_row = (*cursor)->seek(key);
  if (!on_row) return std::move(on_row).error();
  RecordState state;
  if (!*on_row || !format::same_record((*cursor)->key(), key)) {
    state.alone = true;
    return state;
  }
  auto row = format::parse_version((*cursor)->key(), (*cursor)->value());
  if (!row) return std::move(row).error();
  state.kind = row->tombstone ? RecordState::Kind::deleted : RecordState::Kind::live;
  state.txid = format::txid_of((*cursor)->key());
  state.order = row->order;
  state.data = row->data;
  return state;
}

Result<bool> Snapshot::has_older() {
  KONTRACT_ASSERT(versions_.has_value());
  const std::string_view key = versions_->key();  // stays in the map while the transaction is open
  auto on_row = versions_->next();
  if (!on_row) return std::move(on_row).error();
  return *on_row && format::same_record(versions_->key(), key);
}

}  // namespace kontract
