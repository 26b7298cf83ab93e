// Secondary indexes of a table: what they are. How they are kept is storage/index_*.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/version.hpp"

namespace kontract {

using IndexNo = std::uint16_t;  // within a table; never reused

struct IndexDefinition {
  std::vector<std::string> fields;  // paths, see json_field; 1 to limits::kIndexFieldsMax
  bool unique = false;              // no two records with equal values, unless one is NULL
  bool operator==(const IndexDefinition&) const = default;
};

// Never renumber: stored.
enum class IndexState : std::uint8_t {
  building = 1,  // kept up by writes, but not all records are in it yet: not read
  ready = 2,
  failed = 3,   // unique, but the records that were there are not
  dropped = 4,  // not kept up; its entries are being removed
};

struct IndexRow {
  IndexNo no = 0;
  IndexDefinition definition;
  IndexState state = IndexState::building;
  // SQL at an earlier transaction does not read it: older versions may hold values that are not of
  // the type that a field has since, which SQL would compare in another way than the index does.
  Txid since = 0;
};

}  // namespace kontract
