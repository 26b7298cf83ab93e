// ws_wire: as much of RFC 6455 as a load generator on loopback needs, over plain blocking sockets
// and byte strings. It is written apart from Beast so that the two sides of a benchmark do not
// share code, and so that the client costs less than any server it measures.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kontract::bench {

struct Url {
  std::string host;  // an IPv4 address
  std::uint16_t port = 80;
  std::string path;
};

// Throws std::invalid_argument for what is not `ws://IPV4[:PORT][/PATH]`.
Url parse_url(const std::string& url);

// A connected TCP socket with Nagle's algorithm off. Throws std::system_error.
int connect_to(const Url& url);

// The HTTP request that asks for the upgrade. `header` is one further header line, or empty.
std::string upgrade_request(const Url& url, const std::string& protocol, const std::string& header);

// Appends one masked frame with `payload`. The mask is zero, which leaves the payload as it is:
// the server's work is the same and the client saves a pass over the bytes.
enum class Opcode { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };
void append_frame(std::string& out, Opcode opcode, std::string_view payload);
inline void append_text_frame(std::string& out, std::string_view payload) {
  append_frame(out, Opcode::text, payload);
}

struct Frame {
  Opcode opcode;
  std::string_view payload;  // points into the bytes given to next_frame
  std::size_t size;          // of the whole frame
};

// The first frame of `bytes`, or nothing while it is incomplete. For frames from a server, which
// are not masked.
std::optional<Frame> next_frame(std::string_view bytes);

}  // namespace kontract::bench
