// `bank run`: a server of its own, clients that transfer, and what must hold in the end.

#pragma once

#include <cstddef>

#include "examples/bank/workload.hpp"
#include "storage/result.hpp"

namespace bank {

struct RunPlan {
  Load load;
  bool chaos = false;
  std::size_t kills = 5;  // with `chaos`
};

// Prints what it does. Errors: what failed; internal if money or a transfer was lost or made twice.
kontract::Status run(const RunPlan& plan);

}  // namespace bank
