// WelcomedConnection: a WebSocket to one session of kontract that has said hello and then does what
// it is told.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace kontract::bench {

class WelcomedConnection {
 public:
  // Returns once the welcome is there. Throws std::runtime_error or std::system_error, with what
  // came instead, when there is none within 10 s.
  WelcomedConnection(std::uint16_t port, const std::string& session);
  ~WelcomedConnection();
  WelcomedConnection(const WelcomedConnection&) = delete;
  WelcomedConnection& operator=(const WelcomedConnection&) = delete;

  const std::string& welcome() const { return welcome_; }  // the frame's JSON text

  // Sends one message and returns the next frame's text. Throws as the constructor.
  std::string call(std::string_view message);

 private:
  void transmit(const std::string& bytes);
  std::string receive_until(const std::function<bool(std::string_view)>& complete,
                            std::string in = {});
  void await_welcome(std::string in);

  int fd_;
  std::string welcome_;
};

}  // namespace kontract::bench
