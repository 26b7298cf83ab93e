// connect_many: connections that are made one after the other, or some at once, each with a hello
// and a first call.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/welcomed_connection.hpp"

namespace kontract::bench {

struct ConnectMany {
  std::uint16_t port;
  std::string prefix;  // of the sessions' names, each with one connection
  std::string first;   // a call with the id 1
  int count;
  int at_once;
};

// The connections, open. Throws std::runtime_error if one is refused or answered with an error.
std::vector<std::unique_ptr<WelcomedConnection>> connect_many(const ConnectMany& what);

}  // namespace kontract::bench
