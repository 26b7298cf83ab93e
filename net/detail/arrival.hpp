// arrival: what comes before the first request of a connection: the PROXY header, if the server
// stands behind proxies that write one, and TLS's handshake. Both count towards the time that a
// connection has, from its acceptance on, to say who it is; until then it is a newcomer.

#pragma once

#include "net/detail/http_connection.hpp"
#include "net/detail/hub.hpp"
#include "net/detail/tls_session.hpp"

namespace kontract::detail {

// Goes on by itself. Without `tls` the connection speaks plain TCP.
void arrive(std::shared_ptr<Hub> hub, Hub::Place place, Socket socket, TlsContext tls);

// A connection that has arrived: it is of the address that it comes from.
Arrived plain_arrival(Socket socket);

}  // namespace kontract::detail
