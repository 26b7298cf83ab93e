// The order of values as SQLite's BINARY collation has it, said in the plainest way.

#pragma once

#include "storage/json_field.hpp"

namespace kontract::testing {

// Below, at or above 0: `a` is before, equal to or behind `b`.
inline int compare_sql(const SqlValue& a, const SqlValue& b) {
  const auto rank = [](const SqlValue& value) {
    return std::holds_alternative<std::monostate>(value) ? 0
           : std::holds_alternative<std::string>(value)  ? 2
                                                         : 1;
  };
  if (rank(a) != rank(b)) return rank(a) - rank(b);
  if (rank(a) == 0) return 0;
  if (rank(a) == 2) return std::get<std::string>(a).compare(std::get<std::string>(b));
  const auto number = [](const SqlValue& value) {
    const auto* integer = std::get_if<std::int64_t>(&value);
    return integer != nullptr ? static_cast<double>(*integer) : std::get<double>(value);
  };
  return number(a) < number(b) ? -1 : number(a) > number(b) ? 1 : 0;
}

}  // namespace kontract::testing
