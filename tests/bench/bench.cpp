// bench: compares kontract with a bare Beast echo server, bare LMDB and bare SQLite, on this
// machine.
//
//   bench [--rounds 3] [--seconds 3] [--only
//   get_1,get_128,set_128,tls_get,tls_set,raystream_get,raystream_set,handshakes,bank_1,bank_64,
//   guard,around,memory,sql_point,sql_index,sql_scan,query]
//         [--records 100000] [--sessions 2000] [--connections 500] [--dir DIR] [--kontract PROGRAM]
//         [--json FILE] [--svg FILE] [--enforce] [--peers]
//
// --peers measures against what a user would pick instead (tests/bench/peers), too; --only takes
// names of theirs as well.
//
// Each comparison alternates the two programs and takes the medians of the rounds. --dir is where
// data is written for the time of the run, by default beside this program; it decides which disk
// is measured. Exits 0 when every figure could be measured, 2 when one could not; with --enforce,
// 1 when one missed its target.

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/figure.hpp"
#include "tests/bench/flags.hpp"
#include "tests/bench/functions.hpp"
#include "tests/bench/handshakes.hpp"
#include "tests/bench/machine.hpp"
#include "tests/bench/memory.hpp"
#include "tests/bench/peers/peers.hpp"
#include "tests/bench/plot.hpp"
#include "tests/bench/sql.hpp"
#include "tests/bench/throughput.hpp"

namespace {

using namespace kontract::bench;

constexpr const char* kAllNames =
    "get_1,get_128,set_128,tls_get,tls_set,raystream_get,raystream_set,handshakes,bank_1,bank_64,"
    "guard,around,"
    "memory,sql_point,sql_index,sql_scan,query";

std::set<std::string> names_from(const Flags& flags) {
  std::set<std::string> names;
  const std::string list = flags.text("--only", kAllNames);
  if (flags.has("--peers") && !flags.has("--only")) names = kPeerNames;
  std::istringstream words(list);
  for (std::string name; std::getline(words, name, ',');) {
    if (name != "memory" && name != "handshakes" && !kThroughputNames.contains(name) &&
        !kFunctionNames.contains(name) && !kSqlNames.contains(name) && !kPeerNames.contains(name)) {
      throw std::invalid_argument("--only knows no " + name);
    }
    names.insert(name);
  }
  return names;
}

// Both ends of thousands of connections are here: the limit is inherited by the servers.
void raise_descriptor_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

struct Measured {
  std::vector<Figure> figures;
  nlohmann::ordered_json peers;  // their versions
};

Measured measure(const Programs& programs, const Flags& flags) {
  ThroughputOptions throughput;
  throughput.rounds = flags.count("--rounds", throughput.rounds);
  throughput.seconds = flags.number("--seconds", throughput.seconds);
  throughput.names = names_from(flags);
  MemoryOptions memory;
  memory.sessions = flags.count("--sessions", memory.sessions);
  memory.connections = flags.count("--connections", memory.connections);
  if (memory.connections > memory.sessions) {
    throw std::invalid_argument("--connections must be at most --sessions");
  }
  SqlOptions sql;
  sql.rounds = throughput.rounds;
  sql.seconds = throughput.seconds;
  sql.names = throughput.names;
  sql.records = flags.count("--records", sql.records, 1000);

  std::vector<Figure> figures = throughput_figures(programs, throughput);
  if (throughput.names.contains("handshakes")) {
    for (Figure& figure : handshake_figures(throughput)) figures.push_back(std::move(figure));
  }
  for (Figure& figure : function_figures(programs, throughput)) {
    figures.push_back(std::move(figure));
  }
  if (throughput.names.contains("memory")) {
    for (Figure& figure : memory_figures(programs, memory)) figures.push_back(std::move(figure));
  }
  for (Figure& figure : sql_figures(programs, sql)) figures.push_back(std::move(figure));
  PeerReport peers = peer_figures(programs, throughput);
  for (Figure& figure : peers.figures) figures.push_back(std::move(figure));
  return {std::move(figures), std::move(peers.versions)};
}

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

int run(const Flags& flags) {
  namespace fs = std::filesystem;
  const fs::path here = fs::canonical("/proc/self/exe").parent_path();
  const TemporaryDirectory work(fs::absolute(flags.text("--dir", here)), "bench");
  const Programs programs{fs::absolute(flags.text("--kontract", KONTRACT_PROGRAM)),
                          here / "beast_echo",
                          here / "lmdb_put",
                          here / "wsload",
                          here / "function_server",
                          here / "store_load",
                          work.path()};
  raise_descriptor_limit();

  const nlohmann::ordered_json machine = describe_machine(programs);
  for (const auto& [name, value] : machine.items()) {
    std::printf("%-14s %s\n", name.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  }
  std::printf("\n");
  std::fflush(stdout);

  const auto [figures, peers] = measure(programs, flags);
  print_table(figures);
  for (const auto& [name, version] : peers.items()) {
    std::printf("%s: %s\n", name.c_str(), version.get<std::string>().c_str());
  }
  if (flags.has("--json")) {
    const nlohmann::ordered_json report{
        {"machine", machine}, {"peers", peers}, {"figures", to_json(figures)}};
    write(flags.text("--json", ""), report.dump(2) + "\n");
  }
  if (flags.has("--svg")) write(flags.text("--svg", ""), to_svg(figures));
  const auto failed = [](const Figure& figure) { return !figure.failure.empty(); };
  if (std::any_of(figures.begin(), figures.end(), failed)) return 2;
  const auto met = [](const Figure& figure) { return figure.met(); };
  return flags.has("--enforce") && !std::all_of(figures.begin(), figures.end(), met) ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argc,
                argv,
                {"--rounds", "--seconds", "--only", "--records", "--sessions", "--connections",
                 "--dir", "--kontract", "--json", "--svg"},
                {"--enforce", "--peers"}});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 2;
  }
}
