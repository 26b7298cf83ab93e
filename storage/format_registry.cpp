// The rows of sessions and registry.

#include "storage/format.hpp"
#include "storage/format_frame.hpp"

namespace kontract::format {
namespace {

Key numbered(char letter, SessionNo session) {
  Key key;
  key.u8(letter).u64(session);
  return key;
}

void put_identity(ByteWriter& out, const Identity& identity) {
  out.counted<std::uint8_t>(identity.owner).counted<std::uint8_t>(identity.name);
}

}  // namespace

// ---- sessions

Key session_key(const Identity& identity) {
  Key key;
  key.u8('s').bytes(identity.owner).u8('\0').bytes(identity.name);
  return key;
}

Key owner_prefix(std::string_view owner) {
  Key key;
  key.u8('s').bytes(owner).u8('\0');
  return key;
}

Key session_no_prefix() {
  Key key;
  key.u8('n');
  return key;
}

Key session_no_key(SessionNo session) { return numbered('n', session); }

Key destroyed_key(SessionNo session) { return numbered('d', session); }

Key destroyed_prefix() {
  Key key;
  key.u8('d');
  return key;
}

std::string session_value(const Key& key, const SessionRow& row) {
  ByteWriter out = begin_value(37 + row.sid.size());
  out.be(row.no).be(row.reserved_until).be(row.next_table_no);
  out.be(static_cast<std::uint64_t>(row.created_ms)).counted<std::uint8_t>(row.sid);
  out.be(row.schema_version);
  return seal(Keyspace::sessions, key, std::move(out));
}

std::string session_no_value(const Key& key, const Identity& identity) {
  ByteWriter out = begin_value(2 + identity.owner.size() + identity.name.size());
  put_identity(out, identity);
  return seal(Keyspace::sessions, key, std::move(out));
}

Result<Identity> parse_session_key(std::string_view key) {
  ByteReader in(key);
  const char letter = in.be<char>();
  Identity identity;
  identity.owner = in.until('\0');
  identity.name = in.rest();
  if (letter != 's' || in.failed() || !id_fits(identity.owner, limits::kOwnerBytesMax) ||
      !id_fits(identity.name, limits::kSessionNameBytesMax)) {
    return bad_key(Keyspace::sessions, key);
  }
  return identity;
}

Result<SessionNo> parse_session_no_key(std::string_view key) {
  ByteReader in(key);
  const char letter = in.be<char>();
  const auto session = in.be<SessionNo>();
  if (letter != 'n' || !in.done()) return bad_key(Keyspace::sessions, key);
  return session;
}

Result<SessionNo> parse_destroyed_key(std::string_view key) {
  ByteReader in(key);
  const char letter = in.be<char>();
  const auto session = in.be<SessionNo>();
  if (letter != 'd' || !in.done()) return bad_key(Keyspace::sessions, key);
  return session;
}

Result<SessionRow> parse_session(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::sessions, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  SessionRow row;
  row.no = in.be<SessionNo>();
  row.reserved_until = in.be<Txid>();
  row.next_table_no = in.be<TableNo>();
  row.created_ms = static_cast<std::int64_t>(in.be<std::uint64_t>());
  row.sid = in.counted<std::uint8_t>();
  // Rows of before there were schemas end here.
  if (!in.done()) row.schema_version = in.be<std::uint64_t>();
  if (!in.done()) return bad_value(Keyspace::sessions, key);
  return row;
}

Result<Identity> parse_session_no(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::sessions, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  Identity identity;
  identity.owner = in.counted<std::uint8_t>();
  identity.name = in.counted<std::uint8_t>();
  if (!in.done()) return bad_value(Keyspace::sessions, key);
  return identity;
}

// ---- registry

Key table_prefix(SessionNo session) { return numbered('t', session); }

Key table_key(SessionNo session, std::string_view id) {
  Key key = numbered('t', session);
  key.bytes(id);
  return key;
}

Key dropped_prefix(SessionNo session) { return numbered('d', session); }

Key dropped_key(SessionNo session, TableNo table) {
  Key key = numbered('d', session);
  key.u32(table);
  return key;
}

Key count_key(SessionNo session, TableNo table) {
  Key key = numbered('c', session);
  key.u32(table);
  return key;
}

Key index_row_prefix(SessionNo session, TableNo table) {
  Key key = numbered('i', session);
  key.u32(table);
  return key;
}

Key index_row_key(SessionNo session, TableNo table, IndexNo index) {
  Key key = index_row_prefix(session, table);
  key.u16(index);
  return key;
}

Key document_prefix(std::string_view owner) {
  Key key;
  key.u8('m').bytes(owner).u8('\0');
  return key;
}

Key document_key(std::string_view owner, std::uint64_t version) {
  Key key = document_prefix(owner);
  key.u64(version);
  return key;
}

std::string table_value(const Key& key, const TableRow& row) {
  ByteWriter out = begin_value(7 + row.ptr.size() + row.owner.size() + row.schema.size());
  out.be(row.no).be(row.permissions).counted<std::uint8_t>(row.ptr);
  out.counted<std::uint8_t>(row.owner).bytes(row.schema);
  return seal(Keyspace::registry, key, std::move(out));
}

std::string dropped_value(const Key& key) { return seal(Keyspace::registry, key, begin_value(0)); }

std::string count_value(const Key& key, const CountRow& row) {
  ByteWriter out = begin_value(24);
  out.be(row.records).be(row.changed);
  if (row.exact_from != 0) out.be(row.exact_from);
  return seal(Keyspace::registry, key, std::move(out));
}

std::string index_row_value(const Key& key, const IndexRow& row) {
  ByteWriter out = begin_value(64);
  out.be(static_cast<std::uint8_t>(row.state));
  out.be(static_cast<std::uint8_t>(row.definition.unique));
  out.be(static_cast<std::uint8_t>(row.definition.fields.size()));
  for (const std::string& path : row.definition.fields) out.counted<std::uint8_t>(path);
  if (row.since != 0) out.be(row.since);
  return seal(Keyspace::registry, key, std::move(out));
}

std::string document_value(const Key& key, std::string_view text) {
  ByteWriter out = begin_value(text.size());
  out.bytes(text);
  return seal(Keyspace::registry, key, std::move(out));
}

Result<TableKey> parse_table_key(std::string_view key) {
  ByteReader in(key);
  const char letter = in.be<char>();
  TableKey parsed{in.be<SessionNo>(), in.rest()};
  if (letter != 't' || in.failed() || !id_fits(parsed.id, limits::kTableIdBytesMax)) {
    return bad_key(Keyspace::registry, key);
  }
  return parsed;
}

namespace {

Result<TableNoKey> parse_table_no_key(char letter, std::string_view key) {
  ByteReader in(key);
  const char found = in.be<char>();
  TableNoKey parsed{in.be<SessionNo>(), in.be<TableNo>()};
  if (found != letter || !in.done()) return bad_key(Keyspace::registry, key);
  return parsed;
}

}  // namespace

Result<TableNoKey> parse_dropped_key(std::string_view key) { return parse_table_no_key('d', key); }
Result<TableNoKey> parse_count_key(std::string_view key) { return parse_table_no_key('c', key); }

Result<IndexRowKey> parse_index_row_key(std::string_view key) {
  ByteReader in(key);
  const char letter = in.be<char>();
  IndexRowKey parsed{in.be<SessionNo>(), in.be<TableNo>(), in.be<IndexNo>()};
  if (letter != 'i' || !in.done()) return bad_key(Keyspace::registry, key);
  return parsed;
}

Result<DocumentKey> parse_document_key(std::string_view key) {
  ByteReader in(key);
  const char letter = in.be<char>();
  DocumentKey parsed;
  parsed.owner = in.until('\0');
  parsed.version = in.be<std::uint64_t>();
  if (letter != 'm' || !in.done() || !id_fits(parsed.owner, limits::kOwnerBytesMax)) {
    return bad_key(Keyspace::registry, key);
  }
  return parsed;
}

Result<std::string_view> parse_document(std::string_view key, std::string_view value) {
  return open(Keyspace::registry, key, value);
}

Result<TableRow> parse_table(std::string_view key, std::string_view value) {
  auto parsed = parse_table_key(key);
  if (!parsed) return std::move(parsed).error();
  auto payload = open(Keyspace::registry, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  TableRow row;
  row.id = parsed->id;
  row.no = in.be<TableNo>();
  row.permissions = in.be<Perm>();
  row.ptr = in.counted<std::uint8_t>();
  row.owner = in.counted<std::uint8_t>();
  row.schema = in.rest();
  if (!in.done() || row.permissions > perms::RWX) return bad_value(Keyspace::registry, key);
  return row;
}

Status parse_dropped(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::registry, key, value);
  if (!payload) return std::move(payload).error();
  if (!payload->empty()) return bad_value(Keyspace::registry, key);
  return {};
}

Result<CountRow> parse_count(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::registry, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  CountRow row;
  row.records = in.be<std::uint64_t>();
  row.changed = in.be<Txid>();
  if (in.left() > 0) row.exact_from = in.be<Txid>();
  if (!in.done()) return bad_value(Keyspace::registry, key);
  return row;
}

Result<IndexRow> parse_index_row(std::string_view key, std::string_view value) {
  auto parsed = parse_index_row_key(key);
  if (!parsed) return std::move(parsed).error();
  auto payload = open(Keyspace::registry, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  const auto state = in.be<std::uint8_t>();
  const auto unique = in.be<std::uint8_t>();
  const auto fields = in.be<std::uint8_t>();
  IndexRow row{parsed->index, {{}, unique == 1}, static_cast<IndexState>(state)};
  for (std::uint8_t i = 0; i < fields && !in.failed(); ++i) {
    row.definition.fields.emplace_back(in.counted<std::uint8_t>());
  }
  if (!in.done()) row.since = in.be<Txid>();
  if (!in.done() || fields == 0 || unique > 1 || row.state < IndexState::building ||
      row.state > IndexState::dropped) {
    return bad_value(Keyspace::registry, key);
  }
  return row;
}

}  // namespace kontract::format
