// The indexes of MvccTable: what a write puts into them, uniqueness, and the rounds that build and
// remove them.

#include <algorithm>

#include "storage/index_build.hpp"
#include "storage/index_key.hpp"
#include "storage/index_registry.hpp"
#include "storage/mvcc_table.hpp"

namespace kontract {
namespace {

constexpr Txid kNewest = ~Txid{0};

}  // namespace

Result<IndexEntries> MvccTable::entries_to_put(std::string_view id, const RecordState& before,
                                               std::string_view data) {
  std::vector<IndexNo> unfit;
  IndexEntries entries = indexes_.entries(data, &unfit);
  if (!unfit.empty()) return does_not_fit(indexes_.find(unfit.front())->definition);
  std::optional<IndexEntries> held;  // by the record as it was
  Snapshot in = snapshot();
  for (const std::string& entry : entries) {
    const IndexRow& index = *indexes_.find(format::index_of(entry));
    if (!index.definition.unique || entry == mark_of(index.no) ||
        has_null(std::string_view(entry).substr(sizeof(IndexNo)))) {
      continue;
    }
    if (!held) held = before.live() ? indexes_.entries(before.data) : IndexEntries();
    if (has_entry(*held, entry)) continue;
    if (Status unique = require_unique(index, entry, id, in); !unique) {
      return std::move(unique).error();
    }
  }
  return entries;
}

Status MvccTable::require_unique(const IndexRow& index, std::string_view entry, std::string_view id,
                                 Snapshot& snapshot) {
  auto txn = snapshot.txn();
  if (!txn) return std::move(txn).error();
  auto scan = IndexScan::start(**txn, session_, row_.no, range_of(std::string(entry)),
                               pending_.entries(), staged_.entries());
  if (!scan) return std::move(scan).error();
  for (;;) {
    auto found = scan->next();
    if (!found) return std::move(found).error();
    if (!*found) return {};
    if (scan->id() == id) continue;
    auto held = holds_entry(scan->id(), entry, scan->order(), snapshot);
    if (!held) return std::move(held).error();
    if (!*held) continue;
    note_read(range_of(std::string(entry)));
    const bool single = index.definition.fields.size() == 1;
    return Error{Errc::schema_violation,
                 fields_text(index.definition) + " must be unique" + (single ? "" : " together") +
                     "; record '" + shown(scan->id()) + "' has " +
                     (single ? "this value" : "these values"),
                 "Give another value, or change that record first."};
  }
}

Result<bool> MvccTable::holds_entry(std::string_view id, std::string_view entry,
                                    std::uint64_t order, Snapshot& snapshot) {
  const RecordState* own = staged_.find(id);
  auto record =
      own != nullptr ? Result<RecordState>(*own) : committed_record(id, kNewest, snapshot);
  if (!record) return std::move(record).error();
  return record->live() && record->order == order &&
         has_entry(indexes_.entries(record->data), entry);
}

Status MvccTable::set_indexes(std::vector<IndexRow> rows) {
  KONTRACT_ASSERT(stage_ != Stage::taken && staged_.empty());
  if (log_.epoch() != epoch_) {
    pending_.clear();
    if (auto loaded = load(); !loaded) return loaded;
  }
  indexes_ = IndexSet(std::move(rows));
  indexes_changed();
  restart_build();
  return {};
}

// Rounds of an earlier owner of the table, and what was written without knowing of an index, are to
// be stored first.
void MvccTable::restart_build() {
  build_ = {};
  if (indexes_unfinished()) build_.round = kNotTaken;
}

// Whether all that was appended when the round before was made is applied.
bool MvccTable::round_applied() {
  if (!build_.round) return true;
  if (build_.round == kNotTaken) build_.round = log_.appended();
  if (log_.applied() < *build_.round) return false;
  build_.round.reset();
  return true;
}

const IndexRow* MvccTable::index_to_remove() const {
  for (const IndexRow& row : indexes_.rows()) {
    const bool gone =
        std::find(build_.gone.begin(), build_.gone.end(), row.no) != build_.gone.end();
    if (!is_kept(row.state) && !gone) return &row;
  }
  return nullptr;
}

bool MvccTable::indexes_unfinished() const {
  return indexes_.first(IndexState::building) != nullptr || index_to_remove() != nullptr;
}

Result<bool> MvccTable::maintain_indexes(std::size_t ops_max, WriteBatch& batch) {
  KONTRACT_ASSERT(stage_ != Stage::taken && staged_.empty());
  if (!indexes_unfinished()) return false;
  if (!round_applied()) return true;
  const std::size_t ops = batch.ops().size();
  auto more = indexes_.first(IndexState::building) != nullptr ? build_indexes(ops_max, batch)
                                                              : remove_indexes(ops_max, batch);
  if (batch.ops().size() > ops) build_.round = kNotTaken;
  return more;
}

Result<bool> MvccTable::build_indexes(std::size_t ops_max, WriteBatch& batch) {
  Result<bool> more = false;
  if (!build_.filled) {
    more = fill(ops_max, batch);
    if (!more) return more;
    build_.filled = !*more;
    if (build_.filled) build_.position.clear();
  } else {
    // Every entry is stored or in an overlay now. So writes are checked against all records, and
    // what they are not told of is only what was there before.
    const IndexRow index = *indexes_.first(IndexState::building);
    more = index.definition.unique ? check_unique(index, ops_max, batch) : Result<bool>(false);
    if (!more || *more) return more;
    const IndexRow* checked = indexes_.find(index.no);
    if (checked->state == IndexState::building) settle_index(index.no, IndexState::ready, batch);
    build_.position.clear();
  }
  return indexes_unfinished();
}

Result<bool> MvccTable::fill(std::size_t ops_max, WriteBatch& batch) {
  auto txn = shard_.environment().read();
  if (!txn) return std::move(txn).error();
  std::vector<IndexNo> unfit;
  auto more = fill_indexes(*txn, {session_, row_.no, ops_max},
                           IndexSet(indexes_.in_state(IndexState::building)), pending_,
                           build_.position, unfit, batch);
  if (!more) return more;
  std::sort(unfit.begin(), unfit.end());
  unfit.erase(std::unique(unfit.begin(), unfit.end()), unfit.end());
  for (const IndexNo index : unfit) {
    if (shard_.options().alarm) {
      shard_.options().alarm("table " + row_.id + ": an index cannot be built: " +
                             does_not_fit(indexes_.find(index)->definition).message);
    }
    settle_index(index, IndexState::failed, batch);
  }
  return more;
}

// Looks for two records with equal values. A round ends between two values, so that what it knows
// of the records is not out of date in the next one.
Result<bool> MvccTable::check_unique(const IndexRow& index, std::size_t ops_max,
                                     WriteBatch& batch) {
  Snapshot in = snapshot();
  auto txn = in.txn();
  if (!txn) return std::move(txn).error();
  IndexScan::Range range = range_of(entry_prefix(index.no));
  if (!build_.position.empty()) range.from = behind_all(build_.position);
  auto scan = IndexScan::start(**txn, session_, row_.no, std::move(range), pending_.entries(),
                               staged_.entries());
  if (!scan) return std::move(scan).error();
  std::string entry;  // whose records are looked at
  std::optional<std::string> holder;
  for (std::size_t looked_at = 0;; ++looked_at) {
    auto found = scan->next();
    if (!found) return std::move(found).error();
    if (!*found) return false;
    if (scan->entry() != entry) {
      if (looked_at >= ops_max) {
        build_.position = entry;
        return true;
      }
      entry = scan->entry();
      holder.reset();
    }
    if (entry == mark_of(index.no) || has_null(std::string_view(entry).substr(sizeof(IndexNo)))) {
      continue;
    }
    auto held = holds_entry(scan->id(), entry, scan->order(), in);
    if (!held) return std::move(held).error();
    if (!*held) continue;
    if (!holder) {
      holder = scan->id();
      continue;
    }
    if (shard_.options().alarm) {
      shard_.options().alarm("table " + row_.id + ": an index cannot be built: " +
                             fields_text(index.definition) + " must be unique, but records '" +
                             shown(*holder) + "' and '" + shown(scan->id()) + "' are equal in it");
    }
    settle_index(index.no, IndexState::failed, batch);
    return false;
  }
}

Result<bool> MvccTable::remove_indexes(std::size_t ops_max, WriteBatch& batch) {
  const IndexRow index = *index_to_remove();
  auto txn = shard_.environment().read();
  if (!txn) return std::move(txn).error();
  auto more = remove_entries(*txn, {session_, row_.no, ops_max}, index.no, batch);
  if (!more || *more) return more;
  // The highest number is not given out again as long as its row is there.
  if (index.state == IndexState::dropped && index.no != indexes_.rows().back().no) {
    erase_index(batch, session_, row_.no, index.no);
    indexes_.remove(index.no);
    indexes_changed();
  } else {
    build_.gone.push_back(index.no);
  }
  return indexes_unfinished();
}

void MvccTable::settle_index(IndexNo index, IndexState state, WriteBatch& batch) {
  indexes_.set_state(index, state);
  indexes_changed();
  put_index(batch, session_, row_.no, *indexes_.find(index));
}

}  // namespace kontract
