// SchemaDocument: the tables that all sessions of an owner are to have, and what becomes of the
// records that were there before.
//
//   {"version": 3,
//    "tables": {"movies": {"permissions": 7, "fields": {...}, "indexes": [...]}, ...},
//    "steps": [{"rename": {"table": "movies", "from": "gross", "to": "us_gross"}},
//              {"remove": {"table": "movies", "field": "x"}},
//              {"retype": {"table": "movies", "field": "year", "to": "integer"}},
//              {"check": {"table": "movies"}},
//              {"drop": {"table": "old"}}]}
//
// `fields` and `indexes` are those of a Schema. Steps run in their order, on each record; each
// names a field as it is called by then. Immutable.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "storage/schema.hpp"
#include "storage/schema_diff.hpp"

namespace kontract {

struct SchemaStep {
  enum class Kind : std::uint8_t {
    rename,  // the field's value moves
    remove,  // the field's value goes
    retype,  // convert_value()
    check,   // every record must fit: what is required or unique now
    drop,    // the table goes with its records
  };
  Kind kind;
  std::string table;
  std::string field = {};           // rename: its old name
  std::string to = {};              // rename
  FieldType type = FieldType::any;  // retype
  bool operator==(const SchemaStep&) const = default;
};

class SchemaDocument {
 public:
  struct Table {
    Perm permissions = perms::RWX;
    Schema schema;
    bool operator==(const Table&) const = default;
  };

  // Errors: invalid_request, naming the place; too_large.
  static Result<SchemaDocument> parse(const Json& given);
  JsonText to_json() const;  // parse() of it gives an equal document

  std::uint64_t version() const { return version_; }
  const std::map<std::string, Table>& tables() const { return tables_; }
  const std::vector<SchemaStep>& steps() const { return steps_; }

  // The fields of a table that the steps rename: their names before and after all steps.
  Renames renames_of(const std::string& table) const;
  bool drops(const std::string& table) const;

  // Whether it may come after `before`. Errors: schema_violation for the first change that is not
  // safe and that no step covers, naming the step that would.
  Status check_after(const SchemaDocument& before) const;

  bool operator==(const SchemaDocument&) const = default;

 private:
  Status check_steps() const;
  std::string final_name(std::size_t from_step, const std::string& table, std::string field) const;
  bool covers(const std::string& table, const SchemaChange& change) const;

  std::uint64_t version_ = 0;
  std::map<std::string, Table> tables_;
  std::vector<SchemaStep> steps_;
};

}  // namespace kontract
