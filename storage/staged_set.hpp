// StagedSet: what the transaction that is open on a table has changed so far. It knows which rows
// of LMDB follow from that, those that become garbage included; seal() makes it pending.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "storage/commit_log.hpp"
#include "storage/format.hpp"
#include "storage/pending_set.hpp"
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
  };

  bool empty() const { return entries_.empty(); }
  // By how much the number of live records differs from what it was before the transaction.
  std::int64_t count_delta() const { return count_delta_; }
  const PendingSet::Orders& inserted() const { return orders_; }

  // The id's state in this transaction; null if it was not touched.
  const RecordState* find(std::string_view id) const;

  // Makes the record live with this data or, for erase, ends it. `before` is its state until now:
  // what find() says or, if that is null, the newest one below the transaction. A later change of
  // one id replaces the earlier one. Errors: too_large, with nothing changed.
  Status put(std::string_view id, const RecordState& before, std::string data, Txid txid);
  void erase(std::string_view id, const RecordState& before);

  // The rows that change. Notes in the entries what will be `alone`.
  WriteBatch batch(const Frame& frame, const format::CountRow& count);

  void seal(Ticket ticket, Txid txid, PendingSet& pending);
  void clear();

 private:
  struct Entry {
    RecordState base;  // below the transaction; without data
    RecordState state;
    std::string data;  // what state.data shows
  };
  using Entries = std::map<std::string, Entry, std::less<>>;  // sorted as LMDB sorts

  Entries::iterator touch(std::string_view id, const RecordState& before);
  static void add_version(const Frame& frame, std::string_view id, Entry& entry, WriteBatch& batch);
  static void add_delete(const Frame& frame, std::string_view id, Entry& entry, WriteBatch& batch);

  Entries entries_;  // each differs from its base
  PendingSet::Orders orders_;
  std::int64_t count_delta_ = 0;
  std::uint64_t inserts_ = 0;
  std::size_t bytes_ = 0;  // of ids and data
};

}  // namespace kontract
