#include "actors/alarm_functions.hpp"

#include "storage/registry.hpp"

namespace kontract {

const AlarmFunction* find_alarm_function(std::string_view name) {
  static constexpr AlarmFunction functions[] = {
      {"alarm.set", perms::_W_, 2, 2, "alarm.set(name, {fn, args?, at | after | every | cron})"},
      {"alarm.cancel", perms::_W_, 1, 1, "alarm.cancel(name)"},
      {"alarm.retry", perms::_W_, 1, 1, "alarm.retry(name)"},
      {"alarm.get", perms::R__, 1, 1, "alarm.get(name)"},
      {"alarm.list", perms::R__, 0, 1, "alarm.list({after?, limit?, state?})"},
      {"alarm.history", perms::R__, 1, 1, "alarm.history(name)"},
  };
  for (const AlarmFunction& function : functions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

Result<Json> run_alarm_function(AlarmStage& stage, std::string_view function, const Json& args,
                                const Context& context) {
  const AlarmFunction* known = find_alarm_function(function);
  if (known == nullptr) return Error(Errc::not_found, "No function " + shown(function));
  const std::string hint = "Call it as " + std::string(known->usage) + ".";
  if (!allows(context.perm, known->needs)) {
    return Error(Errc::permission_denied, "Insufficient permissions",
                 std::string(function) + " needs permission bits " + std::to_string(known->needs) +
                     " (R=4, W=2, X=1).");
  }
  if (args.size() < known->args_min || args.size() > known->args_max) {
    return Error(Errc::invalid_request, "Wrong number of arguments: " + std::to_string(args.size()),
                 hint);
  }
  if (function == "alarm.list") return stage.list(args.empty() ? Json() : args[0]);
  if (!args[0].is_string()) {
    return Error(Errc::invalid_request, "The alarm's name must be a string", hint);
  }
  const std::string& name = args[0].get_ref<const std::string&>();
  if (function == "alarm.set") return stage.set(name, args[1], context);
  if (function == "alarm.cancel") return stage.cancel(name);
  if (function == "alarm.retry") return stage.retry(name);
  if (function == "alarm.history") return stage.history(name);
  return stage.get(name);
}

}  // namespace kontract
