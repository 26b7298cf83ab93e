#include "tests/bench/machine.hpp"

#include <lmdb.h>
#include <sqlite3.h>
#include <sys/utsname.h>

#include <boost/version.hpp>
#include <chrono>
#include <exception>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace kontract::bench {

namespace {

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

// The type of the file system that holds `path`: that of the longest mount point above it.
std::string file_system(const std::string& path) {
  std::ifstream file("/proc/self/mounts");
  std::string type = "unknown";
  std::size_t longest = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string device, point, kind;
    words >> device >> point >> kind;
    const std::string folder = point == "/" ? "/" : point + "/";
    if (point.size() >= longest && (path + "/").starts_with(folder)) {
      longest = point.size();
      type = kind;
    }
  }
  return type;
}

std::string kontract_version(const Programs& programs) {
  try {
    const std::string text = run_to_end({programs.kontract, "version"},
                                        programs.work / "version.log", std::chrono::seconds(10));
    return text.substr(0, text.find('\n'));
  } catch (const std::exception&) {
    return "unknown";  // the figures say why
  }
}

}  // namespace

nlohmann::ordered_json describe_machine(const Programs& programs) {
  utsname kernel{};
  uname(&kernel);
  const std::string json_version = std::to_string(NLOHMANN_JSON_VERSION_MAJOR) + "." +
                                   std::to_string(NLOHMANN_JSON_VERSION_MINOR) + "." +
                                   std::to_string(NLOHMANN_JSON_VERSION_PATCH);
  return {{"cores", std::thread::hardware_concurrency()},
          {"processor", processor()},
          {"kernel", std::string(kernel.sysname) + " " + kernel.release},
          {"file_system", file_system(programs.work)},
          {"compiler", KONTRACT_COMPILER},
          {"build_type", KONTRACT_BUILD_TYPE},
          {"boost", BOOST_LIB_VERSION},
          {"lmdb", mdb_version(nullptr, nullptr, nullptr)},
          {"sqlite", sqlite3_libversion()},
          {"nlohmann_json", json_version},
          {"kontract", kontract_version(programs)},
          {"durability", "sync"}};
}

}  // namespace kontract::bench
