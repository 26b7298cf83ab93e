// ProxyHeader: what a proxy writes before the bytes of a connection, to say whose they are: the
// PROXY protocol, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt, sections 2.1 and 2.2).
//
//   v1 := "PROXY " ("TCP4" | "TCP6") " " source " " destination " " port " " port "\r\n"
//       | "PROXY UNKNOWN" any* "\r\n"                                      at most 107 bytes
//   v2 := "\r\n\r\n\0\r\nQUIT\n"  version:u4 = 2  command:u4  family:u8  length:u16be  length bytes
//
// Takes bytes as they come, and not one beyond the header. What cannot become one is refused at its
// first wrong byte, so that a client that does not know of it is not waited for. Knows no sockets.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "net/detail/client_address.hpp"
#include "storage/result.hpp"

namespace kontract::detail {

class ProxyHeader {
 public:
  static constexpr std::size_t kV1BytesMax = 107;
  // Addresses take 216 at most; more follows where a proxy adds what it knows (of TLS, say).
  static constexpr std::size_t kV2BytesMax = 2048;

  // How many of these next bytes belong to the header; all of them as long as it is not complete.
  // Errors: invalid_request. Then there is no next time.
  Result<std::size_t> feed(std::string_view bytes);
  bool complete() const { return complete_; }

  // Once complete: for whom the proxy connects; nothing if it connects by itself (a health check),
  // or does not say.
  const std::optional<ClientAddress>& client() const { return client_; }

 private:
  Status check_start() const;
  Status read_v1();
  Status read_v2_head();
  Status read_v2_addresses();

  std::string kept_;          // of v2 only as far as the addresses go
  std::size_t v2_bytes_ = 0;  // of the whole header; 0: not known
  std::size_t v2_taken_ = 0;
  bool complete_ = false;
  std::optional<ClientAddress> client_;
};

}  // namespace kontract::detail
