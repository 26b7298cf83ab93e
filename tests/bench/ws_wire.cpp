#include "tests/bench/ws_wire.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <stdexcept>
#include <system_error>

namespace kontract::bench {

namespace {

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

std::uint64_t read_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

Url parse_url(const std::string& url) {
  constexpr std::string_view kScheme = "ws://";
  if (!url.starts_with(kScheme)) throw std::invalid_argument("a URL must start with ws://");
  const std::string rest = url.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::size_t colon = std::min(rest.substr(0, slash).find(':'), slash);

  Url parsed;
  parsed.host = rest.substr(0, colon);
  parsed.path = slash == rest.size() ? "/" : rest.substr(slash);
  if (colon != slash) {
    const char* end = rest.data() + slash;
    const auto [stop, error] = std::from_chars(rest.data() + colon + 1, end, parsed.port);
    if (error != std::errc{} || stop != end) throw std::invalid_argument("no port in " + url);
  }
  return parsed;
}

int connect_to(const Url& url) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(url.port);
  if (inet_pton(AF_INET, url.host.c_str(), &address.sin_addr) != 1) {
    throw std::invalid_argument(url.host + " is not an IPv4 address");
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "socket");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    close(fd);
    throw std::system_error(error, std::generic_category(),
                            "connect to " + url.host + ":" + std::to_string(url.port));
  }
  return fd;
}

std::string upgrade_request(const Url& url, const std::string& protocol,
                            const std::string& header) {
  std::string request = "GET " + url.path + " HTTP/1.1\r\nHost: " + url.host + ":" +
                        std::to_string(url.port) +
                        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        "Sec-WebSocket-Version: 13\r\n";
  if (!protocol.empty()) request += "Sec-WebSocket-Protocol: " + protocol + "\r\n";
  if (!header.empty()) request += header + "\r\n";
  return request + "\r\n";
}

void append_frame(std::string& out, Opcode opcode, std::string_view payload) {
  constexpr unsigned kFinal = 0x80;
  constexpr unsigned char kMasked = 0x80;
  out.push_back(static_cast<char>(kFinal | static_cast<unsigned>(opcode)));
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(kMasked | payload.size()));
  } else if (payload.size() < 65536) {
    out.push_back(static_cast<char>(kMasked | 126));
    append_big_endian(out, payload.size(), 2);
  } else {
    out.push_back(static_cast<char>(kMasked | 127));
    append_big_endian(out, payload.size(), 8);
  }
  out.append(4, '\0');
  out.append(payload);
}

std::optional<Frame> next_frame(std::string_view bytes) {
  if (bytes.size() < 2) return std::nullopt;
  std::uint64_t length = static_cast<unsigned char>(bytes[1]) & 0x7f;
  std::size_t head = 2;
  if (length >= 126) {
    const std::size_t length_bytes = length == 126 ? 2 : 8;
    if (bytes.size() < head + length_bytes) return std::nullopt;
    length = read_big_endian(bytes.substr(head, length_bytes));
    head += length_bytes;
  }
  if (bytes.size() - head < length) return std::nullopt;
  const auto payload = bytes.substr(head, static_cast<std::size_t>(length));
  return Frame{static_cast<Opcode>(bytes[0] & 0x0f), payload, head + payload.size()};
}

}  // namespace kontract::bench
