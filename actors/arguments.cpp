#include "actors/arguments.hpp"

#include <algorithm>

#include "actors/call_error.hpp"

namespace kontract::detail {

namespace {

std::string usage(const std::vector<Parameter>& parameters) {
  std::string text;
  for (const Parameter& parameter : parameters) {
    if (!text.empty()) text += ", ";
    text += parameter.name + ": " + parameter.type;
  }
  return "Its arguments are (" + text + ").";
}

}  // namespace

void refuse_argument(std::size_t at, const Parameter& parameter, std::string_view why) {
  std::string message = "Argument " + std::to_string(at + 1) + " (" + parameter.name +
                        ") must be of type " + parameter.type;
  if (!why.empty()) message += ": " + std::string(why);
  throw CallError(Error(Errc::invalid_request, std::move(message)));
}

void check_argument_count(const Json& args, const std::vector<Parameter>& parameters) {
  std::size_t needed = parameters.size();
  while (needed > 0 && parameters[needed - 1].optional) --needed;
  if (args.size() < needed) {
    throw CallError(Error(Errc::invalid_request,
                          "Argument " + std::to_string(args.size() + 1) + " (" +
                              parameters[args.size()].name + ") is missing",
                          usage(parameters)));
  }
  if (args.size() > parameters.size()) {
    throw CallError(Error(Errc::invalid_request,
                          "It takes " + std::to_string(parameters.size()) + " arguments, " +
                              std::to_string(args.size()) + " were given",
                          usage(parameters)));
  }
}

}  // namespace kontract::detail
