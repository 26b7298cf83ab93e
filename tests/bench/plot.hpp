// plot: figures as bars, kontract's beside its rival's.

#pragma once

#include <string>
#include <vector>

#include "tests/bench/figure.hpp"

namespace kontract::bench {

// An SVG document of the figures that have a rival: for each two bars, of which the longer one has
// the full width, with their values and the ratio.
std::string to_svg(const std::vector<Figure>& figures);

}  // namespace kontract::bench
