// Runtime: kontract in your process. Opens the store, starts the actors and listens.
//
//   kontract::Options options;
//   options.store.data = "data";
//   auto runtime = kontract::Runtime::start(std::move(options));
//   if (!runtime) { ... runtime.error().message ... }
//   std::cout << (*runtime)->port();
//
// A second argument has functions and middleware of the program: actors/backend.hpp. A third has
// what the program lends it to run on; without it, it has threads of its own. Several may live in
// one process, each with its own data directory.

#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>

#include "actors/alarm_clock.hpp"
#include "actors/backend.hpp"
#include "actors/directory.hpp"
#include "actors/front.hpp"
#include "net/server.hpp"
#include "runtime/local_session.hpp"
#include "runtime/options.hpp"
#include "storage/store.hpp"

namespace boost::asio {
class io_context;
}

namespace caf {
class actor_system;
}

namespace kontract {

// What a runtime runs on instead of what it would make. All of it outlives the runtime.
struct Host {
  // Whoever runs it runs kontract: sockets, and the actors unless they have a system of their own.
  // It does not run out of work while the runtime is up. Its run() may throw what a handler threw,
  // as Asio has it; kontract's own leave nothing half done, and it may be run again.
  boost::asio::io_context* io = nullptr;
  // Its scheduler runs sessions, tables and middleware; Options::scheduler does not matter then.
  caf::actor_system* actors = nullptr;
};

struct RuntimeMetrics {
  StoreMetrics store;
  DirectoryMetrics sessions;
  ServerMetrics server;
  AlarmMetrics alarms;
  std::uint64_t calls_in_middleware = 0;  // on their way to a session, or back to an around
};

class Runtime {
 public:
  // Errors: those of Backend::check, Store::open, Server::listen and, with accounts,
  // rotate_signing_keys.
  static Result<std::unique_ptr<Runtime>> start(Options options, Backend backend = {},
                                                Host host = {});
  ~Runtime();  // stops

  std::uint16_t port() const;  // 0 without a listener
  // What clients of raystream.v1 pin; empty: it is not spoken. Its key is in the data directory.
  std::string identity() const;
  RuntimeMetrics metrics() const;
  std::string metrics_text() const;  // the same for Prometheus (text format 0.0.4)

  // A session, called from the program itself. By default on behalf of the session's owner, with
  // all permissions and in the group admin.
  LocalSession session(std::string owner, std::string name);
  LocalSession session(Peer caller, std::string name);

  // Takes over a connection of another server in this process, with the request that it has read
  // and not answered: an upgrade of /ws/{session}, or any other that kontract serves. `socket` is
  // one of Asio, to which nothing is under way, or a file descriptor; `request` is a request of
  // Beast or the text of one. What was read beyond it is `rest`. The socket is the runtime's from
  // now on, whatever comes of it. Errors: see Server::accept. Thread-safe.
  template <class Socket, class Request>
  Status accept(Socket&& socket, const Request& request, std::string_view rest = {}) {
    std::ostringstream received;
    received << request << rest;
    int descriptor = -1;
    if constexpr (std::is_convertible_v<Socket, int>) {
      descriptor = socket;
    } else {
      try {
        descriptor = socket.release();
      } catch (const std::exception& failure) {
        return Error(Errc::invalid_request, failure.what());
      }
    }
    return take_over(descriptor, received.str());
  }

  // Reads certificate and key of the listener again, as `kontract serve` does on SIGHUP. What is
  // connected stays so. Errors: invalid_request; then the old ones stay. Thread-safe.
  Status reload_tls();

  // The parts: a session's address, and the way there. SessionHandle::send goes past the
  // middleware.
  Directory& directory();
  const Front& front() const;
  Store& store();

  // Stops accepting, finishes the calls in flight (at most drain_timeout), closes connections with
  // 1001, ends all sessions, syncs. Idempotent, thread-safe; blocks. Not on a thread that the
  // runtime made, nor on one of Host::actors. Runs handlers of Host::io meanwhile, so that it ends
  // on any thread: on the only one that runs it, or when it is stopped; it is stopped again then.
  // Called by such a handler it returns at once; none may destroy the runtime.
  void stop();

 private:
  struct Parts;
  explicit Runtime(std::unique_ptr<Parts> parts);
  Status take_over(int socket, std::string_view received);

  std::unique_ptr<Parts> parts_;
};

}  // namespace kontract
