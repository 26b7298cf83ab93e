// Runtime: kontract in your process. Opens the store, starts the actors and listens.
//
//   kontract::Options options;
//   options.store.data = "data";
//   auto runtime = kontract::Runtime::start(std::move(options));
//   if (!runtime) { ... runtime.error().message ... }
//   std::cout << (*runtime)->port();
//
// Runs on threads of its own. Several may live in one process, each with its own data directory.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "actors/directory.hpp"
#include "net/server.hpp"
#include "runtime/options.hpp"
#include "storage/store.hpp"

namespace kontract {

struct RuntimeMetrics {
  StoreMetrics store;
  DirectoryMetrics sessions;
  ServerMetrics server;
};

class Runtime {
 public:
  // Errors: those of Store::open and Server::listen.
  static Result<std::unique_ptr<Runtime>> start(Options options);
  ~Runtime();  // stops

  std::uint16_t port() const;
  RuntimeMetrics metrics() const;
  std::string metrics_text() const;  // the same for Prometheus (text format 0.0.4)

  // In-process calls: a session's address; see SessionHandle::send.
  Directory& directory();
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
