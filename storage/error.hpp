// Errors: the one vocabulary of kontract, from the disk to the wire.
//
// A code says what the caller can do about it, not which library failed. Each has a fixed name, an
// HTTP status and a cure; `kontract explain CODE` prints them. The table is docs/protocol.md's.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kontract {

// Never renumber or reuse: the names are on the wire, the numbers in logs.
enum class Errc : std::uint8_t {
  storage_ptr_not_found = 1,
  permission_denied = 2,
  exec_cross_table = 3,
  exec_failed = 4,
  exec_limit = 5,
  ctx_missing = 6,
  txid_invalid = 7,
  txn_conflict = 8,
  schema_violation = 9,
  unauthorized = 10,
  forbidden = 11,
  not_found = 12,
  invalid_request = 13,
  too_large = 14,
  rate_limited = 15,
  overloaded = 16,
  timeout = 17,
  events_trimmed = 18,
  session_expired = 19,
  crypto_unsupported = 20,
  decrypt_failed = 21,
  invalid_nonce = 22,
  storage_full = 23,
  storage_corrupt = 24,
  backend_invalid = 25,
  internal = 26,
};

struct ErrorTraits {
  Errc code;
  std::string_view name;  // KONTRACT_...
  int http_status;
  bool retry;              // whether the same request can succeed later
  std::string_view cause;  // one sentence
  std::string_view cure;   // one or more sentences; also the default hint
};

// The traits of a code. `code` must be one of the enumerators.
const ErrorTraits& traits(Errc code);

// All codes in the order of the enumeration.
std::span<const ErrorTraits> all_errors();

// The code with this name (with or without the KONTRACT_ prefix), if there is one.
std::optional<Errc> errc_from_name(std::string_view name);

// What went wrong, in words that may be shown to the client: holds no record, token or key.
struct Error {
  Errc code = Errc::internal;
  std::string message;
  std::string hint;  // how to fix it; empty means the code's own cure
  std::optional<std::chrono::milliseconds> retry_after;

  Error() = default;
  Error(Errc c, std::string m, std::string h = {})
      : code(c), message(std::move(m)), hint(std::move(h)) {}

  std::string_view name() const { return traits(code).name; }
  std::string_view hint_or_cure() const { return hint.empty() ? traits(code).cure : hint; }
};

}  // namespace kontract
