#include "storage/index_scan.hpp"

#include "storage/format.hpp"

namespace kontract {
namespace {

// A key for LMDB, which takes no longer ones. All keys that are stored are shorter, so that none
// lies between a bound and the part of it that fits.
std::string_view fitting(std::string_view key) { return key.substr(0, limits::kLmdbKeyBytesMax); }

}  // namespace

Result<IndexScan> IndexScan::start(const ReadTxn& txn, SessionNo session, TableNo table,
                                   Range range, const IndexOverlay& pending,
                                   const IndexOverlay& staged) {
  auto cursor = txn.cursor(Keyspace::indexes);
  if (!cursor) return std::move(cursor).error();
  IndexScan scan(*std::move(cursor), format::rows_prefix(session, table).str(), std::move(range));
  const std::string& from = scan.range_.from;
  const std::string& to = scan.range_.to;
  const bool descending = scan.range_.descending;
  const std::string seek = scan.table_ + (descending ? to : from);
  Status stored = scan.load(descending ? scan.cursor_.seek_before(fitting(seek))
                                       : scan.cursor_.seek(fitting(seek)));
  if (!stored) return std::move(stored).error();
  const auto place = [&](const IndexOverlay::Entries& entries) {
    return Overlay{&entries, entries.lower_bound(descending ? to : from)};
  };
  scan.overlays_ = {place(pending.entries()), place(staged.entries())};
  return scan;
}

// Takes what the cursor stands on into stored_, if it is still in the range.
Status IndexScan::load(Result<bool> on_row) {
  stored_.reset();
  if (!on_row) return std::move(on_row).error();
  if (!*on_row || !cursor_.key().starts_with(table_)) return {};
  const std::string_view key = cursor_.key().substr(table_.size());
  if (!inside(key)) return {};
  if (auto parsed = format::parse_index_key(cursor_.key()); !parsed) {
    return std::move(parsed).error();
  }
  auto value = format::parse_index(cursor_.key(), cursor_.value());
  if (!value) return std::move(value).error();
  stored_ = Place{key, value->id};
  return {};
}

bool IndexScan::inside(std::string_view key) const {
  return range_.descending ? key >= range_.from : key < range_.to;
}

std::optional<IndexScan::Place> IndexScan::head(const Overlay& overlay) const {
  auto at = overlay.at;
  if (range_.descending) {
    if (at == overlay.entries->begin()) return std::nullopt;
    --at;
  } else if (at == overlay.entries->end()) {
    return std::nullopt;
  }
  if (!inside(at->first)) return std::nullopt;
  return Place{at->first, at->second.id};
}

bool IndexScan::before(std::string_view a, std::string_view b) const {
  return range_.descending ? a > b : a < b;
}

Result<bool> IndexScan::next() {
  std::optional<Place> first = stored_;
  for (const Overlay& overlay : overlays_) {
    const auto candidate = head(overlay);
    if (candidate && (!first || before(candidate->first, first->first))) first = candidate;
  }
  if (!first) return false;
  current_ = *first;

  // One entry may be in several places: it leaves all of them.
  for (Overlay& overlay : overlays_) {
    const auto candidate = head(overlay);
    if (!candidate || candidate->first != current_.first) continue;
    range_.descending ? --overlay.at : ++overlay.at;
  }
  if (stored_ && stored_->first == current_.first) {
    Status moved = load(range_.descending ? cursor_.prev() : cursor_.next());
    if (!moved) return std::move(moved).error();
  }
  return true;
}

IndexScan::Range after(IndexScan::Range range, std::string_view key) {
  if (range.descending) {
    range.to = key;
  } else {
    (range.from = key) += '\0';
  }
  return range;
}

// What follows a prefix is a value's tag, an order's first byte or a mark: below FF, all of them.
std::string behind_all(std::string_view prefix) { return std::string(prefix) + '\xFF'; }

IndexScan::Range range_of(std::string prefix) {
  std::string to = behind_all(prefix);
  return {std::move(prefix), std::move(to), false};
}

}  // namespace kontract
