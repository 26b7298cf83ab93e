// token: who a caller is, from a JWT (RFC 7519) that one of our keys has signed.
//
// Claims: `iss` the key's issuer; `aud` our audience, or an array with it; `sub` user and `owner`
// tenant (both required); `perm` 0..7 and `ugroups`, an array of names (absent: none); `sid`, the
// only session that it opens; `isAnonymous`; `accountGeneration`, of which account it is (our keys
// alone can say so; 0: of none yet, anonymous); `iat` and `exp` (required, whole seconds, at most
// an hour apart) and `nbf`; `jti`, by which it can be revoked.
//
// The header's `kid` is looked up in TokenKeys and nowhere else, its `alg` must be the one of that
// key, byte for byte, and `crit` is refused. Keys that a header brings along are not looked at.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "actors/context.hpp"
#include "net/token_keys.hpp"
#include "storage/json.hpp"
#include "storage/result.hpp"

namespace kontract {

inline constexpr std::size_t kTokenBytesMax = 4 * limits::kKiB;
inline constexpr std::size_t kJtiBytes = 16;  // of those that we give
inline constexpr std::chrono::seconds kTokenSkew{30};
inline constexpr std::chrono::seconds kTokenLifeMax{3600};

// The tenant whose sessions are the server's own. Only tokens that our keys sign may name it.
inline constexpr std::string_view kSystemOwner = "kontract.system";

// The name of a token, or of all that it was renewed with. Without a jti it cannot be revoked.
struct TokenId {
  std::string issuer = {}, jti = {};
  // Of a token that is an account's: what UserAccount::generation was. 0: of an anonymous owner.
  std::optional<std::uint64_t> generation = {};
};

struct Identified {
  Peer peer;  // owner, user, perm, ugroups, anonymous, only_session
  std::chrono::system_clock::time_point expires;
  TokenId id = {};
  std::chrono::seconds life{0};  // from iat to exp
};

// Errors: unauthorized, with one text for every cause, so that nobody learns how near a guess was.
Result<Identified> verify_token(std::string_view token, const TokenKeys& keys,
                                std::chrono::system_clock::time_point now);

struct CheckedToken {
  Identified identified;
  Json claims;
};
// The same for who may know the cause, which is the error's message.
Result<CheckedToken> check_token(std::string_view token, const TokenKeys& keys,
                                 std::chrono::system_clock::time_point now);

// A token with these claims as they are. REQUIRES: claims is an object, the key signs.
std::string issue_token(const Json& claims, const TokenKey& key);

// Claims for issue_token: what `peer` is allowed, from `now` on.
Json token_claims(const Peer& peer, const TokenId& id, const std::string& audience,
                  std::chrono::system_clock::time_point now, std::chrono::seconds life);

// What is said to be in a token that nobody has verified; null if it is none.
Json unverified_claims(std::string_view token);

// Who everybody is on a server that has no keys, which listens on loopback only.
Peer development_peer();

}  // namespace kontract
