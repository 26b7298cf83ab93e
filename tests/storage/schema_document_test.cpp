#include "storage/schema_document.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kontract {
namespace {

using ::testing::HasSubstr;

SchemaDocument document(const char* text) {
  auto parsed = SchemaDocument::parse(Json::parse(text));
  if (!parsed) ADD_FAILURE() << parsed.error().message;
  return parsed ? *parsed : SchemaDocument();
}

TEST(SchemaDocumentTest, ItsTextGivesItAgain) {
  const SchemaDocument one = document(R"({"version": 3,
    "tables": {"movies": {"permissions": 6, "fields": {"us_gross": {"type": "integer"},
                          "year": {"type": "integer", "index": true}}}, "empty": {}},
    "steps": [{"rename": {"table": "movies", "from": "gross", "to": "us_gross"}},
              {"remove": {"table": "movies", "field": "x"}},
              {"retype": {"table": "movies", "field": "year", "to": "integer"}},
              {"check": {"table": "movies"}}, {"drop": {"table": "old"}}]})");
  EXPECT_EQ(one.version(), 3u);
  EXPECT_EQ(one.tables().at("movies").permissions, perms::RW_);
  EXPECT_EQ(one.tables().at("empty").permissions, perms::RWX);
  EXPECT_EQ(one.steps().size(), 5u);
  EXPECT_EQ(document(one.to_json().c_str()), one);
  EXPECT_TRUE(one.check_after(one));
}

TEST(SchemaDocumentTest, WhatIsWrongIsSaidWithItsPlace) {
  struct Case {
    const char* name;
    const char* text;
    const char* message;
  };
  for (const Case& c :
       {Case{"no object", "[]", "document: "}, Case{"no version", "{}", "version: it is missing"},
        Case{"version 0", R"({"version": 0})", "version: expected"},
        Case{"another key", R"({"version": 1, "table": {}})", "unknown key 'table'"},
        Case{"a table's name", R"({"version": 1, "tables": {"a b": {}}})", "a b"},
        Case{"a table's key", R"({"version": 1, "tables": {"t": {"x": 1}}})", "tables.t"},
        Case{"a field", R"({"version": 1, "tables": {"t": {"fields": {"a": {"type": "int"}}}}})",
             "tables.t.fields.a.type: 'int' is not a type"},
        Case{"permissions", R"({"version": 1, "tables": {"t": {"permissions": 8}}})",
             "tables.t.permissions"},
        Case{"a step", R"({"version": 1, "steps": [{"move": {}}]})", "steps[0]: a step is"},
        Case{"a step's key", R"({"version": 1, "steps": [{"drop": {}}]})",
             "steps[0].drop.table: expected"},
        Case{"tables in a list", R"({"version": 1, "tables": []})", "tables: expected an object"},
        Case{"a table in a list", R"({"version": 1, "tables": {"t": []}})",
             "tables.t: expected an object"},
        Case{"steps in an object", R"({"version": 1, "steps": {}})", "steps: expected an array"},
        Case{"a step about nothing", R"({"version": 1, "steps": [{"drop": "t"}]})",
             "steps[0].drop: expected an object"},
        Case{"a retype to no type",
             R"({"version": 1, "steps": [{"retype": {"table": "t", "field": "a", "to": "int"}}]})",
             "steps[0].retype.to: 'int' is not a type; types are"},
        Case{"more in a step", R"({"version": 1, "steps": [{"drop": {"table": "t", "x": 1}}]})",
             "steps[0].drop: there is more"},
        Case{"a step of no table", R"({"version": 1, "steps": [{"check": {"table": "t"}}]})",
             "steps[0]: there is no table t"},
        Case{"a rename to no field", R"({"version": 1, "tables": {"t": {}}, "steps":
             [{"rename": {"table": "t", "from": "a", "to": "b"}}]})",
             "steps[0]: 'b' is not a field"},
        Case{"a retype to another type",
             R"({"version": 1, "tables": {"t": {"fields": {"a": {"type": "number"}}}}, "steps":
             [{"retype": {"table": "t", "field": "a", "to": "integer"}}]})",
             "steps[0]: 'a' is not a field of type integer"}}) {
    SCOPED_TRACE(c.name);
    const auto parsed = SchemaDocument::parse(Json::parse(c.text));
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, Errc::invalid_request);
    EXPECT_THAT(parsed.error().message, HasSubstr(c.message));
  }
}

TEST(SchemaDocumentTest, ItsSizeIsLimited) {
  Json tables = Json::object();
  for (std::size_t i = 0; i < limits::kTablesPerSessionMax; ++i) {
    tables["t" + std::to_string(i)] = Json::object();
  }
  Json steps = Json::array();
  for (std::size_t i = 0; i < limits::kSchemaStepsMax; ++i) {
    steps.push_back({{"check", {{"table", "t0"}}}});
  }
  Json given = {{"version", 1}, {"tables", tables}, {"steps", steps}};
  EXPECT_TRUE(SchemaDocument::parse(given));
  given["steps"].push_back(steps[0]);
  EXPECT_THAT(SchemaDocument::parse(given).error().message, HasSubstr("steps: there may be 1000"));
  given["steps"] = steps;
  given["tables"]["more"] = Json::object();
  EXPECT_THAT(SchemaDocument::parse(given).error().message,
              HasSubstr("tables: a session has at most 256"));
}

TEST(SchemaDocumentTest, WhatIsNotSafeNeedsAStep) {
  const SchemaDocument before = document(R"({"version": 1, "tables": {"t": {"fields":
    {"a": {"type": "string"}, "n": {"type": "number"}, "l": {"type": "array"}}}}})");
  struct Case {
    const char* name;
    const char* fields;
    const char* missing;  // a step, or what is said where none does; null: none is
    const char* steps = "[]";
  };
  const char* const same = R"("n": {"type": "number"}, "l": {"type": "array"})";
  for (const Case& c :
       {Case{"a field more", R"("a": {"type": "string"}, "b": {"type": "string"})", nullptr},
        Case{"an index more", R"("a": {"type": "string", "index": true})", nullptr},
        Case{"a wider type", R"("a": {"type": "any"})", nullptr},
        Case{"a field less", "", R"({"remove":{"field":"a","table":"t"}})"},
        Case{"a field less, meant", "", nullptr, R"([{"remove": {"table": "t", "field": "a"}}])"},
        Case{"another type", R"("a": {"type": "integer"})",
             R"({"retype":{"field":"a","table":"t","to":"integer"}})"},
        Case{"another type, meant", R"("a": {"type": "integer"})", nullptr,
             R"([{"retype": {"table": "t", "field": "a", "to": "integer"}}])"},
        Case{"another type, values given up", R"("a": {"type": "object"})", nullptr,
             R"([{"remove": {"table": "t", "field": "a"}}])"},
        Case{"a type without a way to it", R"("a": {"type": "object"})", "no value",
             R"([{"retype": {"table": "t", "field": "a", "to": "object"}}])"},
        Case{"another name", R"("b": {"type": "string"})", nullptr,
             R"([{"rename": {"table": "t", "from": "a", "to": "b"}}])"},
        Case{"another name and type", R"("b": {"type": "integer"})",
             R"({"retype":{"field":"b","table":"t","to":"integer"}})",
             R"([{"rename": {"table": "t", "from": "a", "to": "b"}}])"},
        Case{"another type, then name", R"("b": {"type": "integer"})", nullptr,
             R"([{"retype": {"table": "t", "field": "a", "to": "integer"}},
                 {"rename": {"table": "t", "from": "a", "to": "b"}}])"},
        Case{"two names", R"("c": {"type": "string"})", nullptr,
             R"([{"rename": {"table": "t", "from": "a", "to": "b"}},
                 {"rename": {"table": "t", "from": "b", "to": "c"}}])"},
        Case{"required", R"("a": {"type": "string", "required": true})",
             R"({"check":{"table":"t"}})"},
        Case{"required, meant", R"("a": {"type": "string", "required": true})", nullptr,
             R"([{"check": {"table": "t"}}])"},
        Case{"unique", R"("a": {"type": "string", "unique": true})",
             R"({"check":{"table":"t"}})"}}) {
    SCOPED_TRACE(c.name);
    const std::string fields = std::string(c.fields) + (*c.fields != '\0' ? ", " : "") + same;
    const SchemaDocument after = document((R"({"version": 2, "tables": {"t": {"fields": {)" +
                                           fields + R"(}}}, "steps": )" + c.steps + "}")
                                              .c_str());
    const Status next = after.check_after(before);
    EXPECT_EQ(next.has_value(), c.missing == nullptr);
    if (next || c.missing == nullptr) continue;
    EXPECT_EQ(next.error().code, Errc::schema_violation);
    EXPECT_THAT(next.error().message + next.error().hint, HasSubstr(c.missing));
  }
  const Status gone = document(R"({"version": 2})").check_after(before);
  ASSERT_FALSE(gone);
  EXPECT_THAT(gone.error().hint, HasSubstr(R"({"drop":{"table":"t"}})"));
  EXPECT_TRUE(
      document(R"({"version": 2, "steps": [{"drop": {"table": "t"}}]})").check_after(before));
}

}  // namespace
}  // namespace kontract
