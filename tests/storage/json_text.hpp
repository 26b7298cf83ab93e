// json("..."): a value from its text, which is known to be JSON.

#pragma once

#include "storage/json.hpp"

namespace kontract {

inline Json json(const char* text) { return Json::parse(text); }

}  // namespace kontract
