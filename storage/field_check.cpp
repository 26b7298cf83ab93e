#include "storage/field_check.hpp"

#include <algorithm>

#include "storage/json_field.hpp"
#include "storage/registry.hpp"

namespace kontract {
namespace {

// Those of the schema that are named, and nothing else.
Schema only(const Schema& schema, const std::vector<std::string>& names) {
  const Json whole = Json::parse(schema.to_json());
  Json fields = Json::object();
  for (const SchemaField& field : schema.fields()) {
    const bool named = std::find(names.begin(), names.end(), field.name) != names.end();
    if (named && field.type != FieldType::any) fields[field.name] = whole["fields"][field.name];
  }
  auto part = Schema::parse({{"fields", std::move(fields)}});
  KONTRACT_ASSERT(part.has_value());  // of fewer fields than one that is
  return *std::move(part);
}

// Tells it from the text. False: it may fit all the same.
bool surely_fits(const SchemaField& field, std::string_view data) {
  const auto value = json_field(data, field.name);
  if (!value) return field.default_value.is_null() || field.name.find('.') == field.name.npos;
  if (*value == "null") return true;
  Json parsed = Json::parse(*value, nullptr, /*allow_exceptions=*/false);
  return make_fit(field.type, parsed);
}

}  // namespace

FieldCheck::FieldCheck(const Schema& schema, const std::vector<std::string>& names)
    : fields_(only(schema, names)) {}

std::vector<std::string> FieldCheck::names() const {
  std::vector<std::string> names;
  for (const SchemaField& field : fields_.fields()) names.push_back(field.name);
  return names;
}

std::optional<FieldCheck::Misfit> FieldCheck::misfit(std::string_view data) const {
  const auto& fields = fields_.fields();
  const auto doubtful = std::find_if(fields.begin(), fields.end(), [&](const SchemaField& field) {
    return !surely_fits(field, data);
  });
  if (doubtful == fields.end()) return std::nullopt;
  Json parsed = Json::parse(data, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return Misfit{doubtful->name, "its data is not a JSON object"};
  const Status fits = fields_.prepare({}, parsed, nullptr);
  if (fits) return std::nullopt;
  return Misfit{doubtful->name, fits.error().message};
}

std::string FieldCheck::cure(const std::string& table, const std::string& field) const {
  const Json retype = {
      {"retype", {{"table", table}, {"field", field}, {"to", name_of(fields_.find(field)->type)}}}};
  const Json remove = {{"remove", {{"table", table}, {"field", field}}}};
  return "Convert what is there with a step in a document for `kontract schema apply`: " +
         to_text(retype) + ", or give it up: " + to_text(remove) + '.';
}

Error misfits_error(const std::string& table, const Misfits& found, const FieldCheck& check) {
  const auto& [id, first] = found.first.front();
  const bool one = found.records == 1;
  return {Errc::schema_violation,
          "Table " + table + ": " + std::to_string(found.records) +
              (one ? " record does" : " records do") + " not fit a field that is added; " +
              (one ? "it is '" : "the first is '") + shown(id) + "': " + first.why,
          check.cure(table, first.field)};
}

}  // namespace kontract
