// cli_identity: `kontract identity show|rotate`.

#pragma once

#include <string>

#include "runtime/cli.hpp"

namespace kontract::cli {

struct IdentityRequest {
  std::string data;
  bool drop_old = false;
};

// Each command its own: CLI11 reads the environment for those that were not given as well.
struct IdentityRequests {
  IdentityRequest show, rotate;
};

// Adds `identity` with all its commands.
void add_identity(CLI::App& app, IdentityRequests& requests);

// What was parsed of them. REQUIRES: `identity` was given.
int identity(const CLI::App& app, const IdentityRequests& requests, Streams streams);

}  // namespace kontract::cli
