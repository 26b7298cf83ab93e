// Removes rows in rounds.

#pragma once

#include <string_view>

#include "storage/environment.hpp"

namespace kontract {

// Adds the removal of all rows under the prefix to the batch, until that has `ops_end` operations.
// False when none is left.
Result<bool> purge_rows(const ReadTxn& txn, Keyspace space, std::string_view prefix,
                        std::size_t ops_end, WriteBatch& batch);

}  // namespace kontract
