#include "storage/schema_migration.hpp"

#include <map>
#include <unordered_map>

#include "storage/index_key.hpp"
#include "storage/index_registry.hpp"
#include "storage/json_path.hpp"
#include "storage/mvcc_table.hpp"
#include "storage/schema_convert.hpp"

namespace kontract {
namespace {

using Kind = SchemaStep::Kind;

constexpr std::size_t kFailuresShown = 5;

Error violation(const std::string& field, const std::string& what) {
  return {Errc::schema_violation, "Field '" + shown(field) + "' " + what};
}

Status rename(Json& data, const SchemaStep& step) {
  if (find_path(data, step.field) == nullptr) return {};
  if (const Json* there = find_path(std::as_const(data), step.to)) {
    if (!there->is_null()) return violation(step.to, "has a value already");
    take_path(data, step.to);
  }
  if (place_path(data, step.to, take_path(data, step.field))) return {};
  return violation(step.to, "has no place: what it is a member of must be an object");
}

Status run(Json& data, const SchemaStep& step) {
  if (step.kind == Kind::rename) return rename(data, step);
  if (step.kind == Kind::remove) take_path(data, step.field);
  if (step.kind != Kind::retype) return {};
  Json* value = find_path(data, step.field);
  if (value == nullptr || value->is_null() || convert_value(step.type, *value)) return {};
  return violation(step.field, "cannot become " + std::string(description(step.type)) +
                                   ": it is another " + value->type_name());
}

// What is to become of one table.
struct Plan {
  TableRow row;
  Schema schema = {};
  bool is_new = false;
  bool reads_all = false;               // each record is looked at
  bool changed = false;                 // at least its row
  std::vector<std::string> typed = {};  // fields that have their type only now
  std::vector<SchemaStep> steps = {};   // for its records
};

// The records of one table, rewritten.
class TableMigration {
 public:
  TableMigration(Shard& shard, const MigrationInput& input, const Plan& plan,
                 MigrationReport& report)
      : shard_(shard), input_(input), plan_(plan), report_(report) {}

  Status run(IndexChanges indexes, WriteBatch& batch) {
    std::vector<IndexRow> unique;
    for (const IndexRow& index : indexes.put) {
      if (index.state == IndexState::building && index.definition.unique) unique.push_back(index);
    }
    new_unique_ = IndexSet(std::move(unique));
    MvccTable table(shard_, input_.session.no, plan_.row);
    Status ready = table.read_schema();
    if (ready) ready = table.load();
    if (ready) ready = table.set_indexes(std::move(indexes.after));
    if (ready) {
      ready = table.begin(
          {input_.session.sid, plan_.row.owner, input_.txid, perms::RWX, input_.oldest_reader});
    }
    if (!ready) return ready;
    const std::size_t used = std::min(batch.own_bytes(), limits::kMigrationBytesMax);
    table.let_write(limits::kMigrationBytesMax - used);
    if (Status walked = walk(table); !walked) return walked;
    batch.merge(table.take_staged());
    table.seal(0);
    return {};
  }

 private:
  Status walk(MvccTable& table) {
    auto records = table.scan({});
    if (!records) return std::move(records).error();
    for (;;) {
      auto more = (*records)->next();
      if (!more) return std::move(more).error();
      if (!*more) return {};
      ++report_.records;
      const std::string id((*records)->record().id);
      const std::string before((*records)->record().data);
      Status done = migrate(table, id, before);
      if (done) continue;
      Error error = std::move(done).error();
      if (!input_.dry_run || error.code != Errc::schema_violation) {
        error.message.insert(0, "Table " + plan_.row.id + ", record '" + shown(id) + "': ");
        return error;
      }
      ++report_.failed;
      if (report_.failures.size() < kFailuresShown) {
        report_.failures.push_back({id, std::move(error.message)});
      }
    }
  }

  Status migrate(MvccTable& table, const std::string& id, const std::string& before) {
    Json data = Json::parse(before, nullptr, false);
    if (!data.is_object()) {
      return Error{Errc::storage_corrupt, "its data is not a JSON object"};
    }
    for (const SchemaStep& step : plan_.steps) {
      if (Status ran = kontract::run(data, step); !ran) return ran;
    }
    // Nobody's permissions are asked: what is hidden or read-only is migrated too.
    if (Status fits = plan_.schema.prepare(id, data, nullptr); !fits) return fits;
    const JsonText after = to_text(data);
    if (Status alone = require_unique(id, after); !alone) return alone;
    if (after == before) return {};
    if (Status written = table.rewrite(id, data); !written) return written;
    ++report_.changed;
    return {};
  }

  // What an index is built of later is checked here: the migration fails, not the index.
  Status require_unique(const std::string& id, const JsonText& data) {
    std::vector<IndexNo> unfit;
    for (const std::string& entry : new_unique_.entries(data, &unfit)) {
      const IndexNo no = format::index_of(entry);
      if (entry == mark_of(no) || has_null(std::string_view(entry).substr(sizeof(IndexNo)))) {
        continue;
      }
      const auto [holder, added] = holders_.emplace(entry, id);
      if (added) continue;
      return Error{Errc::schema_violation, fields_text(new_unique_.find(no)->definition) +
                                               " must be unique; record '" + shown(holder->second) +
                                               "' is equal in it"};
    }
    if (!unfit.empty()) return does_not_fit(new_unique_.find(unfit.front())->definition);
    return {};
  }

  Shard& shard_;
  const MigrationInput& input_;
  const Plan& plan_;
  MigrationReport& report_;
  IndexSet new_unique_;
  std::unordered_map<std::string, std::string> holders_;  // entry, record
};

class SessionMigration {
 public:
  SessionMigration(Shard& shard, const MigrationInput& input) : shard_(shard), input_(input) {
    out_.session = input.session;
  }

  Result<Migration> run() {
    Status done = take_tables();
    for (const SchemaDocument& document : input_.documents) {
      if (done) done = plan(document);
    }
    for (auto& [id, plan] : plans_) {
      if (done) done = execute(plan);
    }
    if (!done) return std::move(done).error();
    out_.session.schema_version = input_.documents.back().version();
    return std::move(out_);
  }

 private:
  Status take_tables() {
    for (const TableRow& row : input_.tables) {
      Plan plan{row};
      if (!row.schema.empty()) {
        auto schema = Schema::parse(Json::parse(row.schema, nullptr, false));
        if (!schema) {
          return format::corrupt(Keyspace::registry, format::table_key(input_.session.no, row.id),
                                 "its schema is not one: " + schema.error().message);
        }
        plan.schema = *std::move(schema);
      }
      plans_.emplace(row.id, std::move(plan));
    }
    return {};
  }

  Status plan(const SchemaDocument& document) {
    for (const SchemaStep& step : document.steps()) {
      const auto known = plans_.find(step.table);
      if (known == plans_.end()) continue;
      Plan& plan = known->second;
      if (step.kind == Kind::drop) {
        if (Status own = require_own(plan.row); !own) return own;
        drop(known);
      } else {
        plan.steps.push_back(step);
        plan.reads_all = true;
      }
    }
    for (const auto& [id, wanted] : document.tables()) {
      const auto known = plans_.find(id);
      if (known == plans_.end()) {
        if (Status created = create(id, wanted); !created) return created;
        continue;
      }
      Plan& plan = known->second;
      if (Status own = require_own(plan.row); !own) return own;
      const auto changes = diff(plan.schema, wanted.schema, document.renames_of(id));
      for (const SchemaChange& change : changes) plan.reads_all = plan.reads_all || !change.safe;
      for (std::string& field : typed_anew(changes)) plan.typed.push_back(std::move(field));
      plan.changed = true;
      plan.schema = wanted.schema;
      plan.row.schema = wanted.schema.to_json();
      plan.row.permissions = wanted.permissions;
    }
    return {};
  }

  Status require_own(const TableRow& row) const {
    if (row.owner == input_.identity.owner) return {};
    return Error{Errc::schema_violation,
                 "Table " + row.id + " belongs to owner " + shown(row.owner)};
  }

  void drop(std::map<std::string, Plan>::iterator known) {
    const Plan& plan = known->second;
    if (!plan.is_new) {
      drop_table(out_.batch, input_.session.no, plan.row);
      out_.drops = true;
      out_.reports.push_back({.table = plan.row.id, .dropped = true});
    }
    plans_.erase(known);
  }

  Status create(const std::string& id, const SchemaDocument::Table& wanted) {
    if (plans_.size() >= limits::kTablesPerSessionMax) {
      return Error{Errc::too_large, "A session has at most " +
                                        std::to_string(limits::kTablesPerSessionMax) +
                                        " tables; table " + id + " is one more"};
    }
    TableRow row{id,
                 make_ptr(id),
                 input_.identity.owner,
                 wanted.permissions,
                 out_.session.next_table_no++,
                 wanted.schema.to_json()};
    plans_.emplace(
        id, Plan{.row = std::move(row), .schema = wanted.schema, .is_new = true, .changed = true});
    return {};
  }

  Status execute(const Plan& plan) {
    out_.tables.push_back(plan.row);
    if (!plan.changed) return {};
    MigrationReport report{.table = plan.row.id, .created = plan.is_new};
    put_table(out_.batch, input_.session.no, plan.row);
    Result<std::vector<IndexRow>> existing = std::vector<IndexRow>{};
    if (!plan.is_new) {
      auto txn = shard_.environment().read();
      if (!txn) return std::move(txn).error();
      existing = load_indexes(*txn, input_.session.no, plan.row.no);
    }
    if (!existing) return std::move(existing).error();
    auto indexes = plan_index_changes(*existing, plan.schema.index_definitions(),
                                      plan.is_new ? IndexState::ready : IndexState::building);
    if (!indexes) return std::move(indexes).error();
    if (!plan.is_new) withhold(*indexes, plan.typed, input_.txid);
    for (const IndexRow& index : indexes->put) {
      put_index(out_.batch, input_.session.no, plan.row.no, index);
    }
    if (plan.reads_all && !plan.is_new) {
      TableMigration records(shard_, input_, plan, report);
      if (Status done = records.run(*std::move(indexes), out_.batch); !done) return done;
    } else if (!plan.is_new) {
      if (Status fit = check_typed(plan, report); !fit) return fit;
    }
    out_.reports.push_back(std::move(report));
    if (out_.batch.own_bytes() <= limits::kMigrationBytesMax) return {};
    return Error{Errc::too_large, "The migration would write more than " +
                                      std::to_string(limits::kMigrationBytesMax) + " bytes"};
  }

  // What is safe leaves the records as they are, if they fit.
  Status check_typed(const Plan& plan, MigrationReport& report) {
    const FieldCheck check(plan.schema, plan.typed);
    if (check.empty()) return {};
    MvccTable table(shard_, input_.session.no, plan.row);
    Status ready = table.load();
    if (ready) {
      ready = table.begin(
          {input_.session.sid, plan.row.owner, input_.txid, perms::RWX, input_.oldest_reader});
    }
    if (!ready) return ready;
    const auto found = table.find_misfits(check, [] { return false; });
    if (!found) return found.error();
    report.records = found->looked_at;
    report.failed = found->records;
    for (const auto& [id, misfit] : found->first) report.failures.push_back({id, misfit.why});
    if (found->records == 0 || input_.dry_run) return {};
    return misfits_error(plan.row.id, *found, check);
  }

  Shard& shard_;
  const MigrationInput& input_;
  std::map<std::string, Plan> plans_;  // by table
  Migration out_;
};

}  // namespace

Result<Migration> migrate(Shard& shard, const MigrationInput& input) {
  KONTRACT_ASSERT(!input.documents.empty());
  return SessionMigration(shard, input).run();
}

}  // namespace kontract
