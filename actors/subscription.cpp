#include "actors/subscription.hpp"

#include <algorithm>
#include <map>

namespace kontract {
namespace {

constexpr std::size_t kPageRows = 1024;
constexpr std::size_t kPageBytes = 256 * limits::kKiB;
// For one that coalesces: within so much, all changes of a record become one.
constexpr std::size_t kCoalescedRows = 4096;
constexpr std::size_t kCoalescedBytes = 1 * limits::kMiB;

class WakeWhenApplied final : public Settled {
 public:
  explicit WakeWhenApplied(std::shared_ptr<EventWaiter> waiter) : waiter_(std::move(waiter)) {}
  // A log that is broken tells it at once, each time: then nothing new comes anyway.
  void settled(const Status& status) noexcept override {
    if (status) waiter_->wake();
  }

 private:
  const std::shared_ptr<EventWaiter> waiter_;
};

// What became of a record by several changes; nothing if it is as if there had been none.
std::optional<Change> merged(const Change& first, Change last) {
  using enum format::ChangeKind;
  const bool was = first.kind != insert;
  const bool is = last.kind != erase;
  if (!was && !is) return std::nullopt;
  last.kind = !was ? insert : is ? update : erase;
  last.old_data = first.old_data;
  return last;
}

}  // namespace

Subscription::Subscription(std::shared_ptr<EventChannel> channel,
                           std::shared_ptr<const EventView> view, Txid seen, SlowPolicy slow,
                           std::shared_ptr<EventWaiter> waiter)
    : channel_(std::move(channel)),
      view_(std::move(view)),
      slow_(slow),
      waiter_(std::move(waiter)),
      seen_(seen),
      row_txid_(seen + 1) {
  schema_ = channel_->rules().schema;
}

Subscription::~Subscription() { channel_->leave(this); }

Subscription::State Subscription::end(Error error) {
  error_ = std::move(error);
  texts_ = nullptr;
  read_.clear();
  held_.reset();
  return State::ended;
}

// Whether it may go on. False: it has ended.
bool Subscription::check_rules(std::uint64_t version) {
  if (version == rules_) return true;
  EventChannel::Rules rules = channel_->rules();
  rules_ = rules.version;
  schema_ = std::move(rules.schema);
  std::optional<Error> error = std::move(rules.ended);
  if (!error && schema_) {
    if (Status readable = schema_->check_filter(view_->filter()); !readable) {
      error = std::move(readable).error();
    }
  }
  if (error) end(*std::move(error));
  return !error_;
}

void Subscription::emit_one(const EventText& text, const Emit& emit, std::size_t& left) {
  emit(text);
  left -= std::min(left, text.tail.size());
}

Subscription::State Subscription::pull(std::size_t bytes, const Emit& emit) {
  std::size_t left = bytes;
  for (;;) {
    if (error_) return State::ended;
    if (left == 0) return State::more;
    if (texts_) {
      if (text_ < texts_->size()) {
        emit_one((*texts_)[text_++], emit, left);
        continue;
      }
      texts_ = nullptr;
      seen_ = texts_txid_;
    }
    if (!read_.empty()) {
      emit_one(read_.front(), emit, left);
      if (read_.front().last) seen_ = std::max(seen_, read_.front().txid);
      read_.pop_front();
      continue;
    }
    seen_ = std::max(seen_, read_to_);
    // In the middle of a transaction of the log it is not in the ring's order.
    const Txid at = held_ || row_n_ > 0 ? row_txid_ - 1 : seen_;
    const EventChannel::Glance glance = channel_->look(this, at, cursor_, waiter_);
    if (!check_rules(glance.rules)) return State::ended;
    const bool between = !held_ && row_n_ == 0;
    if (between && glance.start <= seen_) {
      coalesces_ = false;
      awaited_ = 0;
      cursor_ = glance.cursor;
      if (!glance.unit) return State::idle;
      texts_ = glance.unit->texts(channel_->table(), *view_);
      text_ = 0;
      texts_txid_ = glance.unit->txid();
      continue;
    }
    if (std::exchange(cursor_, 0) != 0) {
      row_txid_ = seen_ + 1;
      row_n_ = 0;
      if (glance.overrun && !fall_behind(glance)) continue;
    }
    if (!read_log(glance)) return State::idle;
  }
}

// It was live, and the ring has gone on without it. False: it does not read the log.
bool Subscription::fall_behind(const EventChannel::Glance& glance) {
  if (slow_ == SlowPolicy::close) {
    end(Error(Errc::overloaded, "The subscriber was too slow",
              "Subscribe again, with `from` of what came last."));
    return false;
  }
  if (slow_ == SlowPolicy::resync) {
    resync(glance.newest);
    return false;
  }
  coalesces_ = true;
  return true;
}

void Subscription::resync(Txid newest) {
  read_.push_back({resync_tail(channel_->table(), newest), newest, true});
  held_.reset();
  read_to_ = newest;
  row_txid_ = newest + 1;
  row_n_ = 0;
}

// Reads a page. False: what it needs is not applied yet, and the waiter is woken when it is.
bool Subscription::read_log(const EventChannel::Glance& glance) {
  CommitLog& log = channel_->shard().log();
  // In this order: what is applied now is in what is read then.
  const bool complete = log.applied() >= glance.start_ticket;
  const Txid before = row_txid_;
  const std::uint32_t before_n = row_n_;
  if (Status read = read_page(complete, glance); !read) {
    end(std::move(read).error());
    return true;
  }
  const bool moved = before != row_txid_ || before_n != row_n_;
  if (moved || complete || error_ || !read_.empty()) return true;
  channel_->park(this, waiter_);
  if (std::exchange(awaited_, glance.start_ticket) != glance.start_ticket) {
    log.when_applied(glance.start_ticket, std::make_unique<WakeWhenApplied>(waiter_));
  }
  return false;
}

// The log does not reach back any more.
bool Subscription::trimmed(Txid floor, Txid newest) {
  if (slow_ == SlowPolicy::resync) {
    resync(newest);
  } else {
    end(events_trimmed(floor));
  }
  return true;
}

Status Subscription::read_page(bool complete, const EventChannel::Glance& glance) {
  auto txn = channel_->shard().environment().read();
  if (!txn) return std::move(txn).error();
  const SessionNo session = channel_->session();
  const TableNo number = channel_->number();
  const format::Key head_key = format::change_head_key(session, number);
  auto head_value = txn->get(Keyspace::changes, head_key);
  if (!head_value) return std::move(head_value).error();
  if (*head_value) {
    auto head = format::parse_change_head(head_key, **head_value);
    if (!head) return std::move(head).error();
    const Txid at = row_n_ > 0 || held_ ? row_txid_ - 1 : std::max(seen_, read_to_);
    if (head->floor > at && trimmed(head->floor, std::max(glance.newest, head->floor))) return {};
  } else if (!channel_->shard().options().changes.keeps()) {
    trimmed(glance.newest, glance.newest);
    return {};
  }

  struct Merged {
    Change first, last;
    Txid txid;
  };
  std::map<std::string, Merged> by_id;  // when it coalesces
  const bool hides = schema_ && schema_->hides();
  const auto shown_part = [&](std::string_view data) {
    return hides && !data.empty() ? schema_->visible_data(data) : JsonText(data);
  };
  const auto release_held = [&](bool more) {
    if (!held_) return;
    const auto& [txid, change] = *held_;
    read_.push_back({event_tail(channel_->table(), txid, change, more), txid, !more});
    held_.reset();
  };

  auto rows = txn->cursor(Keyspace::changes);
  if (!rows) return std::move(rows).error();
  const format::Key prefix = format::rows_prefix(session, number);
  std::size_t looked_at = 0, bytes = 0;
  const std::size_t rows_max = coalesces_ ? kCoalescedRows : kPageRows;
  const std::size_t bytes_max = coalesces_ ? kCoalescedBytes : kPageBytes;
  bool at_end = true;
  auto on_row = rows->seek(format::change_key({session, number, row_txid_, row_n_}));
  for (; on_row && *on_row && rows->key().starts_with(prefix.view()); on_row = rows->next()) {
    auto key = format::parse_change_key(rows->key());
    if (!key) return std::move(key).error();
    const bool new_transaction = key->txid != row_txid_ || row_n_ == 0;
    if (new_transaction) {
      release_held(false);
      row_txid_ = key->txid;
      row_n_ = 0;
      read_to_ = std::max(read_to_, key->txid - 1);
    }
    const bool full = looked_at >= rows_max || bytes >= bytes_max;
    if (full && (new_transaction || !coalesces_)) {
      at_end = false;
      break;
    }
    auto row = format::parse_change(rows->key(), rows->value());
    if (!row) return std::move(row).error();
    ++looked_at;
    bytes += rows->value().size();
    row_n_ = key->n + 1;
    Change change{row->kind, std::string(row->id), shown_part(row->data),
                  shown_part(row->old_data)};
    if (coalesces_) {
      const auto [found, added] = by_id.try_emplace(change.id, Merged{change, change, key->txid});
      if (!added) {
        found->second.last = std::move(change);
        found->second.txid = key->txid;
      }
    } else if (view_->matches(change)) {
      release_held(held_ && held_->first == key->txid);
      held_.emplace(key->txid, std::move(change));
    }
  }
  if (!on_row) return std::move(on_row).error();

  std::vector<std::pair<Txid, Change>> net;
  for (auto& [id, changes] : by_id) {
    auto change = merged(changes.first, std::move(changes.last));
    if (change && view_->matches(*change)) net.emplace_back(changes.txid, *std::move(change));
  }
  std::stable_sort(net.begin(), net.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < net.size(); ++i) {
    const bool more = i + 1 < net.size() && net[i + 1].first == net[i].first;
    read_.push_back(
        {event_tail(channel_->table(), net[i].first, net[i].second, more), net[i].first, !more});
  }
  if (!at_end) return {};
  // A transaction is in LMDB as a whole.
  release_held(false);
  if (row_n_ > 0) {
    read_to_ = std::max(read_to_, row_txid_);
    ++row_txid_;
    row_n_ = 0;
  }
  if (complete) {
    read_to_ = std::max(read_to_, glance.start);
    row_txid_ = std::max(row_txid_, read_to_ + 1);
  }
  return {};
}

}  // namespace kontract
