// The end of both sides' handshake: a Channel from the keys and from what was agreed on.

#pragma once

#include "net/detail/raystream_hello.hpp"
#include "net/raystream_handshake.hpp"

namespace kontract::raystream::detail {

// The identity, limits and times are those of `hello`, whose cipher must be one that is known.
Channel establish(Role own, const ServerHello& hello, ChannelKeys keys);

}  // namespace kontract::raystream::detail
