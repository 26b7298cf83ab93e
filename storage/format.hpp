// Format: the bytes of every key and value on disk. Nothing else in kontract knows them.
//
// The grammar, with its reasons, is docs/format.md. In short (integers are big-endian, so that
// LMDB's order of keys is ours; `~` is the bitwise complement, so that the newest comes first):
//
//   keyspace  key                                                   value
//   meta      "format"                                              FormatRow
//             "commit"                                              CommitRow
//   sessions  's' owner 00 name                                     SessionRow
//             'n' u64(session)                                      Identity
//             'd' u64(session)                                      Identity   destroyed, to purge
//   registry  't' u64(session) id                                   TableRow
//             'd' u64(session) u32(table)                           -          dropped, to purge
//             'c' u64(session) u32(table)                           CountRow
//             'i' u64(session) u32(table) u16(index)                IndexRow
//             'm' owner 00 u64(version)                             a SchemaDocument's text
//   versions  u64(session) u32(table) id 00 u64(~txid)              VersionRow
//   order     u64(session) u32(table) u64(order)                    id
//   garbage   u64(session) u32(table) u64(superseding) u64(old) id  u64(ms since 1970)
//   indexes   u64(session) u32(table) entry u64(order)              u64(txid) id
//   shared    the key itself                                        SharedRow
//   changes   u64(session) u32(table) u64(txid) u32(n)              ChangeRow
//             u64(session) u32(table) u64(0) u32(0)                 ChangeHead
//   replies   storage/format_replies.hpp
//
//   value := layout:u8  payload  crc:u32
//
// `crc` is the CRC32C of keyspace, key, layout and payload: a flipped bit, and a row that was moved
// to another key, do not verify. Letters, field order and kinds are stored: never renumber or
// reuse.
//
// The parse functions take any bytes, never read outside of them and do no I/O; views they return
// point into what they were given. Errors: storage_corrupt, naming keyspace, session, table and id.

#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/commit_log.hpp"
#include "storage/index.hpp"
#include "storage/limits.hpp"
#include "storage/registry.hpp"
#include "storage/result.hpp"
#include "storage/version.hpp"

namespace kontract::format {

inline constexpr std::uint32_t kFormatVersion = 1;  // of the whole directory, in meta "format"

// A key under construction or built; lives on the stack.
class Key {
 public:
  std::string_view view() const { return {bytes_.data(), size_}; }
  operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor)
  std::string str() const { return std::string(view()); }

  Key& u8(char byte);
  Key& u16(std::uint16_t value);
  Key& u32(std::uint32_t value);
  Key& u64(std::uint64_t value);
  Key& bytes(std::string_view text);

 private:
  // Left uninitialized: a key is built for every read.
  std::array<char, limits::kLmdbKeyBytesMax> bytes_;
  std::size_t size_ = 0;
};

// ---- meta

struct FormatRow {
  std::uint32_t version = kFormatVersion;
  std::uint32_t shards = 1;
  std::uint32_t shard = 0;  // which of them this is
};

// What the last commit of a shard wrote, so that a start can check that it is there. `names` may
// hold a part of it only.
struct CommitRow {
  struct Name {
    Keyspace space;
    bool erased;
    std::string key;
    std::uint32_t value_crc = 0;  // CRC32C of the stored value; 0 if erased
    bool operator==(const Name&) const = default;
  };
  std::uint64_t number = 0;  // of the commit, from 1
  std::uint64_t batches = 0;
  std::uint64_t ops = 0;
  std::vector<Name> names;
};

Key format_key();
Key commit_key();
std::string format_value(const FormatRow& row);
std::string commit_value(const CommitRow& row);
// Succeeds for every version of the format: the fields of FormatRow are in all of them.
Result<FormatRow> parse_format(std::string_view value);
Result<CommitRow> parse_commit(std::string_view value);

// ---- sessions

Key session_key(const Identity& identity);
Key session_no_key(SessionNo session);
Key session_no_prefix();               // of all session_no_keys, which are in order of number
Key destroyed_key(SessionNo session);  // its value is a session_no_value
Key destroyed_prefix();
Key owner_prefix(std::string_view owner);  // of an owner's session_keys
std::string session_value(const Key& key, const SessionRow& row);
std::string session_no_value(const Key& key, const Identity& identity);
Result<Identity> parse_session_key(std::string_view key);
Result<SessionNo> parse_session_no_key(std::string_view key);
Result<SessionNo> parse_destroyed_key(std::string_view key);
Result<SessionRow> parse_session(std::string_view key, std::string_view value);
Result<Identity> parse_session_no(std::string_view key, std::string_view value);

// ---- registry

struct TableKey {
  SessionNo session = 0;
  std::string_view id;
};
struct TableNoKey {
  SessionNo session = 0;
  TableNo table = 0;
};
struct IndexRowKey {
  SessionNo session = 0;
  TableNo table = 0;
  IndexNo index = 0;
};
struct DocumentKey {
  std::string_view owner;
  std::uint64_t version = 0;
};
struct CountRow {
  std::uint64_t records = 0;
  Txid changed = 0;  // the last transaction that changed `records`
  // Reads at this txid or a later one find all that they see; 0: not known.
  Txid exact_from = 0;
};

Key table_key(SessionNo session, std::string_view id);
Key table_prefix(SessionNo session);
Key dropped_key(SessionNo session, TableNo table);
Key dropped_prefix(SessionNo session);
Key count_key(SessionNo session, TableNo table);
Key index_row_key(SessionNo session, TableNo table, IndexNo index);
Key index_row_prefix(SessionNo session, TableNo table);
Key document_key(std::string_view owner, std::uint64_t version);
Key document_prefix(std::string_view owner);
std::string table_value(const Key& key, const TableRow& row);
std::string dropped_value(const Key& key);
std::string count_value(const Key& key, const CountRow& row);
std::string index_row_value(const Key& key, const IndexRow& row);
std::string document_value(const Key& key, std::string_view text);
Result<TableKey> parse_table_key(std::string_view key);
Result<TableNoKey> parse_dropped_key(std::string_view key);
Result<TableNoKey> parse_count_key(std::string_view key);
Result<IndexRowKey> parse_index_row_key(std::string_view key);
Result<TableRow> parse_table(std::string_view key, std::string_view value);
Status parse_dropped(std::string_view key, std::string_view value);
Result<CountRow> parse_count(std::string_view key, std::string_view value);
Result<IndexRow> parse_index_row(std::string_view key, std::string_view value);
Result<DocumentKey> parse_document_key(std::string_view key);
Result<std::string_view> parse_document(std::string_view key, std::string_view value);

// ---- versions
//
// A row is a version, or a tombstone that only ends the version before it. `_deleted_txid` is not
// stored: it is the txid of the next newer row of the same id. So superseding a version never
// rewrites it, and the two can not disagree.

struct VersionKey {
  SessionNo session = 0;
  TableNo table = 0;
  std::string_view id;
  Txid txid = 0;
};
struct VersionRow {
  bool tombstone = false;
  std::uint64_t order = 0;  // this and what follows: empty in a tombstone
  std::string_view owner;
  std::string_view data;
};

// With txid = ~0 it is before all rows of the id: a seek to it finds the newest. A seek to the key
// of T - 1 finds the newest row that is before T.
Key version_key(SessionNo session, TableNo table, std::string_view id, Txid txid);
Key version_prefix(SessionNo session, TableNo table, std::string_view id);  // of all rows of an id
Key rows_prefix(SessionNo session, TableNo table);  // in all keyspaces of rows
Key session_rows_prefix(SessionNo session);         // of all of a session's tables
std::string version_value(const Key& key, const VersionRow& row);
Result<VersionKey> parse_version_key(std::string_view key);
// Whether two keys of versions differ in the txid only.
bool same_record(std::string_view a, std::string_view b);
Txid txid_of(std::string_view version_key);          // REQUIRES: the key of a version
SessionNo session_of(std::string_view version_key);  // likewise
Result<VersionRow> parse_version(std::string_view key, std::string_view value);

// ---- order

struct OrderKey {
  SessionNo session = 0;
  TableNo table = 0;
  std::uint64_t order = 0;
};

Key order_key(SessionNo session, TableNo table, std::uint64_t order);
std::string order_value(const Key& key, std::string_view id);
Result<OrderKey> parse_order_key(std::string_view key);
Result<std::string_view> parse_order(std::string_view key, std::string_view value);  // the id

// ---- garbage
//
// One row for each row of `versions` that may go one day: a version that was superseded (by the row
// `superseding`), and a tombstone (superseding = old = its own txid). In key order, the rows of one
// id come oldest first, and a tombstone after all that it ends.

struct GarbageKey {
  SessionNo session = 0;
  TableNo table = 0;
  Txid superseding = 0;
  Txid old = 0;
  std::string_view id;
};

Key garbage_key(const GarbageKey& row);
std::string garbage_value(const Key& key, std::int64_t superseded_ms);
Result<GarbageKey> parse_garbage_key(std::string_view key);
Result<std::int64_t> parse_garbage(std::string_view key, std::string_view value);

// ---- indexes
//
// An entry is u16(index) and the encoded values of the record's fields (storage/index_key.hpp). A
// row says that some version of the record with this order has these values. `txid` is that of the
// latest version that took them up; versions that kept them since are not counted.

struct IndexKey {
  SessionNo session = 0;
  TableNo table = 0;
  std::string_view entry;
  std::uint64_t order = 0;
};
struct IndexValue {
  Txid txid = 0;
  std::string_view id;
};

Key index_key(const IndexKey& row);
std::string index_value(const Key& key, const IndexValue& row);
Result<IndexKey> parse_index_key(std::string_view key);
Result<IndexValue> parse_index(std::string_view key, std::string_view value);

// The first two bytes of an entry. REQUIRES: parsed or built here.
IndexNo index_of(std::string_view entry);

// ---- shared
//
// The state that all of a runtime shares. Its environment has the rows of meta as well; it is none
// of the shards, so its format row says that there are 0.

struct SharedRow {
  std::int64_t expires_ms = 0;  // since 1970; 0: never
  std::string_view text;        // one JSON value, compact
};

// Whether `key` is one: UTF-8 of 1..kSharedKeyBytesMax bytes without NUL.
bool shared_key_fits(std::string_view key);
std::string shared_value(std::string_view key, const SharedRow& row);
Result<SharedRow> parse_shared(std::string_view key, std::string_view value);

// ---- changes
//
// What each transaction did to the records of a table, for those who follow it. A table's first row
// says from where on its log is complete; `changes` and `bytes` count on from there for ever.

struct ChangeKey {
  SessionNo session = 0;
  TableNo table = 0;
  Txid txid = 0;        // 0: the head
  std::uint32_t n = 0;  // from 0, in the transaction; the head has 0
};
// Of the log up to and including a row, since its table's first logged change.
struct ChangeTotals {
  std::uint64_t changes = 0, bytes = 0;
};
struct ChangeHead {
  Txid floor = 0;       // all changes after this transaction are there, none up to it need be
  ChangeTotals totals;  // at `floor`
};
enum class ChangeKind : std::uint8_t { insert = 1, update = 2, erase = 3 };
struct ChangeRow {
  ChangeKind kind = ChangeKind::insert;
  ChangeTotals totals;
  std::int64_t at_ms = 0;  // since 1970
  std::string_view id;
  std::string_view data;      // empty if it was erased
  std::string_view old_data;  // empty if it was inserted
};

Key change_key(const ChangeKey& row);
Key change_head_key(SessionNo session, TableNo table);
std::string change_value(const Key& key, const ChangeRow& row);
std::string change_head_value(const Key& key, const ChangeHead& head);
Result<ChangeKey> parse_change_key(std::string_view key);
Result<ChangeRow> parse_change(std::string_view key, std::string_view value);
Result<ChangeHead> parse_change_head(std::string_view key, std::string_view value);

// ---- journal
//
//   record := magic:u32 = "KJR1"  payload_bytes:u32  base:u64  index:u64  op*  crc:u32  zeros
//   op     := keyspace:u8  erase:u8  key:str16  { value:str32 } unless it erases
//
// `crc` is the CRC32C of all before it. A record is padded with zeros to a multiple of
// kJournalAlign, so that no write touches the sector of a record that was synced before.

inline constexpr std::size_t kJournalAlign = 4096;

struct JournalRecord {
  WriteBatch group;
  std::size_t bytes = 0;  // without the padding
};

std::size_t journal_aligned(std::size_t bytes);
std::string journal_record(std::uint64_t base, std::uint64_t index,
                           std::span<const WriteOp* const> ops);
// The record at the beginning of `bytes`, if it is sound and the one with this base and index.
std::optional<JournalRecord> parse_journal_record(std::string_view bytes, std::uint64_t base,
                                                  std::uint64_t index);
// The index of the record that seems to be at the beginning of `bytes`, if it has this base.
std::optional<std::uint64_t> journal_index(std::string_view bytes, std::uint64_t base);

// ---- any row

// Parses key and value completely. For checking a directory, and for fuzzing.
Status verify_row(Keyspace space, std::string_view key, std::string_view value);

// The row in words: "row of versions, session 3, table 1, record "u1", txid 7"; for a key that does
// not parse, its bytes in hexadecimal.
std::string describe(Keyspace space, std::string_view key);

// The error of a row that is there but cannot be right.
Error corrupt(Keyspace space, std::string_view key, std::string_view why);

static_assert(8 + 4 + limits::kRecordIdBytesMax + 1 + 8 <= limits::kLmdbKeyBytesMax, "versions");
static_assert(8 + 4 + 8 + 8 + limits::kRecordIdBytesMax <= limits::kLmdbKeyBytesMax, "garbage");
static_assert(1 + limits::kOwnerBytesMax + 1 + limits::kSessionNameBytesMax <=
                  limits::kLmdbKeyBytesMax,
              "sessions");
static_assert(1 + limits::kOwnerBytesMax + 1 + 8 <= limits::kLmdbKeyBytesMax, "registry");
static_assert(1 + 8 + limits::kTableIdBytesMax <= limits::kLmdbKeyBytesMax, "registry");
static_assert(limits::kOwnerBytesMax <= 255 && limits::kPtrBytesMax <= 255, "one length byte");
static_assert(limits::kSharedKeyBytesMax <= limits::kLmdbKeyBytesMax, "shared");
static_assert(limits::kInsertsPerTransactionMax <= std::size_t{1} << kOrderIndexBits,
              "orders of a transaction");
static_assert(limits::kSafeIntegerMax >> (63 - kOrderIndexBits) == 0, "an order fits 64 bits");

}  // namespace kontract::format
