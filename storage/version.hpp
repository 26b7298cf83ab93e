// Versions of a record, and the one rule that says who sees which.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace kontract {

using Txid = std::uint64_t;  // 1..2^53-1, strictly increasing within a session; 0 means none

struct Version {
  Txid txid = 0;                     // the transaction that wrote it
  std::optional<Txid> deleted_txid;  // the one that superseded or deleted it
  std::uint64_t order = 0;           // given at insert, kept by updates; see make_order
  std::string owner;
  std::string data;  // compact JSON text of an object
};

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
