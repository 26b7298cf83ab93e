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
  std::string hello;
  append_text_frame(hello, R"({"t":"hello","v":1})");
  try {
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kTimeout, sizeof kTimeout);
    transmit(upgrade_request({"127.0.0.1", port, "/ws/" + session}, "", ""));
    // A client waits for the answer before it sends a frame (RFC 6455, section 4.1).
    std::string in = receive_until(
        [](std::string_view bytes) { return bytes.find(kHeadEnd) != std::string_view::npos; });
    transmit(hello);
    await_welcome(std::move(in));
  } catch (...) {
    close(fd_);
    throw;
  }
}

WelcomedConnection::~WelcomedConnection() { close(fd_); }

std::string WelcomedConnection::call(std::string_view message) {
  std::string frame;
  append_text_frame(frame, message);
  transmit(frame);
  const std::string in =
      receive_until([](std::string_view bytes) { return next_frame(bytes).has_value(); });
  return std::string(next_frame(in)->payload);
}

void WelcomedConnection::transmit(const std::string& bytes) {
  if (send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) {
    throw std::runtime_error("the server closed a new connection");
  }
}

std::string WelcomedConnection::receive_until(const std::function<bool(std::string_view)>& complete,
                                              std::string in) {
  std::array<char, 4096> buffer;
  while (!complete(in)) {
    const ssize_t count = recv(fd_, buffer.data(), buffer.size(), 0);
    if (count <= 0) throw std::runtime_error("no welcome for a connection: " + in);
    in.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return in;
}

void WelcomedConnection::await_welcome(std::string in) {
  in = receive_until([](std::string_view bytes) { return first_frame(bytes).has_value(); },
                     std::move(in));
  welcome_ = first_frame(in)->payload;
  if (welcome_.find(R"("t":"welcome")") == std::string::npos) {
    throw std::runtime_error("no welcome for a connection but " + welcome_);
  }
}

}  // namespace kontract::bench
