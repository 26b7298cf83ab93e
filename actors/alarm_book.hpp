// AlarmBook: the alarms of one session, as its last transaction left them: those that are stored,
// with what its log has not applied yet. Belongs to the session's actor. However many there are,
// none is kept in memory.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "actors/alarm_bell.hpp"
#include "storage/alarm_rows.hpp"
#include "storage/pending_rows.hpp"
#include "storage/store.hpp"

namespace kontract {

class AlarmBook {
 public:
  // `backend` may be null.
  AlarmBook(Shard& shard, std::shared_ptr<AlarmBell> bell, const class Backend* backend)
      : shard_(shard), bell_(std::move(bell)), backend_(backend) {}

  // The session's number; what was pending is lost.
  void open(SessionNo session);

  std::int64_t now() const { return bell_->now(); }
  const Backend* backend() const { return backend_; }

  Result<std::optional<AlarmRow>> find(std::string_view name);
  // Those after this name, in order, until `visit` says false.
  using Visit = std::function<bool(AlarmRow row)>;
  Status each_after(std::string_view name, const Visit& visit);
  // Its last fires, newest first.
  Result<std::vector<AlarmFireRow>> fires(std::string_view name);

  // Adds the removal of some that are done and were kept long enough, but for those that `keep`
  // wants.
  Status tidy(WriteBatch& batch, const std::function<bool(std::string_view name)>& keep);

  // Rows of alarms in a batch; the session appends it at once.
  void stage(const WriteBatch& batch);
  void appended(Ticket ticket);

  SessionNo session() const { return session_; }
  std::uint64_t changes() const { return changes_; }   // another number after each change
  Ticket last_change() const { return last_change_; }  // what tells of the alarms waits for it

 private:
  Result<ReadTxn> read();

  Shard& shard_;
  const std::shared_ptr<AlarmBell> bell_;
  const Backend* const backend_;
  SessionNo session_ = 0;
  PendingRows pending_{Keyspace::alarms};
  bool staged_ = false;
  std::vector<std::int64_t> due_;  // when the staged ones are
  std::uint64_t changes_ = 0;
  Ticket last_change_ = 0;
};

}  // namespace kontract
