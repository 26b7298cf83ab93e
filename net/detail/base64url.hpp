// base64url (RFC 4648, section 5) without padding, as JWTs and JWKs have it.

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kontract::detail {

// Strict: nothing for padding, a foreign character, or bits that are left over.
std::optional<std::string> from_base64url(std::string_view text);

std::string to_base64url(std::string_view binary);

}  // namespace kontract::detail
