// HttpResp: what a backend function returns to choose the status and headers of an HTTP answer. A
// WebSocket has neither: there the call's result is the body.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "storage/json.hpp"

namespace kontract {

// The head of an answer over HTTP.
struct ResponseHead {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
};

class HttpResp {
 public:
  static HttpResp ok(Json body) { return HttpResp(200, std::move(body)); }
  // `location`, of what was made, becomes the header of that name.
  static HttpResp created(Json body, std::string location = {});
  static HttpResp noContent() { return HttpResp(204, nullptr); }
  // Errors: throws std::invalid_argument unless `status` is 301, 302, 303, 307 or 308.
  static HttpResp redirect(std::string location, int status = 302);

  // Adds a header. Errors: throws std::invalid_argument if name or value is not one of RFC 9110, or
  // the name is one that the server sets (Content-Length, Connection, Transfer-Encoding, Date,
  // Content-Type).
  HttpResp header(std::string name, std::string value) &&;

  const Json& body() const { return body_; }
  const ResponseHead& head() const { return head_; }

 private:
  HttpResp(int status, Json body) : body_(std::move(body)) { head_.status = status; }

  Json body_;
  ResponseHead head_;
};

}  // namespace kontract
