// AlarmClock: fires alarms when they are due, wherever their sessions are, awake or not. One thread
// for a runtime; it reads what is due from the shards, a page at a time, and sends each to its
// session as a call (CallKind::alarm). What an alarm does, and when it is due again, the session
// decides and stores.
//
// However many alarms wait, none is in memory: the index of a shard says which is due next, and
// sessions ring (AlarmBell) when they have set an earlier one. However many are due at once, only
// so many are under way, of one session fewer; they go in the order of their times.
//
// What comes back with an error has not been decided (the session could not store it, or is full).
// It comes again, later each time.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "actors/directory.hpp"
#include "storage/store.hpp"

namespace kontract {

struct AlarmClockOptions {
  std::size_t in_flight_max = 64;                                    // of all sessions
  std::size_t session_in_flight_max = 16;                            // of one
  std::size_t page_rows = 256;                                       // read at a time from a shard
  std::chrono::milliseconds call_timeout = limits::kCallTimeoutMax;  // of a handler
};

// Since start, but for `in_flight`.
struct AlarmMetrics {
  std::uint64_t in_flight = 0;
  std::uint64_t fired = 0;
  std::uint64_t failed = 0;     // attempts that will be repeated
  std::uint64_t dead = 0;       // occurrences that were given up
  std::uint64_t skipped = 0;    // missed ones that were not to fire
  std::uint64_t deferred = 0;   // attempts that could not be made
  std::uint64_t rows_read = 0;  // of alarms that were due
};

class AlarmClock {
 public:
  // Begins to listen and to fire. REQUIRES: store and directory outlive it; Directory::stop() comes
  // after stop().
  AlarmClock(Store& store, Directory& directory, AlarmClockOptions options = {});
  ~AlarmClock();  // stops
  AlarmClock(const AlarmClock&) = delete;
  AlarmClock& operator=(const AlarmClock&) = delete;

  // Sends nothing more, from its return on. What is under way goes on; its outcome is stored by the
  // sessions. Blocks for as long as a page takes to read; idempotent.
  void stop();

  AlarmMetrics metrics() const;

 private:
  std::unique_ptr<class AlarmClockLoop> loop_;
};

}  // namespace kontract
