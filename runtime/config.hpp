// config: what `kontract serve` may be told, from three sources.
//
// Each setting has one name, which is its flag (--map-size), its key in the config file (map-size)
// and, in capitals, its environment variable (KONTRACT_MAP_SIZE). A flag overrides the
// environment, that the file, that the default. What no setting is called is refused.
//
// The file is a flat subset of TOML: `key = value` lines and comments, from a # at the beginning of
// a line or after white space; a value is a bare word, a number, or a string in "..." (with JSON's
// escapes) or '...'.

#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "runtime/options.hpp"

namespace kontract {

struct ServeOptions {
  ServeOptions() { runtime.store.data = "data"; }

  Options runtime;
  std::string log_level = "info";
};

struct Setting {
  std::string name;
  std::string type;  // what a value looks like: SIZE, DURATION, NUMBER, ...
  std::string help;
  // Errors: invalid_request; its message follows the name of the source.
  std::function<Status(ServeOptions&, std::string_view)> set;
  std::function<std::string(const ServeOptions&)> text;  // as set() takes it

  std::string variable() const;  // KONTRACT_NAME
};

std::span<const Setting> settings();

// Such as 500ms, 30s, 5m or 1h; only 0 needs no unit. Errors: invalid_request.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

using Values = std::map<std::string, std::string>;

// Of a config file's text; the keys are not looked at. Errors: invalid_request, with the line.
Result<Values> parse_config(std::string_view text);

// The environment of the process, as far as it begins with KONTRACT_.
Values environment_values();

// `flags` and `environment` by the names of flags and variables; `config` may be empty: no file,
// unless the environment names one in KONTRACT_CONFIG.
// Errors: invalid_request, naming the flag, variable, or file and key.
Result<ServeOptions> load_options(const Values& flags, const Values& environment,
                                  std::filesystem::path config);

}  // namespace kontract
