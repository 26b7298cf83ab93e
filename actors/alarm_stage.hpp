// AlarmStage: what one transaction reads and changes of its session's alarms. Nothing of it is seen
// by others until its rows are in the transaction's batch; a change that another one made meanwhile
// to what it has seen is a conflict.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "actors/alarm_book.hpp"
#include "actors/alarm_spec.hpp"
#include "actors/context.hpp"
#include "storage/json.hpp"

namespace kontract {

// On whose behalf an alarm runs: those who set it, with the bits that they had then.
struct AlarmCaller {
  Peer peer;
  Perm perm = perms::none;

  static AlarmCaller parse(const JsonText& text);
  static JsonText text_of(const Peer& peer, Perm perm);
};

class AlarmStage {
 public:
  explicit AlarmStage(AlarmBook& book) : book_(book) {}

  // All give the results of docs/protocol.md. Errors: invalid_request (a name that is none, and
  // what AlarmSpec::parse says), not_found, permission_denied, forbidden (the function).
  Result<Json> set(std::string_view name, const Json& given, const Context& context);
  Result<Json> cancel(std::string_view name);
  Result<Json> get(std::string_view name);
  Result<Json> list(const Json& given);
  Result<Json> history(std::string_view name);
  Result<Json> retry(std::string_view name);

  // The row, as it is or as this transaction would have it.
  Result<std::optional<AlarmRow>> find(std::string_view name);
  // Whether this transaction has set or cancelled it.
  bool changes(std::string_view name) const;
  void put(AlarmRow row);  // REQUIRES: find() was asked for it
  void add_fire(std::string_view name, AlarmFireRow fire);

  // Errors: txn_conflict if what was seen is not so any more.
  Status check() const;
  bool empty() const;                                              // it changes nothing
  bool looked() const { return !entries_.empty() || listed_at_; }  // at any alarm
  // Adds the changes, as of this transaction.
  Status take(WriteBatch& batch, Txid txid);

 private:
  struct Entry {
    std::optional<AlarmRow> before;
    std::optional<AlarmRow> now;
    bool changed = false;
    std::optional<AlarmFireRow> fire = {};
  };

  Result<Entry*> entry(std::string_view name);

  AlarmBook& book_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::optional<std::uint64_t> listed_at_;  // AlarmBook::changes() when all were looked at
};

}  // namespace kontract
