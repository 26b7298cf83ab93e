#include "net/detail/auth_pages.hpp"

#include <utility>

#include "net/detail/account_pages.hpp"

namespace kontract::detail {

namespace {

using std::chrono::system_clock;

std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

void deliver(Reply reply, Result<JsonText> answer) {
  if (!answer) return reply.fail(std::move(answer).error());
  reply.deliver({std::move(*answer), 0});
}

}  // namespace

void serve_auth(Hub& hub, AuthRequest request, Reply reply) {
  using Action = AuthRoute::Action;
  if (request.action == Action::revoke) {
    const auto id = token_to_revoke(*request.caller, request.body, hub);
    if (!id) return reply.fail(id.error());
    return hub.revoke(request.caller->peer.owner, *id, std::move(reply));
  }
  if (hub.accounts() != nullptr) return hub.accounts()->serve(std::move(request), std::move(reply));
  KONTRACT_ASSERT(request.action == Action::refresh);  // the router lets through nothing else
  deliver(std::move(reply), renewed_token(*request.caller, hub));
}

HttpResponse auth_response(const Answer& answer) {
  if (!answer.result) {
    return error_response(answer.result.error(),
                          answer.head ? std::optional(answer.head->status) : std::nullopt);
  }
  HttpResponse response;
  response.body = *answer.result;
  return response;
}

Result<JsonText> renewed_token(const Identified& caller, const Hub& hub) {
  const auto keys = hub.keys();
  const TokenKey* const key = keys->newest_signing();
  if (key == nullptr || caller.id.issuer != key->issuer) {
    return Error(Errc::forbidden, "This server renews only tokens of its own",
                 "Ask the one who has issued the token for another.");
  }
  if (hub.is_revoked(caller.peer, caller.id)) return Error(Errc::unauthorized, "No valid token");
  // All that comes of one login has one jti, so that one revocation ends it.
  const TokenId id = {key->issuer, caller.id.jti.empty() ? random_name(kJtiBytes) : caller.id.jti,
                      caller.id.generation};
  const Json claims =
      token_claims(caller.peer, id, keys->audience(), system_clock::now(), caller.life);
  return to_text(Json{{"token", issue_token(claims, *key)}, {"exp", claims.at("exp")}});
}

Result<TokenId> token_to_revoke(const Identified& caller, std::string_view body, const Hub& hub) {
  if (!caller.peer.in_group("admin")) {
    return Error(Errc::forbidden, "Revoking is for the group admin",
                 "Ask with a token that has admin in its ugroups.");
  }
  const auto request = parse_json(body);
  if (!request) return request.error();
  if (!request->is_object() || request->contains("token") == request->contains("jti")) {
    return Error(Errc::invalid_request, "The body must be an object with either token or jti",
                 R"(Such as {"token":"..."}, or {"jti":"...","iss":"..."}.)");
  }
  if (request->contains("jti")) {
    TokenId id{text_of(*request, "iss"), text_of(*request, "jti")};
    if (!request->contains("iss")) id.issuer = hub.options().token_issuer;
    if (id.jti.empty() || id.issuer.empty()) {
      return Error(Errc::invalid_request, "jti and iss must be text that is not empty");
    }
    return id;
  }
  auto checked = check_token(text_of(*request, "token"), *hub.keys(), system_clock::now());
  if (!checked) {
    return Error(Errc::invalid_request, "The token is not good: " + checked.error().message,
                 "Nothing needs to be revoked.");
  }
  if (checked->identified.peer.owner != caller.peer.owner) {
    return Error(Errc::forbidden, "The token is another owner's");
  }
  return std::move(checked->identified.id);
}

}  // namespace kontract::detail
