// Passwords as they are kept: Argon2id (RFC 9106) by libsodium's crypto_pwhash_str, whose text
// holds algorithm, cost and salt:
//
//   $argon2id$v=19$m=65536,t=2,p=1$<salt, base64>$<hash, base64>
//
// Each call but needs_rehash and unmatchable_hash takes PasswordCost::memory_bytes and, at the
// default cost, a tenth of a second or so: not for threads that somebody waits for.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/limits.hpp"
#include "storage/result.hpp"

namespace kontract {

// The defaults are libsodium's for logins ("interactive").
struct PasswordCost {
  std::uint64_t operations = 2;
  std::size_t memory_bytes = 64 * limits::kMiB;
};

// The least that there is. For tests.
inline constexpr PasswordCost kPasswordCostLeast{1, 8 * limits::kKiB};

// Errors: overloaded (no memory).
Result<std::string> hash_password(std::string_view password, const PasswordCost& cost);

// Errors: overloaded (no memory).
Result<bool> is_password(const std::string& hash, std::string_view password);

// Whether the hash was made at another cost.
bool needs_rehash(const std::string& hash, const PasswordCost& cost);

// A hash at this cost, of no password that anybody knows: to compare with it takes as long as with
// any other.
std::string unmatchable_hash(const PasswordCost& cost);

}  // namespace kontract
