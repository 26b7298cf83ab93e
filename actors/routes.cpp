#include "actors/routes.hpp"

#include <algorithm>

#include "actors/built_in_functions.hpp"

namespace kontract {

namespace {

Json shown_parameter(std::string_view name, std::string_view type, bool optional) {
  return {{"name", name}, {"type", type}, {"optional", optional}};
}

// "table: string, data: object?"
Json built_in_parameters(std::string_view args) {
  Json all = Json::array();
  while (!args.empty()) {
    const std::string_view one = args.substr(0, args.find(", "));
    const std::size_t colon = one.find(": ");
    const std::string_view type = one.substr(colon + 2);
    all.push_back(shown_parameter(one.substr(0, colon), type, type.ends_with('?')));
    args.remove_prefix(std::min(one.size() + 2, args.size()));
  }
  return all;
}

Json shown_function(const BuiltInFunction& function) {
  return {{"name", function.name},
          {"args", built_in_parameters(function.args)},
          {"result", function.result},
          {"egroup", kBuiltInGroup},
          {"ugroup", ""},
          {"perm", function.perm},
          {"doc", function.doc},
          {"built_in", true}};
}

Json shown_function(const BackendFunction& function) {
  Json args = Json::array();
  for (const Parameter& parameter : function.parameters) {
    args.push_back(shown_parameter(parameter.name, parameter.type, parameter.optional));
  }
  const FunctionOptions& options = function.options;
  return {{"name", options.name},     {"args", std::move(args)},  {"result", function.result},
          {"egroup", options.egroup}, {"ugroup", options.ugroup}, {"perm", options.perm},
          {"doc", options.doc},       {"built_in", false}};
}

Json shown_middleware(const Middleware& middleware) {
  const MiddlewareOptions& options = middleware.options;
  return {{"name", options.name},           {"form", middleware.form()},
          {"prefixurl", options.prefixurl}, {"egroup", options.egroup},
          {"endpoints", options.endpoints}, {"concurrency", middleware.concurrency()}};
}

}  // namespace

Json routes(const Backend& backend) {
  std::map<std::string_view, Json> functions;
  for (const auto& [name, function] : backend.functions()) {
    functions.emplace(name, shown_function(function));
  }
  for (const BuiltInFunction& function : built_in_functions()) {
    functions.emplace(function.name, shown_function(function));
  }
  Json all = {{"functions", Json::array()}, {"middleware", Json::array()}};
  for (auto& [name, function] : functions) all["functions"].push_back(std::move(function));
  for (const Middleware& middleware : backend.middleware()) {
    all["middleware"].push_back(shown_middleware(middleware));
  }
  return all;
}

Result<MiddlewareOptions> middleware_options(const Json& shown_middleware) {
  try {
    MiddlewareOptions options;
    shown_middleware.at("name").get_to(options.name);
    shown_middleware.at("prefixurl").get_to(options.prefixurl);
    shown_middleware.at("egroup").get_to(options.egroup);
    shown_middleware.at("endpoints").get_to(options.endpoints);
    shown_middleware.at("concurrency").get_to(options.concurrency);
    return options;
  } catch (const Json::exception&) {
    return Error(Errc::invalid_request, "This is no list of routes");
  }
}

}  // namespace kontract
