#include "storage/json_field.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace kontract {
namespace {

// Where the string that begins at text[at] ends: behind its closing quote.
std::size_t string_end(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

// Where the value that begins at text[at] ends.
std::size_t value_end(std::string_view text, std::size_t at) {
  if (text[at] == '"') return string_end(text, at);
  if (text[at] != '{' && text[at] != '[') return text.find_first_of(",}]", at);
  std::size_t depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = string_end(text, at);
      continue;
    }
    ++at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) break;
  }
  return at;
}

// Whether the text between the quotes stands for `name`.
bool names(std::string_view quoted, std::string_view name) {
  const std::string_view inside = quoted.substr(1, quoted.size() - 2);
  if (inside.find('\\') == inside.npos) return inside == name;
  return json_unquoted(quoted) == name;
}

// Calls `visit(name, value)`, the texts of both, for each member until it returns false.
template <class Visit>
void each_member(std::string_view object, const Visit& visit) {
  if (object.size() < 2 || object[0] != '{') return;
  std::size_t at = 1;
  while (at < object.size() && object[at] == '"') {
    const std::size_t name_end = string_end(object, at);
    const std::size_t begin = name_end + 1;  // behind the colon
    if (begin >= object.size()) return;
    const std::size_t end = value_end(object, begin);
    if (end > object.size()) return;
    if (!visit(object.substr(at, name_end - at), object.substr(begin, end - begin))) return;
    at = end + 1;  // behind the comma
  }
}

std::optional<std::string_view> member(std::string_view object, std::string_view name) {
  std::optional<std::string_view> found;
  each_member(object, [&](std::string_view quoted, std::string_view value) {
    if (names(quoted, name)) found = value;
    return !found;
  });
  return found;
}

void append_without(std::string& out, std::string_view object,
                    const std::vector<std::string_view>& paths) {
  out += '{';
  std::string_view separator;
  each_member(object, [&](std::string_view quoted, std::string_view value) {
    std::vector<std::string_view> inner;  // paths that lead on through this member
    const std::string name = json_unquoted(quoted);
    for (const std::string_view path : paths) {
      if (path == name) return true;
      if (path.starts_with(name) && path[name.size()] == '.') {
        inner.push_back(path.substr(name.size() + 1));
      }
    }
    out.append(separator).append(quoted).append(":");
    separator = ",";
    if (inner.empty() || !value.starts_with('{')) {
      out += value;
    } else {
      append_without(out, value, inner);
    }
    return true;
  });
  out += '}';
}

}  // namespace

std::optional<std::string_view> json_field(std::string_view data, std::string_view path) {
  if (auto found = member(data, path)) return found;
  for (std::size_t dot = path.find('.'); dot != path.npos; dot = path.find('.', dot + 1)) {
    const auto inner = member(data, path.substr(0, dot));
    if (!inner) continue;
    if (auto found = json_field(*inner, path.substr(dot + 1))) return found;
  }
  return std::nullopt;
}

std::string json_without(std::string_view data, const std::vector<std::string_view>& paths) {
  std::string out;
  out.reserve(data.size());
  append_without(out, data, paths);
  return out;
}

std::string json_unquoted(std::string_view text) {
  const std::string_view inside = text.substr(1, text.size() - 2);
  if (inside.find('\\') == inside.npos) return std::string(inside);
  const auto parsed = nlohmann::json::parse(text, nullptr, false);
  return parsed.is_string() ? parsed.get<std::string>() : std::string(inside);
}

SqlValue sql_value(std::optional<std::string_view> json) {
  if (!json || json->empty() || *json == "null") return std::monostate();
  if (*json == "true") return std::int64_t{1};
  if (*json == "false") return std::int64_t{0};
  const char first = json->front();
  if (first == '"') return json_unquoted(*json);
  if (first == '{' || first == '[') return std::string(*json);
  const char* const end = json->data() + json->size();
  std::int64_t integer = 0;
  if (const auto read = std::from_chars(json->data(), end, integer);
      read.ec == std::errc{} && read.ptr == end) {
    return integer;
  }
  double number = 0;
  std::from_chars(json->data(), end, number);
  return number;
}

}  // namespace kontract
