// SqlLimits: what one statement may take. Going over one is KONTRACT_EXEC_LIMIT, which names it.

#pragma once

#include <chrono>
#include <cstddef>

#include "storage/limits.hpp"

namespace kontract {

struct SqlLimits {
  std::chrono::milliseconds time = std::chrono::seconds(2);
  std::size_t rows = 10'000;                         // of a result
  std::size_t result_bytes = 1 * limits::kMiB;       // of its JSON text
  std::size_t sql_bytes = 16 * limits::kKiB;         // of a statement
  std::size_t parameters = 1000;                     // of a statement
  std::size_t value_bytes = 2 * limits::kMiB;        // of one text or row inside a statement
  std::size_t heap_bytes = 256 * limits::kMiB;       // of all statements of the process
  std::size_t statements = 64;                       // kept prepared, for each table
  std::size_t statement_bytes = 512 * limits::kKiB;  // all of those together
};

static_assert(SqlLimits().value_bytes > limits::kRecordBytesCeiling, "a record is one value");

}  // namespace kontract
