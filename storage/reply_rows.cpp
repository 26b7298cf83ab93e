#include "storage/reply_rows.hpp"

#include <sodium.h>

#include "storage/byte_codec.hpp"
#include "storage/format_replies.hpp"

namespace kontract {

Status validate_call_key(std::string_view key) {
  if (format::call_key_fits(key)) return {};
  return Error{Errc::invalid_request, "A call's key is 1 to 128 characters of ASCII from ! to ~",
               "Use a random one for each call, such as a UUID, and the same to repeat it."};
}

std::string call_fingerprint(std::string_view user, std::string_view function, const Json& args) {
  const std::string text = to_text(args);  // members are in order of their names
  ByteWriter whole(8 + user.size() + function.size() + text.size());
  whole.counted<std::uint32_t>(user).counted<std::uint32_t>(function).bytes(text);
  unsigned char out[format::kFingerprintBytes];
  crypto_generichash(out, sizeof out, reinterpret_cast<const unsigned char*>(whole.view().data()),
                     whole.view().size(), nullptr, 0);
  return {reinterpret_cast<const char*>(out), sizeof out};
}

Result<std::optional<StoredReply>> load_reply(const ReadTxn& txn, SessionNo session,
                                              std::string_view key) {
  const format::Key row_key = format::reply_key(session, key);
  auto value = txn.get(Keyspace::replies, row_key);
  if (!value) return std::move(value).error();
  if (!*value) return std::optional<StoredReply>{};
  auto row = format::parse_reply(row_key, **value);
  if (!row) return std::move(row).error();
  StoredReply reply{.fingerprint = std::string(row->fingerprint),
                    .txid = row->txid,
                    .created_ms = row->created_ms,
                    .status = row->status,
                    .result = JsonText(row->result)};
  for (const auto& [name, text] : row->headers) reply.headers.emplace_back(name, text);
  return std::optional(std::move(reply));
}

// The newest age row says where its reply begins, and that has its bytes.
Result<ReplyEnd> load_reply_end(const ReadTxn& txn, SessionNo session) {
  auto cursor = txn.cursor(Keyspace::replies);
  if (!cursor) return std::move(cursor).error();
  const format::Key prefix = format::reply_age_prefix(session);
  auto found = cursor->seek_before(format::reply_age_key(session, ~std::uint64_t{0}));
  if (!found) return std::move(found).error();
  if (!*found || !cursor->key().starts_with(prefix.view())) return ReplyEnd{};
  const auto newest = format::parse_reply_age_key(cursor->key());
  if (!newest) return newest.error();
  const auto row = format::parse_reply_age(cursor->key(), cursor->value());
  if (!row) return row.error();
  const auto reply = txn.get(Keyspace::replies, format::reply_key(session, row->key));
  if (!reply) return reply.error();
  return ReplyEnd{newest->number + 1, row->bytes_before + (*reply ? (*reply)->size() : 0)};
}

void put_reply(WriteBatch& batch, SessionNo session, std::string_view key, const StoredReply& reply,
               ReplyEnd& end) {
  format::ReplyRow row{.fingerprint = reply.fingerprint,
                       .number = end.number,
                       .txid = reply.txid,
                       .created_ms = reply.created_ms,
                       .status = static_cast<std::uint16_t>(reply.status),
                       .headers = {},
                       .result = reply.result};
  for (const auto& [name, text] : reply.headers) row.headers.emplace_back(name, text);
  const format::Key row_key = format::reply_key(session, key);
  const format::Key age_key = format::reply_age_key(session, end.number);
  std::string value = format::reply_value(row_key, row);
  batch.put(Keyspace::replies, age_key.str(),
            format::reply_age_value(age_key, {reply.created_ms, end.bytes, key}));
  ++end.number;
  end.bytes += value.size();
  batch.put(Keyspace::replies, row_key.str(), std::move(value));
}

Result<bool> forget_replies(const ReadTxn& txn, SessionNo session, const ReplyEnd& end,
                            const ReplyBounds& bounds, std::size_t ops_max, WriteBatch& batch) {
  auto cursor = txn.cursor(Keyspace::replies);
  if (!cursor) return std::move(cursor).error();
  const format::Key prefix = format::reply_age_prefix(session);
  const std::size_t ops_end = batch.ops().size() + ops_max;
  std::optional<std::int64_t> gone;
  bool more = false;
  auto on_row = cursor->seek(prefix);
  for (; on_row && *on_row && cursor->key().starts_with(prefix.view()); on_row = cursor->next()) {
    const auto key = format::parse_reply_age_key(cursor->key());
    if (!key) return key.error();
    const auto row = format::parse_reply_age(cursor->key(), cursor->value());
    if (!row) return row.error();
    const bool stays = end.number - key->number <= bounds.count &&
                       end.bytes - row->bytes_before <= bounds.bytes &&
                       row->created_ms >= bounds.not_before_ms;
    if (stays) break;
    more = batch.ops().size() + 3 > ops_end;
    if (more) break;
    batch.erase(Keyspace::replies, format::reply_key(session, row->key).str());
    batch.erase(Keyspace::replies, std::string(cursor->key()));
    gone = std::max(gone.value_or(row->created_ms), row->created_ms);
  }
  if (!on_row) return std::move(on_row).error();
  if (gone) {
    const format::Key key = format::replies_gone_key(session);
    batch.put(Keyspace::replies, key.str(), format::replies_gone_value(key, *gone));
  }
  return more;
}

Result<std::optional<std::int64_t>> forgotten_until(const ReadTxn& txn, SessionNo session) {
  const format::Key key = format::replies_gone_key(session);
  const auto value = txn.get(Keyspace::replies, key);
  if (!value) return value.error();
  if (!*value) return std::optional<std::int64_t>{};
  const auto until = format::parse_replies_gone(key, **value);
  if (!until) return until.error();
  return std::optional(*until);
}

}  // namespace kontract
