#include "actors/function_alarms.hpp"

#include "actors/alarm_functions.hpp"
#include "actors/call_error.hpp"
#include "actors/detail/function_run.hpp"

namespace kontract {

Json FunctionAlarms::call(std::string_view function, const Json& args) {
  Result<Json> result = run_alarm_function(run_->alarms(), function, args, run_->call().context);
  if (!result) throw CallError(std::move(result).error());
  return *std::move(result);
}

std::int64_t FunctionAlarms::set(std::string name, Json spec) {
  const Json args = Json::array({std::move(name), std::move(spec)});
  return call("alarm.set", args)["due"].get<std::int64_t>();
}

bool FunctionAlarms::cancel(std::string name) {
  return call("alarm.cancel", Json::array({std::move(name)})).get<bool>();
}

void FunctionAlarms::retry(std::string name) {
  call("alarm.retry", Json::array({std::move(name)}));
}

std::optional<Json> FunctionAlarms::get(std::string name) {
  Json found = call("alarm.get", Json::array({std::move(name)}));
  return found.is_null() ? std::nullopt : std::optional(std::move(found));
}

Json FunctionAlarms::list(Json options) {
  return call("alarm.list", Json::array({std::move(options)}));
}

Json FunctionAlarms::history(std::string name) {
  return call("alarm.history", Json::array({std::move(name)}));
}

}  // namespace kontract
