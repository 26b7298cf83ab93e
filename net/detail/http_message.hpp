// HTTP requests and responses as the front end sees them: after parsing and before writing, without
// any type of Beast or Asio.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/error.hpp"
#include "storage/result.hpp"

namespace kontract::detail {

using HeaderMap = std::map<std::string, std::string>;  // names in lower case

struct HttpRequest {
  std::string method;
  std::string target;  // as it was sent
  HeaderMap headers;   // fields of one name are joined with ", " (RFC 9110, section 5.3)
  std::string body;

  std::optional<std::string_view> header(const std::string& name) const;
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  HttpHeaders headers;
};

// The response to a failed request. `status` overrides the one of the error's code.
HttpResponse error_response(const Error& error, std::optional<int> status = std::nullopt);

enum class Transport : std::uint8_t { plain, tls };

// The bytes of the response. The one to HEAD has no body, but the length of what GET would get; a
// 204 has neither (RFC 9110, sections 8.6 and 15.3.5). Each tells browsers to keep, guess, embed
// and pass on nothing, in fields that the response may have otherwise; over TLS also to come by no
// other way (RFC 6797).
std::string to_wire(const HttpResponse& response, bool keep_alive, bool to_head = false,
                    Transport transport = Transport::plain);

// Nothing if it is not well encoded.
std::optional<std::string> percent_decoded(std::string_view text);

// The path without its query, percent-decoded, in segments: "/ws/a%3Ab?x" is {"ws", "a:b"}.
// Errors: invalid_request for what is not a path or not well encoded.
Result<std::vector<std::string>> path_segments(std::string_view target);

// The parameters of the query: "/x?a=1&b=%20" is {"a": "1", "b": " "}. The last of one name counts.
// Errors: invalid_request for what is not well encoded.
Result<std::map<std::string, std::string>> query_parameters(std::string_view target);

}  // namespace kontract::detail
