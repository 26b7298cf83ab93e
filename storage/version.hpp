// The one rule that says who sees which version of a record.

#pragma once

#include <cstdint>
#include <optional>

namespace kontract {

using Txid = std::uint64_t;  // 1..2^53-1, strictly increasing within a session; 0 means none

// Whether a transaction that reads at `current` sees the version. The only place that decides it.
constexpr bool visible(Txid txid, std::optional<Txid> deleted_txid, Txid current) {
  return txid < current && (!deleted_txid || *deleted_txid >= current);
}

// _order: monotonic over the session's life without a counter of its own, since txids are.
inline constexpr unsigned kOrderIndexBits = 10;  // up to 1,024 inserts of one transaction
constexpr std::uint64_t make_order(Txid txid, std::uint64_t index_in_txn) {
  return txid << kOrderIndexBits | index_in_txn;
}

}  // namespace kontract
