#include "tests/bench/figure.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

#include "tests/bench/percentile.hpp"

namespace kontract::bench {

namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return percentile(values, 0.5);
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 100 ? "%.2f" : "%.0f", value);
  return text;
}

std::string target_text(const Figure& figure) {
  if (figure.goal == Goal::none) return "";
  return (figure.goal == Goal::at_most ? "<= " : ">= ") + number(figure.target);
}

std::string verdict(const Figure& figure) {
  if (!figure.failure.empty()) return "FAILED";
  if (figure.goal == Goal::none) return "";
  return figure.met() ? "met" : "MISSED";
}

}  // namespace

double Figure::median_measured() const { return median(measured); }

double Figure::median_baseline() const { return median(baseline); }

double Figure::judged() const {
  return rival.empty() ? median_measured() : median_measured() / median_baseline();
}

bool Figure::met() const {
  if (!failure.empty()) return false;
  if (goal == Goal::at_most) return judged() <= target;
  return goal == Goal::none || judged() >= target;
}

void print_table(const std::vector<Figure>& figures) {
  std::printf("%-46s %12s %12s %-11s %8s %9s  %s\n", "figure", "kontract", "baseline", "", "ratio",
              "target", "verdict");
  for (const Figure& figure : figures) {
    const bool known = figure.failure.empty();
    const bool compared = !figure.rival.empty();
    const auto baseline = figure.baseline.empty() ? "" : number(figure.median_baseline());
    std::printf("%-46s %12s %12s %-11s %8s %9s  %s\n", (figure.what + ", " + figure.unit).c_str(),
                known ? number(figure.median_measured()).c_str() : "-", baseline.c_str(),
                figure.rival.c_str(), known && compared ? number(figure.judged()).c_str() : "",
                target_text(figure).c_str(), verdict(figure).c_str());
  }
  std::set<std::string> told;  // figures of one run of a server share their reason
  for (const Figure& figure : figures) {
    if (figure.failure.empty() || !told.insert(figure.failure).second) continue;
    std::printf("\n%s could not be measured: %s\n", figure.name.c_str(), figure.failure.c_str());
  }
}

nlohmann::ordered_json to_json(const std::vector<Figure>& figures) {
  auto list = nlohmann::ordered_json::array();
  for (const Figure& figure : figures) {
    nlohmann::ordered_json entry{
        {"name", figure.name}, {"what", figure.what}, {"unit", figure.unit}};
    if (!figure.failure.empty()) {
      entry["failure"] = figure.failure;
    } else {
      entry["kontract"] = figure.median_measured();
      entry["kontract_rounds"] = figure.measured;
    }
    if (!figure.baseline.empty()) {
      entry["rival"] = figure.rival;
      entry["baseline"] = figure.median_baseline();
      entry["baseline_rounds"] = figure.baseline;
      if (figure.failure.empty()) entry["ratio"] = figure.judged();
    }
    if (figure.goal != Goal::none) {
      entry[figure.goal == Goal::at_most ? "target_at_most" : "target_at_least"] = figure.target;
      entry["met"] = figure.met();
    }
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace kontract::bench
