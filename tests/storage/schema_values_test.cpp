#include "storage/schema_values.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace kontract {
namespace {

TEST(SchemaValuesTest, EachTypeIsFoundByItsName) {
  std::string names;
  for (int i = 0; i <= static_cast<int>(FieldType::any); ++i) {
    const auto type = static_cast<FieldType>(i);
    EXPECT_EQ(field_type(name_of(type)), type);
    names += (i == 0 ? "" : ", ") + std::string(name_of(type));
  }
  EXPECT_EQ(names, field_type_names());
  EXPECT_EQ(field_type("String"), std::nullopt);
  EXPECT_EQ(field_type(""), std::nullopt);
}

TEST(SchemaValuesTest, ADatetimeIsThatOfRfc3339) {
  for (const char* text :
       {"1985-04-12T23:20:50.52Z", "1996-12-19T16:39:57-08:00", "1990-12-31T23:59:60Z",
        "1990-12-31T15:59:60-08:00", "1937-01-01T12:00:27.87+00:20", "2000-02-29", "0000-01-01",
        "9999-12-31t00:00:00z", "2024-06-30T05:29:60+05:30", "2024-01-01T00:00:00.123456789Z"}) {
    EXPECT_TRUE(is_datetime(text)) << text;
  }
  for (const char* text : {"",
                           "2024",
                           "2024-01",
                           "2024-1-1",
                           "2024-00-01",
                           "2024-13-01",
                           "2024-01-00",
                           "2024-01-32",
                           "2024-04-31",
                           "1900-02-29",
                           "2023-02-29",
                           "24-01-01",
                           "12024-01-01",
                           "2024-01-01 00:00:00Z",
                           "2024-01-01T",
                           "2024-01-01T00:00Z",
                           "2024-01-01T00:00:00",
                           "2024-01-01T24:00:00Z",
                           "2024-01-01T00:60:00Z",
                           "2024-01-01T00:00:61Z",
                           "2024-01-01T00:00:60Z",
                           "1990-12-31T23:59:60+01:00",
                           "2024-01-01T00:00:00.Z",
                           "2024-01-01T00:00:00+24:00",
                           "2024-01-01T00:00:00+00:60",
                           "2024-01-01T00:00:00+0000",
                           "2024-01-01T00:00:00Zx",
                           "2024-01-01x",
                           "2024/01/01",
                           "-024-01-01"}) {
    EXPECT_FALSE(is_datetime(text)) << text;
  }
}

TEST(SchemaValuesTest, BytesAreTheBase64OfRfc4648) {
  for (const char* text : {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "+/+/", "AA==", "AAA="}) {
    EXPECT_TRUE(is_base64(text)) << text;
  }
  for (const char* text : {"Z", "Zg", "Zm8", "Zg=", "Zg==Zg==", "Zh==", "Zm9=", "Zm9v\n",
                           "====", "A===", "-_-_", "Zm 8", "Z=g="}) {
    EXPECT_FALSE(is_base64(text)) << text;
  }
}

TEST(SchemaValuesTest, WhatAProgramMakesIsCheckedAsWell) {
  Json infinite = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(make_fit(FieldType::number, infinite));
  EXPECT_FALSE(make_fit(FieldType::integer, infinite));
  Json negative = std::int64_t{-5};
  EXPECT_TRUE(make_fit(FieldType::integer, negative));
  Json huge = std::numeric_limits<std::int64_t>::min();
  EXPECT_FALSE(make_fit(FieldType::integer, huge));
}

TEST(SchemaValuesTest, ATypeWidensToOneThatTakesAllItsValues) {
  using enum FieldType;
  for (const auto& [from, to] : {std::pair{integer, number},
                                 {datetime, string},
                                 {bytes, string},
                                 {object, any},
                                 {array, array}}) {
    EXPECT_TRUE(widens(from, to)) << name_of(from) << " " << name_of(to);
  }
  for (const auto& [from, to] : {std::pair{number, integer},
                                 {string, bytes},
                                 {any, string},
                                 {boolean, integer},
                                 {datetime, bytes}}) {
    EXPECT_FALSE(widens(from, to)) << name_of(from) << " " << name_of(to);
  }
}

}  // namespace
}  // namespace kontract
