// A part of check_data_directory: whether the rows of `replies` fit together.

#pragma once

#include <functional>
#include <string>

#include "storage/environment.hpp"

namespace kontract {

// Each reply is in the order of age, each row of that order has its reply, and both are of a
// session that is there. Rows that do not parse are passed over.
Status check_replies(const ReadTxn& txn, const std::function<void(const std::string&)>& problem);

}  // namespace kontract
