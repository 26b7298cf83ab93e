#include "actors/backend.hpp"

#include <algorithm>

#include "actors/built_in.hpp"
#include "actors/built_in_functions.hpp"
#include "storage/registry.hpp"

namespace kontract {

namespace {

constexpr std::size_t kNameBytesMax = 128;

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }

bool is_identifier(std::string_view part) {
  const auto inner = [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  return !part.empty() && is_letter(part[0]) && std::all_of(part.begin(), part.end(), inner);
}

bool is_function_name(std::string_view name) {
  if (name.size() > kNameBytesMax) return false;
  for (;;) {
    const std::size_t dot = name.find('.');
    if (!is_identifier(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

void Backend::mistake(CodePlace where, const std::string& what) {
  mistakes_.push_back(where.text() + ": " + what);
}

void Backend::add(BackendFunction function, std::size_t arguments, bool empty, CodePlace where) {
  const FunctionOptions& options = function.options;
  const std::string named = "function " + shown(options.name);
  if (!is_function_name(options.name)) {
    return mistake(where, named +
                              ": a name is made of A-Za-z0-9_ and dots, and no part of it "
                              "begins with a digit");
  }
  if (is_built_in_name(options.name)) {
    return mistake(where, named + ": the name belongs to the runtime");
  }
  if (options.perm > perms::RWX) {
    mistake(where, named + ": perm is " + std::to_string(options.perm) + "; it must be 0 to 7");
  }
  if (empty) mistake(where, named + ": the handler is empty");
  if (options.args.size() != arguments) {
    mistake(where, named + ": it has " + std::to_string(arguments) + " arguments, and args names " +
                       std::to_string(options.args.size()));
  }
  for (auto name = options.args.begin(); name != options.args.end(); ++name) {
    if (!is_identifier(*name)) mistake(where, named + ": argument name " + shown(*name));
    if (std::find(options.args.begin(), name, *name) != name) {
      mistake(where, named + ": two arguments are called " + shown(*name));
    }
  }
  std::string name = options.name;
  if (const auto before = places_.find(name); before != places_.end()) {
    return mistake(where, named + " is registered already, at " + before->second);
  }
  places_.emplace(name, where.text());
  functions_.emplace(std::move(name), std::move(function));
}

void Backend::add(Middleware middleware, bool empty, CodePlace where) {
  MiddlewareOptions& options = middleware.options;
  if (options.name.empty()) options.name = "middleware-" + std::to_string(middleware_.size() + 1);
  const std::string named = "middleware " + shown(options.name);
  if (options.concurrency < 0 || options.concurrency > limits::kMiddlewareActorsMax) {
    mistake(where, named + ": concurrency is " + std::to_string(options.concurrency) +
                       "; it must be 0 to " + std::to_string(limits::kMiddlewareActorsMax));
  }
  if (empty) mistake(where, named + ": the handler is empty");
  if (!options.prefixurl.empty() && options.prefixurl[0] != '/') {
    mistake(where, named + ": prefixurl is " + shown(options.prefixurl) +
                       "; paths begin with a slash, for example /rpc/");
  }
  for (const std::string& endpoint : options.endpoints) {
    endpoints_.push_back({where.text(), named, endpoint});
  }
  middleware_.push_back(std::move(middleware));
}

Status Backend::check() const {
  std::string text;
  const auto add_line = [&text](const std::string& one) {
    if (!text.empty()) text += "; ";
    text += one;
  };
  for (const std::string& one : mistakes_) add_line(one);
  for (const auto& [place, middleware, function] : endpoints_) {
    if (find(function) != nullptr || find_built_in(function) != nullptr) continue;
    add_line(place + ": " + middleware + ": endpoints names " + shown(function) +
             ", and there is no such function");
  }
  if (text.empty()) return {};
  return Error(Errc::backend_invalid, std::move(text));
}

const BackendFunction* Backend::find(std::string_view name) const {
  const auto found = functions_.find(name);
  return found == functions_.end() ? nullptr : &found->second;
}

std::string_view Backend::egroup_of(std::string_view function) const {
  if (is_built_in_name(function)) return kBuiltInGroup;
  const BackendFunction* known = find(function);
  return known == nullptr ? std::string_view() : known->options.egroup;
}

}  // namespace kontract
