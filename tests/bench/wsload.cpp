// wsload: the load of load.hpp as a program.
//
//   wsload --url ws://127.0.0.1:8787/ws/s{s} --sessions 8 --conns 8 --inflight 16 --seconds 5
//          --hello '{"t":"hello","v":1}'
//          --msg '{"t":"call","id":{id},"fn":"table.set","args":["users","{key}",{data200}]}'
//          [--cipher chacha20-poly1305|aes-256-gcm]     over raystream.v1
//          [--tls]                                      over TLS
//
// Prints one line, or with --json one JSON object: replies per second, latency percentiles in
// microseconds and errors. Exits 0 if every reply was good, 1 if one was an error or none came,
// 2 if the load could not be run.

#include <cstdio>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

#include "tests/bench/flags.hpp"
#include "tests/bench/load.hpp"
#include "tests/bench/load_report.hpp"

namespace {

using kontract::bench::Flags;
using kontract::bench::LoadOptions;
using kontract::bench::LoadResult;

std::optional<kontract::Cipher> cipher_from(const std::string& name) {
  if (name.empty()) return std::nullopt;
  if (name == "chacha20-poly1305") return kontract::Cipher::chacha20_poly1305;
  if (name == "aes-256-gcm") return kontract::Cipher::aes_256_gcm;
  throw std::invalid_argument("--cipher knows no " + name);
}

LoadOptions options_from(const Flags& flags) {
  LoadOptions options;
  options.url = flags.text("--url", options.url);
  options.hello = flags.text("--hello", options.hello);
  options.message = flags.text("--msg", options.message);
  options.error_mark = flags.text("--error", options.error_mark);
  options.protocol = flags.text("--protocol", options.protocol);
  options.header = flags.text("--header", options.header);
  options.cipher = cipher_from(flags.text("--cipher", ""));
  options.tls = flags.has("--tls");
  options.connections = flags.count("--conns", options.connections);
  options.inflight = flags.count("--inflight", options.inflight);
  options.sessions = flags.count("--sessions", options.sessions);
  options.keys = flags.count("--keys", options.keys);
  options.seconds = std::chrono::duration<double>(flags.number("--seconds", 5));
  options.warmup = std::chrono::duration<double>(flags.number("--warmup", 0.5));
  return options;
}

void print(const LoadOptions& options, const LoadResult& result, bool as_json) {
  auto report = kontract::bench::load_report(result);
  if (as_json) {
    report["conns"] = options.connections;
    report["inflight"] = options.inflight;
    std::printf("%s\n", report.dump().c_str());
    return;
  }
  const auto us = [&](const char* name) { return report[name].get<double>(); };
  std::printf(
      "%.0f req/s p50=%.1fus p90=%.1fus p99=%.1fus p99.9=%.1fus max=%.1fus errors=%llu "
      "events=%llu conns=%d inflight=%d\n",
      result.rate, us("p50_us"), us("p90_us"), us("p99_us"), us("p99_9_us"), us("max_us"),
      static_cast<unsigned long long>(result.errors),
      static_cast<unsigned long long>(result.events), options.connections, options.inflight);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Flags flags(argc, argv,
                      {"--url", "--hello", "--msg", "--error", "--protocol", "--header", "--conns",
                       "--cipher", "--inflight", "--sessions", "--keys", "--seconds", "--warmup"},
                      {"--json", "--tls"});
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
