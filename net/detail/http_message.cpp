#include "net/detail/http_message.hpp"

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <cctype>
#include <charconv>

#include "net/protocol.hpp"

namespace kontract::detail {

namespace {

constexpr std::pair<std::string_view, std::string_view> kSecurityHeaders[] = {
    {"Cache-Control", "no-store"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
};

bool has_header(const HttpHeaders& headers, std::string_view name) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  return std::any_of(headers.begin(), headers.end(), [&](const auto& header) {
    return std::equal(header.first.begin(), header.first.end(), name.begin(), name.end(), same);
  });
}

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    unsigned value = 0;
    const char* digits = text.data() + i + 1;
    const auto [end, error] = std::from_chars(digits, digits + 2, value, 16);
    if (error != std::errc{} || end != digits + 2) return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

std::optional<std::string_view> HttpRequest::header(const std::string& name) const {
  const auto found = headers.find(name);
  if (found == headers.end()) return std::nullopt;
  return found->second;
}

HttpResponse error_response(const Error& error, std::optional<int> status) {
  HttpResponse response;
  response.status = status.value_or(traits(error.code).http_status);
  response.body = protocol::http_error(error);
  if (error.retry_after) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*error.retry_after);
    response.headers.emplace_back("Retry-After", std::to_string(seconds.count()));
  }
  if (response.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

std::string to_wire(const HttpResponse& response, bool keep_alive, bool to_head,
                    Transport transport) {
  const auto reason =
      boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(response.status));
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  out.append(reason.data(), reason.size());
  if (response.status != 204) {
    out += "\r\nContent-Type: " + response.content_type;
    out += "\r\nContent-Length: " + std::to_string(response.body.size());
  }
  out += "\r\n";
  for (const auto& [name, value] : kSecurityHeaders) {
    if (!has_header(response.headers, name)) out.append(name).append(": ").append(value) += "\r\n";
  }
  if (transport == Transport::tls) out += "Strict-Transport-Security: max-age=31536000\r\n";
  for (const auto& [name, value] : response.headers) out += name + ": " + value + "\r\n";
  out += keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
  if (!to_head && response.status != 204) out += response.body;
  return out;
}

Result<std::vector<std::string>> path_segments(std::string_view target) {
  if (!target.starts_with('/')) {
    return Error{Errc::invalid_request, "The request target must be a path",
                 "It begins with a slash, for example /health."};
  }
  std::string_view path = target.substr(0, target.find_first_of("?#"));
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = std::min(path.find('/'), path.size());
    auto segment = percent_decoded(path.substr(0, end));
    if (!segment) return Error{Errc::invalid_request, "The path is not well percent-encoded"};
    segments.push_back(std::move(*segment));
    path.remove_prefix(end);
  }
  return segments;
}

Result<std::map<std::string, std::string>> query_parameters(std::string_view target) {
  std::map<std::string, std::string> parameters;
  target = target.substr(0, target.find('#'));
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return parameters;
  std::string_view query = target.substr(mark + 1);
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = percent_decoded(pair.substr(0, equals));
    auto value = percent_decoded(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) {
      return Error{Errc::invalid_request, "The query is not well percent-encoded"};
    }
    parameters[*std::move(name)] = *std::move(value);
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return parameters;
}

}  // namespace kontract::detail
