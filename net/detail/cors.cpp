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

const Cors* page_policy(const HttpRequest& request, const std::string& page, const Hub& hub) {
  const auto origin = request.header("origin");
  if (!origin || hub.parts().front == nullptr) return nullptr;
  const Cors* const cors = hub.parts().front->cors_of_page("/auth/" + page);
  return cors != nullptr && cors->allows(*origin) ? cors : nullptr;
}

// Null `cors`: it may not.
std::optional<HttpResponse> preflight(const HttpRequest& request, const Cors* cors,
                                      std::string_view method) {
  if (cors == nullptr || !request.header("access-control-request-method")) return std::nullopt;
  HttpResponse response;
  response.status = 204;
  response.headers = {{"Access-Control-Allow-Methods", std::string(method)},
                      {"Access-Control-Allow-Headers",
                       joined("Authorization, Content-Type, X-Session-Id", cors->headers)},
                      {"Access-Control-Max-Age", std::to_string(cors->max_age.count())}};
  return response;
}

}  // namespace

HttpHeaders cors_headers(const HttpRequest& request, const Hub& hub) {
  if (!request.header("origin")) return {};
  const auto path = path_segments(request.target);
  if (!path || path->size() != 2) return {};
  const bool is_page = path->front() == "auth";
  if (!is_page && path->front() != "rpc") return {};
  const Cors* const cors =
      is_page ? page_policy(request, path->back(), hub) : policy(request, path->back(), hub);
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
  return preflight(request, policy(request, function, hub), "POST");
}

std::optional<HttpResponse> answer_page_preflight(const HttpRequest& request,
                                                  const std::string& page, std::string_view method,
                                                  const Hub& hub) {
  return preflight(request, page_policy(request, page, hub), method);
}

}  // namespace kontract::detail
