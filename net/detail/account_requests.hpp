// What the bodies of requests about accounts say. Each is read once and wiped.

#pragma once

#include <optional>
#include <string>

#include "net/account_provider.hpp"
#include "storage/json.hpp"

namespace kontract::detail {

inline constexpr std::size_t kAnonymousKeyBytes = 32;

enum class PasswordUse : bool { check, choose };  // one to choose has a least length

// {"login","password"}. Errors: invalid_request.
Result<Credentials> read_credentials(std::string& body, PasswordUse use);

struct PasswordChange {
  SecretBytes old, fresh;
};
// {"password","new_password"}. Errors: invalid_request.
Result<PasswordChange> read_password_change(std::string& body);

// {"key"?}, or nothing at all. Errors: invalid_request.
Result<std::optional<SecretBytes>> read_anonymous_key(std::string& body);

// The name of the owner who has this key: a UUID (version 8) of its BLAKE2b hash.
std::string owner_of_key(const SecretBytes& key);

}  // namespace kontract::detail
