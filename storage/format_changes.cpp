// The rows of the change log.

#include "storage/format.hpp"
#include "storage/format_frame.hpp"

namespace kontract::format {
namespace {

constexpr std::size_t kFixedBytes = 1 + 3 * 8 + 2 + 4;

}  // namespace

Key change_key(const ChangeKey& row) {
  Key key;
  key.u64(row.session).u32(row.table).u64(row.txid).u32(row.n);
  return key;
}

Key change_head_key(SessionNo session, TableNo table) { return change_key({session, table, 0, 0}); }

std::string change_value(const Key& key, const ChangeRow& row) {
  const std::size_t texts = row.id.size() + row.data.size() + row.old_data.size();
  ByteWriter out = begin_value(kFixedBytes + texts);
  out.be(static_cast<std::uint8_t>(row.kind)).be(row.totals.changes).be(row.totals.bytes);
  out.be(static_cast<std::uint64_t>(row.at_ms)).counted<std::uint16_t>(row.id);
  out.counted<std::uint32_t>(row.data).bytes(row.old_data);
  return seal(Keyspace::changes, key, std::move(out));
}

std::string change_head_value(const Key& key, const ChangeHead& head) {
  ByteWriter out = begin_value(3 * 8);
  out.be(head.floor).be(head.totals.changes).be(head.totals.bytes);
  return seal(Keyspace::changes, key, std::move(out));
}

Result<ChangeKey> parse_change_key(std::string_view key) {
  ByteReader in(key);
  ChangeKey parsed;
  parsed.session = in.be<SessionNo>();
  parsed.table = in.be<TableNo>();
  parsed.txid = in.be<Txid>();
  parsed.n = in.be<std::uint32_t>();
  if (!in.done() || (parsed.txid == 0 && parsed.n != 0)) return bad_key(Keyspace::changes, key);
  return parsed;
}

Result<ChangeRow> parse_change(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::changes, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  const auto kind = in.be<std::uint8_t>();
  ChangeRow row;
  row.kind = static_cast<ChangeKind>(kind);
  row.totals.changes = in.be<std::uint64_t>();
  row.totals.bytes = in.be<std::uint64_t>();
  row.at_ms = static_cast<std::int64_t>(in.be<std::uint64_t>());
  row.id = in.counted<std::uint16_t>();
  row.data = in.counted<std::uint32_t>();
  row.old_data = in.rest();
  const bool known = kind >= 1 && kind <= 3;
  const bool whole = row.data.empty() == (row.kind == ChangeKind::erase) &&
                     row.old_data.empty() == (row.kind == ChangeKind::insert);
  if (!in.done() || !known || !whole || !id_fits(row.id, limits::kRecordIdBytesMax)) {
    return bad_value(Keyspace::changes, key);
  }
  return row;
}

Result<ChangeHead> parse_change_head(std::string_view key, std::string_view value) {
  auto payload = open(Keyspace::changes, key, value);
  if (!payload) return std::move(payload).error();
  ByteReader in(*payload);
  ChangeHead head{in.be<Txid>(), {in.be<std::uint64_t>(), in.be<std::uint64_t>()}};
  if (!in.done()) return bad_value(Keyspace::changes, key);
  return head;
}

}  // namespace kontract::format
