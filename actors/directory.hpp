// Directory: which sessions are known, awake or hibernated; wakes and passivates them.
//
// A SessionHandle is the address of a session for as long as anybody may call it: a connection
// keeps one, the actor comes and goes behind it. The protocol between senders and a session that
// wants to sleep is one atomic word, `awake bit | calls in flight`:
//
//   send:      add 1; if the awake bit was set, the actor cannot leave before this call's lease is
//              given back: send to it. Otherwise wake it first, under the handle's mutex.
//   passivate: the session, idle, exchanges `awake | 0` for `asleep | 0`. That fails if a call came
//              first, and then the session stays. A call that comes later finds it asleep.
//
// So a call that races with passivation is neither lost nor run twice, and the way of a call to an
// awake session takes no lock. In the order in which one thread sends, calls arrive.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "actors/call.hpp"
#include "actors/event_limits.hpp"
#include "storage/store.hpp"

namespace caf {
class actor_system;
}

namespace kontract {

struct SessionOptions {
  std::chrono::milliseconds idle{limits::kSessionIdle};  // passivated after so long without a call
  std::size_t calls_in_flight_max = limits::kCallsPerSessionMax;
  std::size_t open_transactions_max = limits::kOpenTransactionsMax;
  std::chrono::milliseconds transaction_idle{5'000};   // one is rolled back so long after its last
  std::chrono::milliseconds transaction_time{60'000};  // call, and so long after its begin
  // What the program added (actors/backend.hpp); null: nothing. REQUIRES: checked.
  std::shared_ptr<const class Backend> backend = nullptr;
  EventLimits events = {};
  bool owners_create_tables = false;  // table.create/drop without ugroup admin
  // Replies to calls with a key: how long they are kept, and how many and how large all of a
  // session's may be; beyond that the oldest go earlier.
  std::chrono::milliseconds reply_retention = std::chrono::hours(24);
  std::size_t replies_max = 100'000;
  std::size_t reply_bytes_max = 64 * limits::kMiB;
  // Hears the sid of each session that was destroyed, on its actor; must not block or throw.
  std::function<void(const std::string& sid)> on_destroyed;
  // What sessions tell of their alarms, and the time for these; null: one of the directory's own.
  std::shared_ptr<class AlarmBell> alarm_bell = nullptr;
  // Sees every call of a table just before it runs, on the table's actor. What it throws costs that
  // call, and the actor starts again from disk.
  std::function<void(const struct Call&)> on_table_call;
};

class SessionHandle : public std::enable_shared_from_this<SessionHandle> {
 public:
  SessionHandle(std::shared_ptr<struct DirectoryState> directory, Identity identity);
  ~SessionHandle();

  // Takes the call; its reply is always answered. Errors go to the reply: overloaded when the
  // session has too many calls in flight or the runtime is shutting down.
  void send(CallPtr call);

  const Identity& identity() const { return identity_; }
  bool awake() const;

 private:
  friend class Directory;
  friend class SessionLease;
  friend class SessionActorAccess;  // the session's side of the protocol, actors/detail
  struct Actor;                     // the actor's address, out of this header

  void release() noexcept;

  // Shared: the last handle may go, with a late answer, after the Directory has.
  const std::shared_ptr<struct DirectoryState> directory_;
  const Identity identity_;
  const std::shared_ptr<class EventHub> events_;
  std::atomic<std::uint64_t> word_{0};
  std::mutex wake_mutex_;
  std::unique_ptr<Actor> actor_;
};

struct DirectoryMetrics {
  std::uint64_t awake = 0;         // session actors alive
  std::uint64_t known = 0;         // handles: awake or with a connection
  std::uint64_t wakes = 0;         // since start
  std::uint64_t passivations = 0;  // since start
  std::uint64_t calls = 0;         // since start
};

class Directory {
 public:
  // REQUIRES: both outlive the directory; stop() before the actor system ends, and nothing is sent
  // to a handle after that.
  Directory(caf::actor_system& system, Store& store, SessionOptions options);
  ~Directory();

  // The handle of a session, the same for all who ask while anybody holds it. Does not wake it.
  // Errors: invalid_request if the name or owner is not allowed.
  Result<std::shared_ptr<SessionHandle>> find(const Identity& identity);

  // Refuses new calls and ends all sessions once their calls in flight are answered. Idempotent;
  // does not wait. `stopped` is true when no
  // actor of a session or table is left.
  void stop();
  bool stopped() const;

  DirectoryMetrics metrics() const;
  const std::shared_ptr<AlarmBell>& alarm_bell() const;

 private:
  std::unique_ptr<class Workers> workers_;  // before state_: it goes last
  std::shared_ptr<struct DirectoryState> state_;
};

}  // namespace kontract
