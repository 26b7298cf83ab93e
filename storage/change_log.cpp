#include "storage/change_log.hpp"

#include <algorithm>
#include <limits>

#include "storage/wall_clock.hpp"

namespace kontract {
namespace {

constexpr std::size_t kErasedPerBatch = 2048;
constexpr std::uint64_t kRowOverhead = 64;  // of key and value: counts with what the row tells

// So much may be there beyond a limit before a write takes it out, so that few writes do.
std::uint64_t slack(std::uint64_t limit, std::uint64_t most) {
  return std::clamp<std::uint64_t>(limit / 8, 1, most);
}

std::uint64_t row_bytes(const StagedSet::Change& change) {
  return change.id.size() + change.data.size() + change.old_data.size() + kRowOverhead;
}

}  // namespace

Status ChangeLog::load(const ReadTxn& txn, bool virgin) {
  state_ = {};
  const format::Key head_key = format::change_head_key(session_, table_);
  auto head_value = txn.get(Keyspace::changes, head_key);
  if (!head_value) return std::move(head_value).error();
  if (*head_value) {
    auto head = format::parse_change_head(head_key, **head_value);
    if (!head) return std::move(head).error();
    state_.has_head = true;
    state_.floor = head->floor;
    state_.at_floor = state_.last = head->totals;
  } else if (virgin) {
    state_.floor = 0;
  }

  const format::Key prefix = format::rows_prefix(session_, table_);
  auto rows = txn.cursor(Keyspace::changes);
  if (!rows) return std::move(rows).error();
  const format::Key end = format::change_key({session_, table_, ~Txid{0}, ~std::uint32_t{0}});
  auto on_row = rows->seek_before(end);
  if (!on_row) return std::move(on_row).error();
  if (!*on_row || !rows->key().starts_with(prefix.view()) || rows->key() == head_key.view()) {
    next_ = state_;
    return {};
  }
  auto last = format::parse_change(rows->key(), rows->value());
  if (!last) return std::move(last).error();
  state_.last = last->totals;
  if (!state_.has_head || !keeps()) state_.stale = ~Txid{0};
  if (state_.has_head) {
    // What a batch cut off and none has erased yet.
    on_row = rows->seek(format::change_key({session_, table_, 1, 0}));
    if (!on_row) return std::move(on_row).error();
    auto first = format::parse_change_key(rows->key());
    if (!first) return std::move(first).error();
    if (first->txid <= *state_.floor) state_.stale = std::max(state_.stale, *state_.floor);
  }
  next_ = state_;
  return {};
}

void ChangeLog::put_head(WriteBatch& batch) const {
  const format::Key key = format::change_head_key(session_, table_);
  batch.put(Keyspace::changes, key.str(),
            format::change_head_value(key, {*next_.floor, next_.at_floor}));
}

// Nothing up to this transaction can be told any more.
void ChangeLog::cut(Txid txid, WriteBatch& batch) {
  const bool had_rows = next_.last.changes != next_.at_floor.changes;
  if (had_rows) next_.stale = std::max(next_.stale, txid);
  next_.at_floor = next_.last;
  if (keeps()) {
    next_.floor = txid;
    next_.has_head = true;
    put_head(batch);
  } else {
    if (next_.has_head) {
      batch.erase(Keyspace::changes, format::change_head_key(session_, table_).str());
    }
    next_.floor.reset();
    next_.has_head = false;
  }
}

void ChangeLog::append(const StagedSet& staged, Txid txid, bool has_room, Environment& environment,
                       WriteBatch& batch) {
  next_ = state_;
  std::uint64_t bytes = 0;
  staged.each_change([&](const StagedSet::Change& change) { bytes += row_bytes(change); });
  if (!keeps() || !has_room || staged.size() > limits_.changes || bytes > limits_.bytes) {
    // A log that is off has nothing to say once it is empty.
    if (keeps() || next_.floor) cut(txid, batch);
  } else {
    if (!next_.has_head) {
      if (!next_.floor) {
        next_.floor = txid - 1;
        next_.at_floor = next_.last;
        if (next_.stale != 0) next_.stale = txid - 1;
      }
      next_.has_head = true;
      put_head(batch);
    }
    std::uint32_t n = 0;
    const std::int64_t at_ms = now_ms();
    staged.each_change([&](const StagedSet::Change& change) {
      ++next_.last.changes;
      next_.last.bytes += row_bytes(change);
      const format::Key key = format::change_key({session_, table_, txid, n++});
      batch.put(Keyspace::changes, key.str(),
                format::change_value(key, {change.kind, next_.last, at_ms, change.id, change.data,
                                           change.old_data}));
    });
  }
  if (!overdue()) return;
  auto txn = environment.read();
  if (!txn) return;  // a later write does it
  const std::size_t ops_max = std::max(kErasedPerBatch, 2 * staged.size());
  static_cast<void>(erase_old(*txn, 0, ops_max, batch));
}

bool ChangeLog::overdue() const {
  if (!keeps()) return next_.stale != 0;
  return next_.stale != 0 ||
         next_.last.changes - next_.at_floor.changes >
             limits_.changes + slack(limits_.changes, kErasedPerBatch / 2) ||
         next_.last.bytes - next_.at_floor.bytes >
             limits_.bytes + slack(limits_.bytes, limits::kMiB);
}

Result<bool> ChangeLog::trim(const ReadTxn& txn, std::int64_t now_ms, std::size_t ops_max,
                             WriteBatch& batch) {
  next_ = state_;
  auto more = erase_old(txn, now_ms, ops_max, batch);
  if (more) settle();
  return more;
}

// Rows go in key order, as long as the first that is left is too old, or too much is there.
// `now_ms` 0: age is not looked at.
Result<bool> ChangeLog::erase_old(const ReadTxn& txn, std::int64_t now_ms, std::size_t ops_max,
                                  WriteBatch& batch) {
  auto rows = txn.cursor(Keyspace::changes);
  if (!rows) return std::move(rows).error();
  const format::Key prefix = format::rows_prefix(session_, table_);
  const bool begun = next_.erased_txid != 0;
  const format::Key from =
      begun ? format::change_key({session_, table_, next_.erased_txid, next_.erased_n})
            : format::change_key({session_, table_, 1, 0});
  auto on_row = rows->seek(from);
  if (on_row && begun && *on_row && rows->key() == from.view()) on_row = rows->next();
  std::size_t erased = 0;
  const auto finish = [&](bool more) {
    if (erased > 0 && next_.has_head) put_head(batch);
    return more;
  };
  for (; on_row && *on_row && rows->key().starts_with(prefix.view()); on_row = rows->next()) {
    auto key = format::parse_change_key(rows->key());
    if (!key) return std::move(key).error();
    auto row = format::parse_change(rows->key(), rows->value());
    if (!row) return std::move(row).error();
    const bool stale = key->txid <= next_.stale;
    const bool goes =
        stale || next_.last.changes - next_.at_floor.changes > limits_.changes ||
        next_.last.bytes - next_.at_floor.bytes > limits_.bytes ||
        (now_ms != 0 && row->at_ms < now_ms - limits_.age.count()) ||
        (next_.floor && key->txid <= *next_.floor);  // the rest of a transaction that went in part
    if (!stale && keeps()) next_.stale = 0;
    if (!goes) return finish(false);
    if (erased == ops_max) return finish(true);
    ++erased;
    batch.erase(Keyspace::changes, std::string(rows->key()));
    next_.erased_txid = key->txid;
    next_.erased_n = key->n;
    if (next_.floor && (!stale || key->txid > *next_.floor)) {
      next_.floor = std::max(*next_.floor, key->txid);
      next_.at_floor = row->totals;
    }
  }
  if (!on_row) return std::move(on_row).error();
  // With a log that is kept, what is stale and not applied yet may come in sight later.
  if (!keeps()) next_.stale = 0;
  return finish(false);
}

}  // namespace kontract
