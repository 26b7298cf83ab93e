// The built-in functions as routes show them and as middleware may name them: docs/protocol.md,
// those that this version has.

#pragma once

#include <span>
#include <string_view>

#include "storage/perms.hpp"

namespace kontract {

inline constexpr std::string_view kBuiltInGroup = "storage";  // the egroup of all of them

struct BuiltInFunction {
  std::string_view name;
  std::string_view args;  // "table: string, id: string, options: object?"
  std::string_view result;
  Perm perm;  // the bits that it needs whatever its arguments are
  std::string_view doc;
};

std::span<const BuiltInFunction> built_in_functions();

// The function of this name, or null.
const BuiltInFunction* find_built_in(std::string_view name);

}  // namespace kontract
