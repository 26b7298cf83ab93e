// The types that a schema gives to fields, and which values are of them.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/json.hpp"

namespace kontract {

// The names are stored and sent; the numbers are not.
enum class FieldType : std::uint8_t {
  string,
  number,
  integer,   // within +-(2^53 - 1); 3.0 is one, and is stored as 3
  boolean,   //
  datetime,  // text: RFC 3339 date-time or full-date
  bytes,     // text: base64, RFC 4648 section 4, with padding
  array,
  object,
  any,
};

std::string_view name_of(FieldType type);
std::optional<FieldType> field_type(std::string_view name);
// All names, for messages: "string, number, ...".
std::string_view field_type_names();
// What a value of the type is, for messages: "an integer within +-(2^53 - 1)".
std::string_view description(FieldType type);

// Whether `value`, which is not null, is of the type; gives it the form in which it is stored.
bool make_fit(FieldType type, Json& value);

// Whether each value of `from` is one of `to` as it stands.
bool widens(FieldType from, FieldType to);

bool is_datetime(std::string_view text);
// Also refuses text whose unused last bits are not zero: equal bytes have equal text.
bool is_base64(std::string_view text);

}  // namespace kontract
