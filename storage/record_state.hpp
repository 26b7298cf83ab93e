// RecordState: what is so for one id of a table at some point of its history. Snapshot: the part of
// that history which LMDB holds.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/environment.hpp"
#include "storage/registry.hpp"
#include "storage/version.hpp"

namespace kontract {

struct RecordState {
  enum class Kind : std::uint8_t { absent, deleted, live };
  Kind kind = Kind::absent;
  Txid txid = 0;            // of the version, or of the delete; 0 if absent
  std::uint64_t order = 0;  // of a live one
  // Nothing older of the id is stored, or it is surely gone when this is applied. Of a deleted
  // record: nothing at all is. May be false though it is so, never true though it is not.
  bool alone = false;
  std::string_view data;  // of a live one; as long as what it was read from

  bool live() const { return kind == Kind::live; }
};

// One read of one table: opens the LMDB transaction and its cursor when they are first needed.
class Snapshot {
 public:
  Snapshot(Environment& environment, SessionNo session, TableNo table)
      : environment_(environment), session_(session), table_(table) {}

  Result<const ReadTxn*> txn();

  // The newest row of the id that is before `below`.
  Result<RecordState> newest_before(std::string_view id, Txid below);

  // Whether something older than the row that was just found is stored. REQUIRES: one was found.
  Result<bool> has_older();

 private:
  Result<Cursor*> versions();

  Environment& environment_;
  const SessionNo session_;
  const TableNo table_;
  std::optional<ReadTxn> txn_;
  std::optional<Cursor> versions_;  // after txn_: it goes first
};

}  // namespace kontract
