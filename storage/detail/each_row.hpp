// Looks at all rows of a sub-database in the order of their keys.

#pragma once

#include <utility>

#include "storage/environment.hpp"

namespace kontract {

// `visit(key, value)` gives a Status; the first error ends it.
template <class Visit>
Status each_row(const ReadTxn& txn, Keyspace space, const Visit& visit) {
  auto cursor = txn.cursor(space);
  if (!cursor) return std::move(cursor).error();
  auto on_row = cursor->seek({});
  for (; on_row && *on_row; on_row = cursor->next()) {
    if (Status visited = visit(cursor->key(), cursor->value()); !visited) return visited;
  }
  if (!on_row) return std::move(on_row).error();
  return {};
}

}  // namespace kontract
