// The server's own keys of tokens: <data>/token-keys.json, a JWK Set with the private parts of
// Ed25519 keys, the newest last. Nobody but its owner may read it (0600).
//
// Each change replaces the file as a whole, durably; two that come at once follow one another.
// Running servers look at it about once a second (net/token_keyring.hpp).

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "net/token_keys.hpp"

namespace kontract {

inline constexpr const char* kSigningKeysFile = "token-keys.json";

// Ascending by age, at least one. Errors: not_found (no file); invalid_request (others may read it,
// it is no such set, it has no key).
Result<std::vector<TokenKey>> read_signing_keys(const std::filesystem::path& path,
                                                const std::string& issuer);

// Adds a key, which signs from then on, and returns its kid. Makes the file, not its directory.
// Errors: invalid_request, storage_full (it cannot be written).
Result<std::string> rotate_signing_keys(const std::filesystem::path& path);

// Removes a key: what it has signed is good no more. Errors: not_found (file or kid),
// invalid_request (it is the newest), storage_full.
Status retire_signing_key(const std::filesystem::path& path, const std::string& kid);

}  // namespace kontract
