// bench: compares kontract with a bare Beast echo server, bare LMDB and bare SQLite, on this
// machine.
//
//   bench [--rounds 3] [--seconds 3] [--only
//   get_1,get_128,set_128,bank_1,bank_64,guard,around,memory,sql_point,sql_index,sql_scan,query]
//         [--records 100000] [--sessions 2000] [--connections 500] [--dir DIR] [--kontract PROGRAM]
//         [--json FILE] [--enforce]
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
#include "tests/bench/machine.hpp"
#include "tests/bench/memory.hpp"
#include "tests/bench/sql.hpp"
#include "tests/bench/throughput.hpp"

namespace {

using namespace kontract::bench;

constexpr const char* kAllNames =
    "get_1,get_128,set_128,bank_1,bank_64,guard,around,memory,sql_point,sql_index,sql_scan,query";

std::set<std::string> names_from(const std::string& list) {
  std::set<std::string> names;
  std::istringstream words(list);
  for (std::string name; std::getline(words, name, ',');) {
    if (name != "memory" && !kThroughputNames.contains(name) && !kFunctionNames.contains(name) &&
        !kSqlNames.contains(name)) {
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

std::vector<Figure> measure(const Programs& programs, const Flags& flags) {
  ThroughputOptions throughput;
  throughput.rounds = flags.count("--rounds", throughput.rounds);
  throughput.seconds = flags.number("--seconds", throughput.seconds);
  throughput.names = names_from(flags.text("--only", kAllNames));
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
  for (Figure& figure : function_figures(programs, throughput)) {
    figures.push_back(std::move(figure));
  }
  if (throughput.names.contains("memory")) {
    for (Figure& figure : memory_figures(programs, memory)) figures.push_back(std::move(figure));
  }
  for (Figure& figure : sql_figures(programs, sql)) figures.push_back(std::move(figure));
  return figures;
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
                          work.path()};
  raise_descriptor_limit();

  const nlohmann::ordered_json machine = describe_machine(programs);
  for (const auto& [name, value] : machine.items()) {
    std::printf("%-14s %s\n", name.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  }
  std::printf("\n");
  std::fflush(stdout);

  const std::vector<Figure> figures = measure(programs, flags);
  print_table(figures);
  if (flags.has("--json")) {
    const std::string path = flags.text("--json", "");
    const nlohmann::ordered_json report{{"machine", machine}, {"figures", to_json(figures)}};
    std::ofstream file(path);
    file << report.dump(2) << "\n";
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
  }
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
                 "--dir", "--kontract", "--json"},
                {"--enforce"}});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 2;
  }
}
