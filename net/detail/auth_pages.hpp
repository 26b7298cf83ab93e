// What the pages under /auth/ answer: those about tokens here, those of accounts in AccountPages.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "actors/reply.hpp"
#include "net/detail/http_message.hpp"
#include "net/detail/http_router.hpp"
#include "net/detail/hub.hpp"

namespace kontract::detail {

inline constexpr std::size_t kAuthBodyBytesMax = 16 * limits::kKiB;

struct AuthRequest {
  AuthRoute::Action action;
  std::optional<Identified> caller = {};  // there, unless the action is open
  std::string address;                    // of the client, without its port
  std::string content_type = {};          // empty: none was sent
  std::string body = {};
};

// Answers it, at once or later: with the response's body, or an error with the status of the head.
void serve_auth(Hub& hub, AuthRequest request, Reply reply);
// The response of that answer.
HttpResponse auth_response(const Answer& answer);

// A token as the caller's, good from now on, for as long as that one was: {"token","exp"}.
// Errors: forbidden (another's), unauthorized (revoked).
Result<JsonText> renewed_token(const Identified& caller, const Hub& hub);

// The token that POST /auth/revoke with this body is about, of the caller's owner.
// Errors: forbidden (not in group admin, another owner's token), invalid_request.
Result<TokenId> token_to_revoke(const Identified& caller, std::string_view body, const Hub& hub);

}  // namespace kontract::detail
