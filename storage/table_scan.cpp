// The cursors of MvccTable.

#include <algorithm>

#include "storage/index_key.hpp"
#include "storage/mvcc_table.hpp"
#include "storage/order_scan.hpp"

namespace kontract {

class MvccTable::OpenCursor : public RecordCursor {
 public:
  const RecordView& record() const final { return view_; }

 protected:
  OpenCursor(MvccTable& table, Snapshot* in)
      : table_(table), own_(table.snapshot()), snapshot_(in != nullptr ? *in : own_), in_(in) {}

  // Makes the record the one at hand, if it is live.
  bool show(std::string_view id, const RecordState& record, bool staged) {
    if (!record.live()) return false;
    view_ = {id, record.data, record.txid, record.order, lasts() && !staged};
    if (staged) {  // may be changed before the next record is asked for
      id_ = id;
      data_ = record.data;
      view_.id = id_;
      view_.data = data_;
    }
    return true;
  }

  // The same for a record that is visible with this order.
  Result<bool> show_visible(std::string_view id, std::uint64_t order) {
    auto record = table_.visible_record(id, snapshot_);
    if (!record) return std::move(record).error();
    return record->order == order && show(id, *record, is_staged(id));
  }
  bool lasts() const { return in_ != nullptr; }  // the snapshot outlives this cursor
  bool is_staged(std::string_view id) const { return table_.staged_.find(id) != nullptr; }

  // Whether overlays are not what they were when this was asked last.
  bool overlays_changed() {
    return std::exchange(generation_, table_.staged_.generation()) != table_.staged_.generation();
  }

  MvccTable& table_;
  Snapshot own_;  // opens nothing unless it is used
  Snapshot& snapshot_;
  RecordView view_;

 private:
  const Snapshot* in_;
  std::string id_, data_;
  std::optional<std::uint64_t> generation_;
};

class MvccTable::OneRecord final : public MvccTable::OpenCursor {
 public:
  OneRecord(MvccTable& table, Snapshot* in, std::string id)
      : OpenCursor(table, in), id_(std::move(id)) {}

  Result<bool> next() override {
    if (std::exchange(done_, true)) return false;
    if (!validate_record_id(id_, table_.shard_.options().record_id_bytes_max)) return false;
    auto record = table_.visible_record(id_, snapshot_);
    if (!record) return std::move(record).error();
    return show(id_, *record, is_staged(id_));
  }

 private:
  std::string id_;
  bool done_ = false;
};

namespace {

template <class T>
std::optional<T> value_of(const std::optional<RecordScan::Bound>& bound) {
  const T* value = bound ? std::get_if<T>(&bound->value) : nullptr;
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

// Where a scan begins and ends, in its direction.
const std::optional<RecordScan::Bound>& begin_of(const RecordScan& scan) {
  return scan.descending ? scan.to : scan.from;
}
const std::optional<RecordScan::Bound>& end_of(const RecordScan& scan) {
  return scan.descending ? scan.from : scan.to;
}

}  // namespace

// Walks the rows of `versions`, those of each record at one go, and merges ids that are pending or
// staged. Of these it may yield some before the bound where it starts.
class MvccTable::ById final : public MvccTable::OpenCursor {
 public:
  ById(MvccTable& table, Snapshot* in, const RecordScan& scan)
      : OpenCursor(table, in),
        descending_(scan.descending),
        begin_(value_of<std::string>(begin_of(scan))),
        end_(value_of<std::string>(end_of(scan))),
        prefix_(format::rows_prefix(table.session_, table.row_.no)) {}

  Status start() {
    pending_ = table_.pending_.ids();
    if (descending_) std::reverse(pending_.begin(), pending_.end());
    auto txn = snapshot_.txn();
    if (!txn) return std::move(txn).error();
    auto cursor = (*txn)->cursor(Keyspace::versions);
    if (!cursor) return std::move(cursor).error();
    rows_.emplace(*std::move(cursor));
    // No id is longer than what is cut off here, so none is passed over.
    if (begin_) {
      const std::string_view id = std::string_view(*begin_).substr(0, limits::kRecordIdBytesMax);
      format::Key key = prefix_;
      key.bytes(id);
      if (!descending_) return load(rows_->seek(key));
      return load(rows_->seek_before(key.u8('\x01')));
    }
    if (!descending_) return load(rows_->seek(prefix_));
    return load(rows_->seek_before(format::rows_prefix(table_.session_, table_.row_.no + 1)));
  }

  Result<bool> next() override {
    for (;;) {
      std::optional<std::string_view> first;
      if (stored_) first = stored_->id;
      if (at_ < pending_.size() && (!first || before(pending_[at_], *first))) {
        first = pending_[at_];
      }
      const auto staged = table_.staged_.id_after(last_, descending_);
      const bool from_staged = staged && (!first || before(*staged, *first));
      if (from_staged) first = staged;
      if (!first || (end_ && before(*end_, *first))) return false;
      // An id that is staged only may be gone by the next call; the others stay.
      if (from_staged) staged_id_ = *staged;
      last_ = from_staged ? std::string_view(staged_id_) : *first;

      std::optional<Group> group;
      if (stored_ && stored_->id == *last_) {
        group = stored_;
        const Result<bool> on_row = on_row_;
        if (Status loaded = load(on_row); !loaded) return std::move(loaded).error();
      }
      const bool pending = at_ < pending_.size() && pending_[at_] == *last_;
      if (pending) ++at_;
      auto shown = show_id(*last_, pending, group);
      if (!shown || *shown) return shown;
    }
  }

 private:
  struct Group {
    std::string_view id;
    // The newest row that is before the transaction; empty if none is.
    std::string_view key, value;
  };

  bool before(std::string_view a, std::string_view b) const { return descending_ ? a > b : a < b; }

  // Takes all rows of one id. The cursor stands on the first of them, and then behind the last.
  Status load(Result<bool> on_row) {
    stored_.reset();
    if (!on_row) return std::move(on_row).error();
    if (!*on_row || !rows_->key().starts_with(prefix_.view())) return {};
    const std::string_view first = rows_->key();  // stays in the map
    auto parsed = format::parse_version_key(first);
    if (!parsed) return std::move(parsed).error();
    Group group{parsed->id, {}, {}};
    do {
      // Newest first or, descending, last.
      const bool is_before = format::txid_of(rows_->key()) < table_.current_;
      if (is_before && (descending_ || group.key.empty())) {
        group.key = rows_->key();
        group.value = rows_->value();
      }
      on_row = descending_ ? rows_->prev() : rows_->next();
    } while (on_row && *on_row && format::same_record(rows_->key(), first));
    on_row_ = on_row;
    stored_ = group;
    return {};
  }

  Result<bool> show_id(std::string_view id, bool pending, const std::optional<Group>& group) {
    if (const RecordState* own = table_.staged_.find(id)) return show(id, *own, true);
    if (pending) {
      const PendingView view = table_.pending_record(id, table_.current_);
      if (view.record) return show(id, *view.record, false);
    }
    if (!group || group->key.empty()) return false;
    auto row = format::parse_version(group->key, group->value);
    if (!row) return std::move(row).error();
    if (row->tombstone) return false;
    view_ = {id, row->data, format::txid_of(group->key), row->order, lasts()};
    return true;
  }

  const bool descending_;
  const std::optional<std::string> begin_, end_;
  const format::Key prefix_;
  std::optional<Cursor> rows_;
  Result<bool> on_row_ = false;  // whether rows_ stands on a row, behind those of stored_
  std::optional<Group> stored_;
  std::vector<std::string_view> pending_;  // in the direction of the scan, from at_ on
  std::size_t at_ = 0;
  std::optional<std::string_view> last_;
  std::string staged_id_;
};

class MvccTable::ByOrder final : public MvccTable::OpenCursor {
 public:
  ByOrder(MvccTable& table, Snapshot* in, const RecordScan& scan)
      : OpenCursor(table, in),
        descending_(scan.descending),
        end_(value_of<std::int64_t>(end_of(scan))) {
    // OrderScan starts behind `last_`. All orders are above 0 and fit an int64.
    if (const auto begin = value_of<std::int64_t>(begin_of(scan))) {
      const auto order = static_cast<std::uint64_t>(std::max<std::int64_t>(*begin, 1));
      last_ = descending_ ? order + 1 : order - 1;
    }
  }

  Result<bool> next() override {
    for (;;) {
      if (overlays_changed()) {
        if (Status started = start(); !started) return std::move(started).error();
      }
      auto found = scan_->next();
      if (!found || !*found) return found;
      last_ = scan_->order();
      const auto order = static_cast<std::int64_t>(*last_);
      if (end_ && (descending_ ? order < *end_ : order > *end_)) return false;
      auto shown = show_visible(scan_->id(), *last_);
      if (!shown || *shown) return shown;
    }
  }

 private:
  Status start() {
    auto txn = snapshot_.txn();
    if (!txn) return std::move(txn).error();
    auto scan = OrderScan::start(**txn, {table_.session_, table_.row_.no, last_, descending_},
                                 table_.pending_.inserted(), table_.staged_.inserted());
    if (!scan) return std::move(scan).error();
    scan_.emplace(*std::move(scan));
    return {};
  }

  const bool descending_;
  const std::optional<std::int64_t> end_;
  std::optional<std::uint64_t> last_;
  std::optional<OrderScan> scan_;  // after snapshot_: it goes first
};

class MvccTable::ByIndex final : public MvccTable::OpenCursor {
 public:
  ByIndex(MvccTable& table, Snapshot* in, const IndexRow& index, IndexScan::Range range)
      : OpenCursor(table, in),
        index_({index}),
        mark_(mark_of(index.no)),
        range_(std::move(range)) {}

  Result<bool> next() override {
    for (;;) {
      if (overlays_changed()) {
        if (Status started = start(); !started) return std::move(started).error();
      }
      auto found = scan_->next();
      if (!found || !*found) return found;
      last_.assign(scan_->key());
      if (scan_->entry() == mark_) continue;
      auto shown = show_visible(scan_->id(), scan_->order());
      if (!shown) return shown;
      if (*shown && has_entry(index_.entries(view_.data), scan_->entry())) return true;
    }
  }

 private:
  Status start() {
    auto txn = snapshot_.txn();
    if (!txn) return std::move(txn).error();
    auto scan = IndexScan::start(**txn, table_.session_, table_.row_.no,
                                 last_.empty() ? range_ : after(range_, last_),
                                 table_.pending_.entries(), table_.staged_.entries());
    if (!scan) return std::move(scan).error();
    scan_.emplace(*std::move(scan));
    return {};
  }

  const IndexSet index_;
  const std::string mark_;
  const IndexScan::Range range_;
  std::string last_;
  std::optional<IndexScan> scan_;  // after snapshot_: it goes first
};

namespace {

// An integer that is not exact as a double is near the bound that was asked for, on either side.
bool exact(const SqlValue& value) {
  const auto* integer = std::get_if<std::int64_t>(&value);
  return integer == nullptr ||
         (*integer <= limits::kSafeIntegerMax && *integer >= -limits::kSafeIntegerMax);
}

IndexScan::Range index_range(const RecordScan& scan) {
  std::string prefix = entry_prefix(scan.index);
  for (const SqlValue& value : scan.equal) append_index_value(prefix, value);
  IndexScan::Range range{prefix, behind_all(prefix), scan.descending};
  if (scan.from) {
    append_index_value(range.from, scan.from->value);
    if (!scan.from->inclusive && exact(scan.from->value)) range.from = behind_all(range.from);
  }
  if (scan.to) {
    append_index_value(prefix, scan.to->value);
    range.to = scan.to->inclusive || !exact(scan.to->value) ? behind_all(prefix) : prefix;
  }
  return range;
}

}  // namespace

Result<std::unique_ptr<RecordCursor>> MvccTable::scan(const RecordScan& scan, Snapshot* in) {
  using Opened = std::unique_ptr<RecordCursor>;
  KONTRACT_ASSERT(stage_ == Stage::begun);
  switch (scan.by) {
    case RecordScan::By::order:
      note_all_read();
      return Opened(std::make_unique<ByOrder>(*this, in, scan));
    case RecordScan::By::index: {
      const IndexRow* index = indexes_.find(scan.index);
      KONTRACT_ASSERT(index != nullptr && index->state == IndexState::ready);
      IndexScan::Range range = index_range(scan);
      note_read(range);
      return Opened(std::make_unique<ByIndex>(*this, in, *index, std::move(range)));
    }
    case RecordScan::By::id:
      break;
  }
  if (scan.id) {
    note_read(*scan.id);
    return Opened(std::make_unique<OneRecord>(*this, in, *scan.id));
  }
  note_all_read();
  auto all = std::make_unique<ById>(*this, in, scan);
  if (Status started = all->start(); !started) return std::move(started).error();
  return Opened(std::move(all));
}

Result<std::optional<RecordView>> MvccTable::by_order(std::uint64_t order) {
  KONTRACT_ASSERT(stage_ == Stage::begun);
  const std::optional<RecordView> none;
  if (order == 0) return none;
  Snapshot in = snapshot();
  const auto overlaid = [&](const PendingSet::Orders& orders) {
    const auto found = orders.find(order);
    return found == orders.end() ? std::string_view() : found->second;
  };
  std::string_view id = overlaid(staged_.inserted());
  if (id.empty()) id = overlaid(pending_.inserted());
  if (id.empty()) {
    auto txn = in.txn();
    if (!txn) return std::move(txn).error();
    const format::Key key = format::order_key(session_, row_.no, order);
    auto value = (*txn)->get(Keyspace::order, key);
    if (!value) return std::move(value).error();
    if (!*value) {
      note_all_read();
      return none;
    }
    auto parsed = format::parse_order(key, **value);
    if (!parsed) return std::move(parsed).error();
    id = *parsed;
  }
  auto record = visible_record(id, in);
  if (!record) return std::move(record).error();
  if (!record->live() || record->order != order) {
    note_all_read();
    return none;
  }
  note_read(id);
  shown_id_ = id;
  shown_data_ = record->data;
  return std::optional(RecordView{shown_id_, shown_data_, record->txid, order, false});
}

}  // namespace kontract
