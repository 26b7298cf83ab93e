// The front end's HTTP surface: which request is for whom, and what is not let in at all. Decides
// on values only; the connection does what it says.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>

#include "net/detail/http_message.hpp"
#include "net/detail/hub.hpp"
#include "storage/json.hpp"
#include "storage/version.hpp"

namespace kontract::detail {

inline constexpr std::size_t kHeaderBytesMax = 8 * limits::kKiB;
inline constexpr std::size_t kHeaderFieldsMax = 64;
inline constexpr std::size_t kTargetBytesMax = 2048;

// What of a request's head cannot be told from HttpRequest.
struct HeadFacts {
  std::size_t header_bytes = 0;
  std::size_t fields = 0;
  std::size_t hosts = 0;
  std::size_t lengths = 0;  // values of Content-Length, in one field or in many
  bool http_1_0 = false;
  bool folded = false;  // a field goes on in a second line (obs-fold)
  bool has_transfer_encoding = false;
  bool has_body = false;
  bool upgrade = false;  // asks for a WebSocket as RFC 6455, section 4.2.1 wants it
};

struct RpcRoute {
  std::string function, session;
};
struct WebSocketRoute {
  std::string session;
  bool raystream = false;  // the subprotocol is raystream.v1
};
struct StreamRoute {  // GET /stream
  std::string session, table;
  Json filter;
  std::optional<Txid> from;
};
struct RoutesRoute {};  // GET /routes
struct SessionsRoute {  // GET /sessions and /sessions/{session}
  std::string session;  // empty: all
};
struct AuthRoute {  // /auth/...
  enum class Action {
    refresh,
    revoke,
    // Of accounts:
    anonymous,
    sign_up,  // register
    login,
    link,
    password,
    logout,
    me,
  } action;

  // Whether it is for those who have no token.
  bool is_open() const {
    return action == Action::anonymous || action == Action::sign_up || action == Action::login;
  }
};
// An answer at once, a call, the change to WebSocket, a stream of events, or a page that not
// everybody may see.
using Route = std::variant<HttpResponse, RpcRoute, WebSocketRoute, StreamRoute, RoutesRoute,
                           AuthRoute, SessionsRoute>;

// The refusal of a head that a careful server does not act on: ambiguous framing (RFC 9112, section
// 11.2) or too much of it. The connection is closed after it.
std::optional<HttpResponse> refuse_head(const HttpRequest& request, const HeadFacts& facts);

Route route(const HttpRequest& request, bool upgrade, const Hub& hub);

// GET /routes, for the group admin.
HttpResponse routes_page(const Peer& peer, const Hub& hub);

}  // namespace kontract::detail
