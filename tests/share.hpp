// How much of a long random test is done: all of it, unless TEST_SHARE says how many
// percent. The coverage run sets it: what a thousand random steps do not reach, ten thousand hardly
// do.

#pragma once

#include <cstdlib>

namespace kontract::test {

inline int share_of(int whole) {
  const char* const percent = std::getenv("TEST_SHARE");
  return percent == nullptr ? whole : whole * std::atoi(percent) / 100;
}

}  // namespace kontract::test
