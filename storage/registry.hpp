// The registry: which sessions exist and which tables each has. Rows are read once when a session
// wakes and written through batches.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/json.hpp"
#include "storage/perms.hpp"
#include "storage/store.hpp"
#include "storage/version.hpp"

namespace kontract {

using TableNo = std::uint32_t;  // within a session; never reused

struct SessionRow {
  SessionNo no = 0;
  std::string sid;          // uuid v7 text
  Txid reserved_until = 1;  // no txid >= this was given out or told to anyone
  TableNo next_table_no = 1;
  std::int64_t created_ms = 0;       // since 1970
  std::uint64_t schema_version = 0;  // of the owner's document that its tables follow; 0: none
};

Result<std::optional<SessionRow>> load_session(const ReadTxn& txn, const Identity& identity);
void put_session(WriteBatch& batch, const Identity& identity, const SessionRow& row);

// A row of `storage`: the logical id, the physical name, whose it is and what may be done.
struct TableRow {
  std::string id;
  std::string ptr;
  std::string owner;
  Perm permissions = perms::RWX;
  TableNo no = 0;
  JsonText schema;  // empty: none
};

// Of all tables of the session, by id.
Result<std::vector<TableRow>> load_tables(const ReadTxn& txn, SessionNo session);
void put_table(WriteBatch& batch, SessionNo session, const TableRow& row);

// Takes the table out of the registry, and leaves a row that says its records are to be purged.
void drop_table(WriteBatch& batch, SessionNo session, const TableRow& row);

// Removes up to `ops_max` rows of dropped tables of this session; false when none is left.
Result<bool> purge_dropped(const ReadTxn& txn, SessionNo session, std::size_t ops_max,
                           WriteBatch& batch);

// Names. Errors: invalid_request, saying what is allowed.
Status validate_session_name(std::string_view name);
Status validate_owner(std::string_view owner);
Status validate_table_id(std::string_view id);
Status validate_ptr(std::string_view ptr);  // [A-Za-z0-9_]+
Status validate_record_id(std::string_view id, std::size_t bytes_max);
Status validate_record_id(std::string_view id);  // at most limits::kRecordIdBytesMax

// A name from outside as a message may hold it: cut if it is long.
std::string shown(std::string_view name);

// "Table X not found". Where the session is known, the hint is the command that registers the table
// there, as a shell takes it; or the one that takes it over from the owner it is registered for.
Error table_not_found(std::string_view id);
Error table_not_found(std::string_view id, const Identity& session);
Error table_of_another_owner(std::string_view id, const Identity& session);

// A new physical name for a logical id: tbl_<id>_<random>, with what a ptr cannot hold left out.
std::string make_ptr(std::string_view table_id);

// A new uuid v7 (RFC 9562, section 5.7) as text: in order of creation to the millisecond, and
// strictly so within one process.
std::string make_uuid_v7();

}  // namespace kontract
