// Table: one table of one session, multi-version, on its shard. Its owner (TableActor) is its only
// writer and calls it from one thread at a time.
//
// Operations belong to a transaction that the owner brackets:
//
//   table.begin(access);
//   auto result = table.set("u1", data);           // any number of operations
//   if (!result) table.rollback();                  // leaves no trace
//   else if (table.staged().empty()) -> acknowledge when table.observed() is
//   else { ticket = log.append(table.take_staged(), table.epoch(), waiter); table.seal(ticket); }
//
// A read sees what the transaction staged itself, then what is *pending* (sealed but maybe not yet
// applied in LMDB), then LMDB. `observed()` is the highest ticket of a pending version that an
// operation of this transaction looked at: its reply must wait for that one.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/field_check.hpp"
#include "storage/index.hpp"
#include "storage/json.hpp"
#include "storage/read_log.hpp"
#include "storage/record_change.hpp"
#include "storage/registry.hpp"
#include "storage/store.hpp"
#include "storage/version.hpp"

namespace kontract {

class ChangeSink;

// What an operation needs of its context. A missing part is KONTRACT_CTX_MISSING, naming it.
struct Access {
  std::string_view sid;
  std::string_view owner;
  Txid current_txid = 0;  // reads see what is before it; writes are stamped with it
  std::optional<Perm> perm;
  Txid oldest_reader = 0;  // no transaction but this one reads, now or later, at less than this

  // How it stands to what others did.
  enum class Stand : std::uint8_t {
    present,  // all that ran is before it
    apart,    // others may have run since. What it stages lies over what it sees; see lift()
    past,     // the same, and it only reads; its versions may have been collected
  };
  Stand stand = Stand::present;
  Txid present = 0;  // past: the txid that would be given next
};

// No aggregate: g++ 12 would free a temporary of one twice in a statement with co_await.
struct QueryOptions {
  QueryOptions(std::size_t most = limits::kQueryRowsMax,  // NOLINT(*-explicit-*)
               std::string behind = {}, bool backwards = false)
      : limit(most), after(std::move(behind)), descending(backwards) {}

  std::size_t limit;
  std::string after;  // cursor of the page before; empty: from the start
  bool descending;    // by _order
};

class StagedOverlay;

class Table {
 public:
  // Reads what the table needs to know of itself: the number of its records, and its schema.
  static Result<std::unique_ptr<Table>> open(Shard& shard, SessionNo session, TableRow row);
  virtual ~Table() = default;

  // Starts a transaction. Discards pending state if the log's epoch has changed since.
  // Errors: ctx_missing; storage_ptr_not_found if `access.owner` is not the table's owner;
  // txid_invalid if it stands in a past of which not all is stored any more.
  virtual Status begin(const Access& access) = 0;

  // REQUIRES for all below: begun. Errors of all: permission_denied (a bit missing in the context,
  // the table or a field), storage_corrupt, storage_full / overloaded (writes), schema_violation
  // (writes), invalid_request, too_large.
  // Results are the JSON texts of docs/protocol.md.
  virtual Result<JsonText> get(std::string_view id) = 0;
  virtual Result<JsonText> set(std::string_view id, const Json& data) = 0;
  // Under the id that its primary key has. Errors: invalid_request if the schema has none.
  virtual Result<JsonText> set(const Json& data) = 0;
  virtual Result<JsonText> update(std::string_view id, const Json& partial) = 0;
  virtual Result<JsonText> erase(std::string_view id) = 0;
  virtual Result<JsonText> push(const Json& data) = 0;
  virtual Result<JsonText> pop() = 0;
  virtual Result<JsonText> shift() = 0;
  virtual Result<JsonText> query(const Json& filter, const QueryOptions& options) = 0;
  virtual Result<std::uint64_t> count() = 0;  // records visible now; needs R
  // One SQL statement over this table: see SqlEngine, whose errors come on top. What it needs
  // depends on the statement.
  virtual Result<JsonText> exec(std::string_view sql, const Json& params) = 0;
  // exec() gives up after so long from now on, if its limit is not less; whether the last one did.
  virtual void set_sql_time(std::chrono::milliseconds time) = 0;
  virtual bool ran_out_of_time() const = 0;

  virtual const WriteBatch& staged() const = 0;
  virtual WriteBatch take_staged() = 0;
  virtual void seal(Ticket ticket) = 0;  // what was staged is pending under this ticket
  virtual void rollback() = 0;
  virtual Ticket observed() const = 0;
  virtual Epoch epoch() const = 0;

  // A transaction that lets others go before it: it takes its changes along, is rolled back, and
  // later begins anew, with a txid after theirs, and does them again. In between it asks, at its
  // old txid, whether what it has seen still holds.
  virtual std::vector<RecordChange> changes() const = 0;  // in the order in which to do them again
  // They were let in when they were made first, but the schema may be another by now. Errors:
  // txn_conflict if others made one impossible; schema_violation; storage_full, overloaded,
  // too_large.
  virtual Status redo(const std::vector<RecordChange>& changes) = 0;
  // Errors: txn_conflict if a transaction that is not before this one changed the record.
  // REQUIRES: nothing is staged.
  virtual Status require_unchanged(std::string_view id) = 0;
  // The same of all that a transaction has read that began at this one's txid.
  virtual Status require_as_read(const ReadLog& log) = 0;
  // What the transaction that is begun reads from now on is noted there, until its end.
  virtual void log_reads(ReadLog& log) = 0;
  virtual Txid last_write() const = 0;  // of the last transaction that was sealed; 0: none yet

  // A transaction that stands apart takes what it has staged out between two of its steps, which
  // rolls the table back (null: nothing is staged), and lays it over again when it has begun the
  // next step, at the same txid. Its changes() are redone by another transaction in the end.
  virtual std::shared_ptr<StagedOverlay> lift() = 0;
  // Errors: txn_conflict, when the table is another by now and the changes do not fit it.
  virtual Status lay(std::shared_ptr<StagedOverlay> overlay) = 0;
  // Whom to tell of what is sealed from now on (storage/change_log.hpp); null: nobody.
  virtual void tell(std::shared_ptr<ChangeSink> sink) = 0;
  // Whether the transaction may follow the changes of the records that match the filter (null:
  // all). Errors: permission_denied, invalid_request.
  virtual Status may_follow(const Json& filter) = 0;
  struct Followed {
    Txid last_write;
    Ticket ticket;              // of it; 0: settled
    std::optional<Txid> floor;  // all changes after it are in the log; nothing: none of the past
  };
  virtual Followed followed() const = 0;

  // Looks at all records. Ends early, with what it has by then, once `over` says so. Asks for no
  // permission. Errors: storage_corrupt.
  virtual Result<Misfits> find_misfits(const FieldCheck& check,
                                       const std::function<bool()>& over) = 0;

  // Adds to `batch` the removal of superseded versions that no reader at or after `oldest_reader`
  // sees and whose retention is over; at most `ops_max` operations. Returns whether more is left.
  virtual Result<bool> collect_garbage(Txid oldest_reader,
                                       std::chrono::system_clock::time_point now,
                                       std::size_t ops_max, WriteBatch& batch) = 0;

  // Builds indexes that are not complete yet and removes what is left of those that are not kept
  // up, one round at a time: at most `ops_max` operations, of which the first few may be needed for
  // one record. Returns whether to call it again, which is of use once all that was appended until
  // then is applied. REQUIRES: no transaction is open; the batch is appended under epoch().
  virtual Result<bool> maintain_indexes(std::size_t ops_max, WriteBatch& batch) = 0;
  virtual bool indexes_unfinished() const = 0;  // maintain_indexes has something to do

  // The indexes that the table has from now on (IndexChanges::after). REQUIRES: no transaction is
  // open, and the batch with their rows is appended before anything else of this table.
  virtual Status set_indexes(std::vector<IndexRow> rows) = 0;
  virtual const std::vector<IndexRow>& index_rows() const = 0;  // in all states

  virtual const TableRow& row() const = 0;
  // Permissions or schema changed; same number. Errors: storage_corrupt if the schema does not
  // parse, with nothing changed.
  virtual Status set_row(TableRow row) = 0;
};

}  // namespace kontract
