// Reading single fields out of a record's stored text without parsing the rest of it.
//
// REQUIRES of all: the text is compact JSON that to_text() made (no white space between tokens, no
// duplicate members), as all stored data is. It allocates nothing and stops at the field, since a
// scan by a field does this for every record.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kontract {

// The text of the value at `path` in the object `data`; nothing if there is none. A path is the
// names of members, joined by '.': "address.city". A member whose own name is the whole path comes
// first.
std::optional<std::string_view> json_field(std::string_view data, std::string_view path);

// `data`, an object's text, without what is at these paths, in whatever way a path can be read.
std::string json_without(std::string_view data, const std::vector<std::string_view>& paths);

// The string that a JSON string's text (with its quotes) stands for.
std::string json_unquoted(std::string_view text);

// A JSON value as SQL has it, which is also how indexes compare: null and what is missing are NULL,
// true and false are 1 and 0, an integer is an integer, another number is a double, and an array or
// object is its text.
using SqlValue = std::variant<std::monostate, std::int64_t, double, std::string>;
SqlValue sql_value(std::optional<std::string_view> json);

}  // namespace kontract
