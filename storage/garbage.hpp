// Garbage: the removal of versions that nobody can see any more.
//
// A version that was superseded at d is seen by readers up to d only: it may go when every reader
// is past d and it was kept for the retention time. `garbage` has a row for each such version (and
// for each tombstone), in the order of d, so that nothing is searched for and a restart forgets
// nothing.
//
// Rows of one id come oldest first. So when a version's turn comes, all older ones are gone or go
// in the same batch, and:
// - its order row goes too unless the next newer row has the same order (the rows of one order are
//   neighbours, since updates keep it and a new insert gets a new one);
// - a tombstone's turn comes after that of all versions below it: it can go without bringing one
//   of them back.
// - its entries in indexes go too, unless the next newer row has them as well, or a later version
//   has taken them up again: that one's txid is in the entry, or the entry is pending.
// Rows are taken from a snapshot; that some may be gone by the time the batch is applied is
// harmless, since no key of a version or an order is ever used again. An entry's key is, by an
// update that goes back to earlier values; so what is pending is asked as well.

#pragma once

#include <cstdint>

#include "storage/environment.hpp"
#include "storage/index_overlay.hpp"
#include "storage/index_set.hpp"
#include "storage/registry.hpp"

namespace kontract {

struct GarbageBounds {
  Txid oldest_reader = 0;          // nobody reads at less
  std::int64_t superseded_ms = 0;  // what was superseded later is still to be kept
  std::size_t ops_max = 0;         // operations to add to the batch at most
};

struct GarbageRound {
  bool more = false;   // is left that could go now
  Txid collected = 0;  // the highest txid that superseded what goes; 0: nothing goes
};

// REQUIRES: each entry that is put by a batch that `txn` does not show is in `pending`.
Result<GarbageRound> collect_garbage(const ReadTxn& txn, SessionNo session, TableNo table,
                                     const GarbageBounds& bounds, const IndexSet& indexes,
                                     const IndexOverlay& pending, WriteBatch& batch);

}  // namespace kontract
