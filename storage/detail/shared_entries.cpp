#include "storage/detail/shared_entries.hpp"

#include <algorithm>
#include <vector>

namespace kontract {
namespace {

struct KeyHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>{}(key); }
};

template <class T>
using ByKey = std::unordered_map<std::string, T, KeyHash, std::equal_to<>>;

}  // namespace

struct SharedEntries::Entry {
  SharedText value;
  bool stored = false;  // the disk has a value of this key
};

struct alignas(64) SharedEntries::Part {
  mutable std::mutex mutex;
  ByKey<Entry> entries;
  std::set<std::pair<std::int64_t, const std::string*>> expiries;  // of entries that will expire
  ByKey<Entry> pending;
  ByKey<Entry> writing;  // changed by the writer only, and under the mutex

  void expires(std::int64_t at_ms, const std::string& key) {
    if (at_ms != kNeverExpires) expiries.emplace(at_ms, &key);
  }
  void expires_no_more(std::int64_t at_ms, const std::string& key) {
    if (at_ms != kNeverExpires) expiries.erase({at_ms, &key});
  }

  // Whether the disk has a key that is not among the entries.
  bool stored(std::string_view key) const {
    const auto erased = pending.find(key);
    if (erased != pending.end()) return erased->second.stored;
    const auto now = writing.find(key);
    return now != writing.end() && now->second.stored;
  }
};

SharedEntries::SharedEntries(Bounds bounds, std::function<std::int64_t()> now_ms)
    : bounds_(bounds),
      now_ms_(std::move(now_ms)),
      parts_(std::make_unique<std::array<Part, kParts>>()) {}

SharedEntries::~SharedEntries() = default;

// By the highest bits, since the maps take the lowest.
SharedEntries::Part& SharedEntries::part_of(std::string_view key) const {
  static_assert(kParts == 16);
  return (*parts_)[KeyHash{}(key) >> (8 * sizeof(std::size_t) - 4)];
}

SharedText SharedEntries::get(std::string_view key) const {
  const Part& part = part_of(key);
  const std::lock_guard lock(part.mutex);
  const auto found = part.entries.find(key);
  if (found == part.entries.end() || found->second.value.expires_ms <= now_ms_()) return {};
  return found->second.value;
}

// ---- changes

SharedEntries::Locked::Locked(SharedEntries& all, std::string_view key)
    : all_(all), part_(all.part_of(key)), lock_(part_.mutex), key_(key), now_ms_(all.now_ms_()) {
  const auto found = part_.entries.find(key_);
  if (found == part_.entries.end()) return;
  if (found->second.value.expires_ms > now_ms_) {
    value_ = found->second.value;
  } else {
    all_.remove(part_, found->first);
    changed_ = true;
  }
}

Status SharedEntries::Locked::put(SharedText next) {
  if (next.expires_ms <= now_ms_) next = {};
  if (!next.text) {
    if (value_.text) {
      all_.remove(part_, part_.entries.find(key_)->first);
      changed_ = true;
    }
    value_ = {};
    return {};
  }
  if (value_.text && *value_.text == *next.text && value_.expires_ms == next.expires_ms) return {};
  const std::size_t bytes_before = value_.text ? value_.text->size() : 0;
  const std::size_t bytes_after = next.text->size() + (value_.text ? 0 : key_.size());
  if (!all_.take_room(!value_.text, bytes_before, bytes_after)) {
    refused_ = true;
    return Error(Errc::overloaded,
                 "The shared state has no room: it holds " + std::to_string(all_.size()) + " of " +
                     std::to_string(all_.bounds_.entries) + " entries and " +
                     std::to_string(all_.bytes()) + " of " + std::to_string(all_.bounds_.bytes) +
                     " bytes",
                 "Give entries a ttl, so that they go by themselves, erase those that nobody "
                 "needs, or raise the limits.");
  }
  auto found = part_.entries.find(key_);
  if (found == part_.entries.end()) {
    found = part_.entries.try_emplace(std::string(key_), Entry{{}, part_.stored(key_)}).first;
  } else {
    part_.expires_no_more(value_.expires_ms, found->first);
  }
  part_.expires(next.expires_ms, found->first);
  value_ = found->second.value = std::move(next);
  part_.pending.insert_or_assign(found->first, found->second);
  changed_ = true;
  return {};
}

bool SharedEntries::take_room(bool entry, std::size_t bytes_before, std::size_t bytes_after) {
  const auto take = [](std::atomic<std::size_t>& count, std::size_t more, std::size_t most) {
    std::size_t now = count.load(std::memory_order_relaxed);
    do {
      if (more > most || now > most - more) return false;
    } while (!count.compare_exchange_weak(now, now + more, std::memory_order_relaxed));
    return true;
  };
  if (entry && !take(entry_count_, 1, bounds_.entries)) return false;
  if (bytes_after <= bytes_before) {
    byte_count_.fetch_sub(bytes_before - bytes_after, std::memory_order_relaxed);
    return true;
  }
  if (take(byte_count_, bytes_after - bytes_before, bounds_.bytes)) return true;
  if (entry) entry_count_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

// `key` is that of the entry itself.
void SharedEntries::remove(Part& part, const std::string& key) {
  const auto found = part.entries.find(key);
  const Entry& entry = found->second;
  entry_count_.fetch_sub(1, std::memory_order_relaxed);
  byte_count_.fetch_sub(key.size() + entry.value.text->size(), std::memory_order_relaxed);
  part.expires_no_more(entry.value.expires_ms, key);
  if (entry.stored || part.writing.contains(key)) {
    part.pending.insert_or_assign(key, Entry{{}, entry.stored});
  } else {
    part.pending.erase(key);
  }
  part.entries.erase(found);
}

bool SharedEntries::collect_expired() {
  bool any = false;
  for (Part& part : *parts_) {
    const std::lock_guard lock(part.mutex);
    const std::int64_t now = now_ms_();
    while (!part.expiries.empty() && part.expiries.begin()->first <= now) {
      remove(part, *part.expiries.begin()->second);
      any = true;
    }
  }
  return any;
}

// ---- of the writer

bool SharedEntries::begin_write() {
  std::vector<std::unique_lock<std::mutex>> locks;
  locks.reserve(kParts);
  for (Part& part : *parts_) locks.emplace_back(part.mutex);
  bool any = false;
  for (Part& part : *parts_) {
    KONTRACT_ASSERT(part.writing.empty());
    part.writing.swap(part.pending);
    any = any || !part.writing.empty();
  }
  return any;
}

void SharedEntries::each_to_write(const Visit& visit) const {
  for (const Part& part : *parts_) {
    for (const auto& [key, entry] : part.writing) visit(key, entry.value);
  }
}

void SharedEntries::end_write(bool written) {
  for (Part& part : *parts_) {
    ByKey<Entry> done;
    const std::lock_guard lock(part.mutex);
    done.swap(part.writing);
    for (const auto& [key, entry] : done) {
      const bool stored = written ? entry.value.text != nullptr : entry.stored;
      if (const auto live = part.entries.find(key); live != part.entries.end()) {
        live->second.stored = stored;
      }
      auto again = part.pending.find(key);
      if (again == part.pending.end() && !written) {
        again = part.pending.emplace(key, entry).first;
      }
      if (again == part.pending.end()) continue;
      again->second.stored = stored;
      if (!again->second.value.text && !stored) part.pending.erase(again);
    }
  }
}

void SharedEntries::load(std::string_view key, SharedText value) {
  Part& part = part_of(key);
  const std::lock_guard lock(part.mutex);
  entry_count_.fetch_add(1, std::memory_order_relaxed);
  byte_count_.fetch_add(key.size() + value.text->size(), std::memory_order_relaxed);
  const auto added =
      part.entries.try_emplace(std::string(key), Entry{std::move(value), true}).first;
  part.expires(added->second.value.expires_ms, added->first);
}

void SharedEntries::found_on_disk(std::string_view key) {
  Part& part = part_of(key);
  const std::lock_guard lock(part.mutex);
  Entry found{{}, true};
  if (const auto live = part.entries.find(key); live != part.entries.end()) {
    live->second.stored = true;
    found = live->second;
  }
  part.pending.insert_or_assign(std::string(key), std::move(found));
}

void SharedEntries::make_all_pending() {
  for (Part& part : *parts_) {
    const std::lock_guard lock(part.mutex);
    for (const auto& [key, entry] : part.entries) part.pending.insert_or_assign(key, entry);
  }
}

}  // namespace kontract
