// table.exec against SQLite with a table of its own, and table.query by an index against a scan, in
// this process, one round after the other: A B A B.

#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/bench/figure.hpp"
#include "tests/bench/servers.hpp"

namespace kontract::bench {

struct SqlOptions {
  int rounds = 3;
  double seconds = 3;     // of each measurement, after a tenth of it that does not count
  int records = 100'000;  // of the largest table; queries are also measured at a hundredth of it
  std::set<std::string> names;  // which figures
};

// The names that sql_figures knows.
inline const std::set<std::string> kSqlNames{"sql_point", "sql_index", "sql_scan", "query"};

// Never throws: a figure that could not be had says why.
std::vector<Figure> sql_figures(const Programs& programs, const SqlOptions& options);

}  // namespace kontract::bench
