#include "storage/json.hpp"

#include <gtest/gtest.h>

#include <random>

namespace kontract {
namespace {

using namespace std::string_literals;

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(JsonTest, WhatIsValidParsesToWhatNlohmannMakesOfIt) {
  const std::string cases[] = {
      "null",
      "true",
      "0",
      "-1",
      "9007199254740991",
      "-9007199254740991",
      "1.5e3",
      "1e20",
      R"("")",
      R"("a\u00e9\ud83d\ude00\n")",
      R"("é😀")",
      "[]",
      "{}",
      R"([1,[2,{"a":[]}],"x"])",
      R"({"a":1,"b":{"a":2,"c":[null,false]}})",
      " { \"a\" : [ 1 , 2 ] } \n",
      nested(limits::kJsonDepthMax),
  };
  for (const std::string& text : cases) {
    SCOPED_TRACE(text);
    const auto parsed = parse_json(text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, Json::parse(text));
  }
}

TEST(JsonTest, WhatIsNotValidIsRefusedWithTheReasonAndThePlace) {
  struct Case {
    const char* name;
    std::string text;
    const char* message;
  };
  const Case cases[] = {
      {"nothing", "", "JSON is not valid at byte 1: unexpected end of input"},
      {"two values", "1 2", "JSON is not valid at byte 3: unexpected number literal; expected end"},
      {"unquoted name", "{x:1}", "JSON is not valid at byte 2: invalid literal; expected string"},
      {"unclosed", R"({"a":[1)", "JSON is not valid at byte 8: unexpected end of input; expected"},
      {"NaN", "[NaN]", "JSON is not valid at byte 2: invalid literal"},
      {"comment", "/*x*/1", "JSON is not valid at byte 1: invalid literal"},
      {"trailing comma", "[1,]", "JSON is not valid at byte 4: unexpected ']'"},
      {"leading zero", "01", "JSON is not valid at byte 2: unexpected number literal"},
      {"NUL behind the value", "1\0x"s, "JSON is not valid at byte 2: it has a NUL byte"},
      {"NUL in a string", "\"a\0b\""s, "JSON is not valid at byte 3: it has a NUL byte"},
      {"control character", "\"a\nb\"",
       "JSON is not valid at byte 3: invalid string: control character U+000A (LF) must be "
       "escaped"},
      {"not UTF-8", "\"\xC3(\"", "JSON is not valid at byte 3: invalid string: ill-formed UTF-8"},
      {"overlong UTF-8", "\"\xC0\xAF\"", "JSON is not valid at byte 2: invalid string: ill-formed"},
      {"surrogate in UTF-8", "\"\xED\xA0\x80\"", "JSON is not valid at byte 3: invalid string"},
      {"lone high surrogate", R"("\ud800")", "JSON is not valid at byte 8: invalid string: surro"},
      {"lone low surrogate", R"("\udc00")", "JSON is not valid at byte 7: invalid string: surro"},
      {"infinity", "[1e400]", "JSON is not valid at byte 6: a number is too large"},
      {"duplicate member", R"({"a":1,"b":{"x":1},"a":2})",
       "JSON is not valid at byte 22: an object has two members of the same name"},
      {"duplicate by escape", R"({"a":1,"\u0061":2})",
       "JSON is not valid at byte 15: an object has two members of the same name"},
      {"integer above", "[9007199254740992]",
       "JSON is not valid at byte 18: an integer is outside of +-(2^53 - 1)"},
      {"integer below", "[-9007199254740992]",
       "JSON is not valid at byte 19: an integer is outside of +-(2^53 - 1)"},
      {"integer above 64 bits", "[1, 99999999999999999999]",
       "JSON is not valid at byte 25: an integer is outside of +-(2^53 - 1)"},
      {"too deep", nested(65), "JSON is not valid at byte 65: it is nested deeper than 64"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto parsed = parse_json(c.text);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, Errc::invalid_request);
    EXPECT_TRUE(parsed.error().message.starts_with(c.message)) << parsed.error().message;
  }
}

TEST(JsonTest, ATooLargeIntegerIsAnsweredWithWhatToDo) {
  EXPECT_NE(parse_json("9007199254740992").error().hint.find("Send it as a string"),
            std::string::npos);
}

TEST(JsonTest, ErrorsDoNotQuoteTheText) {
  const auto parsed = parse_json(R"({"password":"hunter2" "x"})");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().message.find("hunter2"), std::string::npos);
}

TEST(JsonTest, TheNumberOfValuesIsBounded) {
  const JsonLimits bounds{.depth = 64, .values = 4};
  EXPECT_TRUE(parse_json("[1,2,3]", bounds));
  EXPECT_FALSE(parse_json("[1,2,3,4]", bounds));
  EXPECT_TRUE(parse_json(R"({"a":{"b":[]}})", bounds));
  EXPECT_EQ(parse_json("[1,2,3,4]", bounds).error().message,
            "JSON is not valid at byte 9: it has more than 4 values");
}

TEST(JsonTest, AnyBytesGiveAValueOrAnError) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr std::string_view kAlphabet = "{}[]\",:0123456789eE+-.truefalsnl\\ud8c0\x80\xC3\xED \n";
  for (int i = 0; i < 20'000; ++i) {
    std::string text(random() % 24, '\0');
    for (char& c : text) c = kAlphabet[random() % kAlphabet.size()];
    const auto parsed = parse_json(text);
    // What is accepted is accepted by nlohmann's own parser too, with the same value.
    if (parsed) {
      EXPECT_EQ(*parsed, Json::parse(text, nullptr, false)) << text;
    }
  }
}

TEST(JsonTest, TextIsCompactAndSurvivesWhatIsNotUtf8) {
  EXPECT_EQ(to_text(Json::parse(R"({"b": [1, 2.5], "a": "é"})")), R"({"a":"é","b":[1,2.5]})");
  EXPECT_EQ(to_text(Json("\xFF")), "\"\xEF\xBF\xBD\"");
}

TEST(JsonTest, AStringIsQuotedAsNlohmannQuotesIt) {
  for (const std::string& text : {""s, "plain id-1"s, "a\"b\\c\n\x01"s, "é😀"s, "\x7F"s}) {
    std::string out = "x";
    append_json_string(out, text);
    EXPECT_EQ(out, "x" + Json(text).dump());
  }
}

TEST(JsonTest, Utf8IsWhatRfc3629Says) {
  struct Case {
    const char* name;
    std::string text;
    bool expected;
  };
  const Case cases[] = {
      {"empty", "", true},
      {"ASCII", "a\x7F", true},
      {"two bytes", "\xC2\x80\xDF\xBF", true},
      {"three bytes", "\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF", true},
      {"four bytes", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", true},
      {"continuation alone", "\x80", false},
      {"overlong two", "\xC1\xBF", false},
      {"overlong three", "\xE0\x9F\xBF", false},
      {"overlong four", "\xF0\x8F\xBF\xBF", false},
      {"surrogate", "\xED\xA0\x80", false},
      {"past the last", "\xF4\x90\x80\x80", false},
      {"no lead byte", "\xF5\x80\x80\x80", false},
      {"cut", "\xE2\x82", false},
      {"bad third byte", "\xE2\x82(", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(is_utf8(c.text), c.expected);
  }
}

// The first cases are those of PostgreSQL's documentation, section 8.14.3.
TEST(JsonTest, ContainmentIsPostgresqls) {
  struct Case {
    const char* whole;
    const char* part;
    bool expected;
  };
  const Case cases[] = {
      {R"("foo")", R"("foo")", true},
      {"[1,2,3]", "[1,3]", true},
      {"[1,2,3]", "[3,1]", true},
      {"[1,2,3]", "[1,2,2]", true},
      {R"({"product":"PostgreSQL","version":9.4,"jsonb":true})", R"({"version":9.4})", true},
      {"[1,2,[1,3]]", "[1,3]", false},
      {"[1,2,[1,3]]", "[[1,3]]", true},
      {R"({"foo":{"bar":"baz"}})", R"({"bar":"baz"})", false},
      {R"({"foo":{"bar":"baz"}})", R"({"foo":{}})", true},
      {R"(["foo","bar"])", R"("bar")", true},
      {R"("bar")", R"(["bar"])", false},

      {"1", "1.0", true},
      {R"({"n":1})", R"({"n":1.0})", true},
      {R"({"n":[1.0]})", R"({"n":[1]})", true},
      {"1", "true", false},
      {R"({"n":1})", R"({"n":"1"})", false},
      {R"({"n":null})", R"({"n":null})", true},
      {"{}", R"({"n":null})", false},
      {R"({"n":0})", R"({"n":null})", false},
      {"{}", "{}", true},
      {"{}", "[]", false},
      {"[]", "{}", false},
      {"[]", "[]", true},
      {"[[]]", "[]", true},
      {"[]", "[[]]", false},
      {"[{}]", "{}", false},
      {"[1]", "[]", true},
      {"[]", "1", false},
      {R"({"a":["x","y"]})", R"({"a":"x"})", false},  // a bare scalar only at the top level
      {R"([["x"]])", R"(["x"])", false},
      {R"({"a":["x","y"]})", R"({"a":["y"]})", true},
      {R"({"a":[{"b":1,"c":2},{"b":3}]})", R"({"a":[{"b":3}]})", true},
      {R"({"a":[{"b":1,"c":2},{"b":3}]})", R"({"a":[{"b":3,"c":2}]})", false},
      {R"({"a":[{"b":1,"c":2}]})", R"({"a":[{"b":1},{"c":2}]})", true},
      {R"({"a":{"b":{"c":[1,2]}}})", R"({"a":{"b":{"c":[2]}}})", true},
      {R"({"a":1,"b":2})", R"({"a":1,"b":3})", false},
      {"[null]", "null", true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.whole) + " @> " + c.part);
    EXPECT_EQ(contains(Json::parse(c.whole), Json::parse(c.part)), c.expected);
  }
}

}  // namespace
}  // namespace kontract
