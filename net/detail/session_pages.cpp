#include "net/detail/session_pages.hpp"

#include <charconv>
#include <optional>
#include <tuple>

#include "actors/session_report.hpp"

namespace kontract::detail {

namespace {

constexpr std::size_t kPageMax = 1000;

HttpResponse json(const Json& body) {
  HttpResponse response;
  response.body = to_text(body);
  return response;
}

// prefix=P&after=A&limit=N&count
Result<SessionQuery> parse_query(std::string_view target) {
  SessionQuery query;
  const std::size_t mark = target.find('?');
  if (mark == target.npos) return query;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = part.substr(0, equals);
    auto value = percent_decoded(part.substr(std::min(equals + 1, part.size())));
    if (!value) return Error(Errc::invalid_request, "The query is not well percent-encoded");
    if (name == "prefix") {
      query.prefix = *std::move(value);
    } else if (name == "after") {
      query.after = *std::move(value);
    } else if (name == "count") {
      query.limit = 0;
    } else if (name == "limit") {
      const char* const last = value->data() + value->size();
      const auto read = std::from_chars(value->data(), last, query.limit);
      if (read.ec != std::errc{} || read.ptr != last || query.limit < 1 || query.limit > kPageMax) {
        return Error(Errc::invalid_request, "limit must be a number from 1 to 1000");
      }
    }
  }
  return query;
}

}  // namespace

HttpResponse sessions_page(const Peer& peer, const HttpRequest& request, const std::string& session,
                           const Hub& hub) {
  if (!peer.in_group("admin")) {
    return error_response({Errc::forbidden, "Sessions are for the group admin",
                           "Ask with a token that has admin in its ugroups."});
  }
  if (peer.only_session) {
    return error_response({Errc::forbidden, "The token is for one session"});
  }
  Store* const store = hub.parts().store;
  if (store == nullptr) {
    return error_response({Errc::not_found, "This server does not tell of its sessions"});
  }
  // LMDB is a little behind what was acknowledged. If it cannot follow, it tells what it has.
  std::ignore = store->flush();
  if (!session.empty()) {
    const auto details = inspect_session(*store, {peer.owner, session});
    if (!details) return error_response(details.error());
    if (!*details) {
      return error_response({Errc::not_found, "There is no session " + shown(session)});
    }
    return json(session_details_json(**details));
  }
  auto query = parse_query(request.target);
  if (!query) return error_response(query.error());
  query->owner = peer.owner;
  const auto page = list_sessions(*store, *query);
  return page ? json(session_page_json(*page)) : error_response(page.error());
}

}  // namespace kontract::detail
