#include "tests/bench/process_memory.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace kontract::bench {

Memory memory_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  Memory memory;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    double kib = 0;
    words >> name >> kib;
    if (name == "Rss:") memory.resident = kib * 1024;
    if (name == "Anonymous:") memory.anonymous = kib * 1024;
  }
  if (memory.resident == 0) throw std::runtime_error("the server's memory cannot be read");
  return memory;
}

}  // namespace kontract::bench
