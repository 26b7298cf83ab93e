// CRC32C (Castagnoli, RFC 3720 appendix B.4): finds what a disk or a stray write changed. It does
// not protect against somebody who wants to deceive.

#pragma once

#include <cstdint>
#include <string_view>

namespace kontract {

// Of `bytes`, going on from `seed`: crc32c(b, crc32c(a)) is the checksum of a followed by b. Uses
// the processor's instruction where it has one.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

// The same without the instruction.
std::uint32_t crc32c_portable(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace kontract
