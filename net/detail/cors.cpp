#include "net/detail/cors.hpp"

#include "actors/front.hpp"

namespace kontract::detail {

namespace {

std::string joined(std::string list, const std::vector<std::string>& more) {
  for (const std::string& one : more) {
    if (!list.empty()) list += ", ";
    list += one;
  }
  return list;
}

// What the page may do with this function; null: nothing.
const Cors* policy(const HttpRequest& request, const std::string& function, const Hub& hub) {
  const auto origin = request.header("origin");
  if (!origin || hub.parts().front == nullptr) return nullptr;
  const Cors* const cors = hub.parts().front->cors_of(function);
  return cors != nullptr && cors->allows(*origin) ? cors : nullptr;
}

}  // namespace

HttpHeaders cors_headers(const HttpRequest& request, const Hub& hub) {
  if (!request.header("origin")) return {};
  const auto path = path_segments(request.target);
  if (!path || path->size() != 2 || path->front() != "rpc") return {};
  const Cors* const cors = policy(request, path->back(), hub);
  if (cors == nullptr) return {};
  HttpHeaders headers = {{"Access-Control-Allow-Origin", std::string(*request.header("origin"))},
                         {"Vary", "Origin"}};
  if (!cors->expose.empty()) {
    headers.emplace_back("Access-Control-Expose-Headers", joined({}, cors->expose));
  }
  return headers;
}

std::optional<HttpResponse> answer_preflight(const HttpRequest& request,
                                             const std::string& function, const Hub& hub) {
  if (!request.header("access-control-request-method")) return std::nullopt;
  const Cors* const cors = policy(request, function, hub);
  if (cors == nullptr) return std::nullopt;
  HttpResponse response;
  response.status = 204;
  response.headers = {{"Access-Control-Allow-Methods", "POST"},
                      {"Access-Control-Allow-Headers",
                       joined("Authorization, Content-Type, X-Session-Id", cors->headers)},
                      {"Access-Control-Max-Age", std::to_string(cors->max_age.count())}};
  return response;
}

}  // namespace kontract::detail
