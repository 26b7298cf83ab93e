// The functions of group `alarm.`: their arguments, and the bits that they need, as an operation on
// the alarms of a transaction. Arguments and results are those of docs/protocol.md.

#pragma once

#include <cstddef>
#include <string_view>

#include "actors/alarm_stage.hpp"

namespace kontract {

struct AlarmFunction {
  std::string_view name;
  Perm needs;
  std::size_t args_min, args_max;
  std::string_view usage;

  bool writes() const { return needs == perms::_W_; }
};

// The function of this name, or null.
const AlarmFunction* find_alarm_function(std::string_view name);

// Errors: permission_denied, invalid_request, and those of AlarmStage.
Result<Json> run_alarm_function(AlarmStage& stage, std::string_view function, const Json& args,
                                const Context& context);

}  // namespace kontract
