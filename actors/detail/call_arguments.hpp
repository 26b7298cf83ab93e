// What is said about the arguments of calls that the session answers itself.

#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "actors/call.hpp"

namespace kontract {

inline Error invalid_call(std::string message, std::string hint = {}) {
  return {Errc::invalid_request, std::move(message), std::move(hint)};
}

inline Status check_count(const Call& call, std::size_t min, std::size_t max,
                          std::string_view usage) {
  if (call.args.size() >= min && call.args.size() <= max) return {};
  return invalid_call("Wrong number of arguments: " + std::to_string(call.args.size()),
                      "Call it as " + std::string(usage) + ".");
}

}  // namespace kontract
