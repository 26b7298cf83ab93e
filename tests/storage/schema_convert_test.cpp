#include "storage/schema_convert.hpp"

#include <gtest/gtest.h>

namespace kontract {
namespace {

TEST(SchemaConvertTest, ValuesBecomeOthersThatSayTheSame) {
  struct Case {
    const char* name;
    const char* value;
    FieldType to;
    const char* expected;  // null: it cannot
  };
  using enum FieldType;
  for (const Case& c :
       {Case{"text of an integer", R"("42")", integer, "42"},
        Case{"text of a negative number", R"("-1.5")", number, "-1.5"},
        Case{"text of a whole float", R"("3.0")", integer, "3"},
        Case{"text of a fraction", R"("3.5")", integer, nullptr},
        Case{"text with a space", R"(" 42")", integer, nullptr},
        Case{"text with a leading zero", R"("042")", integer, nullptr},
        Case{"text of another number", R"("0x2A")", number, nullptr},
        Case{"text past the safe integers", R"("9007199254740993")", integer, nullptr},
        Case{"no text", R"("")", integer, nullptr},
        Case{"text of null", R"("null")", boolean, nullptr},
        Case{"text of true", R"("true")", boolean, "true"},
        Case{"text of True", R"("True")", boolean, nullptr},
        Case{"text of a number for a boolean", R"("1")", boolean, nullptr},
        Case{"a date", R"("2024-02-29")", datetime, R"("2024-02-29")"},
        Case{"no date", R"("2023-02-29")", datetime, nullptr},
        Case{"a whole float", "3.0", integer, "3"},
        Case{"a fraction", "3.5", integer, nullptr},
        Case{"an integer", "3", number, "3"},
        Case{"a boolean", "true", integer, nullptr},
        Case{"a number as text", "1.5", string, R"("1.5")"},
        Case{"a boolean as text", "false", string, R"("false")"},
        Case{"an array as text", "[1]", string, nullptr},
        Case{"an object as text", "{}", string, nullptr},
        Case{"an array of an array", "[1]", array, "[1]"},
        Case{"an array for an object", "[1]", object, nullptr},
        Case{"whatever", "[1]", any, "[1]"}}) {
    SCOPED_TRACE(c.name);
    Json value = Json::parse(c.value);
    const bool converted = convert_value(c.to, value);
    EXPECT_EQ(converted, c.expected != nullptr);
    EXPECT_EQ(to_text(value), to_text(Json::parse(c.expected != nullptr ? c.expected : c.value)));
  }
}

TEST(SchemaConvertTest, SomeTypesHaveNoValueInCommon) {
  EXPECT_TRUE(converts(FieldType::string, FieldType::integer));
  EXPECT_TRUE(converts(FieldType::number, FieldType::integer));
  EXPECT_TRUE(converts(FieldType::boolean, FieldType::string));
  EXPECT_TRUE(converts(FieldType::any, FieldType::object));
  EXPECT_TRUE(converts(FieldType::array, FieldType::any));
  EXPECT_FALSE(converts(FieldType::array, FieldType::string));
  EXPECT_FALSE(converts(FieldType::boolean, FieldType::integer));
  EXPECT_FALSE(converts(FieldType::string, FieldType::object));
}

}  // namespace
}  // namespace kontract
