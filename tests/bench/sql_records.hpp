// The records that SQL is measured on, each of about 200 bytes.
//
//   id    k0, k1, … in pseudo-random order of insertion
//   data  {"city":…,"n":…,"pad":…,"place":…}: n is the record's number, city is shared by ten
//         records and indexed, place is the same number and not indexed

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace kontract::bench {

inline constexpr std::uint64_t kRecordsPerCity = 10;

inline std::string sql_id(std::uint64_t number) { return "k" + std::to_string(number); }

inline std::uint64_t cities_of(std::uint64_t records) {
  return records < kRecordsPerCity ? 1 : records / kRecordsPerCity;
}

inline nlohmann::json sql_data(std::uint64_t number, std::uint64_t records) {
  const std::uint64_t city = number % cities_of(records);
  return {{"city", city}, {"n", number}, {"pad", std::string(140, 'v')}, {"place", city}};
}

// A permutation of 0..records-1: 7919 is a prime that divides none of the sizes that are measured.
inline std::uint64_t sql_number(std::uint64_t turn, std::uint64_t records) {
  return turn * 7919 % records;
}

}  // namespace kontract::bench
