// RecordChange: what a transaction did to one record, so that it can be done again.

#pragma once

#include <optional>
#include <string>

#include "storage/json.hpp"

namespace kontract {

struct RecordChange {
  std::string id;
  std::optional<JsonText> data;  // all of it; nothing: it was deleted
};

}  // namespace kontract
