// What calls with a key were answered, as it is stored: one reply for each key of a session, kept
// until it is old, or until the session has too many; then the oldest go.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/environment.hpp"
#include "storage/json.hpp"
#include "storage/store.hpp"
#include "storage/version.hpp"

namespace kontract {

// Errors: invalid_request, saying what is allowed.
Status validate_call_key(std::string_view key);

// Tells calls apart: who makes it, the function and its arguments (BLAKE2b, 16 bytes).
std::string call_fingerprint(std::string_view user, std::string_view function, const Json& args);

struct StoredReply {
  std::string fingerprint;
  Txid txid = 0;
  std::int64_t created_ms = 0;  // since 1970
  int status = 0;               // over HTTP; 0: the usual one, and no headers
  std::vector<std::pair<std::string, std::string>> headers = {};
  JsonText result;
};

Result<std::optional<StoredReply>> load_reply(const ReadTxn& txn, SessionNo session,
                                              std::string_view key);

// Behind the newest reply of a session: what the next is put with.
struct ReplyEnd {
  std::uint64_t number = 1;
  std::uint64_t bytes = 0;
};
// REQUIRES: `txn` shows all that was put for the session.
Result<ReplyEnd> load_reply_end(const ReadTxn& txn, SessionNo session);

// REQUIRES: there is none of this key; `end` is that of the session, and is moved on.
void put_reply(WriteBatch& batch, SessionNo session, std::string_view key, const StoredReply& reply,
               ReplyEnd& end);

struct ReplyBounds {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::int64_t not_before_ms = 0;  // those that were made earlier go
};
// Adds the removal of the oldest replies that are past a bound, of up to `ops_max` rows; false when
// none is left.
Result<bool> forget_replies(const ReadTxn& txn, SessionNo session, const ReplyEnd& end,
                            const ReplyBounds& bounds, std::size_t ops_max, WriteBatch& batch);

// When the newest reply was made that is there no more; nothing if all that were made are there.
Result<std::optional<std::int64_t>> forgotten_until(const ReadTxn& txn, SessionNo session);

}  // namespace kontract
