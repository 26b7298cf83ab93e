// IndexScan: the entries of a table's indexes in their order, merged from LMDB and from what it
// does not show yet.
//
// An entry says that some version of the record may have these values. Whether the one that is
// visible to the reader has them is for the caller to ask.

#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "storage/environment.hpp"
#include "storage/index_overlay.hpp"
#include "storage/registry.hpp"

namespace kontract {

class IndexScan {
 public:
  // Of keys: an entry and an order. `from` <= key < `to`.
  struct Range {
    std::string from, to;
    bool descending = false;
  };

  // REQUIRES: `txn` and both overlays stay as they are while the scan is used.
  static Result<IndexScan> start(const ReadTxn& txn, SessionNo session, TableNo table, Range range,
                                 const IndexOverlay& pending, const IndexOverlay& staged);

  // To the first or the next one; false at the end.
  Result<bool> next();

  // REQUIRES: next() returned true. Views live as long as the transaction and the overlays.
  std::string_view key() const { return current_.first; }
  std::string_view entry() const { return key().substr(0, key().size() - sizeof(std::uint64_t)); }
  std::uint64_t order() const {
    return get_be<std::uint64_t>(key().data() + key().size() - sizeof(std::uint64_t));
  }
  std::string_view id() const { return current_.second; }

 private:
  using Place = std::pair<std::string_view, std::string_view>;  // key and id

  // An overlay, walked in the direction of the scan.
  struct Overlay {
    const IndexOverlay::Entries* entries;
    IndexOverlay::Entries::const_iterator at;  // ascending: the next one; descending: behind it
  };

  IndexScan(Cursor cursor, std::string table, Range range)
      : cursor_(std::move(cursor)), table_(std::move(table)), range_(std::move(range)) {}

  Status load(Result<bool> on_row);
  std::optional<Place> head(const Overlay& overlay) const;
  bool before(std::string_view a, std::string_view b) const;
  bool inside(std::string_view key) const;

  Cursor cursor_;
  std::string table_;  // what the table's keys begin with
  Range range_;
  std::optional<Place> stored_;  // where cursor_ stands
  std::array<Overlay, 2> overlays_{};
  Place current_{};
};

// The range behind a key that a scan has come to, for going on after an overlay has changed.
IndexScan::Range after(IndexScan::Range range, std::string_view key);

// Of all keys that begin with `prefix`.
IndexScan::Range range_of(std::string prefix);

// For indexes of the table: nothing that begins with an entry is behind it.
std::string behind_all(std::string_view prefix);

}  // namespace kontract
