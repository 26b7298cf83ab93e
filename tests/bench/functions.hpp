// What backend functions and middleware cost: bank.transfer by many connections, over one session
// and over many; and table.get through a middleware that lets it pass, against none.

#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/bench/figure.hpp"
#include "tests/bench/servers.hpp"
#include "tests/bench/throughput.hpp"

namespace kontract::bench {

// The names that function_figures knows. bank_N, N sessions, makes three figures.
inline const std::set<std::string> kFunctionNames{"bank_1", "bank_64", "guard", "around"};

// Never throws for what a program under test does: a figure that could not be had says why. One
// of the bank can not be had either if its accounts do not have all their money in the end.
std::vector<Figure> function_figures(const Programs& programs, const ThroughputOptions& options);

}  // namespace kontract::bench
