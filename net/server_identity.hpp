// Who this server is to clients of raystream: <data>/identity.key, one Ed25519 seed a line
// (base64url), the newest first. Nobody but its owner may read it (0600).
//
// The first is what new clients see. Those behind it are old ones: a client that has pinned one of
// them names it in its handshake (pin_hint) and still gets in, until it is dropped. A server reads
// the file when it starts.

#pragma once

#include <filesystem>
#include <vector>

#include "net/raystream_identity.hpp"
#include "storage/result.hpp"

namespace kontract {

inline constexpr const char* kIdentityFile = "identity.key";
inline constexpr std::size_t kIdentitiesMax = 8;  // of one file

// Errors of all: invalid_request (others may read the file, it has no such seeds, it cannot be
// written), storage_full.

// Newest first, at least one. Errors: also not_found (no file).
Result<std::vector<raystream::SigningKey>> read_identities(const std::filesystem::path& path);

// As above; makes the file if there is none.
Result<std::vector<raystream::SigningKey>> ensure_identities(const std::filesystem::path& path);

// Puts a new key before the others and returns what clients pin of it. Errors: also
// invalid_request if there are kIdentitiesMax already.
Result<raystream::IdentityKey> rotate_identity(const std::filesystem::path& path);

// Leaves the newest alone. Errors: also not_found (no file).
Status drop_old_identities(const std::filesystem::path& path);

}  // namespace kontract
