#include "actors/http_resp.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>

#include "storage/registry.hpp"

namespace kontract {

namespace {

constexpr std::size_t kHeaderNameBytesMax = 256;
constexpr std::size_t kHeaderValueBytesMax = 4096;

bool is_token_character(char c) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return letter || (c >= '0' && c <= '9') || marks.find(c) != std::string_view::npos;
}

// RFC 9110, sections 5.1 and 5.5; of the value's obs-text nothing.
bool is_value_character(char c) { return c == '\t' || (c >= ' ' && c <= '~'); }

bool same_but_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

bool is_the_servers(std::string_view name) {
  constexpr std::array<std::string_view, 6> ours = {
      "Content-Length", "Content-Type", "Connection", "Transfer-Encoding", "Date", "Upgrade"};
  return std::any_of(ours.begin(), ours.end(),
                     [&](std::string_view one) { return same_but_case(name, one); });
}

}  // namespace

HttpResp HttpResp::created(Json body, std::string location) {
  HttpResp response(201, std::move(body));
  if (location.empty()) return response;
  return std::move(response).header("Location", std::move(location));
}

HttpResp HttpResp::redirect(std::string location, int status) {
  constexpr std::array known = {301, 302, 303, 307, 308};
  if (std::find(known.begin(), known.end(), status) == known.end()) {
    throw std::invalid_argument(std::to_string(status) + " is no status of a redirection");
  }
  return HttpResp(status, nullptr).header("Location", std::move(location));
}

HttpResp HttpResp::header(std::string name, std::string value) && {
  const bool good_name = !name.empty() && name.size() <= kHeaderNameBytesMax &&
                         std::all_of(name.begin(), name.end(), is_token_character);
  const bool good_value = value.size() <= kHeaderValueBytesMax &&
                          std::all_of(value.begin(), value.end(), is_value_character);
  if (!good_name || !good_value || is_the_servers(name)) {
    throw std::invalid_argument("A function may not set the header " + shown(name));
  }
  head_.headers.emplace_back(std::move(name), std::move(value));
  return std::move(*this);
}

}  // namespace kontract
