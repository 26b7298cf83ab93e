// Events: what the followers of a table are told. One transaction is a *unit*; it is encoded once
// for each *view*, which is what a subscription asks to see, and shared by all that have the view.

#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/change_log.hpp"
#include "storage/json.hpp"

namespace kontract {

// The text of an event behind its head, which is its receiver's: `"txid":4,...}`.
struct EventText {
  std::string tail;
  Txid txid = 0;
  bool last = true;  // of its transaction, for this view
};

class EventView {
 public:
  explicit EventView(Json filter);

  // Whether the record is one that the filter matches, or was.
  bool matches(const Change& change) const;
  const Json& filter() const { return filter_; }
  std::uint64_t id() const { return id_; }

 private:
  const Json filter_;  // null: all
  const std::uint64_t id_;
};

// `more`: another event of the transaction follows.
std::string event_tail(std::string_view table, Txid txid, const Change& change, bool more);
// Tells whoever follows that it has missed some, and sees all after `txid`.
std::string resync_tail(std::string_view table, Txid txid);

// `floor`: the log has all after it; nothing: it has nothing of the past.
Error events_trimmed(std::optional<Txid> floor);

// Thread-safe.
class EventUnit {
 public:
  using Texts = std::shared_ptr<const std::vector<EventText>>;

  EventUnit(Txid txid, Ticket ticket, std::vector<Change> changes);

  Txid txid() const { return txid_; }
  Ticket ticket() const { return ticket_; }
  std::size_t bytes() const { return bytes_; }
  // Of the changes that the view shows; may be empty.
  Texts texts(std::string_view table, const EventView& view) const;

 private:
  const Txid txid_;
  const Ticket ticket_;
  const std::vector<Change> changes_;
  std::size_t bytes_ = 0;
  mutable std::mutex mutex_;
  mutable std::vector<std::pair<std::uint64_t, Texts>> by_view_;
};

}  // namespace kontract
