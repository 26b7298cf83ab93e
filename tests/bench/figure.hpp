// Figure: one measured value with what it is held against, and how figures are reported.

#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace kontract::bench {

enum class Goal { at_most, at_least, none };

struct Figure {
  std::string name;   // "get_1", in the JSON report
  std::string what;   // "table.get, 1 in flight, p50"
  std::string unit;   // "us"
  std::string rival;  // "beast_echo"; empty: `measured` itself is held against the target
  std::vector<double> measured = {};  // one value a round
  std::vector<double> baseline = {};  // the rival's, round by round
  double target = 0;  // for the ratio of the medians, or for the median when there is no rival
  Goal goal = Goal::none;
  std::string failure = {};  // why there is no value; empty: there is one

  double median_measured() const;
  double median_baseline() const;
  double judged() const;  // the ratio or the median, whichever the target is for
  bool met() const;       // false as well when there is no value
};

// A table for people: one line a figure.
void print_table(const std::vector<Figure>& figures);

nlohmann::ordered_json to_json(const std::vector<Figure>& figures);

}  // namespace kontract::bench
