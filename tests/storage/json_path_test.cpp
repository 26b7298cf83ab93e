#include "storage/json_path.hpp"

#include <gtest/gtest.h>

#include "storage/json_field.hpp"
#include "tests/storage/json_text.hpp"

namespace kontract {
namespace {

TEST(JsonPathTest, FindsWhatJsonFieldFindsInTheText) {
  const Json data = json(R"({"a":{"b":1,"b.c":{"d":[2]},"":3},"a.b":4,"a.x":null,"é\"":5,"n":{}})");
  for (const char* path : {"a", "a.b", "a.b.c.d", "a.b.c", "a.", "a.x", "a.x.y", "é\"", "n", "n.a",
                           "a.b.c.d.e", "", ".", "z", "a..b"}) {
    SCOPED_TRACE(path);
    const Json* found = find_path(data, path);
    const std::string text = to_text(data);
    const auto in_text = json_field(text, path);
    ASSERT_EQ(found != nullptr, in_text.has_value());
    if (found != nullptr) {
      EXPECT_EQ(to_text(*found), *in_text);
    }
  }
  EXPECT_EQ(*find_path(data, "a.b"), 4);  // a member's own name comes first
  EXPECT_EQ(find_path(json("[1]"), "a"), nullptr);
}

TEST(JsonPathTest, PlacesAValueWhereItIsThenFound) {
  struct Case {
    const char* object;
    const char* path;
    const char* after;  // null: there is no place
  };
  for (const Case& c :
       {Case{"{}", "a", R"({"a":1})"}, Case{"{}", "a.b.c", R"({"a":{"b":{"c":1}}})"},
        Case{R"({"a":{"x":0}})", "a.b", R"({"a":{"b":1,"x":0}})"},
        Case{R"({"a":null})", "a.b", R"({"a":{"b":1}})"},
        Case{R"({"a":{"b":null}})", "a.b.c", R"({"a":{"b":{"c":1}}})"},
        Case{R"({"a":5})", "a.b", nullptr}, Case{R"({"a":[{}]})", "a.b", nullptr},
        Case{R"({"a":{"b":"x"}})", "a.b.c", nullptr}}) {
    SCOPED_TRACE(std::string(c.object) + " " + c.path);
    Json object = json(c.object);
    EXPECT_EQ(place_path(object, c.path, 1), c.after != nullptr);
    EXPECT_EQ(to_text(object), c.after != nullptr ? c.after : to_text(json(c.object)));
    if (c.after != nullptr) {
      ASSERT_NE(find_path(object, c.path), nullptr);
      EXPECT_EQ(*find_path(object, c.path), 1);
    }
  }
}

TEST(JsonPathTest, TakesOutWhatIsFoundAndNothingElse) {
  const Json data = json(R"({"a":{"b":1,"b.c":{"d":[2]}},"a.b":4,"a.x":null})");
  struct Case {
    const char* path;
    const char* after;  // null: as before
  };
  for (const Case& c : {Case{"a", R"({"a.b":4,"a.x":null})"},
                        Case{"a.b", R"({"a":{"b":1,"b.c":{"d":[2]}},"a.x":null})"},
                        Case{"a.x", R"({"a":{"b":1,"b.c":{"d":[2]}},"a.b":4})"},
                        Case{"a.b.c", R"({"a":{"b":1},"a.b":4,"a.x":null})"},
                        Case{"a.b.c.d", R"({"a":{"b":1,"b.c":{}},"a.b":4,"a.x":null})"},
                        Case{"a.z", nullptr}, Case{"a.b.c.d.e", nullptr}, Case{"z.a", nullptr}}) {
    SCOPED_TRACE(c.path);
    Json left = data;
    const Json* found = find_path(data, c.path);
    ASSERT_EQ(found != nullptr, c.after != nullptr);
    EXPECT_EQ(take_path(left, c.path), found != nullptr ? *found : Json());
    EXPECT_EQ(left, c.after != nullptr ? json(c.after) : data);
  }
  Json list = json("[1]");
  EXPECT_EQ(take_path(list, "a"), nullptr);
  EXPECT_EQ(list, json("[1]"));
}

TEST(JsonPathTest, TextWithoutPathsHasThemInNoReading) {
  struct Case {
    const char* data;
    std::vector<std::string_view> paths;
    const char* without;
  };
  for (const Case& c :
       {Case{"{}", {"a"}, "{}"}, Case{R"({"a":1})", {"a"}, "{}"},
        Case{R"({"a":1,"b":[1,{"a":2}],"c":"},\"a\":3"})",
             {"a"},
             R"({"b":[1,{"a":2}],"c":"},\"a\":3"})"},
        Case{R"({"a":1,"b":2,"c":3})", {"b", "c"}, R"({"a":1})"},
        Case{R"({"a":{"b":1,"c":2},"a.b":3,"a.c":4})", {"a.b"}, R"({"a":{"c":2},"a.c":4})"},
        Case{R"({"a":{"b":{"c":1},"b.c":2},"a.b":{"c":3}})",
             {"a.b.c"},
             R"({"a":{"b":{}},"a.b":{}})"},
        Case{R"({"a":5,"ab":6})", {"a.b", "ab"}, R"({"a":5})"},
        Case{R"({"a\"b":1,"c":2})", {"a\"b"}, R"({"c":2})"},
        Case{R"({"a":{"b":1}})", {}, R"({"a":{"b":1}})"}}) {
    SCOPED_TRACE(c.data);
    const std::string without = json_without(c.data, c.paths);
    EXPECT_EQ(without, c.without);
    for (const std::string_view path : c.paths) EXPECT_FALSE(json_field(without, path));
  }
}

}  // namespace
}  // namespace kontract
