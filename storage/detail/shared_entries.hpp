// SharedEntries: the entries of a SharedState in memory, within its bounds, and which of them the
// disk does not have yet. Thread-safe but for what is said to be the writer's.
//
// Entries lie in parts, by a hash of their key, each with a mutex. Whoever changes an entry also
// notes its newest value in the part's `pending`, so a key that changes often is written once. The
// writer takes the `pending` of all parts in one moment, as `writing`, and says later whether that
// has reached the disk: if not, what has not changed since is pending again.
//
// An erased key stays pending only if the disk has it, or may come to have it by `writing`. So what
// is pending is bounded as well, however long the disk fails: by the entries that there may be, and
// those that the disk has.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "storage/json.hpp"

namespace kontract {

inline constexpr std::int64_t kNeverExpires = std::numeric_limits<std::int64_t>::max();

// A value as it is kept. Without a text there is none.
struct SharedText {
  std::shared_ptr<const JsonText> text;
  std::int64_t expires_ms = kNeverExpires;
};

class SharedEntries {
  struct Part;
  struct Entry;

 public:
  struct Bounds {
    std::size_t entries;
    std::size_t bytes;  // of keys and texts
  };
  SharedEntries(Bounds bounds, std::function<std::int64_t()> now_ms);
  ~SharedEntries();

  SharedText get(std::string_view key) const;

  // An entry that nobody else can change. Holds the lock of its part: keep it for a moment only.
  class Locked {
   public:
    const SharedText& value() const { return value_; }  // expired is absent
    std::int64_t now_ms() const { return now_ms_; }
    // Errors: overloaded (no room; nothing was changed).
    Status put(SharedText next);

    bool changed() const { return changed_; }  // so that there is something to write
    bool refused() const { return refused_; }  // there was no room

   private:
    friend class SharedEntries;
    Locked(SharedEntries& all, std::string_view key);

    SharedEntries& all_;
    Part& part_;
    const std::lock_guard<std::mutex> lock_;
    const std::string_view key_;
    const std::int64_t now_ms_;
    SharedText value_;
    bool changed_ = false;
    bool refused_ = false;
  };
  // REQUIRES: the key outlives what is returned.
  Locked lock(std::string_view key) { return Locked(*this, key); }

  // Whether something had expired.
  bool collect_expired();

  std::size_t size() const { return entry_count_.load(std::memory_order_relaxed); }
  std::size_t bytes() const { return byte_count_.load(std::memory_order_relaxed); }

  // ---- of the writer

  using Visit = std::function<void(const std::string& key, const SharedText& value)>;

  // Begins to write what is pending at this moment; false if nothing is.
  bool begin_write();
  void each_to_write(const Visit& visit) const;  // without a text: to be erased
  void end_write(bool written);

  // The disk has this, and nobody has changed it yet. Beyond the bounds too.
  void load(std::string_view key, SharedText value);
  // The disk has a value of this key; if there is none here, it is to be erased there.
  void found_on_disk(std::string_view key);
  // Everything is to be written, as if the disk had nothing of it.
  void make_all_pending();

 private:
  // Few enough for all to be locked at once, which begin_write() does.
  static constexpr std::size_t kParts = 16;

  Part& part_of(std::string_view key) const;
  bool take_room(bool entry, std::size_t bytes_before, std::size_t bytes_after);
  void remove(Part& part, const std::string& key);

  const Bounds bounds_;
  const std::function<std::int64_t()> now_ms_;
  const std::unique_ptr<std::array<Part, kParts>> parts_;
  std::atomic<std::size_t> entry_count_{0};
  std::atomic<std::size_t> byte_count_{0};
};

}  // namespace kontract
