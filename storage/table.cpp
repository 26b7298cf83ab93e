#include "storage/table.hpp"

#include <atomic>
#include <limits>

#include "storage/garbage.hpp"
#include "storage/index_registry.hpp"
#include "storage/mvcc_sql_table.hpp"

namespace kontract {
namespace {

constexpr Txid kAfterAll = std::numeric_limits<Txid>::max();  // reads the newest
// Records that are looked at to learn whether ranges of an index are as they were; beyond it, any
// change of the table counts as one.
constexpr std::size_t kRangeLooksMax = 10'000;

std::string_view perm_text(Perm perm) {
  constexpr std::string_view kTexts[] = {"___", "__X", "_W_", "_WX", "R__", "R_X", "RW_", "RWX"};
  return kTexts[perm & perms::RWX];
}

Status require_object(const Json& data) {
  if (data.is_object()) return {};
  return Error{Errc::invalid_request,
               std::string("Data is a JSON object; this is of type ") + data.type_name()};
}

Error only_reads() {
  return {Errc::invalid_request, "A call with `at` only reads",
          "Leave `at` out to change records."};
}

// The text to store of a record's data.
Result<JsonText> record_text(const Json& data, std::size_t bytes_max) {
  JsonText text = to_text(data);
  if (text.size() > bytes_max) {
    return Error{Errc::too_large,
                 "The record has " + std::to_string(text.size()) + " bytes as compact JSON; " +
                     std::to_string(bytes_max) + " are allowed",
                 "Split it into several records."};
  }
  return text;
}

}  // namespace

Result<std::unique_ptr<Table>> Table::open(Shard& shard, SessionNo session, TableRow row) {
  auto table = std::make_unique<MvccTable>(shard, session, std::move(row));
  if (auto read = table->read_schema(); !read) return std::move(read).error();
  if (auto loaded = table->load(); !loaded) return std::move(loaded).error();
  return std::unique_ptr<Table>(std::move(table));
}

MvccTable::MvccTable(Shard& shard, SessionNo session, TableRow row)
    : shard_(shard),
      log_(shard.log()),
      session_(session),
      row_(std::move(row)),
      account_(shard.usage() != nullptr ? shard.usage()->account(row_.owner) : nullptr),
      change_log_(session, row_.no, shard.options().changes) {}

Status MvccTable::load() {
  const Epoch epoch = log_.epoch();
  auto txn = shard_.environment().read();
  if (!txn) return std::move(txn).error();
  const format::Key key = format::count_key(session_, row_.no);
  auto value = txn->get(Keyspace::registry, key);
  if (!value) return std::move(value).error();
  Result<format::CountRow> count = format::CountRow{};
  if (*value) count = format::parse_count(key, **value);
  if (!count) return std::move(count).error();
  auto indexes = load_indexes(*txn, session_, row_.no);
  if (!indexes) return std::move(indexes).error();
  if (Status read = change_log_.load(*txn, count->changed == 0); !read) return read;
  indexes_ = IndexSet(*std::move(indexes));
  indexes_changed();
  restart_build();
  count_ = *count;
  if (exact_from_ == 0) exact_from_ = keeps_versions() ? count_.exact_from : 0;
  count_ticket_ = 0;
  last_ticket_ = 0;
  dead_orders_.clear();
  last_write_ = std::max(last_write_, count_.changed);
  epoch_ = epoch;
  return {};
}

Status MvccTable::begin(const Access& access) {
  KONTRACT_ASSERT(stage_ != Stage::taken);  // it must be known what became of a taken batch
  rollback();
  std::string missing;
  const auto need = [&missing](bool present, std::string_view name) {
    if (!present) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  need(!access.sid.empty(), "sid");
  need(!access.owner.empty(), "owner");
  need(access.current_txid != 0, "currentTxid");
  need(access.perm.has_value(), "perm");
  if (!missing.empty()) return Error{Errc::ctx_missing, "The context lacks " + missing};
  if (access.owner != row_.owner) return table_not_found(row_.id);

  // In this order: if a batch of a new epoch is applied, the epoch is seen to have changed.
  const Ticket applied = log_.applied();
  if (log_.epoch() != epoch_) {
    pending_.clear();
    if (auto loaded = load(); !loaded) return loaded;
  }
  pending_.drop_applied(applied);

  current_ = access.current_txid;
  if (access.stand == Access::Stand::past) {
    if (Status exact = require_past(access.present); !exact) return exact;
  }
  stage_ = Stage::begun;
  perm_ = *access.perm;
  oldest_reader_ = access.oldest_reader;
  stand_ = access.stand;
  staged_.keep_old_data(change_log_.keeps() || (sink_ && sink_->listens()));
  return {};
}

Error MvccTable::conflict(Txid by) const {
  return {Errc::txn_conflict, "Table " + row_.id + " was changed by transaction " +
                                  std::to_string(by) + ", which is not before this one (" +
                                  std::to_string(current_) + ")"};
}

Status MvccTable::require(Perm needed, std::string_view function) const {
  KONTRACT_ASSERT(stage_ == Stage::begun);
  if (allows(perm_, needed) && allows(row_.permissions, needed)) return {};
  std::string hint = std::string(function) + " needs ";
  hint += perm_text(needed);
  hint += "; the context has ";
  hint += perm_text(perm_);
  hint += " and table " + row_.id + " allows ";
  hint += perm_text(row_.permissions);
  hint += ".";
  return Error{Errc::permission_denied, "Insufficient permissions", std::move(hint)};
}

Status MvccTable::admit(Perm needed, std::string_view function, bool frees_space) {
  if (auto allowed = require(needed, function); !allowed) return allowed;
  if (auto admitted = log_.admit(frees_space); !admitted) return admitted;
  if (account_ && !frees_space) {
    if (auto admitted = account_->admit_bytes(); !admitted) return admitted;
  }
  if (stand_ == Access::Stand::past) return only_reads();
  if (stand_ == Access::Stand::present && current_ <= last_write_) return conflict(last_write_);
  if (writes_ == limits::kChangesPerTransactionMax) {
    return Error{Errc::too_large,
                 "A transaction makes at most " +
                     std::to_string(limits::kChangesPerTransactionMax) +
                     " changes of a table; this is one more",
                 "Split it into several transactions."};
  }
  ++writes_;
  return {};
}

MvccTable::PendingView MvccTable::pending_record(std::string_view id, Txid current) {
  PendingView view;
  const PendingSet::Chain* chain = pending_.find(id);
  if (chain == nullptr) return view;
  for (auto version = chain->rbegin(); version != chain->rend(); ++version) {
    if (visible(version->txid, view.superseding, current)) {
      observed_ = std::max(observed_, version->ticket);
      using enum RecordState::Kind;
      view.record = RecordState{version->deleted ? deleted : live, version->txid, version->order,
                                version->alone, version->data};
      break;
    }
    view.superseding = version->txid;
  }
  return view;
}

Result<RecordState> MvccTable::committed_record(std::string_view id, Txid current,
                                                Snapshot& snapshot) {
  const PendingView pending = pending_record(id, current);
  if (pending.record) return *pending.record;
  auto stored = snapshot.newest_before(id, current);
  // What superseded it in LMDB, if anything did, is not before `current` either.
  if (stored && stored->txid != 0) {
    KONTRACT_ASSERT(visible(stored->txid, pending.superseding, current));
  }
  return stored;
}

Result<RecordState> MvccTable::visible_record(std::string_view id, Snapshot& snapshot) {
  if (const RecordState* own = staged_.find(id)) return *own;
  return committed_record(id, current_, snapshot);
}

Result<RecordState> MvccTable::record_to_change(std::string_view id, Snapshot& snapshot) {
  if (const RecordState* own = staged_.find(id)) return *own;
  note_read(id);
  auto newest = committed_record(id, kAfterAll, snapshot);
  if (!newest) return newest;
  if (newest->txid >= current_) {
    return conflict(newest->txid);
  }
  const bool stored = newest->live() && pending_.find(id) == nullptr;
  if (stored && collects_at_once()) {
    auto has_older = snapshot.has_older();
    if (!has_older) return std::move(has_older).error();
    newest->alone = !*has_older;
  }
  return newest;
}

Result<Json> MvccTable::parse_data(std::string_view id, const RecordState& record) const {
  Json data = Json::parse(record.data, nullptr, false);
  if (data.is_object()) return data;
  return format::corrupt(Keyspace::versions,
                         format::version_key(session_, row_.no, id, record.txid),
                         "its data is not a JSON object");
}

// The row of counts, as of the transaction that is open.
format::CountRow MvccTable::count_row() const {
  format::CountRow count = count_;
  if (const std::int64_t delta = staged_.count_delta(); delta != 0) {
    count.records += static_cast<std::uint64_t>(delta);
    count.changed = current_;
  }
  count.exact_from = told_exact_from();
  if (count.exact_from == 0 && keeps_versions()) count.exact_from = current_;
  return count;
}

Txid MvccTable::told_exact_from() const { return keeps_versions() ? exact_from_ : 0; }

bool MvccTable::keeps_versions() const { return shard_.options().version_retention.count() > 0; }

Status MvccTable::require_past(Txid present) {
  // Nobody knows what an earlier owner of the table collected; it did so before now.
  if (exact_from_ == 0) exact_from_ = present;
  if (current_ >= exact_from_) return {};
  return Error{Errc::txid_invalid,
               "Table " + row_.id + " does not keep all that was there as of transaction " +
                   std::to_string(current_ - 1) + " any more; it does as of " +
                   std::to_string(exact_from_ - 1),
               "Read as of that one or a later one. How long old versions are kept is the server's "
               "option --version-retention."};
}

bool MvccTable::collects_at_once() const { return current_ < oldest_reader_ && !keeps_versions(); }

Result<JsonText> MvccTable::get(std::string_view id) {
  if (auto allowed = require(perms::R__, "table.get"); !allowed) return std::move(allowed).error();
  if (auto valid = validate_record_id(id, shard_.options().record_id_bytes_max); !valid)
    return std::move(valid).error();
  note_read(id);
  Snapshot in = snapshot();
  auto record = visible_record(id, in);
  if (!record) return std::move(record).error();
  return record->live() ? visible_data(*record) : JsonText("null");
}

Result<JsonText> MvccTable::set(std::string_view id, const Json& data) {
  if (auto ok = admit(perms::_W_, "table.set", false); !ok) return std::move(ok).error();
  if (auto valid = validate_record_id(id, shard_.options().record_id_bytes_max); !valid)
    return std::move(valid).error();
  if (auto object = require_object(data); !object) return std::move(object).error();
  Snapshot in = snapshot();
  auto before = record_to_change(id, in);
  if (!before) return std::move(before).error();
  if (auto put = put_record(id, *before, data); !put) return std::move(put).error();
  return JsonText("true");
}

Result<JsonText> MvccTable::update(std::string_view id, const Json& partial) {
  if (auto ok = admit(perms::_W_, "table.update", false); !ok) return std::move(ok).error();
  if (auto valid = validate_record_id(id, shard_.options().record_id_bytes_max); !valid)
    return std::move(valid).error();
  if (auto object = require_object(partial); !object) return std::move(object).error();
  Snapshot in = snapshot();
  auto before = record_to_change(id, in);
  if (!before) return std::move(before).error();
  Result<Json> whole = Json::object();
  if (before->live()) whole = parse_visible(id, *before);
  if (!whole) return std::move(whole).error();
  whole->update(partial);
  if (auto put = put_record(id, *before, *whole); !put) return std::move(put).error();
  return JsonText("true");
}

// Every write of data goes through here. REQUIRES: `data` is an object.
Status MvccTable::put_record(std::string_view id, const RecordState& before, const Json& data) {
  Result<Json> fitted = Json();
  if (schema_) fitted = fit_schema(id, before, data);
  if (!fitted) return std::move(fitted).error();
  return put_fitted(id, before, schema_ ? *fitted : data);
}

Status MvccTable::put_fitted(std::string_view id, const RecordState& before, const Json& data) {
  auto text = record_text(data, shard_.options().record_bytes_max);
  if (!text) return std::move(text).error();
  IndexEntries entries;
  if (indexes_.keeps_entries()) {
    auto made = entries_to_put(id, before, *text);
    if (!made) return std::move(made).error();
    entries = *std::move(made);
  }
  changed();
  return staged_.put(id, before, *std::move(text), std::move(entries), current_);
}

Status MvccTable::rewrite(std::string_view id, const Json& data) {
  KONTRACT_ASSERT(stage_ == Stage::begun);
  if (current_ <= last_write_) return conflict(last_write_);
  Snapshot in = snapshot();
  auto before = record_to_change(id, in);
  if (!before) return std::move(before).error();
  return put_fitted(id, *before, data);
}

Status MvccTable::redo(const std::vector<RecordChange>& changes) {
  KONTRACT_ASSERT(stage_ == Stage::begun && staged_.empty());
  if (changes.empty()) return {};
  if (stand_ == Access::Stand::present) {
    if (current_ <= last_write_) return conflict(last_write_);
    if (Status admitted = log_.admit(/*frees_space=*/false); !admitted) return admitted;
    if (account_) {
      if (Status admitted = account_->admit_bytes(); !admitted) return admitted;
    }
  }
  for (const RecordChange& change : changes) {
    ++writes_;
    Snapshot in = snapshot();
    auto before = record_to_change(change.id, in);
    if (!before) return std::move(before).error();
    if (change.data) {
      Json data = Json::parse(*change.data, nullptr, /*allow_exceptions=*/false);
      // Who may change what was asked then.
      Status fits = schema_ ? schema_->prepare(change.id, data, nullptr) : Status();
      if (!fits) return fits;
      if (Status put = put_fitted(change.id, *before, data); !put) return put;
    } else if (before->live()) {
      changed();
      staged_.erase(change.id, *before);
    }
  }
  return {};
}

Status MvccTable::require_unchanged(std::string_view id) {
  KONTRACT_ASSERT(stage_ == Stage::begun && staged_.empty());
  Snapshot in = snapshot();
  auto newest = committed_record(id, kAfterAll, in);
  if (!newest) return std::move(newest).error();
  if (newest->txid >= current_) return conflict(newest->txid);
  return {};
}

// What an earlier owner of the table wrote is in LMDB: what it superseded is garbage that is kept,
// since this transaction reads, and what it inserted has an order after this transaction.
Status MvccTable::require_unwritten() {
  KONTRACT_ASSERT(stage_ == Stage::begun && staged_.empty());
  if (last_write_ >= current_) return conflict(last_write_);
  Snapshot in = snapshot();
  auto txn = in.txn();
  if (!txn) return std::move(txn).error();
  const format::Key prefix = format::rows_prefix(session_, row_.no);
  const auto seek = [&](Keyspace space, const format::Key& key) -> Result<std::string> {
    auto cursor = (*txn)->cursor(space);
    if (!cursor) return std::move(cursor).error();
    auto on_row = cursor->seek(key);
    if (!on_row) return std::move(on_row).error();
    return *on_row && cursor->key().starts_with(prefix.view()) ? std::string(cursor->key()) : "";
  };
  auto garbage = seek(Keyspace::garbage,
                      format::garbage_key({session_, row_.no, current_, 0, std::string_view()}));
  if (!garbage) return std::move(garbage).error();
  if (!garbage->empty()) {
    auto key = format::parse_garbage_key(*garbage);
    return key ? conflict(key->superseding) : std::move(key).error();
  }
  auto inserted =
      seek(Keyspace::order, format::order_key(session_, row_.no, make_order(current_, 0)));
  if (!inserted) return std::move(inserted).error();
  if (inserted->empty()) return {};
  auto key = format::parse_order_key(*inserted);
  return key ? conflict(key->order >> kOrderIndexBits) : std::move(key).error();
}

Status MvccTable::require_as_read(const ReadLog& log) {
  Status unwritten = require_unwritten();
  if (unwritten || unwritten.error().code != Errc::txn_conflict || log.all()) return unwritten;
  // Somebody has written something: what?
  if (!log.ranges().empty() && log.indexes() != index_state_) return unwritten;
  for (const std::string& id : log.ids()) {
    if (Status same = require_unchanged(id); !same) return same;
  }
  std::size_t looks = kRangeLooksMax;
  for (const ReadLog::Range& range : log.ranges()) {
    if (Status same = require_unchanged(range, looks); !same) return same;
    if (looks == 0) return unwritten;
  }
  return {};
}

// The index has the entries of all versions that were visible at this transaction, since it reads,
// and of all later ones. So whatever came into the range, left it or changed in it is found there.
Status MvccTable::require_unchanged(const ReadLog::Range& range, std::size_t& looks) {
  Snapshot in = snapshot();
  auto txn = in.txn();
  if (!txn) return std::move(txn).error();
  auto scan = IndexScan::start(**txn, session_, row_.no, {range.from, range.to, false},
                               pending_.entries(), staged_.entries());
  if (!scan) return std::move(scan).error();
  for (; looks > 0; --looks) {
    auto found = scan->next();
    if (!found) return std::move(found).error();
    if (!*found) return {};
    auto newest = committed_record(scan->id(), kAfterAll, in);
    if (!newest) return std::move(newest).error();
    if (newest->txid < current_) continue;
    auto then = committed_record(scan->id(), current_, in);
    if (!then) return std::move(then).error();
    // It may be an entry of yet another version, which nobody has seen.
    const auto is_its = [&](const RecordState& record) {
      return record.live() && record.order == scan->order() &&
             has_entry(indexes_.entries(record.data), scan->entry());
    };
    if (is_its(*newest) || is_its(*then)) return conflict(newest->txid);
  }
  return {};
}

std::shared_ptr<StagedOverlay> MvccTable::lift() {
  KONTRACT_ASSERT(stage_ == Stage::begun && stand_ == Access::Stand::apart);
  std::shared_ptr<StagedOverlay> lifted;
  if (!staged_.empty()) {
    lifted = std::make_shared<StagedOverlay>(staged_, writes_, index_state_);
  }
  rollback();
  return lifted;
}

Status MvccTable::lay(std::shared_ptr<StagedOverlay> overlay) {
  KONTRACT_ASSERT(stage_ == Stage::begun && stand_ == Access::Stand::apart && staged_.empty());
  if (!overlay) return {};
  if (overlay->indexes() == index_state_) {
    writes_ = overlay->writes();
    overlay->put_back(staged_);
    changed();
    return {};
  }
  Status redone = redo(overlay->changes());
  if (redone || redone.error().code != Errc::schema_violation) return redone;
  return Error{Errc::txn_conflict,
               "Table " + row_.id + " has other indexes by now: " + redone.error().message};
}

void MvccTable::indexes_changed() {
  static std::atomic<std::uint64_t> states{0};
  index_state_ = ++states;
}

Result<JsonText> MvccTable::erase(std::string_view id) {
  if (auto ok = admit(perms::__X, "table.delete", true); !ok) return std::move(ok).error();
  if (auto valid = validate_record_id(id, shard_.options().record_id_bytes_max); !valid)
    return std::move(valid).error();
  Snapshot in = snapshot();
  auto before = record_to_change(id, in);
  if (!before) return std::move(before).error();
  if (!before->live()) return JsonText("false");
  changed();
  staged_.erase(id, *before);
  return JsonText("true");
}

Result<JsonText> MvccTable::push(const Json& data) {
  if (auto ok = admit(perms::_W_, "table.push", false); !ok) return std::move(ok).error();
  if (auto object = require_object(data); !object) return std::move(object).error();
  if (schema_ && schema_->primkey() != nullptr) return push_by_key(data);
  const std::string id = make_uuid_v7();
  RecordState nothing;  // a new id is not looked up
  nothing.alone = true;
  if (auto put = put_record(id, nothing, data); !put) return std::move(put).error();
  return '"' + id + '"';
}

const WriteBatch& MvccTable::staged() const {
  if (!batch_built_) {
    KONTRACT_ASSERT(stand_ == Access::Stand::present);
    const format::CountRow count = count_row();
    batch_ = staged_.batch({session_, row_.no, row_.owner, current_, collects_at_once(),
                            count.exact_from != count_.exact_from},
                           count);
    if (!staged_.empty()) {
      const bool has_room = log_.admit(/*frees_space=*/false).has_value();
      change_log_.append(staged_, current_, has_room, shard_.environment(), batch_);
    }
    batch_built_ = true;
  }
  return batch_;
}

WriteBatch MvccTable::take_staged() {
  KONTRACT_ASSERT(stage_ == Stage::begun);
  static_cast<void>(staged());
  stage_ = Stage::taken;
  return std::exchange(batch_, {});
}

void MvccTable::seal(Ticket ticket) {
  KONTRACT_ASSERT(stage_ == Stage::taken);
  if (staged_.count_delta() != 0) count_ticket_ = ticket;
  count_ = count_row();
  if (exact_from_ == 0) exact_from_ = current_;
  if (staged_.collects()) exact_from_ = current_ + 1;
  if (sink_ && sink_->listens()) tell_sink(ticket);
  if (!staged_.empty()) change_log_.settle();
  staged_.seal(ticket, current_, pending_);
  last_write_ = current_;
  last_ticket_ = ticket;
  stage_ = Stage::none;
  reads_ = nullptr;
  writes_ = 0;
}

void MvccTable::rollback() {
  staged_.clear();
  batch_ = {};
  batch_built_ = true;
  stage_ = Stage::none;
  stand_ = Access::Stand::present;
  reads_ = nullptr;
  observed_ = 0;
  writes_ = 0;
}

Result<bool> MvccTable::collect_garbage(Txid oldest_reader,
                                        std::chrono::system_clock::time_point now,
                                        std::size_t ops_max, WriteBatch& batch) {
  using namespace std::chrono;
  const bool building = indexes_.first(IndexState::building) != nullptr;
  if (building && !round_applied()) return true;
  const auto keep_after = now - shard_.options().version_retention;
  auto txn = shard_.environment().read();
  if (!txn) return std::move(txn).error();
  const bool tells = keeps_versions() || count_.exact_from != 0;  // one operation more
  const GarbageBounds bounds{oldest_reader,
                             duration_cast<milliseconds>(keep_after.time_since_epoch()).count(),
                             ops_max - (tells ? 1 : 0)};
  const std::size_t ops = batch.ops().size();
  auto round = kontract::collect_garbage(*txn, session_, row_.no, bounds, indexes_,
                                         pending_.entries(), batch);
  if (building && batch.ops().size() > ops) build_.round = kNotTaken;
  if (!round) return std::move(round).error();
  if (round->collected != 0) {
    if (exact_from_ != 0) exact_from_ = std::max(exact_from_, round->collected + 1);
    if (const Txid told = told_exact_from(); told != count_.exact_from) {
      count_.exact_from = told;
      const format::Key key = format::count_key(session_, row_.no);
      batch.put(Keyspace::registry, key.str(), format::count_value(key, count_));
    }
  }
  auto more_changes = change_log_.trim(
      *txn, duration_cast<milliseconds>(now.time_since_epoch()).count(), ops_max, batch);
  if (!more_changes) return more_changes;
  return round->more || *more_changes;
}

}  // namespace kontract
