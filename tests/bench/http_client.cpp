#include "tests/bench/http_client.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <stdexcept>

namespace kontract::bench {

namespace {

constexpr timeval kTimeout{30, 0};

// The value of a header of `head`, which is in lower case; nothing if it is not there.
std::optional<std::string> header_value(const std::string& head, const std::string& name) {
  const std::size_t at = head.find("\r\n" + name + ":");
  if (at == std::string::npos) return std::nullopt;
  const std::size_t from = head.find_first_not_of(' ', at + name.size() + 3);
  return head.substr(from, head.find("\r\n", from) - from);
}

bool send_all(int fd, const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

HttpClient::HttpClient(std::uint16_t port) : url_{"127.0.0.1", port, "/"} {}

HttpClient::~HttpClient() { disconnect(); }

HttpResponse HttpClient::get(const std::string& path) {
  return exchange("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
}

nlohmann::json HttpClient::call(const std::string& session, const std::string& function,
                                const nlohmann::json& args) {
  const std::string body = args.dump();
  const HttpResponse response = exchange(
      "POST /rpc/" + function + " HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Session-Id: " + session +
      "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\n\r\n" + body);
  if (response.status != 200) {
    throw std::runtime_error(function + " answered " + std::to_string(response.status) + ": " +
                             response.body.substr(0, 500));
  }
  return nlohmann::json::parse(response.body).at("result");
}

HttpResponse HttpClient::exchange(const std::string& request) {
  // A server may close a connection between two requests; that is found out only on the next one.
  const bool reused = fd_ >= 0;
  if (!reused) {
    fd_ = connect_to(url_);
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kTimeout, sizeof kTimeout);
  }
  if (!send_all(fd_, request) || !receive()) {
    disconnect();
    if (reused) return exchange(request);
    throw std::runtime_error("the server closed the connection without an answer");
  }

  constexpr std::string_view kEnd = "\r\n\r\n";
  std::size_t end;
  while ((end = in_.find(kEnd)) == std::string::npos) {
    if (!receive()) throw std::runtime_error("the server closed within an answer: " + in_);
  }
  std::string head = in_.substr(0, end + 2);
  std::transform(head.begin(), head.end(), head.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto length_text = header_value(head, "content-length");
  if (!length_text) throw std::runtime_error("an answer without Content-Length: " + head);
  const std::size_t from = end + kEnd.size();
  const std::size_t length = std::strtoull(length_text->c_str(), nullptr, 10);
  while (in_.size() < from + length) {
    if (!receive()) throw std::runtime_error("the server closed within an answer: " + in_);
  }
  HttpResponse response{std::atoi(head.c_str() + head.find(' ')), in_.substr(from, length)};
  in_.erase(0, from + length);
  if (header_value(head, "connection") == "close") disconnect();
  return response;
}

bool HttpClient::receive() {
  std::array<char, 16384> buffer;
  const ssize_t count = recv(fd_, buffer.data(), buffer.size(), 0);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    throw std::runtime_error("no answer from the server in time");
  }
  if (count <= 0) return false;
  in_.append(buffer.data(), static_cast<std::size_t>(count));
  return true;
}

void HttpClient::disconnect() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  in_.clear();
}

}  // namespace kontract::bench
