// What POST /auth/... answers, on a server that has keys of tokens.

#pragma once

#include <string_view>

#include "net/detail/http_message.hpp"
#include "net/detail/hub.hpp"

namespace kontract::detail {

// POST /auth/refresh: a token as the caller's, good from now on, for as long as that one was.
HttpResponse refresh_page(const Identified& caller, const Hub& hub);

// The token that POST /auth/revoke with this body is about, of the caller's owner.
// Errors: forbidden (not in group admin, another owner's token), invalid_request.
Result<TokenId> token_to_revoke(const Identified& caller, std::string_view body, const Hub& hub);

}  // namespace kontract::detail
