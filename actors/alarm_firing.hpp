// AlarmFiring: an alarm on its way to its session (Call::alarm of a CallKind::alarm), and what a
// handler knows of the one that runs it.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/version.hpp"

namespace kontract {

struct AlarmFiring {
  std::string name;
  std::int64_t due_ms = 0;  // by which it is the one that is stored
  // Whether an error that is nobody's fault (a conflict, an overload) counts as an attempt.
  bool counts_all = false;

  // Filled by the session.
  Txid revision = 0;  // of its row when it began
  std::int64_t occurrence_ms = 0, started_ms = 0;
  std::uint32_t attempt = 0;  // from 1
};

// What the session answers the clock.
namespace alarm_answers {
inline constexpr std::string_view kFired = R"("fired")";
inline constexpr std::string_view kFailed = R"("failed")";    // it is tried again
inline constexpr std::string_view kDead = R"("dead")";        // it was tried often enough
inline constexpr std::string_view kSkipped = R"("skipped")";  // missed, and not to fire then
inline constexpr std::string_view kStale = R"("stale")";      // not due, or not any more
}  // namespace alarm_answers

}  // namespace kontract
