// The frame of values, the builder of keys, and the rows of meta.

#include "storage/format.hpp"

#include "storage/crc32c.hpp"
#include "storage/format_frame.hpp"

namespace kontract::format {
namespace {

// Every value has this layout today. A row with another one was written by a newer kontract.
constexpr std::uint8_t kLayout = 1;
constexpr std::size_t kFrameBytes = 1 + 4;  // layout and crc

constexpr std::string_view kFormatKey = "format";
constexpr std::string_view kCommitKey = "commit";

std::uint32_t row_crc(Keyspace space, std::string_view key, std::string_view layout_and_payload) {
  const char name = static_cast<char>(space);
  return crc32c(layout_and_payload, crc32c(key, crc32c({&name, 1})));
}

}  // namespace

ByteWriter begin_value(std::size_t payload_bytes) {
  ByteWriter value(kFrameBytes + payload_bytes);
  value.be(kLayout);
  return value;
}

std::string seal(Keyspace space, std::string_view key, ByteWriter value) {
  value.be(row_crc(space, key, value.view()));
  return std::move(value).take();
}

// The payload of a value whose checksum is right.
Result<std::string_view> open(Keyspace space, std::string_view key, std::string_view value) {
  if (value.size() < kFrameBytes) return corrupt(space, key, "its value is cut short");
  const std::string_view sealed = value.substr(0, value.size() - 4);
  if (get_be<std::uint32_t>(value.data() + sealed.size()) != row_crc(space, key, sealed)) {
    return corrupt(space, key, "its checksum does not match");
  }
  if (static_cast<std::uint8_t>(sealed[0]) != kLayout) {
    return corrupt(space, key, "its layout is not known to this version of kontract");
  }
  return sealed.substr(1);
}

Error bad_value(Keyspace space, std::string_view key) {
  return corrupt(space, key, "its value does not parse");
}

Error bad_key(Keyspace space, std::string_view key) {
  return corrupt(space, key, "its key does not parse");
}

bool id_fits(std::string_view id, std::size_t bytes_max) {
  return !id.empty() && id.size() <= bytes_max && id.find('\0') == id.npos;
}

Key& Key::bytes(std::string_view text) {
  KONTRACT_ASSERT(text.size() <= bytes_.size() - size_);
  std::memcpy(bytes_.data() + size_, text.data(), text.size());
  size_ += text.size();
  return *this;
}

Key& Key::u8(char byte) { return bytes({&byte, 1}); }

Key& Key::u16(std::uint16_t value) {
  char out[sizeof value];
  put_be(out, value);
  return bytes({out, sizeof out});
}

Key& Key::u32(std::uint32_t value) {
  char out[sizeof value];
  put_be(out, value);
  return bytes({out, sizeof out});
}

Key& Key::u64(std::uint64_t value) {
  char out[sizeof value];
  put_be(out, value);
  return bytes({out, sizeof out});
}

// ---- meta

Key format_key() {
  Key key;
  key.bytes(kFormatKey);
  return key;
}

Key commit_key() {
  Key key;
  key.bytes(kCommitKey);
  return key;
}

std::string format_value(const FormatRow& row) {
  ByteWriter out = begin_value(12);
  out.be(row.version).be(row.shards).be(row.shard);
  return seal(Keyspace::meta, kFormatKey, std::move(out));
}

Result<FormatRow> parse_format(std::string_view value) {
  auto payload = open(Keyspace::meta, kFormatKey, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  FormatRow row;
  row.version = in.be<std::uint32_t>();
  row.shards = in.be<std::uint32_t>();
  row.shard = in.be<std::uint32_t>();
  // A newer format may say more here.
  if (in.failed() || (row.version <= kFormatVersion && !in.done())) {
    return bad_value(Keyspace::meta, kFormatKey);
  }
  return row;
}

std::string commit_value(const CommitRow& row) {
  ByteWriter out = begin_value(28 + row.names.size() * 64);
  out.be(row.number).be(row.batches).be(row.ops);
  out.be(static_cast<std::uint32_t>(row.names.size()));
  for (const CommitRow::Name& name : row.names) {
    out.be(static_cast<std::uint8_t>(name.space)).be(static_cast<std::uint8_t>(name.erased));
    out.counted<std::uint16_t>(name.key).be(name.value_crc);
  }
  return seal(Keyspace::meta, kCommitKey, std::move(out));
}

Result<CommitRow> parse_commit(std::string_view value) {
  auto payload = open(Keyspace::meta, kCommitKey, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  CommitRow row;
  row.number = in.be<std::uint64_t>();
  row.batches = in.be<std::uint64_t>();
  row.ops = in.be<std::uint64_t>();
  const auto names = in.be<std::uint32_t>();
  for (std::uint32_t i = 0; i < names && !in.failed(); ++i) {
    const auto space = in.be<std::uint8_t>();
    const auto erased = in.be<std::uint8_t>();
    CommitRow::Name name{static_cast<Keyspace>(space), erased == 1,
                         std::string(in.counted<std::uint16_t>()), in.be<std::uint32_t>()};
    if (space >= kKeyspaces || erased > 1) return bad_value(Keyspace::meta, kCommitKey);
    row.names.push_back(std::move(name));
  }
  if (!in.done()) return bad_value(Keyspace::meta, kCommitKey);
  return row;
}

}  // namespace kontract::format
