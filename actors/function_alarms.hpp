// FunctionAlarms: the alarms of a backend function's session. What it sets and cancels is a part of
// the function's transaction: it is so when the function returns, or not at all if it fails.
//
//   const Json reminder = {{"fn", "mail.remind"}, {"args", {user}}, {"after", 60'000}};
//   ctx.alarms().set("remind " + user, reminder);
//
// Nothing of it waits. Alarms have no versions: a function that has stood aside meanwhile sees them
// as they are, and ends with KONTRACT_TXN_CONFLICT if those that it looked at before have changed.
// All throw CallError with the errors of docs/protocol.md.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/json.hpp"

namespace kontract {

namespace detail {
class FunctionRun;
}

class FunctionAlarms {
 public:
  explicit FunctionAlarms(detail::FunctionRun& run) : run_(&run) {}

  // `spec` as for alarm.set (docs/alarms.md). Gives when it is due, in milliseconds since 1970.
  std::int64_t set(std::string name, Json spec);
  bool cancel(std::string name);  // whether it was there
  void retry(std::string name);
  std::optional<Json> get(std::string name);
  Json list(Json options = nullptr);
  Json history(std::string name);

  // Any of the functions `alarm.*` by its name.
  Json call(std::string_view function, const Json& args);

 private:
  detail::FunctionRun* run_;
};

}  // namespace kontract
