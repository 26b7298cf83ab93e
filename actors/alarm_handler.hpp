// AlarmHandler: what an alarm may run, as a function that the session runs in one transaction: a
// backend function, or one of the record functions (table.set, ...). Likewise a table.batch with
// operations on alarms in it.

#pragma once

#include <string_view>

#include "actors/backend.hpp"
#include "actors/context.hpp"

namespace kontract {

struct AlarmHandler {
  const BackendFunction* function = nullptr;
  const struct TableFunction* record = nullptr;  // or null: it is of the program

  // Errors: forbidden, permission_denied.
  Status check_caller(const Peer& peer, Perm perm) const;
  // Of record functions; those of the program say what is wrong when they run.
  Status check_args(const Json& args) const;
  // The bits that it has of those of its caller.
  Perm perm_of(Perm caller) const { return record != nullptr ? caller : function->options.perm; }
};

// `backend` may be null. Errors: not_found.
Result<AlarmHandler> find_alarm_handler(const Backend* backend, std::string_view function);

// Takes the operations of table.batch, with alarm.set, cancel, get and retry among them, and has
// the bits of its caller.
const BackendFunction& batch_with_alarms();

}  // namespace kontract
