// What pages of other origins are told: the Fetch standard, section 3.2 (CORS protocol). A page may
// use what it reads if its origin is listed (net/detail/origin.hpp) or, of a function or a page
// under /auth/, if a Cors middleware matches it and allows the origin.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/detail/http_message.hpp"
#include "net/detail/hub.hpp"

namespace kontract::detail {

// The headers of every answer to this request; none if it is not a page's, or the page may not.
HttpHeaders cors_headers(const HttpRequest& request, const Hub& hub);

// The answer to OPTIONS before a request to this path, but for cors_headers; nothing if it is no
// preflight, or the page may not.
std::optional<HttpResponse> answer_preflight(const HttpRequest& request,
                                             const std::vector<std::string>& path, const Hub& hub);

// Whether a Cors middleware lets pages of the request's origin use this path.
bool middleware_allows(const HttpRequest& request, const std::vector<std::string>& path,
                       const Hub& hub);

}  // namespace kontract::detail
