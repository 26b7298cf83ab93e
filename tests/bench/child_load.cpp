#include "tests/bench/child_load.hpp"

#include <chrono>
#include <stdexcept>

namespace kontract::bench {

using nlohmann::json;

json json_of(const Programs& programs, const std::vector<std::string>& argv, double seconds) {
  const auto timeout = std::chrono::seconds(30 + static_cast<int>(seconds));
  const std::string text = run_to_end(argv, programs.work / "program.log", timeout);
  json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) throw std::runtime_error(argv.front() + " printed " + text);
  return parsed;
}

json run_wsload(const Programs& programs, const ChildLoad& load) {
  std::vector<std::string> argv{
      programs.wsload, "--json",
      "--cipher",      load.cipher,
      "--url",         "ws://127.0.0.1:" + std::to_string(load.port) + "/ws/" + load.prefix + "{s}",
      "--hello",       R"({"t":"hello","v":1})",
      "--msg",         std::string(load.message)};
  const auto number = [&](const char* name, const std::string& value) {
    argv.insert(argv.end(), {name, value});
  };
  number("--conns", std::to_string(load.connections));
  number("--inflight", std::to_string(load.inflight));
  number("--sessions", std::to_string(load.sessions));
  number("--keys", std::to_string(load.keys));
  number("--seconds", std::to_string(load.seconds));
  if (load.tls) argv.emplace_back("--tls");
  return json_of(programs, argv, load.seconds);
}

}  // namespace kontract::bench
