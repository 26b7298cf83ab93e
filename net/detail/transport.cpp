#include "net/detail/transport.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

namespace kontract::detail {

std::uint64_t SocketTransport::acknowledged(std::uint64_t written) {
  int in_socket = 0;
  if (ioctl(socket_.native_handle(), SIOCOUTQ, &in_socket) != 0) in_socket = 0;
  if (tls_) written = tls_->wire_bytes_sent();
  return written - static_cast<std::uint64_t>(in_socket);
}

}  // namespace kontract::detail
