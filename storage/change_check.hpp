// What rows of the change logs must say of each other, for check_data_directory.

#pragma once

#include <functional>
#include <string>

#include "storage/environment.hpp"

namespace kontract {

// Tells each problem in words: rows of no table, changes that are missing between the first and the
// last of a log, totals that do not go on. Passes over rows that do not parse.
Status check_changes(const ReadTxn& txn, const std::function<void(const std::string&)>& problem);

}  // namespace kontract
