#include "storage/order_scan.hpp"

#include "storage/format.hpp"

namespace kontract {

Result<OrderScan> OrderScan::start(const ReadTxn& txn, const Range& range,
                                   const PendingSet::Orders& pending,
                                   const PendingSet::Orders& staged) {
  auto cursor = txn.cursor(Keyspace::order);
  if (!cursor) return std::move(cursor).error();
  OrderScan scan(*std::move(cursor), range);

  // No record has order 0 or ~0: they are before and behind all.
  const std::uint64_t from = range.after.value_or(range.descending ? ~std::uint64_t{0} : 0);
  const format::Key key =
      format::order_key(range.session, range.table, range.descending ? from : from + 1);
  auto stored =
      scan.load(range.descending ? scan.cursor_.seek_before(key) : scan.cursor_.seek(key));
  if (!stored) return std::move(stored).error();

  const auto place = [&](const PendingSet::Orders& orders) {
    return Overlay{&orders, range.descending ? orders.lower_bound(from) : orders.upper_bound(from)};
  };
  scan.overlays_ = {place(pending), place(staged)};
  return scan;
}

// Takes what the cursor stands on into stored_, if it is still of this table.
Result<bool> OrderScan::load(Result<bool> on_row) {
  stored_.reset();
  if (!on_row) return on_row;
  if (!*on_row ||
      !cursor_.key().starts_with(format::rows_prefix(range_.session, range_.table).view())) {
    return false;
  }
  auto key = format::parse_order_key(cursor_.key());
  if (!key) return std::move(key).error();
  auto id = format::parse_order(cursor_.key(), cursor_.value());
  if (!id) return std::move(id).error();
  stored_ = Place{key->order, *id};
  return true;
}

std::optional<OrderScan::Place> OrderScan::head(const Overlay& overlay) const {
  if (range_.descending) {
    if (overlay.at == overlay.orders->begin()) return std::nullopt;
    return *std::prev(overlay.at);
  }
  if (overlay.at == overlay.orders->end()) return std::nullopt;
  return *overlay.at;
}

bool OrderScan::before(const Place& a, const Place& b) const {
  return range_.descending ? a.first > b.first : a.first < b.first;
}

Result<bool> OrderScan::next() {
  std::optional<Place> first = stored_;
  for (const Overlay& overlay : overlays_) {
    const auto candidate = head(overlay);
    if (candidate && (!first || before(*candidate, *first))) first = candidate;
  }
  if (!first) return false;
  current_ = *first;

  // One order may be in several places: it leaves all of them.
  for (Overlay& overlay : overlays_) {
    const auto candidate = head(overlay);
    if (!candidate || candidate->first != current_.first) continue;
    range_.descending ? --overlay.at : ++overlay.at;
  }
  if (stored_ && stored_->first == current_.first) {
    auto moved = load(range_.descending ? cursor_.prev() : cursor_.next());
    if (!moved) return moved;
  }
  return true;
}

}  // namespace kontract
