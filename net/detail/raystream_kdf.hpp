// SHA-256, HMAC-SHA-256 and the two halves of HKDF (RFC 5869), on libsodium. libsodium 1.0.18 has
// no HKDF, and its one-call HMAC takes keys of 32 bytes only.

#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string_view>

#include "net/secret_bytes.hpp"

namespace kontract::detail {

inline constexpr std::size_t kHashBytes = 32;
using Hash = std::array<char, kHashBytes>;

// Of the parts, one after the other.
using Parts = std::initializer_list<std::string_view>;

Hash sha256(Parts parts);
SecretBytes hmac_sha256(std::string_view key, Parts parts);

// The pseudorandom key: HMAC(salt, input_key).
SecretBytes hkdf_extract(std::string_view salt, std::string_view input_key);

// REQUIRES: bytes is at most 255 * 32.
SecretBytes hkdf_expand(std::string_view pseudorandom_key, std::string_view info,
                        std::size_t bytes);

template <std::size_t N>
std::string_view view(const std::array<char, N>& bytes) {
  return {bytes.data(), N};
}

}  // namespace kontract::detail
