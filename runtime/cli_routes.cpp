// `kontract routes`: what a server's functions and middleware are, and which middleware a call
// meets.

#include <ostream>

#include "actors/routes.hpp"
#include "net/http_get.hpp"
#include "runtime/cli.hpp"

namespace kontract::cli {
namespace {

std::string or_dash(const Json& text) {
  const auto& given = text.get_ref<const std::string&>();
  return given.empty() ? "-" : given;
}

std::string list_text(const Json& strings) {
  std::string text;
  for (const Json& one : strings) {
    if (!text.empty()) text += ", ";
    text += one.get_ref<const std::string&>();
  }
  return text.empty() ? "-" : text;
}

Json args_text(const Json& args) {
  Json parts = Json::array();
  for (const Json& arg : args) {
    parts.push_back(arg.at("name").get<std::string>() + ": " + arg.at("type").get<std::string>());
  }
  return list_text(parts);
}

void print_functions(const Json& functions, Streams streams) {
  Json rows = Json::array();
  for (const Json& function : functions) {
    rows.push_back({{"FUNCTION", function.at("name")},
                    {"ARGUMENTS", args_text(function.at("args"))},
                    {"RESULT", function.at("result")},
                    {"EGROUP", or_dash(function.at("egroup"))},
                    {"UGROUP", or_dash(function.at("ugroup"))},
                    {"PERM", permission_letters(function.at("perm").get<unsigned>())},
                    {"DOC", or_dash(function.at("doc"))}});
  }
  print_table({"FUNCTION", "ARGUMENTS", "RESULT", "EGROUP", "UGROUP", "PERM", "DOC"}, rows,
              streams.out);
}

void print_middleware(const Json& middleware, Streams streams) {
  if (middleware.empty()) return;
  Json rows = Json::array();
  for (const Json& one : middleware) {
    rows.push_back({{"MIDDLEWARE", one.at("name")},
                    {"FORM", one.at("form")},
                    {"PREFIXURL", or_dash(one.at("prefixurl"))},
                    {"EGROUP", or_dash(one.at("egroup"))},
                    {"ENDPOINTS", list_text(one.at("endpoints"))},
                    {"CONCURRENCY", one.at("concurrency")}});
  }
  streams.out << "\n";
  print_table({"MIDDLEWARE", "FORM", "PREFIXURL", "EGROUP", "ENDPOINTS", "CONCURRENCY"}, rows,
              streams.out);
}

std::string why_not(MiddlewareFilter filter, const MiddlewareOptions& options,
                    const MiddlewareRoute& route) {
  switch (filter) {
    case MiddlewareFilter::prefixurl:
      return "prefixurl " + options.prefixurl + " does not begin " + std::string(route.path);
    case MiddlewareFilter::egroup:
      return "egroup " + options.egroup +
             (route.egroup.empty() ? ", and the function has none"
                                   : " is not " + std::string(route.egroup));
    case MiddlewareFilter::endpoints:
      break;
  }
  return "endpoints has no " + std::string(route.function);
}

Status explain_route(const Json& all, const RoutesRequest& request, Streams streams) {
  const std::string& name = request.explain;
  const std::string own_path = "/rpc/" + name;
  const std::string path = request.path.empty() ? own_path : request.path;
  std::string egroup;
  bool known = false;
  for (const Json& function : all.at("functions")) {
    if (function.at("name") != name) continue;
    known = true;
    egroup = function.at("egroup").get<std::string>();
  }
  streams.out << "function " << name << ", egroup " << (egroup.empty() ? "-" : egroup) << ", path "
              << path << "\n";
  if (!known) streams.out << "note: this server has no function " << name << "\n";
  if (path != own_path) streams.out << "note: calls of " << name << " come at " << own_path << "\n";
  Json rows = Json::array();
  const MiddlewareRoute route{path, egroup, name};
  for (const Json& one : all.at("middleware")) {
    const auto options = middleware_options(one);
    if (!options) return options.error();
    std::string why;
    for (const MiddlewareFilter filter : failed_filters(*options, route)) {
      why += (why.empty() ? "" : "; ") + why_not(filter, *options, route);
    }
    rows.push_back({{"MIDDLEWARE", options->name},
                    {"MATCHES", why.empty() ? "yes" : "no"},
                    {"WHY NOT", why.empty() ? "-" : why}});
  }
  if (rows.empty()) streams.out << "note: this server has no middleware\n";
  if (!rows.empty()) print_table({"MIDDLEWARE", "MATCHES", "WHY NOT"}, rows, streams.out);
  return {};
}

}  // namespace

int routes(const RoutesRequest& request, Streams streams) {
  if (!check_secret(request, streams)) return kUsage;
  const auto all =
      http_get_json(request.server.url, "/routes", admin_server(request).token, request.server.ca);
  if (!all) return report(hinted(all.error(), request), streams);
  if (request.json) {
    streams.out << to_text(*all) << "\n";
    return kDone;
  }
  try {
    if (!request.explain.empty()) {
      const Status explained = explain_route(*all, request, streams);
      return explained ? kDone : report(explained.error(), streams);
    }
    print_functions(all->at("functions"), streams);
    print_middleware(all->at("middleware"), streams);
  } catch (const Json::exception&) {
    return report(Error(Errc::internal, "This is no list of routes"), streams);
  }
  return kDone;
}

}  // namespace kontract::cli
