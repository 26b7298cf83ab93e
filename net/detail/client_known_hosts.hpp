// known hosts: the file in which a client that trusts on first use keeps who each server is.
//
//   line := host:port SP pin        (an IPv6 address in brackets; # begins a comment line)
//
// One server may have several lines: any of their keys is right. Lines are only added here; to
// forget a server, its lines are deleted by hand.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "net/raystream_identity.hpp"
#include "storage/result.hpp"

namespace kontract {

// The keys of `server` ("host:port"); none if it is not known, or there is no such file. Errors:
// invalid_request (the file cannot be read, or has a line of this server that is no such line).
Result<std::vector<raystream::IdentityKey>> read_known_host(const std::filesystem::path& path,
                                                            const std::string& server);

// Adds a line for a server that has none, and makes the file (0600), not its directory. Errors:
// invalid_request (it cannot be written), unauthorized (somebody else was quicker, with another
// key).
Status add_known_host(const std::filesystem::path& path, const std::string& server,
                      const raystream::IdentityKey& key);

}  // namespace kontract
