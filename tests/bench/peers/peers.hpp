// kontract against what a user would pick instead, one round after the other: A B A B.

#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/bench/figure.hpp"
#include "tests/bench/servers.hpp"
#include "tests/bench/throughput.hpp"

namespace kontract::bench {

// The names that peer_figures knows. Each makes several figures: rate, p50, p99.
extern const std::set<std::string> kPeerNames;

struct PeerReport {
  std::vector<Figure> figures;
  nlohmann::ordered_json versions;  // of the peers that ran, by name
};

// Never throws for what a program under test does: a figure that could not be had says why.
PeerReport peer_figures(const Programs& programs, const ThroughputOptions& options);

}  // namespace kontract::bench
