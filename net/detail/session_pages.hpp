// GET /sessions and GET /sessions/{session}: an owner's stored sessions, for its group admin.

#pragma once

#include <string>

#include "actors/context.hpp"
#include "net/detail/http_message.hpp"
#include "net/detail/hub.hpp"

namespace kontract::detail {

// `session` is empty for the page of all. Reads one bounded page of LMDB.
HttpResponse sessions_page(const Peer& peer, const HttpRequest& request, const std::string& session,
                           const Hub& hub);

}  // namespace kontract::detail
