// DueAlarms: the alarms of one shard that are due, in their order, read from its index a page at a
// time. Remembers how far it has read, so that no row is read twice but where something was set
// behind that. Belongs to the clock's thread.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "actors/alarm_bell.hpp"
#include "storage/store.hpp"

namespace kontract::detail {

// An alarm on its way through the clock.
struct DueAlarm {
  std::size_t shard = 0;
  SessionNo session = 0;
  std::string name;
  std::int64_t due_ms = 0;
  Identity identity;
  int tries = 0;            // that came back with an error
  int conflicts = 0;        // among them
  std::string key() const;  // of it among those of all shards
};

class DueAlarms {
 public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  DueAlarms(std::size_t index, Shard& shard, std::shared_ptr<AlarmBell> bell)
      : index_(index), shard_(shard), bell_(std::move(bell)) {}

  const Shard* shard() const { return &shard_; }

  // A session has appended one. What LMDB does not show yet is waited for when it is due.
  void rung(std::int64_t due_ms, Ticket ticket) { rung_.push_back({due_ms, ticket}); }
  void applied(Ticket ticket);

  // The next one, or null; it stays until take(). Reads a page when all are taken. Passes over
  // those that `is_known` (their keys) says. Errors: those of the store; it is tried again after a
  // while.
  using IsKnown = std::function<bool(const std::string& key)>;
  Result<const DueAlarm*> next(std::int64_t now_ms, std::size_t page_rows, const IsKnown& is_known);
  DueAlarm take();

  // Read again from this time on: one was passed over that nobody remembers.
  void read_again_from(std::int64_t ms);

  // When there may be more to read; kNever if nothing is known of.
  std::int64_t next_ms() const;
  std::uint64_t rows_read() const { return rows_read_; }

 private:
  struct Rung {
    std::int64_t due_ms;
    Ticket ticket;
  };

  void hear(std::int64_t now_ms);
  Status read_page(std::int64_t now_ms, std::size_t page_rows, const IsKnown& is_known);
  Result<std::optional<Identity>> identity_of(const ReadTxn& txn, SessionNo session);

  const std::size_t index_;
  Shard& shard_;
  const std::shared_ptr<AlarmBell> bell_;
  std::string position_;      // what is before it was read; empty: nothing was
  std::int64_t next_ms_ = 0;  // of the first row from there on
  std::vector<Rung> rung_;    // not applied, as far as is known
  Ticket heard_applied_ = 0;  // by applied()
  Ticket waited_for_ = 0;     // the log will tell of it
  std::deque<DueAlarm> page_;
  std::uint64_t rows_read_ = 0;
};

}  // namespace kontract::detail
