// FieldCheck: whether records that are there hold what fields allow that have their type only now.
//
// A field that a schema adds leaves records as they are, unless one of them has a member of that
// name with a value of another type, or no place for the default. Such a record would break its
// own schema, and what SQL compares it with would depend on the index that finds it.

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/schema.hpp"

namespace kontract {

class FieldCheck {
 public:
  // Of those of `names` that the schema has with a type; others hold everything.
  FieldCheck(const Schema& schema, const std::vector<std::string>& names);

  bool empty() const { return fields_.fields().empty(); }  // nothing has to be looked at
  std::vector<std::string> names() const;

  struct Misfit {
    std::string field, why;
  };
  // What a write of `data`, a record's stored text, would say. Thread-safe.
  std::optional<Misfit> misfit(std::string_view data) const;

  // A step of a document that converts the field's values, and one that gives them up.
  std::string cure(const std::string& table, const std::string& field) const;

 private:
  Schema fields_;  // no others, and no indexes
};

// The records of one table that do not fit.
struct Misfits {
  std::uint64_t looked_at = 0;
  std::uint64_t records = 0;
  std::vector<std::pair<std::string, FieldCheck::Misfit>> first = {};  // ids of the first few
};

// REQUIRES: there are some. schema_violation: how many, the first, and what to do.
Error misfits_error(const std::string& table, const Misfits& found, const FieldCheck& check);

}  // namespace kontract
