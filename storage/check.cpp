// check_data_directory of store.hpp: every page, every row, and what rows say of each other.

#include <functional>
#include <map>
#include <utility>

#include "storage/alarm_check.hpp"
#include "storage/change_check.hpp"
#include "storage/data_directory.hpp"
#include "storage/detail/each_row.hpp"
#include "storage/index_check.hpp"
#include "storage/journal.hpp"
#include "storage/page_check.hpp"
#include "storage/reply_check.hpp"
#include "storage/schema_document.hpp"
#include "storage/shard.hpp"

namespace kontract {
namespace {

constexpr std::size_t kProblemsMax = 100;

class ShardCheck {
 public:
  ShardCheck(Environment& environment, CheckReport& report)
      : environment_(environment), report_(report) {}

  Status run() {
    auto commit = verify_last_commit(environment_);
    if (commit) {
      auto groups = read_journal(environment_.file().parent_path() / "journal", *commit);
      if (groups) report_.journal_groups += groups->size();
      if (!groups) report_.problems.push_back(groups.error().message);
    } else {
      report_.problems.push_back(commit.error().message);
    }
    auto txn = environment_.read();
    if (!txn) return std::move(txn).error();
    txn_ = &*txn;
    // Sound rows first: the walks below pass over those that do not parse.
    for (std::size_t i = 0; i < kKeyspaces; ++i) {
      const auto space = static_cast<Keyspace>(i);
      Status walked = walk(space, [&](auto key, auto value) {
        if (Status row = format::verify_row(space, key, value); !row) problem(row.error().message);
        return Status();
      });
      if (!walked) return walked;
    }
    for (auto step :
         {&ShardCheck::versions, &ShardCheck::orders, &ShardCheck::sessions, &ShardCheck::tables}) {
      if (Status done = (this->*step)(); !done) return done;
    }
    const auto report = [this](const std::string& what) { problem(what); };
    if (Status replies = check_replies(*txn, report); !replies) return replies;
    if (Status alarms = check_alarms(*txn, report); !alarms) return alarms;
    if (Status changes = check_changes(*txn, report); !changes) return changes;
    return check_indexes(*txn, report);
  }

 private:
  using TableId = std::pair<SessionNo, TableNo>;
  using Visit = std::function<Status(std::string_view key, std::string_view value)>;

  void problem(const std::string& what) {
    if (report_.problems.size() < kProblemsMax) {
      report_.problems.push_back(environment_.file().string() + ": " + what);
    }
  }

  Status walk(Keyspace space, const Visit& visit) { return each_row(*txn_, space, visit); }

  // A dropped table may be half purged: its rows are not held against each other.
  Result<bool> dropped(TableId table) {
    auto row = txn_->get(Keyspace::registry, format::dropped_key(table.first, table.second));
    if (!row) return std::move(row).error();
    return row->has_value();
  }

  // Each version has its order row, and each record is counted where its newest row is a version.
  Status versions() {
    std::string newest;  // key of the newest row of the record at hand: it comes first
    return walk(Keyspace::versions, [&](std::string_view key, std::string_view value) -> Status {
      auto parsed = format::parse_version_key(key);
      auto row = format::parse_version(key, value);
      if (!parsed || !row) return {};
      ++report_.versions;
      const bool is_newest = !format::same_record(newest, key);
      if (is_newest) newest = key;
      std::uint64_t& records = records_[{parsed->session, parsed->table}];
      if (row->tombstone) return {};
      if (is_newest) ++records;

      auto gone = dropped({parsed->session, parsed->table});
      if (!gone || *gone) return gone ? Status() : Status(gone.error());
      const format::Key order_key = format::order_key(parsed->session, parsed->table, row->order);
      auto order = txn_->get(Keyspace::order, order_key);
      if (!order) return std::move(order).error();
      Result<std::string_view> id = std::string_view{};
      if (*order) id = format::parse_order(order_key, **order);
      if (id && *id != parsed->id) {
        problem("the " + format::describe(Keyspace::versions, key) + " has no order row");
      }
      return {};
    });
  }

  // Each order row has a version with that order.
  Status orders() {
    auto versions = txn_->cursor(Keyspace::versions);
    if (!versions) return std::move(versions).error();
    return walk(Keyspace::order, [&](std::string_view key, std::string_view value) -> Status {
      auto parsed = format::parse_order_key(key);
      auto id = format::parse_order(key, value);
      if (!parsed || !id) return {};
      auto gone = dropped({parsed->session, parsed->table});
      if (!gone || *gone) return gone ? Status() : Status(gone.error());
      const format::Key prefix = format::version_prefix(parsed->session, parsed->table, *id);
      auto on_row = versions->seek(prefix);
      for (; on_row && *on_row && versions->key().starts_with(prefix.view());
           on_row = versions->next()) {
        auto row = format::parse_version(versions->key(), versions->value());
        if (!row || (!row->tombstone && row->order == parsed->order)) return {};
      }
      if (!on_row) return std::move(on_row).error();
      problem("the " + format::describe(Keyspace::order, key) + " has no version");
      return {};
    });
  }

  // Sessions are stored under their name and under their number; both agree.
  Status sessions() {
    return walk(Keyspace::sessions, [&](std::string_view key, std::string_view value) -> Status {
      const auto other_is = [&](const format::Key& other, auto agrees) -> Status {
        auto found = txn_->get(Keyspace::sessions, other);
        if (!found) return std::move(found).error();
        if (!*found || !agrees(**found)) {
          problem("the " + format::describe(Keyspace::sessions, key) + " and the " +
                  format::describe(Keyspace::sessions, other) + " do not agree");
        }
        return {};
      };
      if (auto no = format::parse_session_no_key(key)) {
        auto identity = format::parse_session_no(key, value);
        if (!identity) return {};
        const format::Key other = format::session_key(*identity);
        return other_is(other, [&](std::string_view found) {
          auto row = format::parse_session(other, found);
          return row && row->no == *no;
        });
      }
      auto identity = format::parse_session_key(key);
      auto row = format::parse_session(key, value);
      if (!identity || !row) return {};
      ++report_.sessions;
      const format::Key other = format::session_no_key(row->no);
      return other_is(other, [&](std::string_view found) {
        auto named = format::parse_session_no(other, found);
        return named && *named == *identity;
      });
    });
  }

  void check_document(std::string_view key, std::string_view value) {
    auto text = format::parse_document(key, value);
    if (!text) return;
    auto document = SchemaDocument::parse(Json::parse(*text, nullptr, false));
    if (document && document->version() == format::parse_document_key(key)->version) return;
    problem("the " + format::describe(Keyspace::registry, key) + " is not a document of schemas");
  }

  // Each table has as many records as it says, and no rows belong to no table.
  Status tables() {
    Status walked =
        walk(Keyspace::registry, [&](std::string_view key, std::string_view value) -> Status {
          if (format::parse_document_key(key)) check_document(key, value);
          auto parsed = format::parse_table_key(key);
          auto row = format::parse_table(key, value);
          if (!parsed || !row) return {};
          ++report_.tables;
          if (!row->schema.empty()) {
            auto schema = Schema::parse(Json::parse(row->schema, nullptr, false));
            if (!schema) {
              problem("the " + format::describe(Keyspace::registry, key) +
                      " has a schema that is not one: " + schema.error().message);
            }
          }
          const auto counted = records_.extract({parsed->session, row->no});
          const std::uint64_t records = counted.empty() ? 0 : counted.mapped();
          report_.records += records;
          const format::Key count_key = format::count_key(parsed->session, row->no);
          auto found = txn_->get(Keyspace::registry, count_key);
          if (!found) return std::move(found).error();
          Result<format::CountRow> count = format::CountRow{};
          if (*found) count = format::parse_count(count_key, **found);
          if (count && count->records != records) {
            problem("the " + format::describe(Keyspace::registry, key) + " has " +
                    std::to_string(records) + " records but counts " +
                    std::to_string(count->records));
          }
          return {};
        });
    if (!walked) return walked;
    for (const auto& [table, records] : records_) {
      auto gone = dropped(table);
      if (!gone) return std::move(gone).error();
      if (!*gone) {
        problem("session " + std::to_string(table.first) + " has rows of table " +
                std::to_string(table.second) + ", which is not registered");
      }
    }
    return {};
  }

  Environment& environment_;
  CheckReport& report_;
  const ReadTxn* txn_ = nullptr;
  std::map<TableId, std::uint64_t> records_;  // by table; tables() takes out those it knows
};

// Checks one shard. `shards` becomes what its format row says.
Status check_shard(const DataDirectory& directory, unsigned index, unsigned& shards,
                   CheckReport& report) {
  const std::filesystem::path file = directory.shard(index) / "data.mdb";
  if (!file_exists(file)) {
    return Error(Errc::storage_corrupt, file.string() + " is missing");
  }
  if (Status pages = check_pages(file); !pages) return pages;
  auto environment =
      Environment::open(directory.shard(index), {limits::kMapBytes, /*read_only=*/true});
  if (!environment) return std::move(environment).error();
  auto format = read_format(**environment);
  if (!format) return std::move(format).error();
  if (!*format) {
    return Error(Errc::storage_corrupt,
                 (*environment)->file().string() + " has no row that says its format");
  }
  if (index == 0) shards = (*format)->shards;
  if ((*format)->shard != index || (*format)->shards != shards) {
    report.problems.push_back((*environment)->file().string() + " is not shard " +
                              std::to_string(index) + " of " + std::to_string(shards));
  }
  return ShardCheck(**environment, report).run();
}

// Checks the shared state, if there is any: the rows of its own keyspace and of meta.
Status check_shared(const std::filesystem::path& directory, CheckReport& report) {
  const std::filesystem::path file = directory / "data.mdb";
  if (!file_exists(file)) return {};
  if (Status pages = check_pages(file); !pages) return pages;
  auto environment = Environment::open(directory, {limits::kMapBytes, /*read_only=*/true});
  if (!environment) return std::move(environment).error();
  auto format = read_format(**environment);
  if (!format) return std::move(format).error();
  if (*format && (*format)->shards != 0) {
    report.problems.push_back(file.string() + " is a shard, not the shared state");
  }
  return ShardCheck(**environment, report).run();
}

}  // namespace

Result<CheckReport> check_data_directory(const std::filesystem::path& data) {
  if (!file_exists(data / "lock")) {
    return Error(Errc::invalid_request, data.string() + " is not a data directory of kontract",
                 "Give the directory that the server was started with.");
  }
  auto directory = DataDirectory::open(data, DataDirectory::Missing::fail);
  if (!directory) return std::move(directory).error();
  CheckReport report;
  unsigned shards = 1;
  for (unsigned i = 0; i < shards; ++i) {
    if (Status checked = check_shard(**directory, i, shards, report); !checked) {
      if (checked.error().code != Errc::storage_corrupt) return std::move(checked).error();
      report.problems.push_back(std::move(checked).error().message);
    }
  }
  if (Status checked = check_shared((*directory)->shared(), report); !checked) {
    if (checked.error().code != Errc::storage_corrupt) return std::move(checked).error();
    report.problems.push_back(std::move(checked).error().message);
  }
  if (report.problems.size() > kProblemsMax) report.problems.resize(kProblemsMax);
  return report;
}

}  // namespace kontract
