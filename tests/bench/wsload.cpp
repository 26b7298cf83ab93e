// wsload: the load of load.hpp as a program.
//
//   wsload --url ws://127.0.0.1:8787/ws/s{s} --sessions 8 --conns 8 --inflight 16 --seconds 5
//          --hello '{"t":"hello","v":1}'
//          --msg '{"t":"call","id":{id},"fn":"table.set","args":["users","{key}",{data200}]}'
//
// Prints one line, or with --json one JSON object: replies per second, latency percentiles in
// microseconds and errors. Exits 0 if every reply was good, 1 if one was an error or none came,
// 2 if the load could not be run.

#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/bench/flags.hpp"
#include "tests/bench/load.hpp"
#include "tests/bench/percentile.hpp"

namespace {

using kontract::bench::Flags;
using kontract::bench::LoadOptions;
using kontract::bench::LoadResult;

LoadOptions options_from(const Flags& flags) {
  LoadOptions options;
  options.url = flags.text("--url", options.url);
  options.hello = flags.text("--hello", options.hello);
  options.message = flags.text("--msg", options.message);
  options.error_mark = flags.text("--error", options.error_mark);
  options.protocol = flags.text("--protocol", options.protocol);
  options.header = flags.text("--header", options.header);
  options.connections = flags.count("--conns", options.connections);
  options.inflight = flags.count("--inflight", options.inflight);
  options.sessions = flags.count("--sessions", options.sessions);
  options.keys = flags.count("--keys", options.keys);
  options.seconds = std::chrono::duration<double>(flags.number("--seconds", 5));
  options.warmup = std::chrono::duration<double>(flags.number("--warmup", 0.5));
  return options;
}

void print(const LoadOptions& options, const LoadResult& result, bool as_json) {
  const auto us = [&](double share) {
    return static_cast<double>(kontract::bench::percentile(result.latencies_ns, share)) / 1000;
  };
  if (as_json) {
    const nlohmann::ordered_json line{{"rate", result.rate},
                                      {"p50_us", us(.5)},
                                      {"p90_us", us(.9)},
                                      {"p99_us", us(.99)},
                                      {"p99_9_us", us(.999)},
                                      {"max_us", us(1)},
                                      {"replies", result.latencies_ns.size()},
                                      {"errors", result.errors},
                                      {"events", result.events},
                                      {"conns", options.connections},
                                      {"inflight", options.inflight}};
    std::printf("%s\n", line.dump().c_str());
    return;
  }
  std::printf(
      "%.0f req/s p50=%.1fus p90=%.1fus p99=%.1fus p99.9=%.1fus max=%.1fus errors=%llu "
      "events=%llu conns=%d inflight=%d\n",
      result.rate, us(.5), us(.9), us(.99), us(.999), us(1),
      static_cast<unsigned long long>(result.errors),
      static_cast<unsigned long long>(result.events), options.connections, options.inflight);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Flags flags(argc, argv,
                      {"--url", "--hello", "--msg", "--error", "--protocol", "--header", "--conns",
                       "--inflight", "--sessions", "--keys", "--seconds", "--warmup"},
                      {"--json"});
    const LoadOptions options = options_from(flags);
    const LoadResult result = kontract::bench::run_load(options);
    print(options, result, flags.has("--json"));
    if (result.errors > 0) {
      std::fprintf(stderr, "wsload: the first error: %.300s\n", result.first_error.c_str());
    }
    return result.errors > 0 || result.latencies_ns.empty() ? 1 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "wsload: %s\n", error.what());
    return 2;
  }
}
