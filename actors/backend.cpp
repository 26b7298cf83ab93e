#include "actors/backend.hpp"

#include <algorithm>

#include "actors/built_in.hpp"
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

Status Backend::check() const {
  if (mistakes_.empty()) return {};
  std::string text;
  for (const std::string& one : mistakes_) text += (text.empty() ? "" : "; ") + one;
  return Error(Errc::backend_invalid, std::move(text));
}

const BackendFunction* Backend::find(std::string_view name) const {
  const auto found = functions_.find(name);
  return found == functions_.end() ? nullptr : &found->second;
}

}  // namespace kontract
