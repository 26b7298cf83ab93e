// What is different between two schemas of a table, and whether the new one can take the place of
// the old one as it is.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "storage/schema.hpp"

namespace kontract {

struct SchemaChange {
  enum class Kind : std::uint8_t {
    field_added,
    field_removed,
    field_renamed,
    field_retyped,
    field_required,
    field_optional,
    default_changed,
    perm_changed,
    primkey_added,
    primkey_removed,
    index_added,
    index_removed,
    unique_added,    // on an index that is there, or with a new one
    unique_removed,  // and the index stays
  };
  Kind kind;
  std::vector<std::string> fields;  // the one that changed, or those of the index
  // Records that fit the old schema may be left as they are, if they fit those of typed_anew().
  // What they lack is filled in when they are written next. Otherwise somebody has to say that it
  // is meant, and what becomes of them.
  bool safe;
  std::string text;  // for a person: "field 'year': string becomes integer"
  bool operator==(const SchemaChange&) const = default;
};

using Renames = std::map<std::string, std::string>;  // old name of a field to its new one

// In order of the fields' names, indexes last. A field that is renamed is compared under its new
// name; without `renames` it is one that was removed and one that was added.
std::vector<SchemaChange> diff(const Schema& from, const Schema& to, const Renames& renames = {});

// The fields whose type is new with these changes: what was written before may be of another one.
std::vector<std::string> typed_anew(const std::vector<SchemaChange>& changes);

}  // namespace kontract
