// Server: the Beast front end. Accepts WebSocket and HTTP, turns bytes into calls and answers into
// bytes. Runs on the io_context of the runtime; Asio stays out of this header.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "actors/directory.hpp"
#include "net/server_options.hpp"
#include "storage/result.hpp"

namespace boost::asio {
class io_context;
}

namespace kontract {

// Why a connection or request was not let in, as metrics count it.
enum class Refusal : std::uint8_t {
  other,
  connections,              // too many are open
  unauthenticated,          // too many are open of nobody known
  address_connections,      // too many of one address
  address_unauthenticated,  // too many of one address of nobody known
  address_accepts,          // too many of one address in a short time
  address_handshakes,       // of raystream, likewise
  origin,                   // a page that may not
  request,                  // not HTTP as it should be, or too much of it
  token,                    // none, or not a good one
  owner_connections,        // too many of one owner
  owner_calls,              // too many of one owner in a short time
};
inline constexpr std::size_t kRefusals = 12;
std::string_view name_of(Refusal reason);  // as it is written above

struct ServerMetrics {
  std::uint64_t connections = 0;        // open WebSocket connections
  std::uint64_t connections_total = 0;  // since start, of any kind
  std::uint64_t frames_in = 0, frames_out = 0;
  std::uint64_t refused = 0;                              // over a limit or not authenticated
  std::array<std::uint64_t, kRefusals> refused_for = {};  // the same by Refusal
};

class Server {
 public:
  // `durability` is what `welcome` names. `metrics_text` gives the body of GET /metrics,
  // `routes_text` that of GET /routes. Without a front there is no middleware.
  struct Parts {
    boost::asio::io_context* io = nullptr;
    Directory* directory = nullptr;
    const class Front* front = nullptr;
    class SharedState* shared = nullptr;  // where revoked tokens are kept; null: none can be
    class Store* store = nullptr;         // what GET /sessions tells of; null: of none
    std::string durability = "sync";
    std::function<std::string()> metrics_text;
    std::function<std::string()> routes_text = {};
    std::shared_ptr<class AccountProvider> accounts = nullptr;  // null: there are none
  };

  // Binds and listens. Errors: invalid_request (address, port in use, a non-loopback address
  // without a secret or without TLS; accounts without a key that signs tokens; what TLS is to be,
  // the proxies or another option; keys that cannot be read), storage_full (keys cannot be made).
  static Result<std::shared_ptr<Server>> listen(ServerOptions options, Parts parts);
  // One that has only the connections it is handed. Errors: as of the options above.
  static Result<std::shared_ptr<Server>> without_listener(ServerOptions options, Parts parts);
  virtual ~Server() = default;

  // Goes on with a connection that another server has accepted. `socket`, a stream socket of TCP,
  // is the server's from now on, whatever comes of it; `received` is what was read of it and not
  // answered: a whole HTTP request or its beginning. Errors: overloaded (too many connections, or
  // it stops); rate_limited (too many of its address); forbidden (without a secret: it did not come
  // over loopback); invalid_request (no such socket). Thread-safe.
  virtual Status accept(int socket, std::string_view received) = 0;

  // Reads certificate and key of the listener again; connections go on with what they have.
  // Errors: invalid_request (a file; the options name no certificate), with nothing changed.
  // Thread-safe; reads files.
  virtual Status reload_tls() = 0;

  virtual std::uint16_t port() const = 0;  // 0 without a listener
  virtual ServerMetrics metrics() const = 0;
  // What clients of raystream.v1 pin (raystream::to_pin); empty: it is not spoken.
  virtual std::string identity() const = 0;

  // Closes the connections of the session with this sid, which is no more. Thread-safe.
  virtual void session_destroyed(const std::string& sid) = 0;

  // Stops accepting; /health answers 503; connections take no new calls, finish those in flight and
  // are closed with 1001. Idempotent, thread-safe. `drained` turns true when none is left.
  virtual void drain() = 0;
  virtual bool drained() const = 0;
  // Closes what is left at once.
  virtual void stop() = 0;
};

}  // namespace kontract
