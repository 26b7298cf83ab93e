// Index keys: the values of indexed fields as bytes that sort (memcmp) as the values do.
//
//   values := value...                  one for each field of the index
//   value  := 01                        NULL
//           | 02 bits:u64               a number: those of the double, so changed that they sort
//           | 03 text 00 00             text; each 00 in it is followed by FF
//
// The order is that of SQLite's BINARY collation: NULL, numbers, text by bytes. Equal numbers have
// equal bytes: 1 and 1.0, 0 and -0. A JSON integer is within +-2^53, so as a double it is exact. No
// value's bytes begin with those of another one, so values may be joined, and `values` followed by
// FF is behind all that begins with them.

#pragma once

#include <string>
#include <string_view>

#include "storage/json_field.hpp"

namespace kontract {

void append_index_value(std::string& out, const SqlValue& value);

// What text without a 00 takes in addition to its own bytes.
inline constexpr std::size_t kIndexTextOverheadBytes = 3;

// Whether one of the values is NULL. REQUIRES: made by append_index_value.
bool has_null(std::string_view values);

// What stands in place of the values in a *mark*, see storage/index_set.hpp: behind all values.
inline constexpr char kIndexMark = 0x7F;

}  // namespace kontract
