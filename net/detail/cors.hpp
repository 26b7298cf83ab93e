// What pages of other origins are told: the Fetch standard, section 3.2 (CORS protocol), for the
// functions and the pages under /auth/ that a Cors middleware matches.

#pragma once

#include <optional>
#include <string>

#include "net/detail/http_message.hpp"
#include "net/detail/hub.hpp"

namespace kontract::detail {

// The headers of every answer to this request; none if it is not a page's, or the page may not.
HttpHeaders cors_headers(const HttpRequest& request, const Hub& hub);

// The answer to OPTIONS before a call of `function`, but for cors_headers; nothing if it is no
// preflight, or the page may not.
std::optional<HttpResponse> answer_preflight(const HttpRequest& request,
                                             const std::string& function, const Hub& hub);

// The same before a request of /auth/`page`, for the middleware that matches that path.
std::optional<HttpResponse> answer_page_preflight(const HttpRequest& request,
                                                  const std::string& page, std::string_view method,
                                                  const Hub& hub);

}  // namespace kontract::detail
