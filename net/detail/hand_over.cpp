#include "net/detail/hand_over.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <optional>
#include <string>
#include <utility>

#include "net/detail/arrival.hpp"
#include "net/detail/http_connection.hpp"
#include "net/detail/socket.hpp"

namespace kontract::detail {

namespace {

using asio::ip::tcp;

bool is_loopback(const asio::ip::address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address.is_loopback();
  return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
}

// The TCP socket of this descriptor, which is closed if it is none.
Result<Socket> take_socket(asio::io_context& io, int descriptor) {
  sockaddr_storage local{};
  socklen_t length = sizeof local;
  int type = 0;
  socklen_t type_length = sizeof type;
  const bool is_stream =
      getsockname(descriptor, reinterpret_cast<sockaddr*>(&local), &length) == 0 &&
      getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &type_length) == 0 && type == SOCK_STREAM;
  if (!is_stream || (local.ss_family != AF_INET && local.ss_family != AF_INET6)) {
    close(descriptor);
    return Error(Errc::invalid_request, "What was handed over is no TCP socket");
  }
  Socket socket(asio::make_strand(io));
  ErrorCode error;
  socket.assign(local.ss_family == AF_INET ? tcp::v4() : tcp::v6(), descriptor, error);
  if (error) {
    close(descriptor);
    return Error(Errc::invalid_request, "The socket cannot be taken over: " + error.message(),
                 "Release it from what used it before, with nothing under way on it.");
  }
  return socket;
}

}  // namespace

Status hand_over(const std::shared_ptr<Hub>& hub, int descriptor, std::string_view received) {
  Result<Socket> socket = take_socket(*hub->parts().io, descriptor);
  if (!socket) return std::move(socket).error();
  if (hub->open_to_all()) {
    ErrorCode error;
    const tcp::endpoint local = socket->local_endpoint(error);
    if (error || !is_loopback(local.address())) {
      hub->count_refused();
      return Error(Errc::forbidden,
                   "Without keys of tokens only connections over loopback are taken",
                   "Configure a secret, with which tokens are signed, or other keys.");
    }
  }
  std::optional<Hub::Place> place;
  if (!hub->draining()) place = hub->take_place();
  if (!place) {
    if (hub->draining()) hub->count_refused();
    return hub->draining() ? Error(Errc::overloaded, "The server is shutting down")
                           : Error(Errc::overloaded, "Too many connections are open");
  }
  ErrorCode gone;
  const tcp::endpoint from = socket->remote_endpoint(gone);
  if (!gone && !place->take_address(from.address())) {
    return Error(Errc::rate_limited, "This address has too many connections",
                 "connections-per-address-max and its like say how many there may be.");
  }
  start_http(hub, std::move(*place), plain_arrival(std::move(*socket)), received);
  return {};
}

}  // namespace kontract::detail
