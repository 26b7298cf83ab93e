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

bool is_call(const std::vector<std::string>& path) {
  return path.size() == 2 && path.front() == "rpc";
}

bool is_account_page(const std::vector<std::string>& path) {
  return path.size() == 2 && path.front() == "auth";
}

// What pages of a listed origin may use.
bool is_for_pages(const std::vector<std::string>& path) {
  return is_call(path) || is_account_page(path) || path.front() == "sessions" ||
         (path.size() == 1 && path.front() == "routes");
}

// What middleware lets the request's page do at this path; null: nothing.
const Cors* of_middleware(const HttpRequest& request, const std::vector<std::string>& path,
                          const Hub& hub) {
  const auto origin = request.header("origin");
  const Front* const front = hub.parts().front;
  if (!origin || front == nullptr) return nullptr;
  const Cors* cors = nullptr;
  if (is_call(path)) cors = front->cors_of(path.back());
  if (is_account_page(path)) cors = front->cors_of_page("/auth/" + path.back());
  return cors != nullptr && cors->allows(*origin) ? cors : nullptr;
}

// What the page may do at this path; null: nothing.
const Cors* policy(const HttpRequest& request, const std::vector<std::string>& path,
                   const Hub& hub) {
  static const Cors listed;
  if (const Cors* const cors = of_middleware(request, path, hub)) return cors;
  const auto origin = request.header("origin");
  return origin && is_for_pages(path) && hub.origins().lists(*origin) ? &listed : nullptr;
}

}  // namespace

HttpHeaders cors_headers(const HttpRequest& request, const Hub& hub) {
  if (!request.header("origin")) return {};
  const auto path = path_segments(request.target);
  if (!path) return {};
  const Cors* const cors = policy(request, *path, hub);
  if (cors == nullptr) return {};
  HttpHeaders headers = {{"Access-Control-Allow-Origin", std::string(*request.header("origin"))},
                         {"Vary", "Origin"}};
  if (!cors->expose.empty()) {
    headers.emplace_back("Access-Control-Expose-Headers", joined({}, cors->expose));
  }
  return headers;
}

bool middleware_allows(const HttpRequest& request, const std::vector<std::string>& path,
                       const Hub& hub) {
  return of_middleware(request, path, hub) != nullptr;
}

std::optional<HttpResponse> answer_preflight(const HttpRequest& request,
                                             const std::vector<std::string>& path, const Hub& hub) {
  if (!request.header("access-control-request-method")) return std::nullopt;
  const Cors* const cors = policy(request, path, hub);
  if (cors == nullptr) return std::nullopt;
  HttpResponse response;
  response.status = 204;
  response.headers = {{"Access-Control-Allow-Methods", is_call(path) ? "POST" : "GET, POST"},
                      {"Access-Control-Allow-Headers",
                       joined("Authorization, Content-Type, X-Session-Id", cors->headers)},
                      {"Access-Control-Max-Age", std::to_string(cors->max_age.count())}};
  return response;
}

}  // namespace kontract::detail
