#include "storage/staged_set.hpp"

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

}  // namespace

const RecordState* StagedSet::find(std::string_view id) const {
  if (entries_.empty()) return nullptr;
  const auto entry = entries_.find(id);
  return entry == entries_.end() ? nullptr : &entry->second.state;
}

StagedSet::Entries::iterator StagedSet::touch(std::string_view id, const RecordState& before) {
  auto entry = entries_.find(id);
  if (entry == entries_.end()) {
    entry = entries_.emplace(std::string(id), Entry{before, before, {}}).first;
    entry->second.base.data = {};
    bytes_ += id.size();
  }
  return entry;
}

Status StagedSet::put(std::string_view id, const RecordState& before, std::string data, Txid txid) {
  const std::size_t bytes = bytes_ + id.size() + data.size();
  if (bytes > limits::kBatchBytesMax) {
    return Error{Errc::too_large,
                 "The transaction would write " + std::to_string(bytes) + " bytes; one may write " +
                     std::to_string(limits::kBatchBytesMax),
                 "Write less at once."};
  }
  const bool insert = !before.live();
  const auto entry = touch(id, before);
  auto& [base, state, stored] = entry->second;
  bytes_ += data.size() - stored.size();
  stored = std::move(data);
  state.kind = RecordState::Kind::live;
  state.txid = txid;
  state.data = stored;
  if (insert) {
    state.order = make_order(txid, inserts_++);
    orders_.emplace(state.order, entry->first);
    ++count_delta_;
  }
  return {};
}

void StagedSet::erase(std::string_view id, const RecordState& before) {
  KONTRACT_ASSERT(before.live());
  const auto entry = touch(id, before);
  auto& [base, state, stored] = entry->second;
  --count_delta_;
  orders_.erase(state.order);
  bytes_ -= stored.size();
  stored.clear();
  if (!base.live()) {  // inserted and deleted by this transaction: nothing happened
    bytes_ -= id.size();
    entries_.erase(entry);
    return;
  }
  state = {};
  state.kind = RecordState::Kind::deleted;
}

// How rows become garbage. `base` is the row that is superseded.
//
// - At once, if no reader is left for it: its row goes in this batch. Where its order ends with it
//   (a delete, or an insert after one), its order row must go as well, which is right only if no
//   older version uses that order too; so this is done only if there is none.
// - Otherwise it gets a garbage row and is collected later (storage/garbage.hpp).
void StagedSet::add_version(const Frame& frame, std::string_view id, Entry& entry,
                            WriteBatch& batch) {
  auto& [base, state, data] = entry;
  const format::Key key = format::version_key(frame.session, frame.table, id, frame.txid);
  batch.put(Keyspace::versions, key.str(),
            format::version_value(key, {false, state.order, frame.owner, data}));
  const bool new_order = !base.live() || base.order != state.order;
  if (new_order) {
    const format::Key order = format::order_key(frame.session, frame.table, state.order);
    batch.put(Keyspace::order, order.str(), format::order_value(order, id));
  }
  if (!base.live()) {
    state.alone = base.alone;
  } else if (frame.collect_at_once && (!new_order || base.alone)) {
    erase_version(frame, id, base.txid, batch);
    if (new_order) erase_order(frame, base.order, batch);
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
  auto& [base, state, data] = entry;
  state.alone = frame.collect_at_once && base.alone;
  if (state.alone) {
    erase_version(frame, id, base.txid, batch);
    erase_order(frame, base.order, batch);
    return;
  }
  const format::Key key = format::version_key(frame.session, frame.table, id, frame.txid);
  batch.put(Keyspace::versions, key.str(), format::version_value(key, {true, 0, {}, {}}));
  put_garbage(frame, id, base.txid, batch);
  put_garbage(frame, id, frame.txid, batch);
}

WriteBatch StagedSet::batch(const Frame& frame, const format::CountRow& count) {
  WriteBatch batch;
  for (auto& [id, entry] : entries_) {
    if (entry.state.live()) {
      add_version(frame, id, entry, batch);
    } else {
      add_delete(frame, id, entry, batch);
    }
  }
  if (count_delta_ != 0) {
    const format::Key key = format::count_key(frame.session, frame.table);
    batch.put(Keyspace::registry, key.str(), format::count_value(key, count));
  }
  return batch;
}

void StagedSet::seal(Ticket ticket, Txid txid, PendingSet& pending) {
  for (auto& [id, entry] : entries_) {
    const bool inserted =
        entry.state.live() && (!entry.base.live() || entry.base.order != entry.state.order);
    pending.add(id, {ticket, txid, !entry.state.live(), inserted, entry.state.alone,
                     entry.state.order, std::move(entry.data)});
  }
  clear();
}

void StagedSet::clear() {
  entries_.clear();
  orders_.clear();
  count_delta_ = 0;
  inserts_ = 0;
  bytes_ = 0;
}

}  // namespace kontract
