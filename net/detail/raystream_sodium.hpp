// What every file here that calls libsodium needs: its start, and its type of bytes.

#pragma once

#include <sodium.h>

#include <string_view>

#include "storage/assert.hpp"

namespace kontract::detail {

// Before the first call that draws random bytes or picks an implementation. Thread-safe.
inline void use_sodium() {
  static const bool ready = sodium_init() >= 0;
  KONTRACT_ASSERT(ready);
}

inline const unsigned char* octets(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

inline unsigned char* octets(char* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

}  // namespace kontract::detail
