// One GET or POST of a kontract server's page, for the command line.

#pragma once

#include <chrono>
#include <string>

#include "storage/json.hpp"
#include "storage/result.hpp"

namespace kontract {

// The JSON at `path` of the server at `url` (ws://host:port or wss://host:port, whose certificate
// is verified as ClientOptions::ca_file has it). Without a token, as nobody. Blocks. Errors: what
// the server said; overloaded if it can not be reached, timeout; those of a Client of TLS; internal
// if what comes is no JSON.
Result<Json> http_get_json(const std::string& url, const std::string& path,
                           const std::string& token, const std::string& ca_file = {},
                           std::chrono::milliseconds timeout = std::chrono::seconds(10));

// The JSON that `path` answers to a POST of `body`; all else as above.
Result<Json> http_post_json(const std::string& url, const std::string& path,
                            const std::string& token, const Json& body,
                            const std::string& ca_file = {},
                            std::chrono::milliseconds timeout = std::chrono::seconds(10));

}  // namespace kontract
