// Options of a runtime, with the defaults of storage/limits.hpp. `kontract serve --help` documents
// each as flag, environment variable and key of the config file.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "actors/directory.hpp"
#include "net/account_table.hpp"
#include "net/server_options.hpp"
#include "storage/store.hpp"

namespace kontract {

enum class Scheduler : std::uint8_t { asio, caf };

struct Options {
  StoreOptions store;
  SessionOptions sessions;
  ServerOptions server;
  // People may register and log in (docs/accounts.md). Where there is no key that signs tokens one
  // is made in the data directory.
  bool accounts = false;
  AccountTableOptions account_table;                            // of the accounts kept here
  std::shared_ptr<AccountProvider> account_provider = nullptr;  // instead; accounts are on with it
  bool listen = true;    // else only calls in process reach it; port() is 0
  unsigned threads = 0;  // 0: one for each core
  Scheduler scheduler = Scheduler::asio;
  std::chrono::milliseconds drain_timeout{limits::kDrainTimeout};
};

}  // namespace kontract
