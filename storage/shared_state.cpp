#include "storage/shared_state.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "storage/detail/shared_entries.hpp"
#include "storage/detail/shared_writer.hpp"
#include "storage/format.hpp"

namespace kontract {
namespace {

// LMDB keeps each value beside its key in half-filled pages, or in pages of its own, and a write
// needs as much again, of pages that the one before it did not free. So this is several times what
// can be needed; it is address space only.
constexpr std::size_t kMapFactor = 8;
constexpr std::size_t kMapBytesPerEntry = 64;
constexpr std::size_t kMapBytesLeast = 16 * limits::kMiB;

std::size_t map_bytes(const SharedStateOptions& options) {
  const std::size_t of_bounds =
      kMapFactor * (options.bytes_max + kMapBytesPerEntry * options.entries_max);
  // What was written under higher bounds must have room too.
  std::error_code error;
  const auto file_bytes = std::filesystem::file_size(options.directory / "data.mdb", error);
  return std::max(of_bounds, error ? 0 : 4 * static_cast<std::size_t>(file_bytes)) + kMapBytesLeast;
}

bool is_value(const Json& value, std::size_t depth_left) {
  if (value.is_discarded()) return false;
  if (!value.is_structured()) return true;
  return depth_left > 0 && std::all_of(value.begin(), value.end(), [&](const Json& inner) {
           return is_value(inner, depth_left - 1);
         });
}

Result<Json> parsed(std::string_view key, const JsonText& text) {
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) {
    return format::corrupt(Keyspace::shared, key, "its value is not JSON");
  }
  return value;
}

Status check_key(std::string_view key) {
  if (format::shared_key_fits(key)) return {};
  return Error(Errc::invalid_request,
               "The key of a shared value has " + std::to_string(key.size()) +
                   " bytes or is not as it must be: UTF-8 of 1 to " +
                   std::to_string(limits::kSharedKeyBytesMax) + " bytes, without NUL");
}

Status check_ttl(const Ttl& ttl) {
  if (!ttl || ttl->count() > 0) return {};
  return Error(Errc::invalid_request,
               "A ttl of " + std::to_string(ttl->count()) + " ms was given: it must be positive",
               "To remove a value, erase it; without a ttl it stays for good.");
}

std::int64_t expiry(std::int64_t now_ms, const Ttl& ttl) {
  std::int64_t at = 0;
  if (!ttl || __builtin_add_overflow(now_ms, ttl->count(), &at)) return kNeverExpires;
  return at;
}

}  // namespace

SharedState::SharedState(SharedStateOptions options)
    : options_(std::move(options)),
      entries_(std::make_unique<SharedEntries>(
          SharedEntries::Bounds{options_.entries_max, options_.bytes_max},
          // Not before 1970, so that no time of expiry is 0, which is stored for never.
          [now_ms = options_.now_ms] { return std::max(std::int64_t{0}, now_ms()); })),
      writer_(std::make_unique<SharedWriter>(
          *entries_, SharedWriter::Options{options_.directory, map_bytes(options_),
                                           options_.write_interval, options_.alarm})) {}

SharedState::~SharedState() = default;

Result<std::unique_ptr<SharedState>> SharedState::open(SharedStateOptions options) {
  std::unique_ptr<SharedState> state(new SharedState(std::move(options)));
  if (Status loaded = state->writer_->load(state->options_.now_ms()); !loaded) {
    return std::move(loaded).error();
  }
  state->writer_->start();
  return state;
}

template <class Step>
Status SharedState::change(std::string_view key, const Step& step) {
  if (Status checked = check_key(key); !checked) return checked;
  for (bool collected = false;; collected = true) {
    Status done;
    bool changed = false, refused = false;
    {
      SharedEntries::Locked entry = entries_->lock(key);
      done = step(entry);
      changed = entry.changed();
      refused = entry.refused();
    }
    if (changed) writer_->wake();
    if (!refused || collected || !entries_->collect_expired()) return done;
    writer_->wake();
  }
}

Result<JsonText> SharedState::text_of(const Json& value) const {
  if (!is_value(value, limits::kJsonDepthMax)) {
    return Error(Errc::invalid_request, "A shared value is not JSON, or is nested deeper than " +
                                            std::to_string(limits::kJsonDepthMax));
  }
  JsonText text = to_text(value);
  if (text.size() > options_.value_bytes_max) {
    return Error(Errc::too_large, "A shared value has " + std::to_string(text.size()) +
                                      " bytes of JSON, the limit is " +
                                      std::to_string(options_.value_bytes_max));
  }
  return text;
}

Result<std::optional<Json>> SharedState::get(std::string_view key) const {
  if (Status checked = check_key(key); !checked) return std::move(checked).error();
  const SharedText found = entries_->get(key);
  if (!found.text) return std::optional<Json>{};
  auto value = parsed(key, *found.text);
  if (!value) return std::move(value).error();
  return std::optional(*std::move(value));
}

Status SharedState::set(std::string_view key, const Json& value, Ttl ttl) {
  if (Status checked = check_ttl(ttl); !checked) return checked;
  auto text = text_of(value);
  if (!text) return std::move(text).error();
  const auto next = std::make_shared<const JsonText>(*std::move(text));
  return change(key, [&](SharedEntries::Locked& entry) {
    return entry.put({next, expiry(entry.now_ms(), ttl)});
  });
}

Result<bool> SharedState::erase(std::string_view key) {
  bool was_there = false;
  Status done = change(key, [&](SharedEntries::Locked& entry) {
    was_there = entry.value().text != nullptr;
    return entry.put({});
  });
  if (!done) return std::move(done).error();
  return was_there;
}

Result<std::int64_t> SharedState::increment(std::string_view key, std::int64_t by, Ttl ttl) {
  if (Status checked = check_ttl(ttl); !checked) return std::move(checked).error();
  std::int64_t sum = 0;
  Status done = change(key, [&](SharedEntries::Locked& entry) -> Status {
    std::int64_t count = 0;
    std::int64_t expires_ms = expiry(entry.now_ms(), ttl);
    if (const auto& text = entry.value().text) {
      const char* const end = text->data() + text->size();
      const auto [parsed_to, error] = std::from_chars(text->data(), end, count);
      if (error != std::errc{} || parsed_to != end) {
        return Error(Errc::invalid_request,
                     "The shared value to be incremented is no integer of 64 bits",
                     "Set it to one first, or use another key.");
      }
      expires_ms = entry.value().expires_ms;
    }
    if (__builtin_add_overflow(count, by, &sum)) {
      return Error(Errc::invalid_request, "The sum of " + std::to_string(count) + " and " +
                                              std::to_string(by) + " does not fit 64 bits");
    }
    return entry.put({std::make_shared<const JsonText>(std::to_string(sum)), expires_ms});
  });
  if (!done) return std::move(done).error();
  return sum;
}

Result<bool> SharedState::compare_and_set(std::string_view key, const std::optional<Json>& expected,
                                          const std::optional<Json>& desired, Ttl ttl) {
  if (Status checked = check_ttl(ttl); !checked) return std::move(checked).error();
  std::shared_ptr<const JsonText> next;
  if (desired) {
    auto text = text_of(*desired);
    if (!text) return std::move(text).error();
    next = std::make_shared<const JsonText>(*std::move(text));
  }
  bool matched = false;
  Status done = change(key, [&](SharedEntries::Locked& entry) -> Status {
    matched = expected.has_value() == (entry.value().text != nullptr);
    if (matched && expected) {
      auto value = parsed(key, *entry.value().text);
      if (!value) return std::move(value).error();
      matched = *value == *expected;
    }
    if (!matched) return {};
    return entry.put({next, expiry(entry.now_ms(), ttl)});
  });
  if (!done) return std::move(done).error();
  return matched;
}

Status SharedState::update(std::string_view key, const Change& change_value) {
  using std::chrono::milliseconds;
  return change(key, [&](SharedEntries::Locked& entry) -> Status {
    std::optional<SharedValue> value;
    const std::int64_t expires_ms = entry.value().expires_ms;
    if (entry.value().text) {
      auto now = parsed(key, *entry.value().text);
      if (!now) return std::move(now).error();
      value.emplace(SharedValue{*std::move(now), std::nullopt});
      if (expires_ms != kNeverExpires) value->expires = WallTime(milliseconds(expires_ms));
    }
    Status changed = change_value(value, WallTime(milliseconds(entry.now_ms())));
    if (!changed) return changed;
    if (!value) return entry.put({});
    auto text = text_of(value->value);
    if (!text) return std::move(text).error();
    return entry.put({std::make_shared<const JsonText>(*std::move(text)),
                      value->expires ? value->expires->time_since_epoch().count() : kNeverExpires});
  });
}

Status SharedState::flush() { return writer_->flush(); }

SharedStateMetrics SharedState::metrics() const {
  return {entries_->size(), entries_->bytes(), writer_->commits(), writer_->failing()};
}

}  // namespace kontract
