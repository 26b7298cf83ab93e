// cli_token: `kontract token issue|verify|revoke|keys`.

#pragma once

#include <string>
#include <vector>

#include "runtime/cli.hpp"

namespace CLI {
class App;
}

namespace kontract::cli {

struct TokenRequest : AdminRequest {  // `data` is where signing keys are, open or not
  std::string user;
  unsigned perm = 0;
  std::vector<std::string> groups;
  std::string only_session;
  std::string ttl = "1h";
  std::string jwks, jwks_issuer;
  std::string revoked_issuer;  // iss of the jti that is revoked; empty: the server's own
  std::string subject;         // the token, jti or kid that it is about
  bool json = false;
};

// Each command its own: CLI11 reads the environment for those that were not given as well.
struct TokenRequests {
  TokenRequest issue, verify, revoke, list, rotate, retire;
};

// Adds `token` with all its commands.
void add_token(CLI::App& app, TokenRequests& requests);

// What was parsed of them. REQUIRES: `token` was given.
int token(const CLI::App& app, const TokenRequests& requests, Streams streams);

}  // namespace kontract::cli
