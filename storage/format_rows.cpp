// The rows of a table: versions, order, garbage and indexes.

#include "storage/format.hpp"
#include "storage/format_frame.hpp"

namespace kontract::format {
namespace {

constexpr std::uint8_t kKindVersion = 1;
constexpr std::uint8_t kKindTombstone = 2;

}  // namespace

// ---- versions

// Keys of rows are built for every read: each in one local, so that it is never copied.
Key rows_prefix(SessionNo session, TableNo table) {
  Key key;
  key.u64(session).u32(table);
  return key;
}

Key session_rows_prefix(SessionNo session) {
  Key key;
  key.u64(session);
  return key;
}

Key version_prefix(SessionNo session, TableNo table, std::string_view id) {
  Key key;
  key.u64(session).u32(table).bytes(id).u8('\0');
  return key;
}

Key version_key(SessionNo session, TableNo table, std::string_view id, Txid txid) {
  Key key;
  key.u64(session).u32(table).bytes(id).u8('\0').u64(~txid);
  return key;
}

std::string version_value(const Key& key, const VersionRow& row) {
  if (row.tombstone) {
    ByteWriter out = begin_value(1);
    out.be(kKindTombstone);
    return seal(Keyspace::versions, key, std::move(out));
  }
  ByteWriter out = begin_value(10 + row.owner.size() + row.data.size());
  out.be(kKindVersion).be(row.order).counted<std::uint8_t>(row.owner).bytes(row.data);
  return seal(Keyspace::versions, key, std::move(out));
}

Result<VersionKey> parse_version_key(std::string_view key) {
  ByteReader in(key);
  VersionKey parsed{in.be<SessionNo>(), in.be<TableNo>(), in.until('\0'), ~in.be<Txid>()};
  if (!in.done() || !id_fits(parsed.id, limits::kRecordIdBytesMax)) {
    return bad_key(Keyspace::versions, key);
  }
  return parsed;
}

bool same_record(std::string_view a, std::string_view b) {
  return a.size() == b.size() && a.size() > sizeof(Txid) &&
         a.substr(0, a.size() - sizeof(Txid)) == b.substr(0, b.size() - sizeof(Txid));
}

Txid txid_of(std::string_view version_key) {
  KONTRACT_ASSERT(version_key.size() >= sizeof(Txid));
  return ~get_be<Txid>(version_key.data() + version_key.size() - sizeof(Txid));
}

SessionNo session_of(std::string_view version_key) {
  return ByteReader(version_key).be<SessionNo>();
}

Result<VersionRow> parse_version(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::versions, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  const auto kind = in.be<std::uint8_t>();
  VersionRow row;
  row.tombstone = kind == kKindTombstone;
  if (!row.tombstone) {
    row.order = in.be<std::uint64_t>();
    row.owner = in.counted<std::uint8_t>();
    row.data = in.rest();
  }
  if (!in.done() || (!row.tombstone && kind != kKindVersion)) {
    return bad_value(Keyspace::versions, key);
  }
  return row;
}

// ---- order

Key order_key(SessionNo session, TableNo table, std::uint64_t order) {
  Key key;
  key.u64(session).u32(table).u64(order);
  return key;
}

std::string order_value(const Key& key, std::string_view id) {
  ByteWriter out = begin_value(id.size());
  out.bytes(id);
  return seal(Keyspace::order, key, std::move(out));
}

Result<OrderKey> parse_order_key(std::string_view key) {
  ByteReader in(key);
  OrderKey parsed{in.be<SessionNo>(), in.be<TableNo>(), in.be<std::uint64_t>()};
  if (!in.done()) return bad_key(Keyspace::order, key);
  return parsed;
}

Result<std::string_view> parse_order(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::order, key, value);
  if (payload && !id_fits(*payload, limits::kRecordIdBytesMax)) {
    return bad_value(Keyspace::order, key);
  }
  return payload;
}

// ---- garbage

Key garbage_key(const GarbageKey& row) {
  Key key;
  key.u64(row.session).u32(row.table).u64(row.superseding).u64(row.old).bytes(row.id);
  return key;
}

std::string garbage_value(const Key& key, std::int64_t superseded_ms) {
  ByteWriter out = begin_value(8);
  out.be(static_cast<std::uint64_t>(superseded_ms));
  return seal(Keyspace::garbage, key, std::move(out));
}

Result<GarbageKey> parse_garbage_key(std::string_view key) {
  ByteReader in(key);
  GarbageKey parsed{in.be<SessionNo>(), in.be<TableNo>(), in.be<Txid>(), in.be<Txid>(), in.rest()};
  if (in.failed() || !id_fits(parsed.id, limits::kRecordIdBytesMax) ||
      parsed.old > parsed.superseding) {
    return bad_key(Keyspace::garbage, key);
  }
  return parsed;
}

Result<std::int64_t> parse_garbage(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::garbage, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  const auto ms = static_cast<std::int64_t>(in.be<std::uint64_t>());
  if (!in.done()) return bad_value(Keyspace::garbage, key);
  return ms;
}

// ---- indexes

Key index_key(const IndexKey& row) {
  Key key;
  key.u64(row.session).u32(row.table).bytes(row.entry).u64(row.order);
  return key;
}

std::string index_value(const Key& key, const IndexValue& row) {
  ByteWriter out = begin_value(8 + row.id.size());
  out.be(row.txid).bytes(row.id);
  return seal(Keyspace::indexes, key, std::move(out));
}

Result<IndexKey> parse_index_key(std::string_view key) {
  ByteReader in(key);
  IndexKey parsed;
  parsed.session = in.be<SessionNo>();
  parsed.table = in.be<TableNo>();
  // Its number and one value at least.
  if (in.left() < sizeof(IndexNo) + 1 + sizeof parsed.order) return bad_key(Keyspace::indexes, key);
  parsed.entry = in.bytes(in.left() - sizeof parsed.order);
  parsed.order = in.be<std::uint64_t>();
  return parsed;
}

Result<IndexValue> parse_index(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::indexes, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  IndexValue parsed{in.be<Txid>(), in.rest()};
  if (in.failed() || !id_fits(parsed.id, limits::kRecordIdBytesMax)) {
    return bad_value(Keyspace::indexes, key);
  }
  return parsed;
}

IndexNo index_of(std::string_view entry) {
  KONTRACT_ASSERT(entry.size() >= sizeof(IndexNo));
  return get_be<IndexNo>(entry.data());
}

}  // namespace kontract::format
