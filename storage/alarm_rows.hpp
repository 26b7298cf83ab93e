// The alarms of sessions as they are stored: for each its row, for each that waits an entry under
// the time at which it is due, for each that is over one under its end, and its last fires. What an
// alarm means, and when it is due next, is not known here (actors/alarm_spec.hpp).

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/commit_log.hpp"
#include "storage/environment.hpp"
#include "storage/json.hpp"
#include "storage/store.hpp"
#include "storage/version.hpp"

namespace kontract {

inline constexpr std::size_t kAlarmNameBytesMax = 128;
inline constexpr std::size_t kAlarmSpecBytesMax = 64 * limits::kKiB;  // as compact JSON
inline constexpr std::size_t kAlarmErrorBytesMax = 500;
inline constexpr std::uint64_t kAlarmFiresKept = 20;  // of one alarm

// Stored: never renumber.
enum class AlarmState : std::uint8_t {
  waiting = 1,  // for its time, or for that of a retry
  dead = 2,     // it failed too often; kept until somebody retries or cancels it
  done = 3,     // it will not fire again; kept for a while, for its history
};

// Times are in milliseconds since 1970.
struct AlarmRow {
  std::string name;
  Txid revision = 0;  // the transaction that wrote the row last
  AlarmState state = AlarmState::waiting;
  std::int64_t occurrence_ms = 0;  // the time by its plan of what fires next
  std::int64_t due_ms = 0;         // when that is to fire: the same, or a retry's time
  std::int64_t ended_ms = 0;       // dead, done: since when
  std::int64_t resume_ms = 0;      // while a dead occurrence is retried: the regular one after it
  std::uint32_t attempts = 0;      // of this occurrence that failed
  std::uint32_t late_in_row = 0;   // missed occurrences that fired one behind the other
  std::uint64_t fires = 0;         // the number of its last fire
  std::uint64_t dead_count = 0;    // occurrences that were given up
  std::int64_t dead_ms = 0;        // the last of them
  std::string error = {};          // of the last attempt; empty: none, or it went well
  JsonText spec = {};              // what to run and when
  JsonText by = {};                // on whose behalf

  bool waits() const { return state == AlarmState::waiting; }
};

// Stored: never renumber.
enum class AlarmOutcome : std::uint8_t { ok = 1, failed = 2, dead = 3, skipped = 4 };

// One fire of an alarm.
struct AlarmFireRow {
  std::uint64_t number = 0;  // from 1
  std::int64_t occurrence_ms = 0, started_ms = 0, took_ms = 0;
  std::uint32_t attempt = 1;
  AlarmOutcome outcome = AlarmOutcome::ok;
  std::string error = {};
};

// Writes the row in place of `before` (null: there was none), with what finds it by time.
void put_alarm(WriteBatch& batch, SessionNo session, const AlarmRow* before, const AlarmRow& row);
// Adds a fire, and drops the one that is too many.
void put_alarm_fire(WriteBatch& batch, SessionNo session, std::string_view name,
                    const AlarmFireRow& fire);
// Removes all of an alarm. `row` as it is stored.
void erase_alarm(WriteBatch& batch, SessionNo session, const AlarmRow& row);

// Removes up to `ops_max` rows of the session's alarms, as they are stored; false when none is
// left.
Result<bool> purge_alarms(const ReadTxn& txn, SessionNo session, std::size_t ops_max,
                          WriteBatch& batch);

}  // namespace kontract
