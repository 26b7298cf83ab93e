// process_memory: what a running program holds of the machine's memory.

#pragma once

#include <sys/types.h>

namespace kontract::bench {

struct Memory {
  double resident = 0;   // bytes
  double anonymous = 0;  // bytes; heap and stacks
};

// Throws std::runtime_error if it cannot be read.
Memory memory_of(pid_t pid);

}  // namespace kontract::bench
