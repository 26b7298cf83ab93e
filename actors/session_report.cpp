#include "actors/session_report.hpp"

namespace kontract {

namespace {

// `txid`: none above it was told to anybody.
Json session_json(const StoredSession& session) {
  return {{"owner", session.identity.owner},
          {"session", session.identity.name},
          {"sid", session.row.sid},
          {"created_ms", session.row.created_ms},
          {"txid", session.row.reserved_until - 1},
          {"schema_version", session.row.schema_version}};
}

}  // namespace

Json session_page_json(const SessionPage& page) {
  Json sessions = Json::array();
  for (const StoredSession& session : page.sessions) sessions.push_back(session_json(session));
  return {{"sessions", std::move(sessions)},
          {"count", page.count},
          {"next", page.next.empty() ? Json() : Json(page.next)}};
}

Json session_details_json(const SessionDetails& details) {
  Json out = session_json(details.session);
  out["shard"] = details.shard;
  out["replies"] = details.replies;
  Json& tables = out["tables"] = Json::array();
  for (const StoredTable& table : details.tables) {
    tables.push_back({{"id", table.row.id},
                      {"owner", table.row.owner},
                      {"permissions", table.row.permissions},
                      {"records", table.records}});
  }
  return out;
}

}  // namespace kontract
