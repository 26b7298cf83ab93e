// Memory of kontract: what one awake session, one passivated session and one idle connection add
// to the resident set of the server, each as a difference over many.

#pragma once

#include <vector>

#include "tests/bench/figure.hpp"
#include "tests/bench/servers.hpp"

namespace kontract::bench {

struct MemoryOptions {
  int sessions = 2000;    // each with one table
  int connections = 500;  // each welcomed and then silent
};

// Three figures of the whole resident set, which the targets are for, and three of its anonymous
// part: the rest is LMDB's map, that is page cache which the kernel takes back when it wants to.
// Never throws for what the server does: a figure that could not be had says why.
std::vector<Figure> memory_figures(const Programs& programs, const MemoryOptions& options);

}  // namespace kontract::bench
