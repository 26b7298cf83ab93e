// The end of a session: it is taken out in one batch, which leaves a mark; what it had is removed
// in rounds, by the store, until the mark goes too. A crash in between changes nothing of that.

#pragma once

#include <vector>

#include "storage/registry.hpp"

namespace kontract {

// Takes the session and its tables out of the registry and marks it as destroyed.
// REQUIRES: nothing of the session is appended after this batch.
void destroy_session(WriteBatch& batch, const Identity& identity, SessionNo session,
                     const std::vector<TableRow>& tables);

// Adds the removal of up to `ops_max` rows of destroyed sessions of a shard; false when none is
// left. The mark of the highest number stays, so that it is never given again.
Result<bool> purge_destroyed(const ReadTxn& txn, std::size_t ops_max, WriteBatch& batch);

}  // namespace kontract
