// Permission bits, of a context and of a table. R reads, W writes, X deletes.

#pragma once

#include <cstdint>

namespace kontract {

using Perm = std::uint8_t;  // 0..7

namespace perms {
inline constexpr Perm none = 0;
inline constexpr Perm __X = 1;
inline constexpr Perm _W_ = 2;
inline constexpr Perm _WX = 3;
inline constexpr Perm R__ = 4;
inline constexpr Perm R_X = 5;
inline constexpr Perm RW_ = 6;
inline constexpr Perm RWX = 7;
}  // namespace perms

constexpr bool allows(Perm granted, Perm needed) { return (granted & needed) == needed; }

}  // namespace kontract
