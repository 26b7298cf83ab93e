#include "storage/pending_rows.hpp"

#include <algorithm>
#include <limits>

namespace kontract {

void PendingRows::stage(const WriteBatch& batch) {
  for (const WriteOp& op : batch.ops()) {
    if (op.space != space_) continue;
    Row& row = rows_[op.key];
    row.value = op.erase ? std::nullopt : std::optional(op.value);
    row.ticket = std::numeric_limits<Ticket>::max();
    staged_.push_back(op.key);
  }
}

void PendingRows::appended(Ticket ticket) {
  for (std::string& key : staged_) {
    rows_.find(key)->second.ticket = ticket;
    appended_.emplace_back(ticket, std::move(key));
  }
  staged_.clear();
}

void PendingRows::drop_applied(Ticket applied) {
  while (!appended_.empty() && appended_.front().first <= applied) {
    const auto row = rows_.find(appended_.front().second);
    if (row != rows_.end() && row->second.ticket <= applied) rows_.erase(row);
    appended_.pop_front();
  }
}

void PendingRows::clear() {
  rows_.clear();
  staged_.clear();
  appended_.clear();
}

Result<std::optional<std::string>> PendingRows::get(const ReadTxn& txn,
                                                    std::string_view key) const {
  if (const auto row = rows_.find(key); row != rows_.end()) return row->second.value;
  const auto found = txn.get(space_, key);
  if (!found) return found.error();
  if (!*found) return std::optional<std::string>{};
  return std::optional(std::string(**found));
}

Status PendingRows::scan(const ReadTxn& txn, std::string_view prefix, std::string_view from,
                         const Visit& visit) const {
  auto cursor = txn.cursor(space_);
  if (!cursor) return std::move(cursor).error();
  const std::string_view begin = std::max(prefix, from);
  auto on_row = cursor->seek(begin);
  auto row = rows_.lower_bound(begin);
  for (;;) {
    if (!on_row) return std::move(on_row).error();
    const bool stored = *on_row && cursor->key().starts_with(prefix);
    const bool pending = row != rows_.end() && row->first.starts_with(prefix);
    if (!stored && !pending) return {};
    if (pending && (!stored || row->first <= cursor->key())) {
      const bool replaces = stored && row->first == cursor->key();
      if (row->second.value) {
        const Result<bool> more = visit(row->first, *row->second.value);
        if (!more) return more.error();
        if (!*more) return {};
      }
      ++row;
      if (replaces) on_row = cursor->next();
    } else {
      const Result<bool> more = visit(cursor->key(), cursor->value());
      if (!more) return more.error();
      if (!*more) return {};
      on_row = cursor->next();
    }
  }
}

}  // namespace kontract
