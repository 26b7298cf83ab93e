// What a full handshake of raystream costs each side, in this process and without sockets.

#pragma once

#include <vector>

#include "tests/bench/figure.hpp"
#include "tests/bench/throughput.hpp"

namespace kontract::bench {

// Handshakes a second on one core: the work of the server alone, and that of the client.
std::vector<Figure> handshake_figures(const ThroughputOptions& options);

}  // namespace kontract::bench
