// Building an index on records that are there, and removing the entries of one that is not kept up
// any more; both in rounds, so that the table's calls go on in between.
//
// Writes put entries from the moment that the table knows of the index, but only those that the
// version before did not have. The rest is put by the rounds. They walk the stored versions from
// the end of the table to its start, the versions of each record from the oldest to the newest. A
// round is appended behind the batches that are pending, so it must not bring back what those
// erase: of a version that a pending one erases, it puts what the latter still has. It must not
// make an entry older than it is either: what a pending version put stays.
//
// The round before must be applied when one is built, and so must a round of garbage: what it
// removes would be found once more. While an index is building, garbage waits for the round before
// in the same way.

#pragma once

#include <string>
#include <vector>

#include "storage/environment.hpp"
#include "storage/index_set.hpp"
#include "storage/pending_set.hpp"
#include "storage/registry.hpp"

namespace kontract {

// A table, and how much a round may add to its batch.
struct IndexRound {
  SessionNo session = 0;
  TableNo table = 0;
  std::size_t ops_max = 0;
};

// Puts the entries of stored versions into all indexes of `building`. `position` is the key of the
// last version that was looked at; empty: none was. Indexes that a record does not fit into are
// added to `unfit`. Returns whether more versions are left.
// REQUIRES: each pending version knew of the indexes.
Result<bool> fill_indexes(const ReadTxn& txn, const IndexRound& round, const IndexSet& building,
                          const PendingSet& pending, std::string& position,
                          std::vector<IndexNo>& unfit, WriteBatch& batch);

// Returns whether more entries are left.
Result<bool> remove_entries(const ReadTxn& txn, const IndexRound& round, IndexNo index,
                            WriteBatch& batch);

}  // namespace kontract
