// MvccTable: the Table there is. Its state is what the log may not have applied yet (PendingSet),
// what the open transaction changed (StagedSet) and the number of records; the rest is in LMDB.
//
// An operation looks at a record in this order: staged, pending, LMDB. An in-memory state that
// depends on batches which failed is discarded in begin(), by the log's epoch.

#pragma once

#include <memory>
#include <string>

#include "storage/change_log.hpp"
#include "storage/dead_orders.hpp"
#include "storage/format.hpp"
#include "storage/index_scan.hpp"
#include "storage/index_set.hpp"
#include "storage/owner_usage.hpp"
#include "storage/pending_set.hpp"
#include "storage/record_cursor.hpp"
#include "storage/record_state.hpp"
#include "storage/schema.hpp"
#include "storage/staged_set.hpp"
#include "storage/table.hpp"

namespace kontract {

class MvccSqlTable;

class MvccTable final : public Table {
 public:
  MvccTable(Shard& shard, SessionNo session, TableRow row);
  ~MvccTable() override;

  Status begin(const Access& access) override;

  Result<JsonText> get(std::string_view id) override;
  Result<JsonText> set(std::string_view id, const Json& data) override;
  Result<JsonText> set(const Json& data) override;
  Result<JsonText> update(std::string_view id, const Json& partial) override;
  Result<JsonText> erase(std::string_view id) override;
  Result<JsonText> push(const Json& data) override;
  Result<JsonText> pop() override;
  Result<JsonText> shift() override;
  Result<JsonText> query(const Json& filter, const QueryOptions& options) override;
  Result<std::uint64_t> count() override;
  Result<JsonText> exec(std::string_view sql, const Json& params) override;
  void set_sql_time(std::chrono::milliseconds time) override {
    sql_time_ = time;
    sql_timed_out_ = false;
  }
  bool ran_out_of_time() const override { return sql_timed_out_; }

  const WriteBatch& staged() const override;
  WriteBatch take_staged() override;
  void seal(Ticket ticket) override;
  void rollback() override;
  Ticket observed() const override { return observed_; }
  Epoch epoch() const override { return epoch_; }

  std::vector<RecordChange> changes() const override { return staged_.changes(); }
  Status redo(const std::vector<RecordChange>& changes) override;
  Status require_unchanged(std::string_view id) override;
  Status require_as_read(const ReadLog& log) override;
  void log_reads(ReadLog& log) override { reads_ = &log; }
  std::shared_ptr<StagedOverlay> lift() override;
  Status lay(std::shared_ptr<StagedOverlay> overlay) override;
  Txid last_write() const override { return last_write_; }

  Result<bool> collect_garbage(Txid oldest_reader, std::chrono::system_clock::time_point now,
                               std::size_t ops_max, WriteBatch& batch) override;

  Result<Misfits> find_misfits(const FieldCheck& check, const std::function<bool()>& over) override;

  Result<bool> maintain_indexes(std::size_t ops_max, WriteBatch& batch) override;
  bool indexes_unfinished() const override;
  Status set_indexes(std::vector<IndexRow> rows) override;
  const std::vector<IndexRow>& index_rows() const override { return indexes_.rows(); }

  void tell(std::shared_ptr<ChangeSink> sink) override { sink_ = std::move(sink); }
  Status may_follow(const Json& filter) override;
  Followed followed() const override { return {last_write_, last_ticket_, change_log_.floor()}; }

  // As in SqlTable: storage/sql_table.hpp. They do not check permissions. A cursor goes before the
  // transaction does. By index, a record that is changed while the cursor is open may come again.
  // Records last as long as `in`, if that is given and the transaction has not written them.
  Result<std::unique_ptr<RecordCursor>> scan(const RecordScan& scan, Snapshot* in = nullptr);
  Result<std::optional<RecordView>> by_order(std::uint64_t order);
  std::vector<IndexRow> indexes() const;  // those that SQL may read in this transaction

  // Differs from what it was before if the schema or indexes() do.
  std::uint64_t shape() const;

  // For a migration, which has checked what it writes (storage/schema_migration.hpp). The
  // transaction that is begun may write so much, in as many changes as it likes.
  void let_write(std::size_t bytes_max) { staged_.let_hold(bytes_max); }
  // Gives a live record this data, as it stands. Errors: txn_conflict, too_large, schema_violation
  // (an index).
  Status rewrite(std::string_view id, const Json& data);

  const TableRow& row() const override { return row_; }
  Status set_row(TableRow row) override;

  // Reads the number of records, the indexes, and the epoch they belong to.
  Status load();
  // Reads row_.schema. Errors: storage_corrupt.
  Status read_schema();

 private:
  class OpenCursor;  // what all cursors have
  class OneRecord;
  class ById;
  class ByOrder;
  class ByIndex;
  class QueryScan;
  friend class MvccSqlTable;

  enum class Direction : bool { first, last };

  Snapshot snapshot() { return {shard_.environment(), session_, row_.no}; }
  Status require(Perm needed, std::string_view function) const;
  Status admit(Perm needed, std::string_view function, bool frees_space);
  Status put_record(std::string_view id, const RecordState& before, const Json& data);
  Status put_fitted(std::string_view id, const RecordState& before, const Json& data);
  Result<JsonText> take(Direction direction, std::string_view function);

  // The record as this transaction sees it.
  Result<RecordState> visible_record(std::string_view id, Snapshot& snapshot);
  // The same for a record that the transaction is going to change. Errors: txn_conflict if a
  // transaction that is not before this one has changed it.
  Result<RecordState> record_to_change(std::string_view id, Snapshot& snapshot);
  // Below this transaction: pending or stored.
  Result<RecordState> committed_record(std::string_view id, Txid current, Snapshot& snapshot);
  // The part of it that is pending: the version that is visible, or else what superseded the stored
  // one.
  struct PendingView {
    std::optional<RecordState> record;
    std::optional<Txid> superseding;
  };
  PendingView pending_record(std::string_view id, Txid current);

  Result<QueryScan> start_query(const Json& filter, std::optional<std::uint64_t> after,
                                bool descending, Snapshot& snapshot);
  Result<bool> marked(IndexNo index, const ReadTxn& txn) const;

  // For the log of reads, if there is one.
  void note_read(std::string_view id) {
    if (reads_ != nullptr) reads_->note(id);
  }
  void note_read(const IndexScan::Range& range) {
    if (reads_ != nullptr) reads_->note_range(index_state_, range.from, range.to);
  }
  void note_all_read() {
    if (reads_ != nullptr) reads_->note_all();
  }
  Status require_unwritten();
  Status require_unchanged(const ReadLog::Range& range, std::size_t& looks);

  // Indexes: storage/table_indexes.cpp.
  Result<IndexEntries> entries_to_put(std::string_view id, const RecordState& before,
                                      std::string_view data);
  Status require_unique(const IndexRow& index, std::string_view entry, std::string_view id,
                        Snapshot& snapshot);
  // Whether the newest version of the record has this entry under this order.
  Result<bool> holds_entry(std::string_view id, std::string_view entry, std::uint64_t order,
                           Snapshot& snapshot);
  Result<bool> build_indexes(std::size_t ops_max, WriteBatch& batch);
  Result<bool> fill(std::size_t ops_max, WriteBatch& batch);
  Result<bool> check_unique(const IndexRow& index, std::size_t ops_max, WriteBatch& batch);
  Result<bool> remove_indexes(std::size_t ops_max, WriteBatch& batch);
  void settle_index(IndexNo index, IndexState state, WriteBatch& batch);
  const IndexRow* index_to_remove() const;
  bool round_applied();
  void restart_build();

  Result<Json> parse_data(std::string_view id, const RecordState& record) const;
  Error conflict(Txid by) const;

  // What a schema adds (table_schema.cpp). REQUIRES of the first two: schema_.
  Result<Json> fit_schema(std::string_view id, const RecordState& before, Json data) const;
  Result<JsonText> push_by_key(const Json& data);
  bool serves_sql(const IndexRow& index) const;
  bool hides() const { return schema_ != nullptr && schema_->hides(); }
  JsonText visible_data(const RecordState& record) const;
  Result<Json> parse_visible(std::string_view id, const RecordState& record) const;

  void tell_sink(Ticket ticket);
  void changed() { batch_built_ = false; }
  bool collects_at_once() const;
  bool keeps_versions() const;
  Status require_past(Txid present);
  // What the stored row says of exact_from_: nothing, if versions go without a word.
  Txid told_exact_from() const;
  format::CountRow count_row() const;
  void indexes_changed();

  Shard& shard_;
  CommitLog& log_;
  const SessionNo session_;
  TableRow row_;
  const std::shared_ptr<const OwnerAccount> account_;  // null: his bytes are not limited
  std::unique_ptr<const Schema> schema_;               // null: none; what row_.schema says
  std::uint64_t schemas_read_ = 0;

  Epoch epoch_ = 0;  // what pending_, count_ and indexes_ belong to
  PendingSet pending_;
  format::CountRow count_;   // after all that is sealed
  Ticket count_ticket_ = 0;  // of the last batch that changed it
  Txid last_write_ = 0;      // transactions write in the order of their txids
  Txid exact_from_ = 0;      // as in CountRow, of all that is sealed
  Ticket last_ticket_ = 0;   // of that one; 0: the store has it
  mutable ChangeLog change_log_;
  std::shared_ptr<ChangeSink> sink_;
  DeadOrders dead_orders_;  // what pop and shift have passed over

  IndexSet indexes_;
  struct Build {
    bool filled = false;        // all stored versions were looked at
    std::string position;       // of the filling, or in the index that is checked
    std::vector<IndexNo> gone;  // no entry of these is left
    // The round before is applied when this is; `kNotTaken`: all that is appended by now.
    std::optional<Ticket> round;
  };
  static constexpr Ticket kNotTaken = ~Ticket{0};
  Build build_;
  std::uint64_t index_state_ = 0;  // another for each that any table's indexes were in

  // The transaction.
  enum class Stage : std::uint8_t { none, begun, taken } stage_ = Stage::none;
  Perm perm_ = perms::none;
  Txid current_ = 0;
  Txid oldest_reader_ = 0;
  Access::Stand stand_ = Access::Stand::present;
  ReadLog* reads_ = nullptr;  // maybe
  Ticket observed_ = 0;
  std::size_t writes_ = 0;
  mutable StagedSet staged_{indexes_};
  mutable WriteBatch batch_;  // what staged_ amounts to, once it was asked for
  mutable bool batch_built_ = true;

  std::string shown_id_, shown_data_;  // what by_order() showed
  std::chrono::milliseconds sql_time_ = std::chrono::milliseconds::max();
  bool sql_timed_out_ = false;
  std::unique_ptr<MvccSqlTable> sql_;  // made at the first exec()
};

}  // namespace kontract
