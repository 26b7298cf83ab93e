// ServerProcess: a server of the example's own, to be killed and started again at will.
//
// It dies with the thread that started it, however that ends.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "storage/result.hpp"

namespace examples {

class ServerProcess {
 public:
  // `command` serves, and takes --port and --data; it says on its standard output that it is
  // "listening on 127.0.0.1:PORT". `data` empty: a temporary directory, removed at the end.
  explicit ServerProcess(std::vector<std::string> command, std::string data = {});
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Waits until it listens; the first time on any free port, then on the same again.
  kontract::Status start();
  void kill();  // SIGKILL, as a power cut would

  std::string url() const { return "ws://127.0.0.1:" + std::to_string(port_); }

 private:
  const std::vector<std::string> command_;
  std::string data_;
  bool temporary_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace examples
