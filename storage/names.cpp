// The names of storage/registry.hpp: what is allowed as one, and new ones.

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>

#include "storage/registry.hpp"

namespace kontract {
namespace {

bool is_word(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_name(char c) { return is_word(c) || c == '.' || c == ':' || c == '-'; }

Status validate(std::string_view what, std::string_view text, std::size_t bytes_max,
                std::string_view alphabet, bool allowed) {
  if (!text.empty() && text.size() <= bytes_max && allowed) return {};
  std::string message = std::string(what == "owner" ? "An " : "A ") + std::string(what) +
                        " is 1 to " + std::to_string(bytes_max) + " " + std::string(alphabet);
  if (text.empty()) {
    message += "; it is empty";
  } else if (text.size() > bytes_max) {
    message += "; it has " + std::to_string(text.size());
  }
  return Error{Errc::invalid_request, std::move(message),
               "Choose another " + std::string(what) + "."};
}

// Bytes of the system's generator, fetched a page at a time: a call for each id would cost more
// than all else in making it.
template <std::size_t N>
std::array<unsigned char, N> random_bytes() {
  struct Pool {
    std::array<unsigned char, 256> bytes;
    std::size_t used = sizeof(bytes);
  };
  thread_local Pool pool;
  if (pool.bytes.size() - pool.used < N) {
    KONTRACT_ASSERT(getentropy(pool.bytes.data(), pool.bytes.size()) == 0);
    pool.used = 0;
  }
  std::array<unsigned char, N> out;
  std::memcpy(out.data(), pool.bytes.data() + pool.used, N);
  pool.used += N;
  return out;
}

constexpr char kHex[] = "0123456789abcdef";

}  // namespace

Status validate_session_name(std::string_view name) {
  return validate("session name", name, limits::kSessionNameBytesMax, "characters of A-Za-z0-9_.:-",
                  std::all_of(name.begin(), name.end(), is_name));
}

Status validate_owner(std::string_view owner) {
  const bool printable = std::none_of(owner.begin(), owner.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  return validate("owner", owner, limits::kOwnerBytesMax,
                  "bytes of UTF-8 without control characters", printable && is_utf8(owner));
}

Status validate_table_id(std::string_view id) {
  return validate("table id", id, limits::kTableIdBytesMax, "characters of A-Za-z0-9_.:-",
                  std::all_of(id.begin(), id.end(), is_name));
}

Status validate_ptr(std::string_view ptr) {
  return validate("ptr", ptr, limits::kPtrBytesMax, "characters of A-Za-z0-9_",
                  std::all_of(ptr.begin(), ptr.end(), is_word));
}

Status validate_record_id(std::string_view id, std::size_t bytes_max) {
  return validate("record id", id, bytes_max, "bytes of UTF-8 without NUL",
                  id.find('\0') == id.npos && is_utf8(id));
}

Status validate_record_id(std::string_view id) {
  return validate_record_id(id, limits::kRecordIdBytesMax);
}

std::string shown(std::string_view name) {
  constexpr std::size_t kShownBytesMax = 128;
  if (name.size() <= kShownBytesMax) return std::string(name);
  std::size_t end = kShownBytesMax;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80)
    --end;  // whole characters
  return std::string(name.substr(0, end)) + "...";
}

std::string make_ptr(std::string_view table_id) {
  constexpr std::string_view kStart = "tbl_";
  const auto random = random_bytes<8>();
  std::string ptr(kStart);
  std::copy_if(table_id.begin(), table_id.end(), std::back_inserter(ptr), is_word);
  ptr.resize(std::min(ptr.size(), limits::kPtrBytesMax - 1 - 2 * random.size()));
  ptr += '_';
  for (const unsigned char byte : random) {
    ptr += kHex[byte >> 4];
    ptr += kHex[byte & 15];
  }
  return ptr;
}

// RFC 9562, section 6.2, method 3: the 12 bits after the milliseconds count their fractions, and a
// time that was given out already is followed by the next one.
std::string make_uuid_v7() {
  using namespace std::chrono;
  static std::atomic<std::uint64_t> last_tick{0};
  const auto since_1970 = duration_cast<nanoseconds>(system_clock::now().time_since_epoch());
  const auto ns = static_cast<std::uint64_t>(since_1970.count());
  const std::uint64_t now_tick = ns / 1'000'000 << 12 | (ns % 1'000'000 << 12) / 1'000'000;

  std::uint64_t last = last_tick.load(std::memory_order_relaxed);
  std::uint64_t tick;
  do {
    tick = std::max(now_tick, last + 1);
  } while (!last_tick.compare_exchange_weak(last, tick, std::memory_order_relaxed));

  std::array<unsigned char, 16> uuid;
  const std::uint64_t ms = tick >> 12;
  for (int i = 0; i < 6; ++i) uuid[i] = static_cast<unsigned char>(ms >> (40 - 8 * i));
  uuid[6] = static_cast<unsigned char>(0x70 | (tick >> 8 & 0x0F));
  uuid[7] = static_cast<unsigned char>(tick);
  const auto random = random_bytes<8>();
  std::copy(random.begin(), random.end(), uuid.begin() + 8);
  uuid[8] = static_cast<unsigned char>(0x80 | (uuid[8] & 0x3F));

  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[uuid[i] >> 4];
    text += kHex[uuid[i] & 15];
  }
  return text;
}

}  // namespace kontract
