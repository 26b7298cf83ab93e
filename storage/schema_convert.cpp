#include "storage/schema_convert.hpp"

namespace kontract {
namespace {

// The JSON value that the text is, without white space around it; null if there is none.
Json value_of(const std::string& text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  if (text.empty() || is_space(text.front()) || is_space(text.back())) return nullptr;
  auto value = parse_json(text);
  return value ? *std::move(value) : Json();
}

bool is_container(FieldType type) { return type == FieldType::array || type == FieldType::object; }

}  // namespace

bool convert_value(FieldType to, Json& value) {
  if (make_fit(to, value)) return true;
  switch (to) {
    case FieldType::string:
      if (!value.is_primitive() || value.is_null()) return false;
      value = to_text(value);
      return true;
    case FieldType::number:
    case FieldType::integer:
    case FieldType::boolean: {
      if (!value.is_string()) return false;
      Json said = value_of(value.get_ref<const std::string&>());
      if (!make_fit(to, said)) return false;
      value = std::move(said);
      return true;
    }
    default:
      return false;
  }
}

bool converts(FieldType from, FieldType to) {
  if (widens(from, to) || from == FieldType::any) return true;
  if (to == FieldType::string) return !is_container(from);
  if (from == FieldType::string) return !is_container(to);
  return from == FieldType::number && to == FieldType::integer;
}

}  // namespace kontract
