// Runtime: kontract in your process. Opens the store, starts the actors and listens.
//
//   kontract::Options options;
//   options.store.data = "data";
//   auto runtime = kontract::Runtime::start(std::move(options));
//   if (!runtime) { ... runtime.error().message ... }
//   std::cout << (*runtime)->port();
//
// A second argument has functions and middleware of the program: actors/backend.hpp.
//
// Runs on threads of its own. Several may live in one process, each with its own data directory.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "actors/backend.hpp"
#include "actors/directory.hpp"
#include "actors/front.hpp"
#include "net/server.hpp"
#include "runtime/options.hpp"
#include "storage/store.hpp"

namespace kontract {

struct RuntimeMetrics {
  StoreMetrics store;
  DirectoryMetrics sessions;
  ServerMetrics server;
  std::uint64_t calls_in_middleware = 0;  // on their way to a session, or back to an around
};

class Runtime {
 public:
  // Errors: those of Backend::check, Store::open and Server::listen.
  static Result<std::unique_ptr<Runtime>> start(Options options, Backend backend = {});
  ~Runtime();  // stops

  std::uint16_t port() const;
  RuntimeMetrics metrics() const;
  std::string metrics_text() const;  // the same for Prometheus (text format 0.0.4)

  // In-process calls: a session's address, and the way there. SessionHandle::send goes past the
  // middleware.
  Directory& directory();
  const Front& front() const;
  Store& store();

  // Stops accepting, finishes the calls in flight (at most drain_timeout), closes connections with
  // 1001, ends all sessions, syncs. Idempotent; blocks.
  void stop();

 private:
  struct Parts;
  explicit Runtime(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace kontract
