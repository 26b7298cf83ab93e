// SharedState: keys and JSON values that all of a runtime shares: counters, token buckets, caches,
// flags. Whole in memory, bounded, and written behind to LMDB in <data>/shared/.
//
// Promises:
//   - Each operation is atomic for its key, and never waits for the disk. Changes of one thread
//     reach the disk in their order: what a start finds is the state of one moment, of all keys.
//   - A crash loses at most the changes of the last write interval; an orderly end loses none.
//     Disk trouble fails no caller: an alarm tells of it, the changes stay in memory and are tried
//     again until they are written, of which the alarm tells too. A crash before loses them.
//   - A value that has expired is absent from that moment on, also across a restart: the time is
//     the wall clock's. Its memory is taken back later.
//   - Nothing is evicted: where there is no room even without what has expired, a change that needs
//     more is refused.
//
// Until the first change there are neither files nor a map, only one thread, which sleeps.
//
// A value is kept as JSON text: a string that is not UTF-8 comes back with U+FFFD in it, a number
// that is not finite as null. Integers are kept exactly up to 64 bits.
//
// Thread-safe. Errors of every operation: invalid_request (the key is not UTF-8 of
// 1..kSharedKeyBytesMax bytes without NUL; a ttl that is not positive; a value that is nested
// deeper than kJsonDepthMax or is none), too_large (one value), overloaded (no room).

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "storage/alarm.hpp"
#include "storage/json.hpp"
#include "storage/limits.hpp"
#include "storage/result.hpp"
#include "storage/wall_clock.hpp"

namespace kontract {

class SharedEntries;
class SharedWriter;

using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;
using Ttl = std::optional<std::chrono::milliseconds>;  // how long a value lasts; none: for good

struct SharedStateOptions {
  std::filesystem::path directory;  // <data>/shared; REQUIRES: its data directory is locked
  std::size_t entries_max = limits::kSharedEntriesMax;
  std::size_t bytes_max = limits::kSharedBytesMax;  // of keys and values as compact JSON
  std::size_t value_bytes_max = limits::kSharedValueBytesMax;
  std::chrono::milliseconds write_interval = limits::kSharedWriteInterval;
  Alarm alarm = {};
  std::function<std::int64_t()> now_ms = kontract::now_ms;  // since 1970; called by any thread
};

struct SharedValue {
  Json value;
  std::optional<WallTime> expires;  // none: never
};

struct SharedStateMetrics {
  std::size_t entries = 0;  // with those that have expired and are not collected
  std::size_t bytes = 0;    // of their keys and values
  std::uint64_t commits = 0;
  bool failing = false;  // the last write did
};

class SharedState {
 public:
  // Reads what is stored, if anything is. Errors: storage_corrupt (names file and key),
  // invalid_request (another format), overloaded.
  static Result<std::unique_ptr<SharedState>> open(SharedStateOptions options);
  ~SharedState();  // flushes; if that fails, the alarm tells what is lost

  Result<std::optional<Json>> get(std::string_view key) const;

  // Replaces value and expiry.
  Status set(std::string_view key, const Json& value, Ttl ttl = {});

  // Whether it was there.
  Result<bool> erase(std::string_view key);

  // Adds `by` and returns the sum. An absent key counts from 0 and gets the ttl; one that is there
  // keeps its expiry, so a counter with a ttl counts for that long from its first increment.
  // Errors: invalid_request (the value is no integer, or the sum does not fit 64 bits).
  Result<std::int64_t> increment(std::string_view key, std::int64_t by, Ttl ttl = {});

  // Makes it `desired` (none: absent) if it is `expected` (none: absent), and returns whether it
  // was. Numbers are compared by value (1 is 1.0), members of objects in any order.
  Result<bool> compare_and_set(std::string_view key, const std::optional<Json>& expected,
                               const std::optional<Json>& desired, Ttl ttl = {});

  // Any other atomic change. `change` is given the entry as it is (none: absent), with the time
  // that it is judged by, and makes of it what it shall be; its expiry stays unless it is changed.
  // If it fails, so does update(), and nothing changes. It runs under a lock: it must be short and
  // must not use the SharedState. It runs a second time if there was no room and some was made.
  using Change = std::function<Status(std::optional<SharedValue>& entry, WallTime now)>;
  Status update(std::string_view key, const Change& change);

  // Waits until all that was changed so far is on disk. Blocks. Errors: why it is not: storage_full
  // or storage_corrupt; it is tried again all the same.
  Status flush();

  SharedStateMetrics metrics() const;

 private:
  explicit SharedState(SharedStateOptions options);
  // `step` is called with the locked entry.
  template <class Step>
  Status change(std::string_view key, const Step& step);
  Result<JsonText> text_of(const Json& value) const;

  const SharedStateOptions options_;
  const std::unique_ptr<SharedEntries> entries_;
  const std::unique_ptr<SharedWriter> writer_;  // ends before the entries do
};

}  // namespace kontract
