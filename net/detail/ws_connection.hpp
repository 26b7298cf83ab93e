// ws_connection: a socket that has become a WebSocket: Beast reads and frames, the Conversation
// says what, the SecureLink encrypts it if so agreed, the BatchingStream sends many frames at once.

#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>

#include "net/detail/conversation.hpp"
#include "net/detail/hub.hpp"
#include "net/detail/transport.hpp"

namespace kontract::detail {

using UpgradeRequest = boost::beast::http::request<boost::beast::http::string_body>;

// Answers the upgrade and goes on by itself. Runs on the socket's strand.
void start_websocket(std::shared_ptr<Hub> hub, Hub::Place place, SocketTransport transport,
                     const UpgradeRequest& request, WebSocketStart start);

}  // namespace kontract::detail
