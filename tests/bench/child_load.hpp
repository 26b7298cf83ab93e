// Benchmark programs as children that print one JSON object: the load generator and others.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/servers.hpp"

namespace kontract::bench {

// Runs a program to its end, which is `seconds` of measuring and half a minute at most. Throws
// std::runtime_error when it fails or prints something else.
nlohmann::json json_of(const Programs& programs, const std::vector<std::string>& argv,
                       double seconds);

struct ChildLoad {
  std::uint16_t port;
  std::string prefix;  // of the sessions' names: "s" for s0, s1, ...
  std::string_view message;
  int connections;
  int inflight;
  int sessions;
  int keys;
  double seconds;
  std::string cipher = {};  // empty: plain text
  bool tls = false;
};

// wsload: {"rate", "p50_us", "p99_us", ...}. Throws as json_of, and when a reply was an error.
nlohmann::json run_wsload(const Programs& programs, const ChildLoad& load);

}  // namespace kontract::bench
