#include "tests/bench/servers.hpp"

#include <stdexcept>

namespace kontract::bench {

namespace {

constexpr std::chrono::seconds kReadyTimeout{20};
constexpr std::chrono::seconds kStopTimeout{15};  // above the server's own drain timeout

std::vector<std::string> kontract_command(const Programs& programs,
                                          const std::filesystem::path& data,
                                          std::optional<std::chrono::milliseconds> session_idle,
                                          const std::vector<std::string>& more) {
  std::vector<std::string> argv{programs.kontract, "serve", "--data", data, "--port", "0"};
  if (session_idle) {
    argv.push_back("--session-idle");
    argv.push_back(std::to_string(session_idle->count()) + "ms");
  }
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

}  // namespace

Server::Server(const std::vector<std::string>& argv, const std::filesystem::path& log)
    : process_(argv, log),
      port_(static_cast<std::uint16_t>(
          std::stoi(process_.wait_for("listening on 127.0.0.1:", kReadyTimeout)))) {}

Server::~Server() { process_.stop(kStopTimeout); }

KontractServer::KontractServer(const Programs& programs, const std::filesystem::path& data,
                               std::optional<std::chrono::milliseconds> session_idle,
                               const std::vector<std::string>& more)
    : Server(kontract_command(programs, data, session_idle, more),
             programs.work / (data.filename().string() + ".log")) {}

FunctionServer::FunctionServer(const Programs& programs, const std::filesystem::path& data,
                               const std::string& middleware)
    : Server({programs.function_server, "--data", data, "--middleware", middleware},
             programs.work / (data.filename().string() + ".log")) {}

EchoServer::EchoServer(const Programs& programs)
    : Server({programs.beast_echo}, programs.work / "beast_echo.log") {}

}  // namespace kontract::bench
