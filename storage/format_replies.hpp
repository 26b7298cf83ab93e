// The rows of `replies`: what calls with a key were answered. A part of storage/format.hpp.
//
//   replies  u64(session) 'k' key           ReplyRow
//            u64(session) 'o' u64(number)   ReplyAgeRow, in the order in which they were made
//            u64(session) 'f'               u64(ms since 1970): when the last that is gone was made
//
// A reply has one row of each of the first two kinds; together they come and go.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/format.hpp"

namespace kontract::format {

inline constexpr std::size_t kFingerprintBytes = 16;
inline constexpr std::size_t kCallKeyBytesMax = 128;

// Whether it can be the key of a call: 1..128 bytes of ASCII from ! to ~.
bool call_key_fits(std::string_view key);

struct ReplyKey {
  SessionNo session = 0;
  std::string_view key;
};
struct ReplyRow {
  std::string_view fingerprint;  // of the call, kFingerprintBytes
  std::uint64_t number = 0;
  Txid txid = 0;
  std::int64_t created_ms = 0;
  std::uint16_t status = 0;  // over HTTP; 0: the usual one, and no headers
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  std::string_view result;
};

struct ReplyAgeKey {
  SessionNo session = 0;
  std::uint64_t number = 0;
};
struct ReplyAgeRow {
  std::int64_t created_ms = 0;
  std::uint64_t bytes_before = 0;  // of all values of ReplyRows that were made before, gone or not
  std::string_view key;
};

Key reply_key(SessionNo session, std::string_view key);
Key reply_age_key(SessionNo session, std::uint64_t number);
Key reply_age_prefix(SessionNo session);
Key replies_gone_key(SessionNo session);
std::string reply_value(const Key& key, const ReplyRow& row);
std::string reply_age_value(const Key& key, const ReplyAgeRow& row);
std::string replies_gone_value(const Key& key, std::int64_t created_ms);
Result<ReplyKey> parse_reply_key(std::string_view key);
Result<ReplyAgeKey> parse_reply_age_key(std::string_view key);
Result<ReplyRow> parse_reply(std::string_view key, std::string_view value);
Result<ReplyAgeRow> parse_reply_age(std::string_view key, std::string_view value);
Result<std::int64_t> parse_replies_gone(std::string_view key, std::string_view value);

// What verify_row and describe of format.hpp say of these rows; nothing if the key is none.
Status verify_reply_row(std::string_view key, std::string_view value);
std::string describe_reply(std::string_view key);

static_assert(8 + 1 + kCallKeyBytesMax <= limits::kLmdbKeyBytesMax, "replies");

}  // namespace kontract::format
