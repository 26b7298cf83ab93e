// StagedSet: what the transaction that is open on a table has changed so far. It knows which rows
// of LMDB follow from that, those that become garbage included; seal() makes it pending.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "storage/commit_log.hpp"
#include "storage/format.hpp"
#include "storage/index_set.hpp"
#include "storage/pending_set.hpp"
#include "storage/record_change.hpp"
#include "storage/record_state.hpp"

namespace kontract {

class StagedSet {
 public:
  // Of the transaction that writes.
  struct Frame {
    SessionNo session = 0;
    TableNo table = 0;
    std::string_view owner;
    Txid txid = 0;
    // Nobody can see what this transaction supersedes: it goes in the same batch.
    bool collect_at_once = false;
    bool put_count = false;  // also if the number of records stays the same
  };

  // `indexes` are those of the table, and stay as they are while anything is staged.
  explicit StagedSet(const IndexSet& indexes) : indexes_(indexes) {}

  // What each_change() tells as the record before is kept from now on, or not. Of use while nothing
  // is staged.
  void keep_old_data(bool keep) { keeps_old_data_ = keep; }

  // So many bytes instead of limits::kBatchBytesMax.
  void let_hold(std::size_t bytes_max) { bytes_max_ = bytes_max; }

  bool empty() const { return records_.empty(); }
  // By how much the number of live records differs from what it was before the transaction.
  std::int64_t count_delta() const { return count_delta_; }
  const PendingSet::Orders& inserted() const { return orders_; }
  const IndexOverlay& entries() const { return overlay_; }
  // Changes with each change of what is staged: iterators and views may be gone then.
  std::uint64_t generation() const { return generation_; }

  // The id's state in this transaction; null if it was not touched.
  const RecordState* find(std::string_view id) const;

  // What the transaction did to each record, in the order of their ids. Views live until the set
  // changes.
  struct Change {
    format::ChangeKind kind;
    std::string_view id, data, old_data;
  };
  template <class Visit>
  void each_change(const Visit& visit) const {
    for (const auto& [id, entry] : records_) {
      const bool was = entry.base.live();
      const auto kind = !entry.state.live() ? format::ChangeKind::erase
                        : was               ? format::ChangeKind::update
                                            : format::ChangeKind::insert;
      visit(Change{kind, id, entry.data, entry.old_data});
    }
  }
  std::size_t size() const { return records_.size(); }

  // What leads to this state from the one below: first what is deleted, then what is put, in the
  // order of `_order`.
  std::vector<RecordChange> changes() const;

  // The first id behind `id` (before it, if descending; without one: at the end of the table).
  std::optional<std::string_view> id_after(std::optional<std::string_view> id,
                                           bool descending) const;

  // Makes the record live with this data or, for erase, ends it. `before` is its state until now:
  // what find() says or, if that is null, the newest one below the transaction. A later change of
  // one id replaces the earlier one. `entries` are those of `data`.
  // Errors: too_large, with nothing changed.
  Status put(std::string_view id, const RecordState& before, std::string data, IndexEntries entries,
             Txid txid);
  void erase(std::string_view id, const RecordState& before);

  // The rows that change. Notes in the entries what will be `alone`.
  WriteBatch batch(const Frame& frame, const format::CountRow& count);

  // Whether the batch that was built last takes out versions that it supersedes.
  bool collects() const { return collects_; }

  void seal(Ticket ticket, Txid txid, PendingSet& pending);
  void clear();

 private:
  friend class StagedOverlay;

  struct Entry {
    RecordState base;  // below the transaction; without data
    RecordState state;
    std::string data;  // what state.data shows
    bool base_erased = false;
    IndexEntries base_entries, entries;
    std::vector<std::string> put;  // keys in overlay_: the entries that are not the base's too
    std::string old_data = {};     // the base's, if it is kept

    // The entries that LMDB gets, and those that go if the base does.
    IndexEntries new_entries() const;
    IndexEntries old_entries() const;
    bool same_order() const { return base.live() && state.live() && base.order == state.order; }
  };
  using Records = std::map<std::string, Entry, std::less<>>;  // sorted as LMDB sorts

  Records::iterator touch(std::string_view id, const RecordState& before);
  void show(Records::iterator record);
  void hide(Entry& entry);
  static std::vector<RecordChange> changes_of(const Records& records);
  static void add_version(const Frame& frame, std::string_view id, Entry& entry, WriteBatch& batch);
  static void add_delete(const Frame& frame, std::string_view id, Entry& entry, WriteBatch& batch);

  const IndexSet& indexes_;
  Records records_;  // each differs from its base
  PendingSet::Orders orders_;
  IndexOverlay overlay_;
  std::int64_t count_delta_ = 0;
  std::uint64_t inserts_ = 0;
  std::uint64_t generation_ = 0;
  std::size_t bytes_ = 0;  // of ids, data and entries
  std::size_t bytes_max_ = limits::kBatchBytesMax;
  bool collects_ = false;
  bool keeps_old_data_ = false;
};

// What a transaction that stands apart has staged, out of the table between two of its steps.
class StagedOverlay {
 public:
  // Takes all that is staged, which leaves nothing. `indexes` names the state of the table's
  // indexes: put back under another one, entries would be missing.
  StagedOverlay(StagedSet& from, std::size_t writes, std::uint64_t indexes);

  void put_back(StagedSet& to);  // REQUIRES: nothing is staged there

  std::vector<RecordChange> changes() const { return StagedSet::changes_of(records_); }
  std::size_t bytes() const { return bytes_; }
  std::size_t writes() const { return writes_; }
  std::uint64_t indexes() const { return indexes_; }

 private:
  const std::size_t writes_;
  const std::uint64_t indexes_;
  StagedSet::Records records_;  // nodes stay where they are: the rest has views of them
  PendingSet::Orders orders_;
  IndexOverlay overlay_;
  std::int64_t count_delta_ = 0;
  std::uint64_t inserts_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace kontract
