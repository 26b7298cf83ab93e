#include "storage/schema.hpp"

#include <gmock/gmock.h>

#include "tests/storage/json_text.hpp"

namespace kontract {
namespace {

using ::testing::ElementsAre;

Schema schema_of(const Json& given) {
  auto schema = Schema::parse(given);
  if (!schema) ADD_FAILURE() << given << ": " << schema.error().message;
  return schema ? *std::move(schema) : Schema();
}

// A schema with one field "f".
Schema field_of(const char* member) { return schema_of({{"fields", {{"f", json(member)}}}}); }

// The data as it is stored, or the message of the error.
std::string prepared(const Schema& schema, std::string_view id, Json data,
                     const char* old = nullptr) {
  const Json before = old == nullptr ? Json() : json(old);
  const Status status = schema.prepare(id, data, old == nullptr ? nullptr : &before);
  return status ? to_text(data)
                : std::string(status.error().name()) + ": " + status.error().message;
}

TEST(SchemaTest, WhatIsWrongWithASchemaIsSaidWithItsPlace) {
  struct Case {
    const char* given;
    const char* message;
  };
  constexpr const char* kTypes =
      "string, number, integer, boolean, datetime, bytes, array, object, any";
  for (
      const Case& c : {
          Case{"5", R"(schema: expected an object like {"fields": {...}}, not one of type number)"},
          Case{R"({"feilds":{}})", "schema: unknown key 'feilds'; known are fields, indexes"},
          Case{R"({"fields":[]})", "fields: expected an object, not one of type array"},
          Case{R"({"fields":{"year":{"type":"integr"}}})",
               "fields.year.type: 'integr' is not a type; types are "},
          Case{R"({"fields":{"year":{"type":5}}})",
               "fields.year.type: expected a string, not one of type number"},
          Case{
              R"({"fields":{"year":"integer"}})",
              R"(fields.year: expected an object like {"type": "string"}, not one of type string)"},
          Case{R"({"fields":{"year":{}}})", "fields.year: it has no type; types are "},
          Case{R"({"fields":{"year":{"type":"any","requierd":true}}})",
               "fields.year: unknown key 'requierd'; known are type, required, default, primkey, "
               "perm, unique, index"},
          Case{R"({"fields":{"year":{"type":"any","required":1}}})",
               "fields.year.required: expected true or false, not one of type number"},
          Case{R"({"fields":{"year":{"type":"any","perm":8}}})",
               "fields.year.perm: expected an integer 0..7 (R=4, W=2)"},
          Case{R"({"fields":{"year":{"type":"any","perm":-1}}})",
               "fields.year.perm: expected an integer 0..7 (R=4, W=2)"},
          Case{R"({"fields":{"year":{"type":"any","perm":4.5}}})",
               "fields.year.perm: expected an integer 0..7 (R=4, W=2)"},
          Case{R"({"fields":{"year":{"type":"integer","default":"1999"}}})",
               "fields.year.default: it is not an integer within +-(2^53 - 1)"},
          Case{R"({"fields":{"id":{"type":"any"}}})",
               "fields.id: no field is named id, data or _...: these are columns of every table"},
          Case{R"({"fields":{"DATA":{"type":"any"}}})",
               "fields.DATA: no field is named id, data or _...: these are columns of every table"},
          Case{R"({"fields":{"_x":{"type":"any"}}})",
               "fields._x: no field is named id, data or _...: these are columns of every table"},
          Case{R"({"fields":{"":{"type":"any"}}})",
               "fields.: a field's name is 1 to 128 bytes of UTF-8 without control characters"},
          Case{R"({"fields":{"a\u007f":{"type":"any"}}})",
               "fields.a\x7f: a field's name is 1 to 128 bytes of UTF-8 without control "
               "characters"},
          Case{R"({"fields":{"year":{"type":"any"},"Year":{"type":"any"}}})",
               "fields.year: SQL takes it for the same column as 'Year'"},
          Case{R"({"fields":{"a":{"type":"string"},"a.b":{"type":"any"}}})",
               "fields.a.b: 'a' is of type string and has no members"},
          Case{R"({"fields":{"k":{"type":"number","primkey":true}}})",
               "fields.k.primkey: a primary key is of type string or integer, not number"},
          Case{R"({"fields":{"k":{"type":"string","primkey":true,"default":"x"}}})",
               "fields.k.default: a primary key has no default"},
          Case{R"({"fields":{"k":{"type":"string","primkey":true},
                              "l":{"type":"string","primkey":true}}})",
               "fields.l.primkey: 'k' is the primary key already"},
          Case{R"({"fields":{"tags":{"type":"array","index":true}}})",
               "fields.tags.index: an array cannot be indexed"},
          Case{R"({"fields":{"o":{"type":"object","unique":true}}})",
               "fields.o.unique: an object cannot be indexed"},
          Case{R"({"indexes":{}})", "indexes: expected an array, not one of type object"},
          Case{R"({"indexes":["a"]})",
               R"(indexes[0]: expected an object like {"fields": ["a"]}, not one of type string)"},
          Case{R"({"indexes":[{"unique":true}]})", "indexes[0]: it has no fields"},
          Case{R"({"indexes":[{"fields":["a"]},{"fields":[]}]})",
               "indexes[1].fields: expected an array of 1 to 8 names of fields"},
          Case{R"({"indexes":[{"fields":["1","2","3","4","5","6","7","8","9"]}]})",
               "indexes[0].fields: expected an array of 1 to 8 names of fields"},
          Case{R"({"indexes":[{"fields":["a",5]}]})",
               "indexes[0].fields[1]: expected the name of a field, not one of type number"},
          Case{R"({"indexes":[{"fields":["a",""]}]})",
               "indexes[0].fields[1]: a field's name is 1 to 128 bytes of UTF-8 without control "
               "characters"},
          Case{R"({"indexes":[{"fields":["a","a"]}]})", "indexes[0].fields[1]: 'a' is in it twice"},
          Case{R"({"indexes":[{"fields":["a"],"unique":0}]})",
               "indexes[0].unique: expected true or false, not one of type number"},
          Case{R"({"indexes":[{"fields":["a"],"uniqe":true}]})",
               "indexes[0]: unknown key 'uniqe'; known are fields, unique"},
          Case{R"({"fields":{"tags":{"type":"array"}},"indexes":[{"fields":["tags"]}]})",
               "indexes: 'tags' is of type array and cannot be indexed"},
      }) {
    SCOPED_TRACE(c.given);
    const auto schema = Schema::parse(json(c.given));
    ASSERT_FALSE(schema);
    EXPECT_EQ(schema.error().code, Errc::invalid_request);
    std::string expected = c.message;
    if (expected.ends_with("types are ")) expected += kTypes;
    EXPECT_EQ(schema.error().message, expected);
  }
}

TEST(SchemaTest, ASchemaHasLimits) {
  Json fields;
  for (std::size_t i = 0; i < limits::kSchemaFieldsMax; ++i) {
    fields["f" + std::to_string(i)] = {{"type", "any"}};
  }
  EXPECT_TRUE(Schema::parse({{"fields", fields}}));
  fields["one more"] = {{"type", "any"}};
  EXPECT_EQ(Schema::parse({{"fields", fields}}).error().message,
            "fields: there are 101; at most 100 are allowed");

  const std::string longest(limits::kFieldNameBytesMax, 'x');
  EXPECT_TRUE(Schema::parse({{"fields", {{longest, {{"type", "any"}}}}}}));
  EXPECT_FALSE(Schema::parse({{"fields", {{longest + "x", {{"type", "any"}}}}}}));

  Json indexes = Json::array();
  for (std::size_t i = 0; i < limits::kIndexesPerTableMax; ++i) {
    indexes.push_back({{"fields", {"a" + std::to_string(i)}}});
  }
  Json with_field = {{"indexes", indexes},
                     {"fields", {{"a1", {{"type", "any"}, {"index", true}}}}}};
  EXPECT_TRUE(Schema::parse(with_field));  // the field's own is there already
  with_field["fields"]["b"] = {{"type", "any"}, {"index", true}};
  EXPECT_EQ(Schema::parse(with_field).error().message,
            "indexes: with those of single fields there are 17; at most 16 are allowed");

  const std::string large(limits::kSchemaBytesMax, 'x');
  const auto refused =
      Schema::parse({{"fields", {{"f", {{"type", "string"}, {"default", large}}}}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::too_large);
}

TEST(SchemaTest, TheStoredTextIsWithoutWhatIsByDefaultAndGivesAnEqualSchema) {
  struct Case {
    const char* given;
    const char* stored;
  };
  for (const Case& c : {
           Case{"{}", "{}"},
           Case{R"({"fields":{},"indexes":[]})", "{}"},
           Case{R"({"fields":{"y":{"type":"integer","required":false,"default":null,
                  "primkey":false,"perm":7,"unique":false,"index":false}}})",
                R"({"fields":{"y":{"type":"integer"}}})"},
           Case{R"({"fields":{"b":{"type":"integer","required":true,"default":3.0,"perm":6,
                  "unique":true,"index":true},"a":{"type":"string","primkey":true,
                  "required":true}}})",
                R"({"fields":{"a":{"primkey":true,"type":"string"},)"
                R"("b":{"default":3,"index":true,"perm":6,"required":true,"type":"integer",)"
                R"("unique":true}}})"},
           Case{R"({"indexes":[{"fields":["b","a"],"unique":false},{"fields":["a"]},
                  {"fields":["a"],"unique":true}]})",
                R"({"indexes":[{"fields":["b","a"]},{"fields":["a"],"unique":true}]})"},
       }) {
    SCOPED_TRACE(c.given);
    const Schema schema = schema_of(json(c.given));
    EXPECT_EQ(schema.to_json(), c.stored);
    EXPECT_EQ(schema_of(Json::parse(schema.to_json())), schema);
  }
}

TEST(SchemaTest, FieldsAndIndexesGiveOneIndexForEachListOfFields) {
  const Schema schema = schema_of(json(R"({
      "fields": {"a": {"type": "string", "index": true}, "b": {"type": "string", "unique": true},
                 "c": {"type": "string", "index": true, "perm": 0}, "d": {"type": "string"}},
      "indexes": [{"fields": ["b"]}, {"fields": ["a", "x.y"]}, {"fields": ["c"], "unique": true}]
  })"));
  EXPECT_THAT(schema.index_definitions(),
              ElementsAre(IndexDefinition{{"b"}, true}, IndexDefinition{{"a", "x.y"}, false},
                          IndexDefinition{{"c"}, true}, IndexDefinition{{"a"}, false}));
  ASSERT_NE(schema.find("c"), nullptr);
  EXPECT_FALSE(schema.find("c")->readable());
  EXPECT_EQ(schema.find("bb"), nullptr);
  EXPECT_EQ(schema.find("z"), nullptr);
  EXPECT_EQ(schema.primkey(), nullptr);
}

TEST(SchemaTest, ValuesAreOfTheFieldsType) {
  struct Case {
    const char* type;
    std::vector<const char*> fit;
    std::vector<const char*> other;
  };
  for (const Case& c : {
           Case{"string", {R"("")", R"("x")"}, {"1", "true", "[]", "{}"}},
           Case{"number", {"0", "-1", "1.5", "1e300"}, {R"("1")", "true", "[]"}},
           Case{"integer",
                {"0", "-1", "9007199254740991", "-9007199254740991"},
                {"1.5", "9007199254740992", "-9007199254740992", "1e300", R"("1")", "true"}},
           Case{"boolean", {"true", "false"}, {"0", "1", R"("true")"}},
           Case{"datetime",
                {R"("2024-02-29")", R"("2024-12-31T23:59:60Z")"},
                {R"("2023-02-29")", "1700000000", R"("now")"}},
           Case{"bytes", {R"("")", R"("TQ==")"}, {R"("T")", R"("TQ")", "5"}},
           Case{"array", {"[]", "[1]"}, {"{}", R"("[]")"}},
           Case{"object", {"{}", R"({"a":1})"}, {"[]", R"("{}")"}},
           Case{"any", {"1", R"("x")", "[]", "{}", "true"}, {}},
       }) {
    const Schema schema = schema_of({{"fields", {{"f", {{"type", c.type}}}}}});
    std::vector<const char*> fit = c.fit;
    fit.push_back("null");
    for (const char* value : fit) {
      SCOPED_TRACE(std::string(c.type) + " " + value);
      EXPECT_EQ(prepared(schema, "r", {{"f", json(value)}}), to_text({{"f", json(value)}}));
    }
    for (const char* value : c.other) {
      SCOPED_TRACE(std::string(c.type) + " " + value);
      EXPECT_EQ(prepared(schema, "r", {{"f", json(value)}})
                    .find("KONTRACT_SCHEMA_VIOLATION: Field 'f' must be "),
                0u);
    }
  }
}

TEST(SchemaTest, AnIntegerIsStoredAsOneAndUndeclaredMembersAsTheyAre) {
  const Schema schema = field_of(R"({"type":"integer"})");
  EXPECT_EQ(prepared(schema, "r", json(R"({"f":3.0,"g":3.0})")), R"({"f":3,"g":3.0})");
  EXPECT_EQ(prepared(schema, "r", json(R"({"f":-0.0})")), R"({"f":0})");
}

TEST(SchemaTest, AViolationNamesTheFieldAndWhatWasExpected) {
  struct Case {
    const char* field;
    const char* data;
    const char* message;
  };
  for (const Case& c :
       {Case{R"({"type":"integer"})", R"({"f":"x"})",
             "Field 'f' must be an integer within +-(2^53 - 1); this string is not"},
        Case{R"({"type":"integer"})", R"({"f":1.5})",
             "Field 'f' must be an integer within +-(2^53 - 1); this number is not"},
        Case{R"({"type":"datetime"})", R"({"f":"secret"})",
             "Field 'f' must be a date or date-time as text (RFC 3339); this string is not"},
        Case{R"({"type":"string"})", R"({"f":[]})",
             "Field 'f' must be a string; this is of type array"},
        Case{R"({"type":"string","required":true})", "{}",
             "Field 'f' is required: expected a string"},
        Case{R"({"type":"any","required":true})", R"({"f":null})",
             "Field 'f' is required: expected a value"}}) {
    SCOPED_TRACE(c.message);
    EXPECT_EQ(prepared(field_of(c.field), "r", json(c.data)),
              "KONTRACT_SCHEMA_VIOLATION: " + std::string(c.message));
  }
}

TEST(SchemaTest, DefaultsFillInWhatIsMissing) {
  const Schema schema = schema_of(json(R"({"fields":{
      "a": {"type":"integer","default":7},
      "b": {"type":"string","default":"x","required":true},
      "c.d": {"type":"boolean","default":false}}})"));
  EXPECT_EQ(prepared(schema, "r", json("{}")), R"({"a":7,"b":"x","c":{"d":false}})");
  EXPECT_EQ(prepared(schema, "r", json(R"({"a":1,"b":"y","c":{"d":true,"e":2}})")),
            R"({"a":1,"b":"y","c":{"d":true,"e":2}})");
  // Null is a value, but not one that is good enough for a required field.
  EXPECT_EQ(prepared(schema, "r", json(R"({"a":null,"b":null,"c":{"d":null}})")),
            R"({"a":null,"b":"x","c":{"d":null}})");
  EXPECT_EQ(
      prepared(schema, "r", json(R"({"c":5})")),
      "KONTRACT_SCHEMA_VIOLATION: Field 'c.d' has no place: what it is a member of must be an "
      "object");
}

TEST(SchemaTest, WhatAWriterCannotSeeOrChangeIsKept) {
  struct Case {
    const char* name;
    const char* field;
    const char* old;
    const char* data;
    const char* result;
  };
  constexpr const char* kDenied = "KONTRACT_PERMISSION_DENIED: Field 'f' is read-only";
  constexpr const char* kReadOnly = R"({"type":"any","perm":4})";
  constexpr const char* kHidden = R"({"type":"any","perm":2})";
  constexpr const char* kSealed = R"({"type":"any","perm":0})";
  for (const Case& c : {
           Case{"read-only, first write", kReadOnly, nullptr, R"({"f":1})", R"({"f":1})"},
           Case{"read-only, not written yet", kReadOnly, R"({"g":1})", R"({"f":1})", R"({"f":1})"},
           Case{"read-only, null is not written", kReadOnly, R"({"f":null})", R"({"f":1})",
                R"({"f":1})"},
           Case{"read-only, same", kReadOnly, R"({"f":1})", R"({"f":1.0})", R"({"f":1.0})"},
           Case{"read-only, changed", kReadOnly, R"({"f":1})", R"({"f":2})", kDenied},
           Case{"read-only, removed", kReadOnly, R"({"f":1})", R"({"f":null})", kDenied},
           Case{"read-only, not named", kReadOnly, R"({"f":1})", R"({"g":2})", R"({"f":1,"g":2})"},
           Case{"hidden, not named", kHidden, R"({"f":1})", R"({"g":2})", R"({"f":1,"g":2})"},
           Case{"hidden, changed", kHidden, R"({"f":1})", R"({"f":2})", R"({"f":2})"},
           Case{"hidden, removed", kHidden, R"({"f":1})", R"({"f":null})", R"({"f":null})"},
           Case{"sealed, first write", kSealed, nullptr, R"({"f":1})", R"({"f":1})"},
           Case{"sealed, not named", kSealed, R"({"f":1})", "{}", R"({"f":1})"},
           Case{"sealed, changed", kSealed, R"({"f":1})", R"({"f":2})", kDenied},
           Case{"sealed, guessed", kSealed, R"({"f":1})", R"({"f":1})", kDenied},
           Case{"free", R"({"type":"any","perm":6})", R"({"f":1})", "{}", "{}"},
       }) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(prepared(field_of(c.field), "r", json(c.data), c.old), c.result);
  }
}

TEST(SchemaTest, AMemberOfAnObjectIsKeptInIt) {
  const Schema schema = schema_of(json(R"({"fields":{"a.b":{"type":"integer","perm":4}}})"));
  const char* old = R"({"a":{"b":1,"c":2}})";
  EXPECT_EQ(prepared(schema, "r", json(R"({"a":{"c":3}})"), old), R"({"a":{"b":1,"c":3}})");
  EXPECT_EQ(prepared(schema, "r", json("{}"), old), R"({"a":{"b":1}})");
  EXPECT_EQ(
      prepared(schema, "r", json(R"({"a":5})"), old),
      "KONTRACT_SCHEMA_VIOLATION: Field 'a.b' has no place: what it is a member of must be an "
      "object");
  // A member of the whole name would be read instead of it.
  EXPECT_EQ(prepared(schema, "r", json(R"({"a":{"b":1},"a.b":2})"), old),
            "KONTRACT_PERMISSION_DENIED: Field 'a.b' is read-only");

  const Schema whole = schema_of(
      json(R"({"fields":{"a":{"type":"object","perm":0},"a.b":{"type":"integer","perm":0}}})"));
  EXPECT_EQ(prepared(whole, "r", json("{}"), old), R"({"a":{"b":1,"c":2}})");
  EXPECT_EQ(prepared(whole, "r", json(R"({"a":{"c":2}})"), old),
            "KONTRACT_PERMISSION_DENIED: Field 'a' is read-only");
}

TEST(SchemaTest, ThePrimaryKeyIsTheId) {
  const Schema text = field_of(R"({"type":"string","primkey":true})");
  const Schema number = field_of(R"({"type":"integer","primkey":true})");
  struct Case {
    const Schema& schema;
    const char* id;
    const char* data;
    const char* result;
  };
  constexpr const char* kDiffers =
      "KONTRACT_SCHEMA_VIOLATION: Field 'f' is the primary key: it must be the id of the record";
  constexpr const char* kNoInteger =
      "KONTRACT_SCHEMA_VIOLATION: Field 'f' is the primary key: the record's id must be an integer "
      "in decimal";
  for (const Case& c : {
           Case{text, "u1", R"({"f":"u1"})", R"({"f":"u1"})"},
           Case{text, "u1", "{}", R"({"f":"u1"})"},
           Case{text, "u1", R"({"f":null})", R"({"f":"u1"})"},
           Case{text, "u1", R"({"f":"u2"})", kDiffers},
           Case{text, "1", R"({"f":1})",
                "KONTRACT_SCHEMA_VIOLATION: Field 'f' must be a string; this number is not"},
           Case{number, "-7", "{}", R"({"f":-7})"},
           Case{number, "7", R"({"f":7.0})", R"({"f":7})"},
           Case{number, "7", R"({"f":8})", kDiffers},
           Case{number, "07", "{}", kNoInteger},
           Case{number, "7x", "{}", kNoInteger},
           Case{number, "", "{}", kNoInteger},
           Case{number, "9007199254740992", "{}", kNoInteger},
           Case{number, "9007199254740991", "{}", R"({"f":9007199254740991})"},
       }) {
    SCOPED_TRACE(std::string(c.id) + " " + c.data);
    EXPECT_EQ(prepared(c.schema, c.id, json(c.data)), c.result);
  }
  EXPECT_EQ(*text.id_of(json(R"({"f":"u1"})")), "u1");
  EXPECT_EQ(*number.id_of(json(R"({"f":-3.0})")), "-3");
  EXPECT_EQ(text.id_of(json("{}")).error().message, "Field 'f' is required: expected a string");
  EXPECT_EQ(number.id_of(json(R"({"f":"3"})")).error().code, Errc::schema_violation);

  const Schema inside = schema_of(json(R"({"fields":{"a.b":{"type":"string","primkey":true}}})"));
  EXPECT_EQ(prepared(inside, "x", json("{}")), R"({"a":{"b":"x"}})");
  EXPECT_EQ(
      prepared(inside, "x", json(R"({"a":1})")),
      "KONTRACT_SCHEMA_VIOLATION: Field 'a.b' has no place: what it is a member of must be an "
      "object");
}

TEST(SchemaTest, AHiddenFieldIsNeitherReadNorFilteredBy) {
  const Schema schema = schema_of(json(R"({"fields":{"s":{"type":"any","perm":2},
      "a.b":{"type":"any","perm":3},"c":{"type":"any","perm":4}}})"));
  ASSERT_TRUE(schema.hides());
  EXPECT_EQ(schema.visible_data(R"({"a":{"b":1,"c":2},"a.b":3,"c":4,"s":5,"t":6})"),
            R"({"a":{"c":2},"c":4,"t":6})");
  EXPECT_EQ(schema.visible_data("{}"), "{}");
  for (const char* filter : {R"({"s":1})", R"({"c":1,"s":null})"}) {
    EXPECT_EQ(schema.check_filter(json(filter)).error().message, "Field 's' is not readable");
  }
  for (const char* filter : {R"({"a":{"b":1}})", R"({"a.b":1})"}) {
    EXPECT_EQ(schema.check_filter(json(filter)).error().message, "Field 'a.b' is not readable");
    EXPECT_EQ(schema.check_filter(json(filter)).error().code, Errc::permission_denied);
  }
  for (const char* filter : {"null", "{}", R"({"a":{"c":1}})", R"({"c":1})", R"({"t":{"s":1}})"}) {
    EXPECT_TRUE(schema.check_filter(json(filter))) << filter;
  }
  EXPECT_FALSE(field_of(R"({"type":"any","perm":4})").hides());
  EXPECT_TRUE(field_of(R"({"type":"any","perm":4})").guards());
  EXPECT_FALSE(field_of(R"({"type":"any","perm":6})").guards());
}

}  // namespace
}  // namespace kontract
