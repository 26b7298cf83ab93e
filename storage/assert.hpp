// KONTRACT_ASSERT: a bug in kontract itself. Stays on in release builds and stops the process,
// since a session that goes on after a broken invariant could acknowledge what is not so.

#pragma once

#include <cstdio>
#include <cstdlib>

namespace kontract::detail {

[[noreturn]] inline void assertion_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "kontract: %s:%d: broken invariant: %s\n", file, line, what);
  std::abort();
}

}  // namespace kontract::detail

#define KONTRACT_ASSERT(condition)    \
  ((condition) ? static_cast<void>(0) \
               : ::kontract::detail::assertion_failed(#condition, __FILE__, __LINE__))
