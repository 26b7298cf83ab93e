// CodePlace: file and line of a call, as std::source_location says it, which clang 14 lacks.

#pragma once

#include <string>

namespace kontract {

struct CodePlace {
  static constexpr CodePlace here(const char* file = __builtin_FILE(),
                                  int line = __builtin_LINE()) {
    return {file, line};
  }
  std::string text() const { return std::string(file) + ":" + std::to_string(line); }

  const char* file;
  int line;
};

}  // namespace kontract
