// fill: what the loads of the benchmarks find in the sessions that they work on.

#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace kontract::bench {

struct Fill {
  std::string prefix = "s";  // of the sessions' names: s0, s1, ...
  int sessions = 8;
  int keys = 1000;  // k0, k1, ...
  nlohmann::json create = nlohmann::json::array({"users", nlohmann::json::object()});  // the table
  std::function<nlohmann::json()> record = {};  // of one key; empty: different 200 bytes each
};

// Throws std::runtime_error for any answer but the good one.
void fill(std::uint16_t port, const Fill& what);

}  // namespace kontract::bench
