#include "storage/format_replies.hpp"

#include <algorithm>

#include "storage/format_frame.hpp"

namespace kontract::format {
namespace {

constexpr char kReply = 'k';
constexpr char kAge = 'o';
constexpr char kGone = 'f';
constexpr std::size_t kLetterAt = sizeof(SessionNo);

Key lettered(SessionNo session, char letter) {
  Key key;
  key.u64(session).u8(letter);
  return key;
}

char letter_of(std::string_view key) { return key.size() > kLetterAt ? key[kLetterAt] : '\0'; }

template <class Parsed, class Value>
Status both(const Result<Parsed>& parsed_key, const Result<Value>& parsed_value) {
  if (!parsed_key) return parsed_key.error();
  if (!parsed_value) return parsed_value.error();
  return {};
}

}  // namespace

bool call_key_fits(std::string_view key) {
  return !key.empty() && key.size() <= kCallKeyBytesMax &&
         std::all_of(key.begin(), key.end(), [](char c) { return c >= '!' && c <= '~'; });
}

Key reply_key(SessionNo session, std::string_view key) {
  Key built = lettered(session, kReply);
  built.bytes(key);
  return built;
}

Key reply_age_prefix(SessionNo session) { return lettered(session, kAge); }

Key reply_age_key(SessionNo session, std::uint64_t number) {
  Key key = lettered(session, kAge);
  key.u64(number);
  return key;
}

Key replies_gone_key(SessionNo session) { return lettered(session, kGone); }

std::string reply_value(const Key& key, const ReplyRow& row) {
  KONTRACT_ASSERT(row.fingerprint.size() == kFingerprintBytes);
  std::size_t head_bytes = 0;
  for (const auto& [name, value] : row.headers) head_bytes += 4 + name.size() + value.size();
  ByteWriter out = begin_value(kFingerprintBytes + 28 + head_bytes + row.result.size());
  out.bytes(row.fingerprint).be(row.number).be(row.txid);
  out.be(static_cast<std::uint64_t>(row.created_ms)).be(row.status);
  out.be(static_cast<std::uint16_t>(row.headers.size()));
  for (const auto& [name, value] : row.headers) {
    out.counted<std::uint16_t>(name).counted<std::uint16_t>(value);
  }
  out.bytes(row.result);
  return seal(Keyspace::replies, key, std::move(out));
}

std::string reply_age_value(const Key& key, const ReplyAgeRow& row) {
  ByteWriter out = begin_value(16 + row.key.size());
  out.be(static_cast<std::uint64_t>(row.created_ms)).be(row.bytes_before).bytes(row.key);
  return seal(Keyspace::replies, key, std::move(out));
}

std::string replies_gone_value(const Key& key, std::int64_t created_ms) {
  ByteWriter out = begin_value(8);
  out.be(static_cast<std::uint64_t>(created_ms));
  return seal(Keyspace::replies, key, std::move(out));
}

Result<ReplyKey> parse_reply_key(std::string_view key) {
  ByteReader in(key);
  const auto session = in.be<SessionNo>();
  const auto letter = static_cast<char>(in.be<std::uint8_t>());
  const ReplyKey parsed{session, in.rest()};
  if (in.failed() || letter != kReply || !call_key_fits(parsed.key)) {
    return bad_key(Keyspace::replies, key);
  }
  return parsed;
}

Result<ReplyAgeKey> parse_reply_age_key(std::string_view key) {
  ByteReader in(key);
  const auto session = in.be<SessionNo>();
  const auto letter = static_cast<char>(in.be<std::uint8_t>());
  const ReplyAgeKey parsed{session, in.be<std::uint64_t>()};
  if (!in.done() || letter != kAge) return bad_key(Keyspace::replies, key);
  return parsed;
}

Result<ReplyRow> parse_reply(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::replies, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  ReplyRow row;
  row.fingerprint = in.bytes(kFingerprintBytes);
  row.number = in.be<std::uint64_t>();
  row.txid = in.be<Txid>();
  row.created_ms = static_cast<std::int64_t>(in.be<std::uint64_t>());
  row.status = in.be<std::uint16_t>();
  const auto headers = in.be<std::uint16_t>();
  for (std::uint16_t i = 0; i < headers && !in.failed(); ++i) {
    const std::string_view name = in.counted<std::uint16_t>();
    row.headers.emplace_back(name, in.counted<std::uint16_t>());
  }
  row.result = in.rest();
  if (in.failed() || row.result.empty()) return bad_value(Keyspace::replies, key);
  return row;
}

Result<ReplyAgeRow> parse_reply_age(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::replies, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  ReplyAgeRow row;
  row.created_ms = static_cast<std::int64_t>(in.be<std::uint64_t>());
  row.bytes_before = in.be<std::uint64_t>();
  row.key = in.rest();
  if (in.failed() || !call_key_fits(row.key)) return bad_value(Keyspace::replies, key);
  return row;
}

Result<std::int64_t> parse_replies_gone(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::replies, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  const auto created_ms = static_cast<std::int64_t>(in.be<std::uint64_t>());
  if (!in.done()) return bad_value(Keyspace::replies, key);
  return created_ms;
}

Status verify_reply_row(std::string_view key, std::string_view value) {
  if (letter_of(key) == kReply) return both(parse_reply_key(key), parse_reply(key, value));
  if (letter_of(key) == kAge) return both(parse_reply_age_key(key), parse_reply_age(key, value));
  if (letter_of(key) == kGone && key.size() == kLetterAt + 1) {
    const auto gone = parse_replies_gone(key, value);
    return gone ? Status() : Status(gone.error());
  }
  return bad_key(Keyspace::replies, key);
}

// Walks the key by hand, since the errors of the parse functions come from here.
std::string describe_reply(std::string_view key) {
  const char letter = letter_of(key);
  if (letter == '\0') return {};
  const std::string out = ", session " + std::to_string(get_be<SessionNo>(key.data()));
  const std::string_view rest = key.substr(kLetterAt + 1);
  if (letter == kReply && call_key_fits(rest)) return out + ", key \"" + std::string(rest) + '"';
  if (letter == kAge && rest.size() == sizeof(std::uint64_t)) {
    return out + ", reply " + std::to_string(get_be<std::uint64_t>(rest.data()));
  }
  if (letter == kGone && rest.empty()) return out + ", what is gone";
  return {};
}

}  // namespace kontract::format
