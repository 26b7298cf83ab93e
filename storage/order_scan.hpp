// OrderScan: the ids of a table in `_order`, merged from LMDB and from what it does not show yet.
//
// It yields every (order, id) that some version has or had, once. Whether a record is there is for
// the caller to ask: it is if the version that is visible to it has this very order.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/environment.hpp"
#include "storage/pending_set.hpp"
#include "storage/registry.hpp"

namespace kontract {

class OrderScan {
 public:
  struct Range {
    SessionNo session = 0;
    TableNo table = 0;
    std::optional<std::uint64_t> after;  // starts behind this order; none: at the end of the table
    bool descending = false;
  };

  // REQUIRES: `txn` and both overlays stay as they are while the scan is used.
  static Result<OrderScan> start(const ReadTxn& txn, const Range& range,
                                 const PendingSet::Orders& pending,
                                 const PendingSet::Orders& staged);

  // To the first or the next one; false at the end.
  Result<bool> next();

  // REQUIRES: next() returned true. The id lives as long as the transaction and the overlays.
  std::uint64_t order() const { return current_.first; }
  std::string_view id() const { return current_.second; }

 private:
  using Place = std::pair<std::uint64_t, std::string_view>;

  // An overlay, walked in the direction of the scan.
  struct Overlay {
    const PendingSet::Orders* orders;
    PendingSet::Orders::const_iterator at;  // ascending: the next one; descending: behind it
  };

  OrderScan(Cursor cursor, const Range& range) : cursor_(std::move(cursor)), range_(range) {}

  Result<bool> load(Result<bool> on_row);
  std::optional<Place> head(const Overlay& overlay) const;
  bool before(const Place& a, const Place& b) const;

  Cursor cursor_;
  Range range_;
  std::optional<Place> stored_;  // where cursor_ stands
  std::array<Overlay, 2> overlays_{};
  Place current_{};
};

}  // namespace kontract
