#include "storage/schema_dry_run.hpp"

#include <algorithm>
#include <charconv>

#include "storage/format.hpp"

namespace kontract {
namespace {

using Clock = std::chrono::steady_clock;

// "<shard>/<session>": the session that was looked at last.
struct Position {
  std::size_t shard = 0;
  std::string session;
};

Result<Position> parse_position(const std::string& text) {
  Position position;
  if (text.empty()) return position;
  const std::size_t slash = std::min(text.find('/'), text.size());
  const auto read = std::from_chars(text.data(), text.data() + slash, position.shard);
  if (read.ec != std::errc{} || read.ptr != text.data() + slash || slash == text.size()) {
    return Error{Errc::invalid_request, "after is not what a page gave as next"};
  }
  position.session = text.substr(slash + 1);
  return position;
}

Json report_json(const MigrationReport& report) {
  Json failures = Json::array();
  for (const auto& [id, why] : report.failures) failures.push_back({{"id", id}, {"why", why}});
  return {{"table", report.table},          {"created", report.created},
          {"dropped", report.dropped},      {"records", report.records},
          {"changed", report.changed},      {"failed", report.failed},
          {"failures", std::move(failures)}};
}

Json session_json(Shard& shard, const ReadTxn& txn, const Identity& identity,
                  const SessionRow& session, const std::vector<SchemaDocument>& documents) {
  Json out = {{"session", identity.name},
              {"from", session.schema_version},
              {"to", documents.back().version()},
              {"tables", Json::array()}};
  MigrationInput input{.identity = identity,
                       .session = session,
                       .tables = {},
                       .documents = {},
                       .txid = limits::kSafeIntegerMax,
                       .oldest_reader = 0,
                       .dry_run = true};
  for (const SchemaDocument& document : documents) {
    if (document.version() > session.schema_version) input.documents.push_back(document);
  }
  if (input.documents.empty()) return out;
  auto tables = load_tables(txn, session.no);
  if (!tables) {
    out["error"] = tables.error().message;
    return out;
  }
  input.tables = *std::move(tables);
  const auto migration = migrate(shard, input);
  if (!migration) {
    out["error"] = migration.error().message;
    return out;
  }
  for (const MigrationReport& report : migration->reports) {
    out["tables"].push_back(report_json(report));
  }
  return out;
}

}  // namespace

Result<DryRunPage> dry_run(Store& store, const std::string& owner,
                           const std::vector<SchemaDocument>& documents, const std::string& after) {
  auto position = parse_position(after);
  if (!position) return std::move(position).error();
  const auto until = Clock::now() + limits::kDryRunTime;
  DryRunPage page;
  for (; position->shard < store.shards(); ++position->shard, position->session.clear()) {
    Shard& shard = store.shard(position->shard);
    auto txn = shard.environment().read();
    if (!txn) return std::move(txn).error();
    auto cursor = txn->cursor(Keyspace::sessions);
    if (!cursor) return std::move(cursor).error();
    const std::string prefix = format::session_key({owner, ""}).str();
    auto on_row = cursor->seek(format::session_key({owner, position->session}));
    for (; on_row && *on_row && cursor->key().starts_with(prefix); on_row = cursor->next()) {
      auto identity = format::parse_session_key(cursor->key());
      if (!identity) return std::move(identity).error();
      if (identity->name == position->session) continue;
      auto session = format::parse_session(cursor->key(), cursor->value());
      if (!session) return std::move(session).error();
      position->session = identity->name;
      page.sessions.push_back(session_json(shard, *txn, *identity, *session, documents));
      if (page.sessions.size() < limits::kDryRunSessionsMax && Clock::now() < until) continue;
      page.next = std::to_string(position->shard) + '/' + position->session;
      return page;
    }
    if (!on_row) return std::move(on_row).error();
  }
  return page;
}

}  // namespace kontract
