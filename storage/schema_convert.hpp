// Values of one type as values of another, as far as they say the same.

#pragma once

#include "storage/json.hpp"
#include "storage/schema_values.hpp"

namespace kontract {

// Makes `value`, which is not null, one of the type. Text becomes a number, a boolean or a date if
// it is exactly that, a number an integer if it is one; a scalar becomes its JSON text. False, with
// nothing changed, if it cannot.
bool convert_value(FieldType to, Json& value);

// Whether convert_value() can do it for some value of `from`.
bool converts(FieldType from, FieldType to);

}  // namespace kontract
