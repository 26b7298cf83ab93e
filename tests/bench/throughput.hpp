// Throughput and latency of kontract against its yardsticks, one round after the other: A B A B.

#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/bench/figure.hpp"
#include "tests/bench/servers.hpp"

namespace kontract::bench {

struct ThroughputOptions {
  int rounds = 3;
  double seconds = 3;           // of each measurement, after half a second that does not count
  std::set<std::string> names;  // which figures
};

// The names that throughput_figures knows.
// raystream_get and raystream_set make a figure for each cipher.
inline const std::set<std::string> kThroughputNames{
    "get_1", "get_128", "set_128", "tls_get", "tls_set", "raystream_get", "raystream_set"};

// Never throws for what a program under test does: a figure that could not be had says why.
std::vector<Figure> throughput_figures(const Programs& programs, const ThroughputOptions& options);

}  // namespace kontract::bench
