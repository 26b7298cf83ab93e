// http_connection: a socket from its acceptance until it ends or becomes a WebSocket. Reads one
// request after the other, each within its own absolute deadline, and answers it: at once, or, for
// POST /rpc/{function}, when the session has.

#pragma once

#include <memory>
#include <string_view>

#include "net/detail/client_address.hpp"
#include "net/detail/hub.hpp"
#include "net/detail/transport.hpp"

namespace kontract::detail {

// A connection that may send requests.
struct Arrived {
  SocketTransport transport;
  ClientAddress client;        // as far as the connection itself tells
  Clock::time_point accepted;  // from here the time counts until a connection says who it is
};

// `received` is what was read of the connection already.
void start_http(std::shared_ptr<Hub> hub, Hub::Place place, Arrived arrived,
                std::string_view received = {});

}  // namespace kontract::detail
