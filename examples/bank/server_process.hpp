// ServerProcess: a `bank serve` of our own, to be killed and started again at will.
//
// Its data is in a temporary directory, removed at the end. It dies with the thread that started
// it, however that ends.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "storage/result.hpp"

namespace bank {

class ServerProcess {
 public:
  ServerProcess() = default;
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Waits until it listens; the first time on any free port, then on the same again.
  kontract::Status start();
  void kill();  // SIGKILL

  std::string url() const { return "ws://127.0.0.1:" + std::to_string(port_); }

 private:
  std::string data_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace bank
