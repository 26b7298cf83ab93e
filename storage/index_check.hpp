// What the rows of indexes say of the versions, and these of them. A part of check_data_directory.

#pragma once

#include <functional>
#include <string>

#include "storage/environment.hpp"

namespace kontract {

// Each record has its entries in all indexes that are ready, each entry is of a version with these
// values, and no index is of a table that is not there. Tells `problem` of what is not so. Rows
// that do not parse, and dropped tables, are passed over.
Status check_indexes(const ReadTxn& txn, const std::function<void(const std::string&)>& problem);

}  // namespace kontract
