#include "storage/index_key.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "storage/index_set.hpp"
#include "storage/json.hpp"
#include "storage/limits.hpp"
#include "tests/storage/sql_order.hpp"

namespace kontract {
namespace {

using namespace std::string_literals;
using testing::compare_sql;

std::string key(const SqlValue& value) {
  std::string out;
  append_index_value(out, value);
  return out;
}

int sign(int value) { return value < 0 ? -1 : value > 0 ? 1 : 0; }

void expect_same_order(const SqlValue& a, const SqlValue& b) {
  EXPECT_EQ(sign(key(a).compare(key(b))), sign(compare_sql(a, b)))
      << ::testing::PrintToString(key(a)) << " and " << ::testing::PrintToString(key(b));
}

TEST(IndexKeyTest, KeysSortAsValuesDo) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const SqlValue values[] = {std::monostate(),
                             -kInfinity,
                             -1e300,
                             -limits::kSafeIntegerMax,
                             std::int64_t{-2},
                             -1.5,
                             -std::numeric_limits<double>::denorm_min(),
                             -0.0,
                             std::int64_t{0},
                             std::numeric_limits<double>::denorm_min(),
                             std::int64_t{1},
                             1.0,
                             limits::kSafeIntegerMax - 1,
                             limits::kSafeIntegerMax,
                             kInfinity,
                             ""s,
                             "\0"s,
                             "\0\0"s,
                             "\0\1"s,
                             "\0\xFF"s,
                             "\1"s,
                             "a"s,
                             "a\0"s,
                             "a\0b"s,
                             "a\1"s,
                             "aa"s,
                             "\xC3\xA4"s};
  for (const SqlValue& a : values) {
    for (const SqlValue& b : values) expect_same_order(a, b);
  }
}

TEST(IndexKeyTest, RandomRowsSortAsTheirValuesDo) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto value = [&]() -> SqlValue {
    switch (random() % 5) {
      case 0:
        return std::monostate();
      case 1:
        return static_cast<std::int64_t>(random() % 7) - 3;
      case 2: {
        double number = 0;
        const std::uint64_t bits = random();
        std::memcpy(&number, &bits, sizeof number);
        return number == number ? number : 0.5;
      }
      default: {
        std::string text(random() % 4, '\0');
        for (char& c : text) c = "\0\1\xFF\x7Fz"[random() % 5];
        return text;
      }
    }
  };
  for (int i = 0; i < 50'000; ++i) {
    const SqlValue a[] = {value(), value()}, b[] = {value(), value()};
    const int expected = compare_sql(a[0], b[0]) != 0 ? compare_sql(a[0], b[0])  //
                                                      : compare_sql(a[1], b[1]);
    ASSERT_EQ(sign((key(a[0]) + key(a[1])).compare(key(b[0]) + key(b[1]))), sign(expected));
    const bool null = std::holds_alternative<std::monostate>(a[0]) ||
                      std::holds_alternative<std::monostate>(a[1]);
    ASSERT_EQ(has_null(key(a[0]) + key(a[1])), null);
  }
}

TEST(IndexKeyTest, TheBytesAreThoseOfTheDocument) {
  EXPECT_EQ(key(std::monostate()), "\1");
  EXPECT_EQ(key(std::int64_t{1}), "\2\xBF\xF0\0\0\0\0\0\0"s);
  EXPECT_EQ(key(-1.0), "\2\x40\x0F\xFF\xFF\xFF\xFF\xFF\xFF");
  EXPECT_EQ(key("a\0b"s),
            "\3a\0\xFF"
            "b\0\0"s);
  EXPECT_EQ(entry_prefix(258), "\1\2");
  EXPECT_EQ(mark_of(1), "\0\1\x7F"s);
}

IndexSet on(std::vector<std::string> fields) {
  return IndexSet({{1, {std::move(fields), false}, IndexState::ready}});
}

TEST(IndexSetTest, ARecordHasOneEntryAndAMarkWhereANameWithADotHidesThePath) {
  struct Case {
    const char* data;
    const char* city;  // what is indexed; null: NULL
    bool marked;
  };
  for (const Case& c : {Case{R"({"address":{"city":"Bonn"}})", "Bonn", false},
                        Case{R"({"address":"Bonn"})", nullptr, false},
                        Case{R"({"address.city":"Ulm"})", "Ulm", true},
                        Case{R"({"address":{"city":"Bonn"},"address.city":"Ulm"})", "Ulm", true},
                        Case{"{}", nullptr, false}}) {
    SCOPED_TRACE(c.data);
    IndexEntries expected = {entry_prefix(1) +
                             key(c.city != nullptr ? SqlValue(c.city) : SqlValue())};
    if (c.marked) expected.push_back(mark_of(1));
    EXPECT_EQ(on({"address.city"}).entries(c.data), expected);
  }
}

TEST(IndexSetTest, WhatDoesNotFitAKeyHasNoEntryAndTheErrorSaysWhatDoes) {
  const auto entries = [](std::size_t bytes, std::vector<IndexNo>& unfit) {
    return on({"name"}).entries(to_text(Json{{"name", std::string(bytes, 'x')}}), &unfit);
  };
  std::vector<IndexNo> unfit;
  EXPECT_EQ(entries(477, unfit).size(), 1u);
  EXPECT_TRUE(unfit.empty());
  EXPECT_TRUE(entries(478, unfit).empty());
  EXPECT_EQ(unfit, std::vector<IndexNo>{1});
  EXPECT_EQ(does_not_fit({{"name"}, false}).message,
            "Field 'name' is indexed and may have 477 bytes");
  EXPECT_EQ(does_not_fit({{"a", "b"}, false}).message,
            "Fields 'a', 'b' are indexed and may have 474 bytes together");
}

TEST(IndexSetTest, OnlyBuildingAndReadyIndexesAreKeptUp) {
  const IndexSet set({{1, {{"a"}, false}, IndexState::building},
                      {2, {{"a"}, false}, IndexState::dropped},
                      {3, {{"a"}, false}, IndexState::failed},
                      {4, {{"a"}, false}, IndexState::ready}});
  const std::string value = key(std::int64_t{7});
  EXPECT_EQ(set.entries(R"({"a":7})"),
            (IndexEntries{entry_prefix(1) + value, entry_prefix(4) + value}));
  EXPECT_EQ(set.entries_max(), 4u);
  EXPECT_FALSE(IndexSet().keeps_entries());
}

}  // namespace
}  // namespace kontract
