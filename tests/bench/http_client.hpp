// HttpClient: blocking HTTP/1.1 over one connection that is kept open, for setting benchmarks up.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/bench/ws_wire.hpp"

namespace kontract::bench {

struct HttpResponse {
  int status = 0;
  std::string body;
};

// Not thread-safe. Understands bodies with Content-Length only, which is what kontract sends.
class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port);  // of 127.0.0.1
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Connects when there is no connection, and again when the server has closed the one it had.
  // Throws std::runtime_error or std::system_error when no answer can be had in 30 s.
  HttpResponse get(const std::string& path);

  // POST /rpc/{function} in `session`. Throws std::runtime_error for any answer but 200, with it.
  nlohmann::json call(const std::string& session, const std::string& function,
                      const nlohmann::json& args);

 private:
  HttpResponse exchange(const std::string& request);
  bool receive();  // false when the server has closed
  void disconnect();

  Url url_;
  int fd_ = -1;
  std::string in_;
};

}  // namespace kontract::bench
