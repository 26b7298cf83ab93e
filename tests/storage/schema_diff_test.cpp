#include "storage/schema_diff.hpp"

#include <gmock/gmock.h>

namespace kontract {
namespace {

using ::testing::ElementsAre;

Schema schema_of(const char* text) {
  auto schema = Schema::parse(Json::parse(text));
  if (!schema) ADD_FAILURE() << text << ": " << schema.error().message;
  return schema ? *std::move(schema) : Schema();
}

// Each change as a line, those that need to be said marked with a '!'.
std::vector<std::string> lines(const std::vector<SchemaChange>& changes) {
  std::vector<std::string> out;
  for (const SchemaChange& change : changes) {
    out.push_back((change.safe ? "" : "! ") + change.text);
  }
  return out;
}

std::vector<std::string> diff_of_field(const char* from, const char* to) {
  const auto one = [](const char* field) {
    return schema_of((R"({"fields":{"f":)" + std::string(field) + "}}").c_str());
  };
  return lines(diff(one(from), one(to)));
}

TEST(SchemaDiffTest, EqualSchemasHaveNoDifference) {
  const Schema schema = schema_of(
      R"({"fields":{"a":{"type":"string","primkey":true},"b":{"type":"any","unique":true}},
          "indexes":[{"fields":["a","b"]}]})");
  EXPECT_THAT(diff(schema, schema), ElementsAre());
  // X of a field means nothing.
  EXPECT_THAT(diff_of_field(R"({"type":"any","perm":6})", R"({"type":"any","perm":7})"),
              ElementsAre());
}

TEST(SchemaDiffTest, OneFieldsChangesAreSafeIfRecordsStayGood) {
  struct Case {
    const char* from;
    const char* to;
    const char* line;
  };
  for (const Case& c : {
           Case{R"({"type":"integer"})", R"({"type":"number"})",
                "field 'f': integer becomes number"},
           Case{R"({"type":"number"})", R"({"type":"integer"})",
                "! field 'f': number becomes integer"},
           Case{R"({"type":"any"})", R"({"type":"any","required":true})",
                "! field 'f': becomes required"},
           Case{R"({"type":"any","required":true})", R"({"type":"any"})",
                "field 'f': becomes optional"},
           Case{R"({"type":"any"})", R"({"type":"any","default":1})",
                "field 'f': has another default"},
           Case{R"({"type":"any"})", R"({"type":"any","perm":4})", "field 'f': perm 7 becomes 4"},
           Case{R"({"type":"any"})", R"({"type":"any","index":true})", "index (f): added"},
           Case{R"({"type":"any","index":true})", R"({"type":"any"})", "index (f): removed"},
           Case{R"({"type":"any"})", R"({"type":"any","unique":true})",
                "! index (f): added, unique"},
           Case{R"({"type":"any","index":true})", R"({"type":"any","unique":true})",
                "! index (f): becomes unique"},
           Case{R"({"type":"any","unique":true})", R"({"type":"any","index":true})",
                "index (f): is unique no more"},
           Case{R"({"type":"string","required":true})", R"({"type":"string","primkey":true})",
                "! field 'f': becomes the primary key"},
           Case{R"({"type":"string","primkey":true})", R"({"type":"string","required":true})",
                "field 'f': is the primary key no more"},
       }) {
    SCOPED_TRACE(c.line);
    EXPECT_THAT(diff_of_field(c.from, c.to), ElementsAre(c.line));
  }
}

TEST(SchemaDiffTest, FieldsThatComeAndGo) {
  const Schema from = schema_of(R"({"fields":{"a":{"type":"string"},"z":{"type":"string"}}})");
  const Schema to = schema_of(R"({"fields":{"b":{"type":"string"},
      "c":{"type":"string","required":true},"d":{"type":"string","required":true,"default":"x"},
      "e":{"type":"string","primkey":true},"z":{"type":"string"}}})");
  EXPECT_THAT(lines(diff(from, to)), ElementsAre("! field 'a': removed", "field 'b': added, string",
                                                 "! field 'c': added, string, required",
                                                 "field 'd': added, string, required",
                                                 "! field 'e': added, string, required"));
}

TEST(SchemaDiffTest, ARenamedFieldIsComparedUnderItsNewName) {
  const Schema from = schema_of(R"({"fields":{"a":{"type":"string","index":true}}})");
  const Schema to = schema_of(R"({"fields":{"b":{"type":"integer","index":true}}})");
  const auto changes = diff(from, to, {{"a", "b"}});
  EXPECT_THAT(lines(changes),
              ElementsAre("! field 'b': was 'a'", "! field 'b': string becomes integer",
                          "index (b): added", "index (a): removed"));
  EXPECT_EQ(changes[0].kind, SchemaChange::Kind::field_renamed);
  EXPECT_THAT(changes[0].fields, ElementsAre("b"));
}

}  // namespace
}  // namespace kontract
