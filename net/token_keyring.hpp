// TokenKeyring: the keys of a server's tokens, from all that it was configured with: the secret, an
// identity provider's JWK Set, and its own signing keys.
//
// Files are looked at again at most once a second, when keys are asked for, so that keys come and
// go without a restart. A file that cannot be read changes nothing: the log tells of it once.
//
// Thread-safe.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "net/server_options.hpp"
#include "net/token_keys.hpp"

namespace kontract {

// Whether tokens are needed at all. If not, everybody is the developer.
bool tokens_required(const ServerOptions& options);

class TokenKeyring {
 public:
  using Log = std::function<void(const std::string&)>;

  // REQUIRES: tokens_required(options).
  // Errors: invalid_request (a short secret; a file that is not there or not what it should be; no
  // usable key in a set; a kid that two keys have).
  static Result<std::unique_ptr<TokenKeyring>> open(
      const ServerOptions& options, Log log,
      std::chrono::milliseconds look_interval = std::chrono::seconds(1));

  std::shared_ptr<const TokenKeys> keys();

 private:
  struct Stamp {
    std::int64_t seconds = 0, nanoseconds = 0;
    std::uint64_t size = 0, file = 0;  // all 0: there is none
    bool operator==(const Stamp&) const = default;
  };
  struct Stamps {
    Stamp jwks, signing;
    bool operator==(const Stamps&) const = default;
  };

  TokenKeyring(const ServerOptions& options, Log log, std::chrono::milliseconds look_interval);
  static Stamp stamp_of(const std::string& path);
  Stamps look() const;
  Result<std::shared_ptr<const TokenKeys>> read(const Stamps& stamps) const;
  Status add_provider_keys(TokenKeys& keys) const;
  bool jwks_is_file() const { return !jwks_.empty() && !jwks_.starts_with('{'); }

  const std::string secret_, jwks_, jwks_issuer_, issuer_, audience_, signing_keys_;
  const Log log_;
  const std::chrono::milliseconds look_interval_;
  std::mutex mutex_;
  Stamps stamps_;
  std::chrono::steady_clock::time_point next_look_;
  std::shared_ptr<const TokenKeys> keys_;
};

}  // namespace kontract
