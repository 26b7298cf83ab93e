// Schema: what the records of one table are to look like, and who may see or change which field.
// Members of a record that the schema does not name are allowed and of any type.
//
//   {"fields": {"year": {"type": "integer", "required": false, "default": null, "primkey": false,
//                        "perm": 7, "unique": false, "index": false}, ...},
//    "indexes": [{"fields": ["year", "gross"], "unique": false}, ...]}
//
// A field's name is a path as in json_field, and the name of a column in SQL. docs/protocol.md,
// section Schemas, says what each key means. Immutable, and so safe to share.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/index.hpp"
#include "storage/json.hpp"
#include "storage/perms.hpp"
#include "storage/result.hpp"
#include "storage/schema_values.hpp"

namespace kontract {

struct SchemaField {
  std::string name;
  FieldType type = FieldType::any;
  bool required = false;  // so is a primary key
  bool primkey = false;   // its value is the record's id
  bool unique = false;
  bool index = false;
  Perm perm = perms::RWX;
  Json default_value;  // null: none

  bool readable() const { return allows(perm, perms::R__); }
  bool writable() const { return allows(perm, perms::_W_); }
  bool operator==(const SchemaField&) const = default;
};

class Schema {
 public:
  // Errors: invalid_request, naming the place: "fields.year.type: 'integr' is not a type";
  // too_large if it has more than limits::kSchemaBytesMax.
  static Result<Schema> parse(const Json& given);

  // The text that is stored: without what is so by default. parse() of it gives an equal schema.
  JsonText to_json() const;

  const std::vector<SchemaField>& fields() const { return fields_; }  // sorted by name
  const SchemaField* find(std::string_view name) const;               // null if it is not declared
  const SchemaField* primkey() const { return primkey_ ? &fields_[*primkey_] : nullptr; }
  // Those of "indexes" and one for each field with `index` or `unique`; no two of equal fields.
  std::vector<IndexDefinition> index_definitions() const;

  // Makes `data` what is stored under `id`: keeps what the writer can not see or change of `old`,
  // the data that was there (null: none), fills in defaults and the primary key, checks types.
  // REQUIRES: `data` is an object. Errors: schema_violation, which field and what was expected;
  // permission_denied if it changes a field that is read-only.
  Status prepare(std::string_view id, Json& data, const Json* old) const;
  // Whether prepare() looks at `old` at all.
  bool guards() const { return guards_; }
  // The id that `data` has by its primary key. REQUIRES: primkey(). Errors: schema_violation.
  Result<std::string> id_of(const Json& data) const;

  // Whether there are fields that nobody may read.
  bool hides() const { return !hidden_.empty(); }
  // `data`, a record's stored text, without those.
  JsonText visible_data(std::string_view data) const;
  // Errors: permission_denied if the filter names one of those.
  Status check_filter(const Json& filter) const;

  bool operator==(const Schema&) const = default;

 private:
  Status add(SchemaField field);
  Status check_together() const;
  Status keep_guarded(Json& data, const Json& old) const;
  Status fit_primkey(std::string_view id, Json& data) const;

  std::vector<SchemaField> fields_;
  std::vector<IndexDefinition> indexes_;
  std::optional<std::size_t> primkey_;  // in fields_
  std::vector<std::string> hidden_;
  bool guards_ = false;
};

}  // namespace kontract
