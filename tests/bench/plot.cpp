#include "tests/bench/plot.hpp"

#include <algorithm>
#include <cstdio>

namespace kontract::bench {

namespace {

constexpr int kWidth = 900, kLabels = 330, kBars = 380, kBar = 11, kRow = 34, kTop = 30;
constexpr const char* kOurs = "#1f6feb";
constexpr const char* kTheirs = "#b0b7c0";

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 100 ? "%.2f" : "%.0f", value);
  return text;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string text_at(int x, int y, const std::string& text) {
  return "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\">" + escaped(text) +
         "</text>\n";
}

std::string bar(int y, double share, const char* colour, const std::string& label) {
  const int width = std::max(1, static_cast<int>(share * kBars));
  return "<rect x=\"" + std::to_string(kLabels) + "\" y=\"" + std::to_string(y) + "\" width=\"" +
         std::to_string(width) + "\" height=\"" + std::to_string(kBar) + "\" fill=\"" + colour +
         "\"/>\n" + text_at(kLabels + width + 6, y + kBar - 1, label);
}

bool plotted(const Figure& figure) { return figure.failure.empty() && !figure.rival.empty(); }

}  // namespace

std::string to_svg(const std::vector<Figure>& figures) {
  const auto count = std::count_if(figures.begin(), figures.end(), plotted);
  const int height = kTop + static_cast<int>(count) * kRow + 10;
  std::string out =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + std::to_string(kWidth) +
      "\" height=\"" + std::to_string(height) +
      "\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n" +
      text_at(10, 18, "kontract (blue) and its rival (grey); the ratio behind the name");
  int y = kTop;
  for (const Figure& figure : figures) {
    if (!plotted(figure)) continue;
    const double ours = figure.median_measured(), theirs = figure.median_baseline();
    const double most = std::max({ours, theirs, 1e-9});
    out += text_at(10, y + kBar + 4, figure.what + " (" + number(figure.judged()) + ")");
    out += bar(y, ours / most, kOurs, number(ours) + " " + figure.unit);
    out += bar(y + kBar + 1, theirs / most, kTheirs, number(theirs) + " " + figure.rival);
    y += kRow;
  }
  return out + "</svg>\n";
}

}  // namespace kontract::bench
