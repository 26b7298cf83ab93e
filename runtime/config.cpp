#include "runtime/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <sstream>

#include "storage/json.hpp"

namespace kontract {
namespace {

constexpr std::string_view kPrefix = "KONTRACT_";

// Variables of the other commands, and of `./dev`.
constexpr std::array<std::string_view, 6> kOtherVariables{
    "KONTRACT_CONFIG", "KONTRACT_URL", "KONTRACT_TOKEN",
    "KONTRACT_JOBS",   "KONTRACT_PIN", "KONTRACT_KNOWN_HOSTS"};

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// A # inside a word is part of it, as in a secret.
bool begins_comment(std::string_view text, std::size_t at) {
  return text[at] == '#' && (at == 0 || text[at - 1] == ' ' || text[at - 1] == '\t');
}

// The value at the beginning of `text`, if nothing but a comment follows.
std::optional<std::string> parse_value(std::string_view text) {
  std::size_t end = 0;
  if (text.starts_with('\'') || text.starts_with('"')) {
    const char quote = text.front();
    for (end = 1; end < text.size() && text[end] != quote; ++end) {
      if (quote == '"' && text[end] == '\\') ++end;
    }
    if (end >= text.size()) return std::nullopt;
    ++end;
  } else {
    while (end < text.size() && !begins_comment(text, end)) ++end;
  }
  const std::string_view value = trim(text.substr(0, end));
  const std::string_view rest = trim(text.substr(end));
  if (value.empty() || (!rest.empty() && !rest.starts_with('#'))) return std::nullopt;
  if (value.front() == '\'') return std::string(value.substr(1, value.size() - 2));
  if (value.front() != '"') return std::string(value);
  auto string = parse_json(value);
  if (!string) return std::nullopt;
  return string->get<std::string>();
}

Result<Values> read_config(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.is_open() || std::filesystem::is_directory(path)) {
    return Error(Errc::invalid_request, "The config file " + path.string() + " cannot be read");
  }
  auto values = parse_config(text.str());
  if (!values) return Error(Errc::invalid_request, path.string() + ", " + values.error().message);
  return values;
}

// `name` gives the setting's name at the source, `describe` how to speak of it.
template <class Name, class Describe>
Status apply(ServeOptions& options, const Values& values, Name name, Describe describe) {
  for (const auto& entry : values) {
    const std::string& key = entry.first;
    const auto known =
        std::ranges::find_if(settings(), [&](const Setting& s) { return name(s) == key; });
    if (known == settings().end()) {
      return Error(Errc::invalid_request, describe(key) + " is not known",
                   "`kontract serve --help` lists every option.");
    }
    const Status set = known->set(options, entry.second);
    if (!set) {
      return Error(Errc::invalid_request, describe(key) + ": " + set.error().message,
                   "`kontract serve --help` says what each option takes.");
    }
  }
  return {};
}

}  // namespace

Result<Values> parse_config(std::string_view text) {
  Values values;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::string_view raw = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(raw.size() + 1, text.size()));
    ++number;
    const std::string_view line = trim(raw);
    if (line.empty() || line.front() == '#') continue;
    const auto bad = [&](const char* why) {
      return Error(Errc::invalid_request, "line " + std::to_string(number) + ": " + why);
    };
    const auto equals = line.find('=');
    if (equals == line.npos) return bad("expected key = value");
    const std::string key(trim(line.substr(0, equals)));
    auto value = parse_value(trim(line.substr(equals + 1)));
    if (key.empty() || !value) return bad("expected key = value");
    if (!values.emplace(key, std::move(*value)).second) return bad("the key stands here twice");
  }
  return values;
}

Values environment_values() {
  Values values;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    const auto equals = variable.find('=');
    if (equals == variable.npos || !variable.starts_with(kPrefix)) continue;
    values.emplace(variable.substr(0, equals), variable.substr(equals + 1));
  }
  return values;
}

Result<ServeOptions> load_options(const Values& flags, const Values& environment,
                                  std::filesystem::path config) {
  ServeOptions options;
  bool owners_create_tables_is_set = flags.contains("owners-create-tables") ||
                                     environment.contains("KONTRACT_OWNERS_CREATE_TABLES");
  if (const auto named = environment.find("KONTRACT_CONFIG");
      config.empty() && named != environment.end()) {
    config = named->second;
  }
  if (!config.empty()) {
    const auto file = read_config(config);
    if (!file) return file.error();
    if (file->contains("owners-create-tables")) owners_create_tables_is_set = true;
    const Status applied = apply(
        options, *file, [](const Setting& s) { return s.name; },
        [&](const std::string& key) { return "The key " + key + " of " + config.string(); });
    if (!applied) return applied.error();
  }
  Values variables = environment;
  for (const auto name : kOtherVariables) variables.erase(std::string(name));
  const Status from_environment = apply(
      options, variables, [](const Setting& s) { return s.variable(); },
      [](const std::string& key) { return "The environment variable " + key; });
  if (!from_environment) return from_environment.error();
  const Status from_flags = apply(
      options, flags, [](const Setting& s) { return s.name; },
      [](const std::string& key) { return "The option --" + key; });
  if (!from_flags) return from_flags.error();
  // Whoever has an account is a tenant of his own; he could do nothing without tables.
  if (options.runtime.accounts && !owners_create_tables_is_set) {
    options.runtime.sessions.owners_create_tables = true;
  }
  return options;
}

}  // namespace kontract
