// One GET or POST of a kontract server's page, for the command line.

#pragma once

#include <chrono>
#include <string>

#include "storage/json.hpp"
#include "storage/result.hpp"

namespace kontract {

// The JSON at `path` of the server at `url` (ws://host:port). Without a token, as nobody. Blocks.
// Errors: what the server said; overloaded if it can not be reached, timeout; internal if what
// comes is no JSON.
Result<Json> http_get_json(const std::string& url, const std::string& path,
                           const std::string& token,
                           std::chrono::milliseconds timeout = std::chrono::seconds(10));

// The JSON that `path` answers to a POST of `body`; all else as above.
Result<Json> http_post_json(const std::string& url, const std::string& path,
                            const std::string& token, const Json& body,
                            std::chrono::milliseconds timeout = std::chrono::seconds(10));

}  // namespace kontract
