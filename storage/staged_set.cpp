#include "storage/staged_set.hpp"

#include <algorithm>
#include <utility>

#include "storage/wall_clock.hpp"

namespace kontract {
namespace {

void put_garbage(const StagedSet::Frame& frame, std::string_view id, Txid old, WriteBatch& batch) {
  const format::Key key = format::garbage_key({frame.session, frame.table, frame.txid, old, id});
  batch.put(Keyspace::garbage, key.str(), format::garbage_value(key, now_ms()));
}

void erase_version(const StagedSet::Frame& frame, std::string_view id, Txid txid,
                   WriteBatch& batch) {
  batch.erase(Keyspace::versions, format::version_key(frame.session, frame.table, id, txid).str());
}

void erase_order(const StagedSet::Frame& frame, std::uint64_t order, WriteBatch& batch) {
  batch.erase(Keyspace::order, format::order_key(frame.session, frame.table, order).str());
}

void put_entry(const StagedSet::Frame& frame, std::string_view entry, std::uint64_t order,
               std::string_view id, WriteBatch& batch) {
  const format::Key key = format::index_key({frame.session, frame.table, entry, order});
  batch.put(Keyspace::indexes, key.str(), format::index_value(key, {frame.txid, id}));
}

void erase_entries(const StagedSet::Frame& frame, const IndexEntries& entries, std::uint64_t order,
                   WriteBatch& batch) {
  for (const std::string& entry : entries) {
    batch.erase(Keyspace::indexes,
                format::index_key({frame.session, frame.table, entry, order}).str());
  }
}

}  // namespace

const RecordState* StagedSet::find(std::string_view id) const {
  if (records_.empty()) return nullptr;
  const auto record = records_.find(id);
  return record == records_.end() ? nullptr : &record->second.state;
}

std::vector<RecordChange> StagedSet::changes() const { return changes_of(records_); }

std::vector<RecordChange> StagedSet::changes_of(const Records& records) {
  std::vector<RecordChange> changes;
  std::vector<Records::const_iterator> put;
  for (auto record = records.begin(); record != records.end(); ++record) {
    const Entry& entry = record->second;
    if (entry.base.live() && !entry.same_order()) changes.push_back({record->first, std::nullopt});
    if (entry.state.live()) put.push_back(record);
  }
  std::sort(put.begin(), put.end(), [](const auto& a, const auto& b) {
    return a->second.state.order < b->second.state.order;
  });
  for (const auto& record : put) {
    changes.push_back({record->first, std::string(record->second.state.data)});
  }
  return changes;
}

std::optional<std::string_view> StagedSet::id_after(std::optional<std::string_view> id,
                                                    bool descending) const {
  if (records_.empty()) return std::nullopt;
  if (descending) {
    const auto behind = id ? records_.lower_bound(*id) : records_.end();
    if (behind == records_.begin()) return std::nullopt;
    return std::prev(behind)->first;
  }
  const auto at = id ? records_.upper_bound(*id) : records_.begin();
  if (at == records_.end()) return std::nullopt;
  return at->first;
}

IndexEntries StagedSet::Entry::new_entries() const {
  return same_order() ? without(entries, base_entries) : entries;
}

IndexEntries StagedSet::Entry::old_entries() const {
  return same_order() ? without(base_entries, entries) : base_entries;
}

StagedSet::Records::iterator StagedSet::touch(std::string_view id, const RecordState& before) {
  ++generation_;
  auto record = records_.find(id);
  if (record == records_.end()) {
    record = records_.emplace(std::string(id), Entry{before, before, {}, false, {}, {}, {}}).first;
    record->second.base.data = {};
    if (before.live()) record->second.base_entries = indexes_.entries(before.data);
    if (before.live() && keeps_old_data_) record->second.old_data = before.data;
    bytes_ += id.size();
  }
  return record;
}

// Puts the record's new entries into the overlay, and takes them out again.
void StagedSet::show(Records::iterator record) {
  Entry& entry = record->second;
  for (const std::string& added : entry.new_entries()) {
    std::string key = IndexOverlay::key(added, entry.state.order);
    overlay_.add(key, record->first, entry.state.txid);
    bytes_ += key.size();
    entry.put.push_back(std::move(key));
  }
}

void StagedSet::hide(Entry& entry) {
  for (const std::string& key : entry.put) {
    overlay_.remove(key);
    bytes_ -= key.size();
  }
  entry.put.clear();
}

Status StagedSet::put(std::string_view id, const RecordState& before, std::string data,
                      IndexEntries entries, Txid txid) {
  const std::size_t bytes = bytes_ + id.size() + data.size();
  if (bytes > bytes_max_) {
    return Error{Errc::too_large,
                 "The transaction would write " + std::to_string(bytes) + " bytes; one may write " +
                     std::to_string(bytes_max_),
                 "Write less at once."};
  }
  const bool insert = !before.live();
  if (insert && inserts_ == limits::kInsertsPerTransactionMax) {
    return Error{Errc::too_large,
                 "A transaction inserts at most " +
                     std::to_string(limits::kInsertsPerTransactionMax) +
                     " records into a table; this is one more",
                 "Split it into several transactions."};
  }
  const auto record = touch(id, before);
  Entry& entry = record->second;
  RecordState& state = entry.state;
  hide(entry);
  bytes_ += data.size() - entry.data.size();
  entry.data = std::move(data);
  entry.entries = std::move(entries);
  state.kind = RecordState::Kind::live;
  state.txid = txid;
  state.data = entry.data;
  if (insert) {
    state.order = make_order(txid, inserts_++);
    orders_.emplace(state.order, record->first);
    ++count_delta_;
  }
  show(record);
  return {};
}

void StagedSet::erase(std::string_view id, const RecordState& before) {
  KONTRACT_ASSERT(before.live());
  const auto record = touch(id, before);
  Entry& entry = record->second;
  --count_delta_;
  orders_.erase(entry.state.order);
  hide(entry);
  bytes_ -= entry.data.size();
  if (!entry.base.live()) {  // inserted and deleted by this transaction: nothing happened
    bytes_ -= id.size();
    records_.erase(record);
    return;
  }
  entry.data.clear();
  entry.entries.clear();
  entry.state = {};
  entry.state.kind = RecordState::Kind::deleted;
}

// How rows become garbage. `base` is the row that is superseded.
//
// - At once, if no reader is left for it: its row goes in this batch. Where its order ends with it
//   (a delete, or an insert after one), its order row must go as well, which is right only if no
//   older version uses that order too; so this is done only if there is none.
// - Otherwise it gets a garbage row and is collected later (storage/garbage.hpp).
//
// Index entries that only the base had go with it. Older versions may have had them, but whoever
// does not see the base does not see those either.
void StagedSet::add_version(const Frame& frame, std::string_view id, Entry& entry,
                            WriteBatch& batch) {
  const RecordState& base = entry.base;
  RecordState& state = entry.state;
  const format::Key key = format::version_key(frame.session, frame.table, id, frame.txid);
  batch.put(Keyspace::versions, key.str(),
            format::version_value(key, {false, state.order, frame.owner, entry.data}));
  const bool new_order = !base.live() || base.order != state.order;
  if (new_order) {
    const format::Key order = format::order_key(frame.session, frame.table, state.order);
    batch.put(Keyspace::order, order.str(), format::order_value(order, id));
  }
  for (const std::string& added : entry.new_entries()) {
    put_entry(frame, added, state.order, id, batch);
  }
  entry.base_erased = base.live() && frame.collect_at_once && (!new_order || base.alone);
  if (!base.live()) {
    state.alone = base.alone;
  } else if (entry.base_erased) {
    erase_version(frame, id, base.txid, batch);
    if (new_order) erase_order(frame, base.order, batch);
    erase_entries(frame, entry.old_entries(), base.order, batch);
    state.alone = base.alone;
  } else {
    put_garbage(frame, id, base.txid, batch);
    state.alone = false;
  }
}

// A delete leaves a tombstone, which is garbage itself from the start, unless nothing is left that
// it would have to end.
void StagedSet::add_delete(const Frame& frame, std::string_view id, Entry& entry,
                           WriteBatch& batch) {
  const RecordState& base = entry.base;
  entry.state.alone = entry.base_erased = frame.collect_at_once && base.alone;
  if (entry.base_erased) {
    erase_version(frame, id, base.txid, batch);
    erase_order(frame, base.order, batch);
    erase_entries(frame, entry.old_entries(), base.order, batch);
    return;
  }
  const format::Key key = format::version_key(frame.session, frame.table, id, frame.txid);
  batch.put(Keyspace::versions, key.str(), format::version_value(key, {true, 0, {}, {}}));
  put_garbage(frame, id, base.txid, batch);
  put_garbage(frame, id, frame.txid, batch);
}

WriteBatch StagedSet::batch(const Frame& frame, const format::CountRow& count) {
  WriteBatch batch;
  collects_ = false;
  for (auto& [id, entry] : records_) {
    if (entry.state.live()) {
      add_version(frame, id, entry, batch);
    } else {
      add_delete(frame, id, entry, batch);
    }
    collects_ = collects_ || entry.base_erased;
  }
  if (count_delta_ != 0 || frame.put_count) {
    const format::Key key = format::count_key(frame.session, frame.table);
    batch.put(Keyspace::registry, key.str(), format::count_value(key, count));
  }
  return batch;
}

void StagedSet::seal(Ticket ticket, Txid txid, PendingSet& pending) {
  for (auto& [id, entry] : records_) {
    const bool inserted = entry.state.live() && !entry.same_order();
    const Txid erased = entry.base_erased ? entry.base.txid : 0;
    pending.add(id, {ticket, txid, !entry.state.live(), inserted, entry.state.alone,
                     entry.state.order, std::move(entry.data), erased, std::move(entry.put)});
  }
  clear();
}

void StagedSet::clear() {
  ++generation_;
  records_.clear();
  orders_.clear();
  overlay_.clear();
  count_delta_ = 0;
  inserts_ = 0;
  bytes_ = 0;
}

StagedOverlay::StagedOverlay(StagedSet& from, std::size_t writes, std::uint64_t indexes)
    : writes_(writes),
      indexes_(indexes),
      records_(std::exchange(from.records_, {})),
      orders_(std::exchange(from.orders_, {})),
      overlay_(std::exchange(from.overlay_, {})),
      count_delta_(from.count_delta_),
      inserts_(from.inserts_),
      bytes_(from.bytes_) {
  from.clear();
}

void StagedOverlay::put_back(StagedSet& to) {
  KONTRACT_ASSERT(to.empty());
  to.clear();
  to.records_ = std::exchange(records_, {});
  to.orders_ = std::exchange(orders_, {});
  to.overlay_ = std::exchange(overlay_, {});
  to.count_delta_ = count_delta_;
  to.inserts_ = inserts_;
  to.bytes_ = bytes_;
}

}  // namespace kontract
