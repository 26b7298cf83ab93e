// GET /stream: the events of a table as Server-Sent Events (WHATWG HTML, section 9.2), for as long
// as the client reads them. A client that is too slow is cut off; it comes back with Last-Event-ID.

#pragma once

#include <chrono>
#include <memory>

#include "actors/directory.hpp"
#include "net/detail/http_router.hpp"
#include "net/detail/hub.hpp"
#include "net/detail/transport.hpp"

namespace kontract::detail {

struct EventStreamStart {
  StreamRoute route;
  Peer peer;
  std::shared_ptr<SessionHandle> session;
  TokenId token;
  std::chrono::system_clock::time_point token_expires;
  HttpHeaders headers;  // of the response
};

void start_event_stream(std::shared_ptr<Hub> hub, Hub::Place place, Hub::OwnerPlace owner_place,
                        SocketTransport transport, EventStreamStart start);

}  // namespace kontract::detail
