#include "storage/error.hpp"

#include <array>
#include <cstddef>

#include "storage/assert.hpp"

namespace kontract {
namespace {

// In the order of the enumeration, without gaps: traits() indexes it.
constexpr std::array kErrors = {
    ErrorTraits{
        Errc::storage_ptr_not_found, "KONTRACT_STORAGE_PTR_NOT_FOUND", 404, false,
        "The session's registry (its storage table) has no table of this name.",
        "Register it with table.create or `kontract sql`, or correct the name: table.list shows "
        "those that the session has. Names are case-sensitive."},
    ErrorTraits{Errc::permission_denied, "KONTRACT_PERMISSION_DENIED", 403, false,
                "The call needs a permission bit (R reads, W writes, X deletes) that the token or "
                "the table does not grant, or it writes a field that is read-only.",
                "Both must grant it: compare the token's `perm` with the table's `permissions` "
                "(table.list). Use a token with the bit, or have the table's owner grant it."},
    ErrorTraits{Errc::exec_cross_table, "KONTRACT_EXEC_CROSS_TABLE", 403, false,
                "An SQL statement of table.exec named another table than the one it was called on.",
                "Name only the table in the first argument. To combine tables, read each with its "
                "own call, or write a backend function."},
    ErrorTraits{Errc::exec_failed, "KONTRACT_EXEC_FAILED", 400, false,
                "SQLite refused the statement of table.exec.",
                "Read SQLite's own words in the message. The columns are id, data, _txid, "
                "_deleted_txid, _owner, _order and the fields of the schema; values go in as "
                "parameters ($1 or ?)."},
    ErrorTraits{Errc::exec_limit, "KONTRACT_EXEC_LIMIT", 413, false,
                "An SQL statement took more time, rows or memory than one call may.",
                "Narrow the WHERE clause, add a LIMIT and page by id, or query a field that the "
                "schema declares, which is indexed."},
    ErrorTraits{Errc::ctx_missing, "KONTRACT_CTX_MISSING", 400, false,
                "The call reached the storage without a part of its context.",
                "The message names the part. A middleware or backend function that builds a "
                "Context must fill sid, owner, currentTxid and perm; copy the one that it was "
                "given."},
    ErrorTraits{Errc::txid_invalid, "KONTRACT_TXID_INVALID", 400, false,
                "The transaction is not one of this session, or it has ended.",
                "Start one with tx.begin and use its number until tx.commit or tx.rollback. An "
                "open transaction ends by itself when its time is over or the session restarts."},
    ErrorTraits{Errc::txn_conflict, "KONTRACT_TXN_CONFLICT", 409, true,
                "Something that the transaction read or wrote was changed after it began.",
                "Nothing of it was written. Begin again, read afresh and repeat; keep transactions "
                "short to make this rare."},
    ErrorTraits{Errc::schema_violation, "KONTRACT_SCHEMA_VIOLATION", 422, false,
                "The record does not fit the table's schema.",
                "The message names the field and what was expected there: correct the record, or "
                "create the table with another schema."},
    ErrorTraits{Errc::unauthorized, "KONTRACT_UNAUTHORIZED", 401, false,
                "There is no token, or it is not valid here.",
                "Send a current token as `Authorization: Bearer ...`, or in `hello` from a "
                "browser. Check its expiry, the clocks of both machines, and that one of "
                "this server's keys has signed it."},
    ErrorTraits{
        Errc::forbidden, "KONTRACT_FORBIDDEN", 403, false,
        "The token is valid but not for this: another owner's session, or a group that it "
        "is not in.",
        "Use a token of the session's owner, or one with the group that the message names."},
    ErrorTraits{Errc::not_found, "KONTRACT_NOT_FOUND", 404, false,
                "There is no such function, session or path.",
                "Check the spelling. Built-in functions are listed in docs/protocol.md; backend "
                "functions must be registered before the server starts."},
    ErrorTraits{Errc::invalid_request, "KONTRACT_INVALID_REQUEST", 400, false,
                "The request, or an option at start, is not of the form that is asked for.",
                "The message says what is wrong and where. docs/protocol.md gives the form of "
                "every message; `kontract serve --help` that of every option."},
    ErrorTraits{Errc::too_large, "KONTRACT_TOO_LARGE", 413, false,
                "A message, record or batch is larger than its limit.",
                "The message gives the size and the limit. Split the data into several records or "
                "calls, or have the operator raise the limit."},
    ErrorTraits{Errc::rate_limited, "KONTRACT_RATE_LIMITED", 429, true,
                "More was asked than this client may have in this time.",
                "Wait as long as the answer says, then go on more slowly. Put many small writes "
                "into one table.batch."},
    ErrorTraits{Errc::overloaded, "KONTRACT_OVERLOADED", 503, true,
                "The server has more waiting work, or this connection more unread messages, than "
                "it can hold.",
                "Try again later, doubling the wait each time. Have fewer calls in flight, and "
                "read results as they come. If it lasts, the disk is too slow for the load: use "
                "more shards or a faster disk."},
    ErrorTraits{Errc::timeout, "KONTRACT_TIMEOUT", 504, true,
                "The call was not finished in its time; it may still have taken effect.",
                "Read what it would have changed, or repeat it if running twice does no harm, as "
                "with table.set. `timeout_ms` gives a call more time."},
    ErrorTraits{Errc::events_trimmed, "KONTRACT_EVENTS_TRIMMED", 410, false,
                "The change log no longer reaches back to the asked txid.",
                "Read the table afresh with table.query, then subscribe from the txid of that "
                "answer. A longer retention keeps more of the log."},
    ErrorTraits{Errc::session_expired, "KONTRACT_SESSION_EXPIRED", 401, true,
                "The encrypted connection's keys or the login are too old.",
                "Shake hands or log in again, then repeat the call. Nothing that the session "
                "stores is lost."},
    ErrorTraits{Errc::crypto_unsupported, "KONTRACT_CRYPTO_UNSUPPORTED", 501, false,
                "Client and server have no cipher in common.",
                "Offer chacha20-poly1305 or, as a browser, aes-256-gcm, unless the server was told "
                "to take only one of them; or use kontract.v1+json over TLS."},
    ErrorTraits{Errc::decrypt_failed, "KONTRACT_DECRYPT_FAILED", 400, false,
                "A frame does not open with the connection's key: it was changed on the way, or "
                "the two sides have different keys. The connection is closed.",
                "Connect again. If it happens each time, compare the client's pinned identity with "
                "/.well-known/kontract."},
    ErrorTraits{Errc::invalid_nonce, "KONTRACT_INVALID_NONCE", 400, false,
                "A frame came with a nonce that was used before or is out of order. The connection "
                "is closed.",
                "Connect again. In a client of your own: count the nonce up by one for each frame, "
                "and send frames in that order."},
    ErrorTraits{Errc::storage_full, "KONTRACT_STORAGE_FULL", 507, false,
                "The disk or the shard's map has no room for more; reads and deletes still work.",
                "Delete records or free disk space (removing <data>/ballast gives some at once; it "
                "is made again later), or restart with a larger map. Writes go on by themselves "
                "when there is room."},
    ErrorTraits{Errc::storage_corrupt, "KONTRACT_STORAGE_CORRUPT", 500, false,
                "A file of the data directory holds other bytes than were written, or the disk "
                "failed to take a write.",
                "The message names the file. Look for disk errors (dmesg, smartctl), copy the data "
                "directory away before anything else, and restart. If it is refused again, restore "
                "the shard from a backup."},
    ErrorTraits{Errc::backend_invalid, "KONTRACT_BACKEND_INVALID", 500, false,
                "A backend function or middleware was registered wrongly; the server does not "
                "start with it.",
                "The message names it and the rule: a unique name of the form group.function, a "
                "known egroup, and a handler."},
    ErrorTraits{Errc::internal, "KONTRACT_INTERNAL", 500, false,
                "Something failed inside the server that is no fault of the request.",
                "The server's log has the details under the call's id; please report them. Before "
                "repeating a write, read whether it took effect."},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kErrors.size(); ++i) {
    if (static_cast<std::size_t>(kErrors[i].code) != i + 1) return false;
  }
  return kErrors.size() == static_cast<std::size_t>(Errc::internal);
}
static_assert(in_order());

constexpr std::string_view kPrefix = "KONTRACT_";

}  // namespace

const ErrorTraits& traits(Errc code) {
  const auto index = static_cast<std::size_t>(code) - 1;
  KONTRACT_ASSERT(index < kErrors.size());
  return kErrors[index];
}

std::span<const ErrorTraits> all_errors() { return kErrors; }

std::optional<Errc> errc_from_name(std::string_view name) {
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  for (const ErrorTraits& error : kErrors) {
    if (error.name.substr(kPrefix.size()) == name) return error.code;
  }
  return std::nullopt;
}

}  // namespace kontract
