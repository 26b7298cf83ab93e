// Which record of raystream carries which message of docs/protocol.md: the header's type and the
// message's `t` say the same.

#pragma once

#include <optional>
#include <string_view>

#include "net/raystream_frame.hpp"

namespace kontract::raystream {

// The type of the record that carries messages with this `t`; nothing for one that is not known.
std::optional<FrameType> record_type(std::string_view t);

// That of a message as our own encoders write it: it begins with {"t":"...".
FrameType record_type_of(std::string_view message);

// Whether a message with this `t` may come in such a record. One that is not known may come in any:
// it gets the answer that docs/protocol.md has for it.
bool agree(FrameType type, std::string_view t);

}  // namespace kontract::raystream
