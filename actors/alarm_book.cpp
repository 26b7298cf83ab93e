#include "actors/alarm_book.hpp"

#include <utility>

#include "storage/format_alarms.hpp"

namespace kontract {

namespace {

constexpr std::int64_t kDoneKeptMs = 24 * 3'600'000;
constexpr std::size_t kTidiedMax = 4;  // in one transaction: more than it makes

}  // namespace

void AlarmBook::open(SessionNo session) {
  session_ = session;
  pending_.clear();
  due_.clear();
  staged_ = false;
  ++changes_;
}

Result<ReadTxn> AlarmBook::read() {
  pending_.drop_applied(shard_.log().applied());
  return shard_.environment().read();
}

Result<std::optional<AlarmRow>> AlarmBook::find(std::string_view name) {
  auto txn = read();
  if (!txn) return std::move(txn).error();
  const format::Key key = format::alarm_key(session_, name);
  const auto value = pending_.get(*txn, key);
  if (!value) return value.error();
  if (!*value) return std::optional<AlarmRow>{};
  auto row = format::parse_alarm(key, **value);
  if (!row) return std::move(row).error();
  return std::optional(*std::move(row));
}

Status AlarmBook::each_after(std::string_view name, const Visit& visit) {
  auto txn = read();
  if (!txn) return std::move(txn).error();
  const format::Key prefix = format::alarm_prefix(session_);
  format::Key from = format::alarm_key(session_, name);
  if (!name.empty()) from.u8('\0');  // no name has it, so this comes right behind
  return pending_.scan(*txn, prefix, from,
                       [&](std::string_view key, std::string_view value) -> Result<bool> {
                         auto row = format::parse_alarm(key, value);
                         if (!row) return std::move(row).error();
                         return visit(*std::move(row));
                       });
}

Result<std::vector<AlarmFireRow>> AlarmBook::fires(std::string_view name) {
  auto txn = read();
  if (!txn) return std::move(txn).error();
  std::vector<AlarmFireRow> found;
  const format::Key prefix = format::alarm_fire_prefix(session_, name);
  const Status read = pending_.scan(
      *txn, prefix, prefix, [&](std::string_view key, std::string_view value) -> Result<bool> {
        auto row = format::parse_alarm_fire(key, value);
        if (!row) return std::move(row).error();
        found.push_back(*std::move(row));
        return true;
      });
  if (!read) return read.error();
  return found;
}

Status AlarmBook::tidy(WriteBatch& batch, const std::function<bool(std::string_view name)>& keep) {
  auto txn = read();
  if (!txn) return std::move(txn).error();
  std::vector<AlarmRow> gone;
  const format::Key prefix = format::alarm_ended_prefix(session_);
  const std::int64_t until = now() - kDoneKeptMs;
  const auto visit = [&](std::string_view key, std::string_view) -> Result<bool> {
    const auto ended = format::parse_alarm_ended_key(key);
    if (!ended) return ended.error();
    if (ended->ms >= until) return false;
    if (keep(ended->name)) return true;
    const format::Key of_row = format::alarm_key(session_, ended->name);
    const auto value = pending_.get(*txn, of_row);
    if (!value) return value.error();
    if (*value) {
      auto row = format::parse_alarm(of_row, **value);
      if (!row) return std::move(row).error();
      gone.push_back(*std::move(row));
    }
    return gone.size() < kTidiedMax;
  };
  if (Status scanned = pending_.scan(*txn, prefix, prefix, visit); !scanned) return scanned;
  for (const AlarmRow& row : gone) erase_alarm(batch, session_, row);
  return {};
}

void AlarmBook::stage(const WriteBatch& batch) {
  pending_.stage(batch);
  for (const WriteOp& op : batch.ops()) {
    if (op.space != Keyspace::alarms) continue;
    staged_ = true;
    if (op.erase) continue;
    if (const auto due = format::parse_alarm_due_key(op.key)) due_.push_back(due->ms);
  }
}

void AlarmBook::appended(Ticket ticket) {
  if (!std::exchange(staged_, false)) return;
  pending_.appended(ticket);
  ++changes_;
  last_change_ = ticket;
  for (const std::int64_t due : due_) bell_->ring(shard_, due, ticket);
  due_.clear();
}

}  // namespace kontract
