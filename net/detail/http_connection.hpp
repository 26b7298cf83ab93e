// http_connection: a socket from its acceptance until it ends or becomes a WebSocket. Reads one
// request after the other, each within its own absolute deadline, and answers it: at once, or, for
// POST /rpc/{function}, when the session has.

#pragma once

#include <memory>
#include <string_view>

#include "net/detail/hub.hpp"
#include "net/detail/socket.hpp"

namespace kontract::detail {

// `received` is what was read of the socket already.
void start_http(std::shared_ptr<Hub> hub, Hub::Place place, Socket socket,
                std::string_view received = {});

}  // namespace kontract::detail
