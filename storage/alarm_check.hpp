// What the rows of alarms say of one another. A part of check_data_directory.

#pragma once

#include <functional>
#include <string>

#include "storage/environment.hpp"

namespace kontract {

// Each alarm that waits, or is done, has its entry by time, each entry is of such an alarm, and no
// fire is of an alarm that is not there. Tells `problem` of what is not so. Rows that do not parse
// are passed over.
Status check_alarms(const ReadTxn& txn, const std::function<void(const std::string&)>& problem);

}  // namespace kontract
