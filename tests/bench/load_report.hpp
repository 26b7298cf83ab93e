// load_report: what a load measured, as the JSON object that every load generator prints.

#pragma once

#include <nlohmann/json.hpp>

#include "tests/bench/load.hpp"
#include "tests/bench/percentile.hpp"

namespace kontract::bench {

// {"rate": per second, "p50_us", "p90_us", "p99_us", "p99_9_us", "max_us", "replies", "errors",
// "events"}
inline nlohmann::ordered_json load_report(const LoadResult& result) {
  const auto us = [&](double share) {
    return static_cast<double>(percentile(result.latencies_ns, share)) / 1000;
  };
  return {{"rate", result.rate},
          {"p50_us", us(.5)},
          {"p90_us", us(.9)},
          {"p99_us", us(.99)},
          {"p99_9_us", us(.999)},
          {"max_us", us(1)},
          {"replies", result.latencies_ns.size()},
          {"errors", result.errors},
          {"events", result.events}};
}

}  // namespace kontract::bench
