#include "net/token_keyring.hpp"

#include <sys/stat.h>

#include <fstream>
#include <utility>

#include "net/signing_keys.hpp"

namespace kontract {

namespace {

constexpr std::size_t kJwksBytesMax = 256 * limits::kKiB;

Result<std::string> read_jwks_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kJwksBytesMax + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return Error{Errc::invalid_request, "Cannot read the JWK Set " + path,
                 "Give the path of a file, or the set itself, which begins with {."};
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kJwksBytesMax) {
    return Error{Errc::invalid_request, "The JWK Set " + path + " is larger than 256 KiB"};
  }
  return text;
}

}  // namespace

bool tokens_required(const ServerOptions& options) {
  struct stat facts {};
  return !options.secret.empty() || !options.jwks.empty() ||
         (!options.signing_keys.empty() && ::stat(options.signing_keys.c_str(), &facts) == 0);
}

TokenKeyring::TokenKeyring(const ServerOptions& options, Log log,
                           std::chrono::milliseconds look_interval)
    : secret_(options.secret),
      jwks_(options.jwks),
      jwks_issuer_(options.jwks_issuer.empty() ? options.token_issuer : options.jwks_issuer),
      issuer_(options.token_issuer),
      audience_(options.token_audience),
      signing_keys_(options.signing_keys),
      log_(std::move(log)),
      look_interval_(look_interval) {}

Result<std::unique_ptr<TokenKeyring>> TokenKeyring::open(const ServerOptions& options, Log log,
                                                         std::chrono::milliseconds look_interval) {
  KONTRACT_ASSERT(tokens_required(options));
  if (options.token_issuer.empty() || options.token_audience.empty()) {
    return Error{Errc::invalid_request, "token-issuer and token-audience must not be empty"};
  }
  std::unique_ptr<TokenKeyring> ring(new TokenKeyring(options, std::move(log), look_interval));
  ring->stamps_ = ring->look();
  auto keys = ring->read(ring->stamps_);
  if (!keys) return std::move(keys).error();
  ring->keys_ = std::move(*keys);
  ring->next_look_ = std::chrono::steady_clock::now() + look_interval;
  return ring;
}

std::shared_ptr<const TokenKeys> TokenKeyring::keys() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now < next_look_) return keys_;
  next_look_ = now + look_interval_;
  const Stamps stamps = look();
  if (stamps == stamps_) return keys_;
  stamps_ = stamps;
  auto fresh = read(stamps);
  if (fresh) {
    keys_ = std::move(*fresh);
    log_("the keys of tokens have changed and were read again");
  } else {
    log_("the keys of tokens stay as they were: " + fresh.error().message);
  }
  return keys_;
}

TokenKeyring::Stamp TokenKeyring::stamp_of(const std::string& path) {
  struct stat facts {};
  if (path.empty() || ::stat(path.c_str(), &facts) != 0) return {};
  return {facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec, static_cast<std::uint64_t>(facts.st_size),
          facts.st_ino};
}

TokenKeyring::Stamps TokenKeyring::look() const {
  return {jwks_is_file() ? stamp_of(jwks_) : Stamp(), stamp_of(signing_keys_)};
}

// What signs newest comes last.
Result<std::shared_ptr<const TokenKeys>> TokenKeyring::read(const Stamps& stamps) const {
  auto keys = std::make_shared<TokenKeys>(audience_);
  if (!secret_.empty()) {
    if (Status added = keys->add(secret_key(secret_, issuer_)); !added) return added.error();
  }
  if (Status added = add_provider_keys(*keys); !added) return added.error();
  if (stamps.signing != Stamp()) {
    auto own = read_signing_keys(signing_keys_, issuer_);
    if (!own) return std::move(own).error();
    for (TokenKey& key : *own) {
      if (Status added = keys->add(std::move(key)); !added) return added.error();
    }
  } else if (keys_ && keys_->newest_signing() != nullptr &&
             keys_->newest_signing()->algorithm == TokenAlgorithm::eddsa) {
    return Error{Errc::not_found, signing_keys_ + " is gone"};
  }
  return std::shared_ptr<const TokenKeys>(std::move(keys));
}

Status TokenKeyring::add_provider_keys(TokenKeys& keys) const {
  if (jwks_.empty()) return {};
  auto text = jwks_is_file() ? read_jwks_file(jwks_) : Result<std::string>(jwks_);
  if (!text) return std::move(text).error();
  auto set = read_jwks(*text, jwks_issuer_, JwkParts::public_only);
  if (!set) return std::move(set).error();
  for (const std::string& ignored : set->ignored) {
    log_("a key of the JWK Set is ignored: " + ignored);
  }
  if (set->keys.empty()) {
    return Error{Errc::invalid_request, "The JWK Set has no key of Ed25519",
                 "Tokens of an identity provider must be signed with EdDSA."};
  }
  for (TokenKey& key : set->keys) {
    if (Status added = keys.add(std::move(key)); !added) return added;
  }
  return {};
}

}  // namespace kontract
