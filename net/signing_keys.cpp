#include "net/signing_keys.hpp"

#include <sodium.h>

#include <optional>
#include <utility>

#include "net/detail/base64url.hpp"
#include "net/detail/private_file.hpp"

namespace kontract {

namespace {

constexpr std::size_t kKidBytes = 8;

Result<std::vector<TokenKey>> parse_keys(const std::string& text, const std::string& issuer,
                                         const std::filesystem::path& path) {
  auto set = read_jwks(text, issuer, JwkParts::with_seed);
  if (!set) {
    set.error().message = path.string() + ": " + set.error().message;
    return std::move(set).error();
  }
  if (set->keys.empty() || !set->ignored.empty()) {
    return Error{Errc::invalid_request, path.string() + " has keys of another kind, or none",
                 "Put another copy there, or move it away and make new keys with rotate."};
  }
  return std::move(set->keys);
}

std::string keys_text(const std::vector<TokenKey>& keys) {
  Json set = {{"keys", Json::array()}};
  for (const TokenKey& key : keys) {
    Json jwk = public_jwk(key);
    jwk["d"] = detail::to_base64url(key.secret);
    set["keys"].push_back(std::move(jwk));
  }
  return set.dump(2) + "\n";
}

Error hinted(Error error) {
  if (error.code == Errc::not_found) error.hint = "`kontract token keys rotate` makes it.";
  return error;
}

// Makes of the keys that are there what `change` does, while nobody else does.
template <class Change>
Status change_keys(const std::filesystem::path& path, const Change& change) {
  return detail::change_private_file(
      path, [&](const std::optional<std::string>& text) -> Result<std::string> {
        std::vector<TokenKey> keys;
        if (text) {
          auto there = parse_keys(*text, {}, path);
          if (!there) return std::move(there).error();
          keys = std::move(*there);
        }
        if (Status changed = change(keys); !changed) return std::move(changed).error();
        return keys_text(keys);
      });
}

}  // namespace

Result<std::vector<TokenKey>> read_signing_keys(const std::filesystem::path& path,
                                                const std::string& issuer) {
  auto text = detail::read_private_file(path);
  if (!text) return hinted(std::move(text).error());
  return parse_keys(*text, issuer, path);
}

Result<std::string> rotate_signing_keys(const std::filesystem::path& path) {
  if (sodium_init() < 0) return Error{Errc::internal, "libsodium cannot be initialised"};
  std::string seed(kTokenSeedBytes, '\0');
  randombytes_buf(seed.data(), seed.size());
  TokenKey fresh = seed_key(std::move(seed), random_name(kKidBytes));
  const std::string kid = fresh.kid;
  Status added = change_keys(path, [&](std::vector<TokenKey>& keys) {
    keys.push_back(std::move(fresh));
    return Status();
  });
  if (!added) return std::move(added).error();
  return kid;
}

Status retire_signing_key(const std::filesystem::path& path, const std::string& kid) {
  return change_keys(path, [&](std::vector<TokenKey>& keys) -> Status {
    if (!keys.empty() && keys.back().kid == kid) {
      return Error{Errc::invalid_request, kid + " is the newest key, which signs",
                   "Make a new one first, with rotate."};
    }
    if (std::erase_if(keys, [&](const TokenKey& key) { return key.kid == kid; }) == 0) {
      return Error{Errc::not_found, "There is no key " + kid + " in " + path.string()};
    }
    return {};
  });
}

}  // namespace kontract
