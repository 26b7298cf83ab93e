#include "net/detail/origin.hpp"

#include <algorithm>
#include <optional>

namespace kontract::detail {

namespace {

constexpr std::string_view kSchemeEnd = "://";
constexpr std::string_view kSeparators = ", \t";

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Where the host ends in host or host:port.
std::size_t host_end(std::string_view authority) {
  if (!authority.starts_with('[')) return std::min(authority.find(':'), authority.size());
  const std::size_t close = authority.find(']');
  return close == std::string_view::npos ? authority.size() : close + 1;
}

std::string_view host_of(std::string_view authority) {
  return authority.substr(0, host_end(authority));
}

std::string_view authority_of(std::string_view origin) {
  const std::size_t end = origin.find(kSchemeEnd);
  return end == std::string_view::npos ? std::string_view()
                                       : origin.substr(end + kSchemeEnd.size());
}

bool has_good_port(std::string_view port) {  // with its colon; or none
  return port.empty() || (port.size() >= 2 && port.size() <= 6 && port.front() == ':' &&
                          std::all_of(port.begin() + 1, port.end(), is_digit));
}

// The one way to write it; nothing if it is no origin of a page.
std::optional<std::string> normal(std::string_view text) {
  std::string origin = lowered(text);
  const std::size_t scheme_end = origin.find(kSchemeEnd);
  const std::string_view authority = authority_of(origin);
  const std::string_view host = host_of(authority);
  const std::string_view port = authority.substr(host.size());
  if (scheme_end == 0 || host.empty() || !has_good_port(port) ||
      host.find_first_of("/?#@*\\%") != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view scheme = std::string_view(origin).substr(0, scheme_end);
  const bool implied = (scheme == "http" && port == ":80") || (scheme == "https" && port == ":443");
  if (implied) origin.resize(origin.size() - port.size());
  return origin;
}

// http://localhost:3000 and the like.
bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

}  // namespace

Result<Origins> Origins::parse(std::string_view list) {
  Origins origins;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find_first_of(kSeparators), list.size());
    const std::string_view item = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    if (item.empty()) continue;
    if (item == "*") {
      origins.all_ = true;
      continue;
    }
    auto origin = normal(item);
    if (!origin) {
      return Error(Errc::invalid_request, "'" + std::string(item) + "' is not the origin of a page",
                   "Write scheme://host or scheme://host:port without a path, for example "
                   "https://app.example; * stands for all.");
    }
    origins.listed_.push_back(*std::move(origin));
  }
  return origins;
}

bool Origins::lists(std::string_view origin) const {
  if (all_) return true;
  if (listed_.empty()) return false;
  const auto one = normal(origin);
  return one && std::find(listed_.begin(), listed_.end(), *one) != listed_.end();
}

bool Origins::allows(std::string_view origin, std::string_view host, bool tokens) const {
  if (lists(origin)) return true;
  if (tokens && !listed_.empty()) return false;
  const auto one = normal(origin);
  if (!one) return false;
  const std::string_view page_host = host_of(authority_of(*one));
  return tokens ? page_host == lowered(host_of(host)) : is_loopback(page_host);
}

}  // namespace kontract::detail
