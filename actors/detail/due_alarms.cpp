#include "actors/detail/due_alarms.hpp"

#include <algorithm>
#include <utility>

#include "storage/format_alarms.hpp"

namespace kontract::detail {

namespace {

class TellBell final : public Settled {
 public:
  TellBell(std::shared_ptr<AlarmBell> bell, const Shard& shard, Ticket ticket)
      : bell_(std::move(bell)), shard_(shard), ticket_(ticket) {}
  void settled(const Status&) noexcept override { bell_->applied(shard_, ticket_); }

 private:
  const std::shared_ptr<AlarmBell> bell_;
  const Shard& shard_;  // as a name only
  const Ticket ticket_;
};

}  // namespace

std::string DueAlarm::key() const {
  return std::to_string(shard) + ' ' + std::to_string(session) + ' ' + std::to_string(due_ms) +
         ' ' + name;
}

void DueAlarms::applied(Ticket ticket) { heard_applied_ = std::max(heard_applied_, ticket); }

void DueAlarms::read_again_from(std::int64_t ms) {
  const format::Key key = format::alarm_due_from(ms);
  if (key.view() < position_) position_ = key.view();
  next_ms_ = std::min(next_ms_, ms);
}

std::int64_t DueAlarms::next_ms() const {
  std::int64_t next = next_ms_;
  // Of one that is not applied the log tells.
  for (const Rung& one : rung_) {
    if (one.ticket > waited_for_) next = std::min(next, one.due_ms);
  }
  return next;
}

// What was rung and is applied is in LMDB: it is read from there. The rest is waited for if it is
// due.
void DueAlarms::hear(std::int64_t now_ms) {
  if (rung_.empty()) return;
  const Ticket applied = std::max(shard_.log().applied(), heard_applied_);
  Ticket wanted = 0;
  std::erase_if(rung_, [&](const Rung& one) {
    if (one.ticket <= applied) {
      read_again_from(one.due_ms);
      return true;
    }
    if (one.due_ms <= now_ms) wanted = std::max(wanted, one.ticket);
    return false;
  });
  if (wanted <= waited_for_) return;
  waited_for_ = wanted;
  shard_.log().when_applied(wanted, std::make_unique<TellBell>(bell_, shard_, wanted));
}

Result<const DueAlarm*> DueAlarms::next(std::int64_t now_ms, std::size_t page_rows,
                                        const IsKnown& is_known) {
  hear(now_ms);
  while (page_.empty() && next_ms_ <= now_ms) {
    if (Status read = read_page(now_ms, page_rows, is_known); !read) return read.error();
  }
  return page_.empty() ? nullptr : &page_.front();
}

DueAlarm DueAlarms::take() {
  DueAlarm first = std::move(page_.front());
  page_.pop_front();
  return first;
}

Status DueAlarms::read_page(std::int64_t now_ms, std::size_t page_rows, const IsKnown& is_known) {
  const format::Key prefix = format::alarm_due_prefix();
  auto txn = shard_.environment().read();
  if (!txn) return std::move(txn).error();
  auto cursor = txn->cursor(Keyspace::alarms);
  if (!cursor) return std::move(cursor).error();
  auto on_row = cursor->seek(std::max(prefix.view(), std::string_view(position_)));
  for (std::size_t read = 0; read < page_rows; ++read) {
    if (!on_row) return std::move(on_row).error();
    if (!*on_row || !cursor->key().starts_with(prefix.view())) {
      next_ms_ = kNever;
      return {};
    }
    const auto due = format::parse_alarm_due_key(cursor->key());
    if (!due) return due.error();
    next_ms_ = due->ms;
    if (due->ms > now_ms) return {};
    ++rows_read_;
    position_ = std::string(cursor->key()) + '\0';
    auto identity = identity_of(*txn, due->session);
    if (!identity) return std::move(identity).error();
    if (*identity) {
      DueAlarm one{index_, due->session, std::string(due->name), due->ms, **std::move(identity)};
      if (!is_known(one.key())) page_.push_back(std::move(one));
    }
    on_row = cursor->next();
  }
  return {};
}

// Nothing for a session that is gone: what is left of it is purged.
Result<std::optional<Identity>> DueAlarms::identity_of(const ReadTxn& txn, SessionNo session) {
  const format::Key key = format::session_no_key(session);
  const auto value = txn.get(Keyspace::sessions, key);
  if (!value) return value.error();
  if (!*value) return std::optional<Identity>{};
  auto identity = format::parse_session_no(key, **value);
  if (!identity) return std::move(identity).error();
  return std::optional(*std::move(identity));
}

}  // namespace kontract::detail
