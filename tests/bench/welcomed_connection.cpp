#include "tests/bench/welcomed_connection.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "tests/bench/ws_wire.hpp"

namespace kontract::bench {

namespace {

constexpr timeval kTimeout{10, 0};
constexpr std::string_view kHeadEnd = "\r\n\r\n";

// The first frame behind the answer to the upgrade, or nothing while it is incomplete.
std::optional<Frame> first_frame(std::string_view bytes) {
  const std::size_t end = bytes.find(kHeadEnd);
  if (end == std::string_view::npos) return std::nullopt;
  return next_frame(bytes.substr(end + kHeadEnd.size()));
}

}  // namespace

WelcomedConnection::WelcomedConnection(std::uint16_t port, const std::string& session)
    : fd_(connect_to({"127.0.0.1", port, "/"})) {
  std::string bytes = upgrade_request({"127.0.0.1", port, "/ws/" + session}, "", "");
  append_text_frame(bytes, R"({"t":"hello","v":1})");
  try {
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kTimeout, sizeof kTimeout);
    if (send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) {
      throw std::runtime_error("the server closed a new connection");
    }
    await_welcome();
  } catch (...) {
    close(fd_);
    throw;
  }
}

WelcomedConnection::~WelcomedConnection() { close(fd_); }

void WelcomedConnection::await_welcome() {
  std::string in;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t count = recv(fd_, buffer.data(), buffer.size(), 0);
    if (count <= 0) throw std::runtime_error("no welcome for a connection: " + in);
    in.append(buffer.data(), static_cast<std::size_t>(count));
    const auto frame = first_frame(in);
    if (!frame) continue;
    welcome_ = frame->payload;
    if (welcome_.find(R"("t":"welcome")") == std::string::npos) {
      throw std::runtime_error("no welcome for a connection but " + welcome_);
    }
    return;
  }
}

}  // namespace kontract::bench
