// Servers: the two servers that are compared, as child processes on free ports of loopback.

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "tests/bench/process.hpp"

namespace kontract::bench {

// Where the programs are and where they may write. All paths are absolute.
struct Programs {
  std::filesystem::path kontract;
  std::filesystem::path beast_echo;
  std::filesystem::path lmdb_put;
  std::filesystem::path wsload;
  std::filesystem::path function_server;
  std::filesystem::path store_load;  // may be missing: it is for the peers
  std::filesystem::path work;        // a temporary directory on the disk that is measured
};

// A server that is ready, stopped with its owner.
class Server {
 public:
  // Waits until it listens. Throws std::runtime_error, with what it printed, if it does not.
  Server(const std::vector<std::string>& argv, const std::filesystem::path& log);
  ~Server();

  std::uint16_t port() const { return port_; }
  pid_t pid() const { return process_.pid(); }

 private:
  Process process_;
  std::uint16_t port_;
};

// `kontract serve` on `data`, with its defaults but for the time after which idle sessions sleep.
class KontractServer : public Server {
 public:
  KontractServer(const Programs& programs, const std::filesystem::path& data,
                 std::optional<std::chrono::milliseconds> session_idle = std::nullopt,
                 const std::vector<std::string>& more = {});  // arguments
};

// function_server (see there) on `data`.
class FunctionServer : public Server {
 public:
  FunctionServer(const Programs& programs, const std::filesystem::path& data,
                 const std::string& middleware = "none");
};

class EchoServer : public Server {
 public:
  explicit EchoServer(const Programs& programs);
};

}  // namespace kontract::bench
