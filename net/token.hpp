// token: who a caller is, from a JWT (RFC 7519) signed with HMAC-SHA-256 (RFC 7515, "HS256").
//
// Claims: `sub` user and `owner` tenant (both required); `perm` 0..7 and `ugroups`, an array of
// names (absent: none); `sid`, the only session that it opens; `isAnonymous`; `iat` and `exp`
// (required, whole seconds, at most an hour apart) and `nbf`. The header's `alg` is HS256 and
// nothing else; the key is never looked up by what a token says, and `crit` is refused.

#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "actors/context.hpp"
#include "storage/json.hpp"
#include "storage/result.hpp"

namespace kontract {

inline constexpr std::size_t kSecretBytesMin = 32;  // as long as the MAC: RFC 7518, section 3.2
inline constexpr std::size_t kTokenBytesMax = 4 * limits::kKiB;
inline constexpr std::chrono::seconds kTokenSkew{30};
inline constexpr std::chrono::seconds kTokenLifeMax{3600};

struct Identified {
  Peer peer;  // owner, user, perm, ugroups, anonymous, only_session
  std::chrono::system_clock::time_point expires;
};

// Errors: unauthorized, with one text for every cause, so that nobody learns how near a guess was.
Result<Identified> verify_token(std::string_view token, std::string_view secret,
                                std::chrono::system_clock::time_point now);

// A token with these claims as they are. For tests and the command line.
// REQUIRES: claims is an object.
std::string issue_token(const Json& claims, std::string_view secret);

// Who everybody is on a server without a secret, which listens on loopback only.
Peer development_peer();

}  // namespace kontract
