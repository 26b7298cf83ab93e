// The names that belong to the runtime.

#pragma once

#include <array>
#include <string_view>

namespace kontract {

// Whether a function's name begins as those of docs/protocol.md do, the ones to come included.
constexpr bool is_built_in_name(std::string_view name) {
  constexpr std::array<std::string_view, 6> groups = {"table.",  "tx.",       "session.",
                                                      "schema.", "registry.", "alarm."};
  for (const std::string_view group : groups) {
    if (name.starts_with(group)) return true;
  }
  return false;
}

}  // namespace kontract
