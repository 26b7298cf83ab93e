// Flags: the command line of a benchmark program, `--name value` pairs and bare `--name` switches.

#pragma once

#include <map>
#include <set>
#include <stdexcept>
#include <string>

namespace kontract::bench {

class Flags {
 public:
  // Throws std::invalid_argument for a name that is in neither set and for a missing value.
  Flags(int argc, char** argv, const std::set<std::string>& valued,
        const std::set<std::string>& switches = {}) {
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      if (switches.contains(name)) {
        values_[name] = "";
      } else if (!valued.contains(name)) {
        throw std::invalid_argument("unknown option " + name);
      } else if (i + 1 == argc) {
        throw std::invalid_argument(name + " needs a value");
      } else {
        values_[name] = argv[++i];
      }
    }
  }

  bool has(const std::string& name) const { return values_.contains(name); }

  std::string text(const std::string& name, const std::string& otherwise) const {
    const auto found = values_.find(name);
    return found == values_.end() ? otherwise : found->second;
  }

  // Throws std::invalid_argument for what is not a whole number of at least `least`.
  int count(const std::string& name, int otherwise, int least = 1) const {
    const double value = number(name, otherwise);
    if (value < least || value > 1e9 || value != static_cast<int>(value)) {
      throw std::invalid_argument(name + " must be a whole number from " + std::to_string(least));
    }
    return static_cast<int>(value);
  }

  // Throws std::invalid_argument for what is not a number of at least 0.
  double number(const std::string& name, double otherwise) const {
    const auto found = values_.find(name);
    if (found == values_.end()) return otherwise;
    std::size_t used = 0;
    double value = -1;
    try {
      value = std::stod(found->second, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    if (used == 0 || used != found->second.size() || !(value >= 0)) {
      throw std::invalid_argument(name + " must be a number, not " + found->second);
    }
    return value;
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace kontract::bench
