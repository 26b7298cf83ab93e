// The rows of shared.

#include "storage/format.hpp"
#include "storage/format_frame.hpp"
#include "storage/json.hpp"

namespace kontract::format {

bool shared_key_fits(std::string_view key) {
  return id_fits(key, limits::kSharedKeyBytesMax) && is_utf8(key);
}

std::string shared_value(std::string_view key, const SharedRow& row) {
  ByteWriter out = begin_value(8 + row.text.size());
  out.be(static_cast<std::uint64_t>(row.expires_ms)).bytes(row.text);
  return seal(Keyspace::shared, key, std::move(out));
}

Result<SharedRow> parse_shared(std::string_view key, std::string_view value) {
  if (!shared_key_fits(key)) return bad_key(Keyspace::shared, key);
  auto payload = open(Keyspace::shared, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  SharedRow row;
  row.expires_ms = static_cast<std::int64_t>(in.be<std::uint64_t>());
  row.text = in.rest();
  if (!in.done() || row.expires_ms < 0 || row.text.empty()) return bad_value(Keyspace::shared, key);
  return row;
}

}  // namespace kontract::format
