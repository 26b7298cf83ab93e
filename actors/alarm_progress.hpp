// What becomes of an alarm's row when it has fired, failed or been missed, without a session and
// without a clock. Each gives the fire for its history.

#pragma once

#include <cstdint>

#include "actors/alarm_spec.hpp"
#include "storage/alarm_rows.hpp"

namespace kontract {

// Whether it is later than its grace, and to be passed over then. One that is tried again, or was
// asked for, never is.
bool is_to_be_skipped(const AlarmRow& row, const AlarmSpec& spec, std::int64_t now_ms);

AlarmFireRow alarm_fired(AlarmRow& row, const AlarmSpec& spec, std::int64_t started_ms,
                         std::int64_t now_ms);
AlarmFireRow alarm_skipped(AlarmRow& row, const AlarmSpec& spec, std::int64_t now_ms);

// `spec` null: what is stored is none, so there is nothing to try again.
AlarmFireRow alarm_failed(AlarmRow& row, const AlarmSpec* spec, const Error& error,
                          std::int64_t started_ms, std::int64_t now_ms);

}  // namespace kontract
