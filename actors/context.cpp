#include "actors/context.hpp"

#include <algorithm>

namespace kontract {

bool Peer::in_group(std::string_view group) const {
  return std::find(ugroups.begin(), ugroups.end(), group) != ugroups.end();
}

}  // namespace kontract
