// Options of a runtime, with the defaults of storage/limits.hpp. `kontract serve --help` documents
// each as flag, environment variable and key of the config file.

#pragma once

#include <cstdint>
#include <string>

#include "actors/directory.hpp"
#include "net/server_options.hpp"
#include "storage/store.hpp"

namespace kontract {

enum class Scheduler : std::uint8_t { asio, caf };

struct Options {
  StoreOptions store;
  SessionOptions sessions;
  ServerOptions server;
  bool listen = true;    // else only calls in process reach it; port() is 0
  unsigned threads = 0;  // 0: one for each core
  Scheduler scheduler = Scheduler::asio;
  std::chrono::milliseconds drain_timeout{limits::kDrainTimeout};
};

}  // namespace kontract
