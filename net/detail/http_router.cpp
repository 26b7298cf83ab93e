#include "net/detail/http_router.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "net/detail/cors.hpp"
#include "net/detail/secure_gate.hpp"
#include "net/protocol.hpp"
#include "storage/registry.hpp"

namespace kontract::detail {

namespace {

HttpResponse refusal(std::string message, int status = 400, std::string hint = {}) {
  return error_response({Errc::invalid_request, std::move(message), std::move(hint)}, status);
}

HttpResponse method_not_allowed(const HttpRequest& request, const std::string& allowed) {
  HttpResponse response =
      refusal("There is no " + request.method + " here", 405, "Send a " + allowed + " request.");
  response.headers.emplace_back("Allow", allowed);
  return response;
}

HttpResponse json(std::string body, int status = 200) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

HttpResponse draining() {
  Error error{Errc::overloaded, "The server is shutting down", "Try again in a moment."};
  error.retry_after = std::chrono::seconds(1);
  return error_response(error);
}

// Where a page could do something in its visitor's name.
bool is_guarded(const std::vector<std::string>& path) {
  const std::string& first = path.front();
  return first == "ws" || first == "rpc" || first == "auth" || first == "routes" ||
         first == "sessions" || first == "stream";
}

// Pages that may not use the server (net/detail/origin.hpp). On one without tokens everybody who
// reaches it is an administrator, and any page that the developer's browser shows can reach
// loopback: there a Cors middleware alone does not let a page in.
std::optional<HttpResponse> refuse_origin(const HttpRequest& request,
                                          const std::vector<std::string>& path, const Hub& hub) {
  const auto origin = request.header("origin");
  if (!origin) return std::nullopt;
  const bool tokens = !hub.open_to_all();
  if (hub.origins().allows(*origin, request.header("host").value_or(""), tokens)) {
    return std::nullopt;
  }
  if (tokens && middleware_allows(request, path, hub)) return std::nullopt;
  hub.count_refused(Refusal::origin);
  if (tokens) {
    return error_response({Errc::forbidden, "Pages of this origin may not use this server",
                           "Its operator names those that may in allowed-origins; without that "
                           "they are the pages of the server's own host."});
  }
  return error_response({Errc::forbidden,
                         "Pages of this origin may not use a server without secret",
                         "Serve the page from http://localhost, name it in allowed-origins, or "
                         "configure a secret."});
}

enum class Subprotocol { none, json, raystream };

// The first of the offered ones that is spoken here.
Subprotocol choose_protocol(std::string_view list, const Hub& hub) {
  const bool json_spoken = hub.options().raystream != RaystreamOffer::required;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view item = list.substr(0, comma);
    item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
    item = item.substr(0, item.find_last_not_of(" \t") + 1);
    if (item == protocol::kSubprotocol && json_spoken) return Subprotocol::json;
    if (item == raystream::kSubprotocol && hub.secure()) return Subprotocol::raystream;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return Subprotocol::none;
}

HttpResponse raystream_only(int status) {
  HttpResponse response = refusal("This server takes calls over encrypted WebSockets only", status,
                                  "Connect to /ws/{session} with the subprotocol raystream.v1.");
  if (status == 426) response.headers.emplace_back("Upgrade", "websocket");  // RFC 9110, 15.5.22
  return response;
}

Route route_websocket(const HttpRequest& request, bool upgrade, std::string session,
                      const Hub& hub) {
  if (request.method != "GET") return method_not_allowed(request, "GET");
  if (!upgrade) {
    HttpResponse response =
        refusal("This is a WebSocket endpoint", 426, "Connect with ws:// and a WebSocket client.");
    response.headers.emplace_back("Upgrade", "websocket");
    return response;
  }
  if (hub.draining()) return draining();
  if (Status valid = validate_session_name(session); !valid) return error_response(valid.error());
  const bool secure_only = hub.options().raystream == RaystreamOffer::required;
  const auto offered = request.header("sec-websocket-protocol");
  const auto chosen = offered ? choose_protocol(*offered, hub) : Subprotocol::json;
  if (chosen == Subprotocol::none || (secure_only && chosen == Subprotocol::json)) {
    if (secure_only) return raystream_only(400);
    return refusal("None of the offered subprotocols is spoken here", 400,
                   "Offer " + std::string(protocol::kSubprotocol) +
                       (hub.secure() ? ", " + std::string(raystream::kSubprotocol) : "") +
                       ", or none.");
  }
  return WebSocketRoute{std::move(session), chosen == Subprotocol::raystream};
}

Route route_rpc(const HttpRequest& request, std::string function, const Hub& hub) {
  if (request.method != "POST") return method_not_allowed(request, "POST");
  if (hub.draining()) return draining();
  if (hub.options().raystream == RaystreamOffer::required) return raystream_only(426);
  const auto session = request.header("x-session-id");
  if (!session) {
    return refusal("The header X-Session-Id is missing", 400,
                   "Name the session in it, for example 'X-Session-Id: room-1'.");
  }
  if (Status valid = validate_session_name(*session); !valid) return error_response(valid.error());
  return RpcRoute{std::move(function), std::string(*session)};
}

struct AuthPage {
  std::string_view name;
  AuthRoute::Action action;
  std::string_view method = "POST";
  bool of_accounts = true;
};

const AuthPage* find_auth_page(std::string_view name) {
  using Action = AuthRoute::Action;
  static constexpr std::array pages = {
      AuthPage{"refresh", Action::refresh, "POST", false},
      AuthPage{"revoke", Action::revoke, "POST", false},
      AuthPage{"anonymous", Action::anonymous},
      AuthPage{"register", Action::sign_up},
      AuthPage{"login", Action::login},
      AuthPage{"link", Action::link},
      AuthPage{"password", Action::password},
      AuthPage{"logout", Action::logout},
      AuthPage{"me", Action::me, "GET"},
  };
  const auto* const found = std::ranges::find(pages, name, &AuthPage::name);
  return found == pages.end() ? nullptr : found;
}

std::optional<Txid> txid_of(std::string_view text) {
  Txid txid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), txid);
  const bool whole = error == std::errc{} && end == text.data() + text.size() && !text.empty();
  if (!whole || txid > static_cast<Txid>(limits::kSafeIntegerMax)) return std::nullopt;
  return txid;
}

Route route_stream(const HttpRequest& request, const Hub& hub) {
  if (request.method != "GET") return method_not_allowed(request, "GET");
  if (hub.draining()) return draining();
  if (hub.options().raystream == RaystreamOffer::required) return raystream_only(426);
  auto parameters = query_parameters(request.target);
  if (!parameters) return error_response(parameters.error());
  const auto parameter = [&](const char* name) -> std::optional<std::string> {
    const auto found = parameters->find(name);
    return found == parameters->end() ? std::nullopt : std::optional(found->second);
  };
  StreamRoute stream;
  const auto named = request.header("x-session-id");
  stream.session = named ? std::string(*named) : parameter("session").value_or("");
  if (Status valid = validate_session_name(stream.session); !valid) {
    return error_response(valid.error());
  }
  const auto table = parameter("table");
  if (!table) return refusal("The parameter table is missing", 400, "For example ?table=users.");
  stream.table = *table;
  if (const auto filter = parameter("filter")) {
    auto parsed = parse_json(*filter, {.depth = hub.options().json_depth_max});
    if (!parsed) return error_response(parsed.error());
    stream.filter = *std::move(parsed);
  }
  // What an EventSource has seen last is newer than the address that it was opened with.
  auto from = parameter("from");
  if (const auto last = request.header("last-event-id")) from = std::string(*last);
  if (from) {
    stream.from = txid_of(*from);
    if (!stream.from) return refusal("from and Last-Event-ID are txids");
  }
  return stream;
}

// Null: there is no such page.
std::optional<Route> route_auth(const HttpRequest& request, const std::string& name,
                                const Hub& hub) {
  const AuthPage* const page = find_auth_page(name);
  if (page == nullptr) return std::nullopt;
  if (page->of_accounts && hub.accounts() == nullptr) {
    return error_response({Errc::not_found, "This server has no accounts",
                           "Start it with --accounts; docs/accounts.md says what they are."});
  }
  if (request.method != page->method) {
    return method_not_allowed(request, std::string(page->method));
  }
  if (hub.draining()) return draining();
  if (hub.open_to_all()) {
    return error_response({Errc::not_found, "This server has no tokens",
                           "Start it with a secret, or make signing keys for it."});
  }
  return AuthRoute{page->action};
}

HttpResponse get_page(const std::string& path, const Hub& hub) {
  if (path == "/health") {
    return json(protocol::http_health(hub.draining()), hub.draining() ? 503 : 200);
  }
  if (path == "/metrics") {
    HttpResponse response = json(hub.parts().metrics_text ? hub.parts().metrics_text() : "");
    response.content_type = "text/plain; version=0.0.4";
    return response;
  }
  const std::string identity = hub.secure() ? raystream::to_pin(hub.secure()->identity()) : "";
  return json(protocol::http_description(hub.options(), identity));
}

}  // namespace

std::optional<HttpResponse> refuse_head(const HttpRequest& request, const HeadFacts& facts) {
  if (facts.header_bytes > kHeaderBytesMax) return refusal("The header is longer than 8 KiB", 431);
  if (facts.fields > kHeaderFieldsMax) return refusal("The header has more than 64 fields", 431);
  if (request.target.size() > kTargetBytesMax) {
    return refusal("The request target is longer than 2048 bytes", 414);
  }
  if (facts.hosts != 1) {
    return refusal(facts.hosts == 0 ? "The header Host is missing" : "The header Host is repeated");
  }
  if (facts.has_transfer_encoding) {
    return refusal("Transfer-Encoding is not accepted", 400, "Send the body with Content-Length.");
  }
  if (facts.lengths > 1) return refusal("The header Content-Length is repeated");
  if (facts.folded) return refusal("A header field must be one line");
  if (facts.http_1_0 && facts.has_body) return refusal("An HTTP/1.0 request must have no body");
  return std::nullopt;
}

Route route(const HttpRequest& request, bool upgrade, const Hub& hub) {
  auto segments = path_segments(request.target);
  if (!segments) return error_response(segments.error());
  const std::vector<std::string>& path = *segments;
  if (is_guarded(path)) {
    if (auto refused = refuse_origin(request, path, hub)) return std::move(*refused);
    if (request.method == "OPTIONS") {
      if (auto preflight = answer_preflight(request, path, hub)) return std::move(*preflight);
    }
  }
  if (path.size() == 2 && path[0] == "ws") {
    return route_websocket(request, upgrade, path[1], hub);
  }
  if (path.size() == 2 && path[0] == "rpc") return route_rpc(request, path[1], hub);

  if (path.size() == 2 && path[0] == "auth") {
    if (auto page = route_auth(request, path[1], hub)) return std::move(*page);
  }

  if (path[0] == "sessions" && path.size() <= 2) {
    if (request.method != "GET" && request.method != "HEAD") {
      return method_not_allowed(request, "GET, HEAD");
    }
    return SessionsRoute{path.size() == 2 ? path[1] : std::string()};
  }

  if (path.size() == 1 && path[0] == "stream") return route_stream(request, hub);
  std::string joined;
  for (const std::string& segment : path) joined += '/' + segment;
  if (joined == "/health" || joined == "/metrics" || joined == "/.well-known/kontract") {
    if (request.method != "GET" && request.method != "HEAD") {
      return method_not_allowed(request, "GET, HEAD");
    }
    return get_page(joined, hub);
  }
  if (joined == "/routes") {
    if (request.method != "GET" && request.method != "HEAD") {
      return method_not_allowed(request, "GET, HEAD");
    }
    return RoutesRoute{};
  }
  return error_response({Errc::not_found, "There is nothing at this path",
                         "The paths are /ws/{session}, /rpc/{function}, /stream, /auth/{page}, "
                         "/routes, /sessions, /health, /metrics and /.well-known/kontract."});
}

HttpResponse routes_page(const Peer& peer, const Hub& hub) {
  if (!peer.in_group("admin")) {
    return error_response({Errc::forbidden, "Routes are for the group admin",
                           "Ask with a token that has admin in its ugroups."});
  }
  return json(hub.parts().routes_text ? hub.parts().routes_text() : "{}");
}

}  // namespace kontract::detail
