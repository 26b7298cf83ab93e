// Values of a parsed object by path. A path means here what it means to json_field, which reads the
// same out of text.

#pragma once

#include <string_view>

#include "storage/json.hpp"

namespace kontract {

// The value at `path` in `object`; null if there is none. As long as `object` is not changed.
const Json* find_path(const Json& object, std::string_view path);
Json* find_path(Json& object, std::string_view path);

// Puts `value` at `path`, where find_path() finds nothing, and makes the objects on the way there;
// a null on the way gives room to one. False, with nothing changed, if another value is in the way.
// REQUIRES: `object` is an object.
bool place_path(Json& object, std::string_view path, Json value);

// Takes out the value that find_path() finds; null if there is none.
Json take_path(Json& object, std::string_view path);

}  // namespace kontract
