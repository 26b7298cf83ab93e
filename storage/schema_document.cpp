#include "storage/schema_document.hpp"

#include <algorithm>

#include "storage/registry.hpp"
#include "storage/schema_convert.hpp"

namespace kontract {
namespace {

using Kind = SchemaStep::Kind;

Error wrong(const std::string& place, std::string_view what) {
  return {Errc::invalid_request, place + ": " + std::string(what),
          "See Changing schemas in docs/protocol.md."};
}

Error unknown_key(const std::string& place, std::string_view key, std::string_view known) {
  return wrong(place, "unknown key '" + shown(key) + "'; known are " + std::string(known));
}

struct StepForm {
  Kind kind;
  std::string_view name;
  std::vector<std::string_view> keys;
};

const std::vector<StepForm>& step_forms() {
  static const std::vector<StepForm> forms = {
      {Kind::rename, "rename", {"table", "from", "to"}},
      {Kind::remove, "remove", {"table", "field"}},
      {Kind::retype, "retype", {"table", "field", "to"}},
      {Kind::check, "check", {"table"}},
      {Kind::drop, "drop", {"table"}},
  };
  return forms;
}

const StepForm& form_of(Kind kind) {
  return *std::ranges::find(step_forms(), kind, &StepForm::kind);
}

std::string text_of(Kind kind, const std::vector<std::string>& values) {
  Json inside = Json::object();
  const StepForm& form = form_of(kind);
  for (std::size_t i = 0; i < form.keys.size(); ++i) inside[std::string(form.keys[i])] = values[i];
  return to_text(Json{{std::string(form.name), std::move(inside)}});
}

std::vector<std::string> values_of(const SchemaStep& step) {
  switch (step.kind) {
    case Kind::rename:
      return {step.table, step.field, step.to};
    case Kind::retype:
      return {step.table, step.field, std::string(name_of(step.type))};
    case Kind::remove:
      return {step.table, step.field};
    case Kind::check:
    case Kind::drop:
      break;
  }
  return {step.table};
}

Result<SchemaStep> parse_step(const std::string& place, const Json& given) {
  const bool one = given.is_object() && given.size() == 1;
  const auto form = one ? std::ranges::find(step_forms(), given.begin().key(), &StepForm::name)
                        : step_forms().end();
  if (form == step_forms().end()) {
    return wrong(place, R"(a step is {"rename": …}, {"remove": …}, {"retype": …}, {"check": …} or )"
                        R"({"drop": …})");
  }
  const Json& inside = *given.begin();
  const std::string at = place + '.' + std::string(form->name);
  if (!inside.is_object()) return wrong(at, "expected an object");
  std::vector<std::string> values;
  for (const std::string_view key : form->keys) {
    const auto value = inside.find(key);
    if (value == inside.end() || !value->is_string()) {
      return wrong(at + '.' + std::string(key), "expected a string");
    }
    values.push_back(value->get<std::string>());
  }
  if (inside.size() > values.size()) {
    std::string known;
    for (const std::string_view key : form->keys) {
      known += (known.empty() ? "" : ", ") + std::string(key);
    }
    return wrong(at, "there is more than " + known);
  }
  SchemaStep step{form->kind, values[0]};
  if (values.size() > 1) step.field = values[1];
  if (step.kind == Kind::rename) step.to = values[2];
  if (step.kind == Kind::retype) {
    const auto type = field_type(values[2]);
    if (!type) {
      return wrong(at + ".to", "'" + shown(values[2]) + "' is not a type; types are " +
                                   std::string(field_type_names()));
    }
    step.type = *type;
  }
  return step;
}

Result<SchemaDocument::Table> parse_table(const std::string& place, const Json& given) {
  if (!given.is_object()) return wrong(place, "expected an object");
  SchemaDocument::Table table;
  Json schema = Json::object();
  for (const auto& [key, value] : given.items()) {
    if (key == "permissions") {
      const bool bits = value.is_number_integer() && value >= 0 && value <= int{perms::RWX};
      if (!bits) return wrong(place + ".permissions", "expected an integer 0..7 (R=4, W=2, X=1)");
      table.permissions = value.get<Perm>();
    } else if (key == "fields" || key == "indexes") {
      schema[key] = value;
    } else {
      return unknown_key(place, key, "permissions, fields, indexes");
    }
  }
  auto parsed = Schema::parse(schema);
  if (!parsed) {
    Error error = std::move(parsed).error();
    error.message.insert(0, place + '.');
    return error;
  }
  table.schema = *std::move(parsed);
  return table;
}

Error not_covered(const std::string& table, std::string_view change, const std::string& step) {
  return {Errc::schema_violation,
          "Table " + table + ", " + std::string(change) + ": no step says that this is meant",
          "Add " + step + " to the document's steps."};
}

}  // namespace

Result<SchemaDocument> SchemaDocument::parse(const Json& given) {
  if (!given.is_object()) return wrong("document", "expected an object");
  SchemaDocument document;
  for (const auto& [key, value] : given.items()) {
    if (key == "version") {
      if (!value.is_number_integer() || value < 1 || value > limits::kSafeIntegerMax) {
        return wrong(key, "expected an integer of 1 or more");
      }
      document.version_ = value.get<std::uint64_t>();
    } else if (key == "tables") {
      if (!value.is_object()) return wrong(key, "expected an object");
      if (value.size() > limits::kTablesPerSessionMax) {
        return wrong(key, "a session has at most " + std::to_string(limits::kTablesPerSessionMax));
      }
      for (const auto& [id, inside] : value.items()) {
        if (Status valid = validate_table_id(id); !valid) {
          return wrong("tables." + shown(id), valid.error().message);
        }
        auto table = parse_table("tables." + id, inside);
        if (!table) return std::move(table).error();
        document.tables_.emplace(id, *std::move(table));
      }
    } else if (key == "steps") {
      if (!value.is_array()) return wrong(key, "expected an array");
      if (value.size() > limits::kSchemaStepsMax) {
        return wrong(key, "there may be " + std::to_string(limits::kSchemaStepsMax));
      }
      for (std::size_t i = 0; i < value.size(); ++i) {
        auto step = parse_step("steps[" + std::to_string(i) + "]", value[i]);
        if (!step) return std::move(step).error();
        document.steps_.push_back(*std::move(step));
      }
    } else {
      return unknown_key("document", key, "version, tables, steps");
    }
  }
  if (document.version_ == 0) return wrong("version", "it is missing");
  if (Status steps = document.check_steps(); !steps) return std::move(steps).error();
  return document;
}

// What steps say must be so in the tables that come of it.
Status SchemaDocument::check_steps() const {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const SchemaStep& step = steps_[i];
    const std::string place = "steps[" + std::to_string(i) + "]";
    if (step.kind == Kind::drop) continue;
    const auto table = tables_.find(step.table);
    if (table == tables_.end()) return wrong(place, "there is no table " + shown(step.table));
    const Schema& schema = table->second.schema;
    if (step.kind == Kind::rename &&
        schema.find(final_name(i, step.table, step.field)) == nullptr) {
      return wrong(place, "'" + shown(step.to) + "' is not a field of table " + step.table);
    }
    if (step.kind != Kind::retype) continue;
    const SchemaField* field = schema.find(final_name(i, step.table, step.field));
    if (field == nullptr || field->type != step.type) {
      return wrong(place, "'" + shown(step.field) + "' is not a field of type " +
                              std::string(name_of(step.type)) + " in table " + step.table);
    }
  }
  return {};
}

JsonText SchemaDocument::to_json() const {
  Json out = {{"version", version_}, {"tables", Json::object()}, {"steps", Json::array()}};
  for (const auto& [id, table] : tables_) {
    Json inside = Json::parse(table.schema.to_json());
    inside["permissions"] = table.permissions;
    out["tables"][id] = std::move(inside);
  }
  for (const SchemaStep& step : steps_) {
    out["steps"].push_back(Json::parse(text_of(step.kind, values_of(step))));
  }
  return to_text(out);
}

// What a field that has this name before step `from_step` is called in the end.
std::string SchemaDocument::final_name(std::size_t from_step, const std::string& table,
                                       std::string field) const {
  for (std::size_t i = from_step; i < steps_.size(); ++i) {
    const SchemaStep& step = steps_[i];
    if (step.kind == Kind::rename && step.table == table && step.field == field) field = step.to;
  }
  return field;
}

Renames SchemaDocument::renames_of(const std::string& table) const {
  Renames renames;
  for (const SchemaStep& step : steps_) {
    if (step.kind != Kind::rename || step.table != table) continue;
    renames.emplace(step.field, final_name(0, table, step.field));
  }
  return renames;
}

bool SchemaDocument::drops(const std::string& table) const {
  return std::ranges::any_of(steps_, [&](const SchemaStep& step) {
    return step.kind == Kind::drop && step.table == table;
  });
}

bool SchemaDocument::covers(const std::string& table, const SchemaChange& change) const {
  using Change = SchemaChange::Kind;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const SchemaStep& step = steps_[i];
    if (step.table != table) continue;
    const bool of_field =
        step.field == change.fields[0] || final_name(i, table, step.field) == change.fields[0];
    switch (change.kind) {
      case Change::field_renamed:
        if (step.kind == Kind::rename && of_field) return true;
        break;
      case Change::field_removed:
        if (step.kind == Kind::remove && of_field) return true;
        break;
      case Change::field_retyped:
        if ((step.kind == Kind::retype || step.kind == Kind::remove) && of_field) return true;
        break;
      default:
        if (step.kind == Kind::check) return true;
    }
  }
  return false;
}

Status SchemaDocument::check_after(const SchemaDocument& before) const {
  for (const auto& [id, old] : before.tables_) {
    if (drops(id)) continue;
    const auto table = tables_.find(id);
    if (table == tables_.end()) {
      return not_covered(id, "which is not in the document any more", text_of(Kind::drop, {id}));
    }
    for (const SchemaChange& change : diff(old.schema, table->second.schema, renames_of(id))) {
      using Change = SchemaChange::Kind;
      const std::string& field = change.fields[0];
      if (change.kind == Change::field_retyped) {
        const auto renames = renames_of(id);
        const auto renamed =
            std::ranges::find_if(renames, [&](const auto& names) { return names.second == field; });
        const SchemaField* was = old.schema.find(renamed == renames.end() ? field : renamed->first);
        const FieldType to = table->second.schema.find(field)->type;
        const bool removed = std::ranges::any_of(steps_, [&, &of = id](const SchemaStep& step) {
          return step.kind == Kind::remove && step.table == of && step.field == field;
        });
        if (!removed && was != nullptr && !converts(was->type, to)) {
          return Error{Errc::schema_violation,
                       "Table " + id + ", " + change.text + ": no value can be converted",
                       "Add " + text_of(Kind::remove, {id, field}) + " to give the values up."};
        }
      }
      if (change.safe || covers(id, change)) continue;
      std::string step = text_of(Kind::check, {id});
      if (change.kind == Change::field_removed) step = text_of(Kind::remove, {id, field});
      if (change.kind == Change::field_retyped) {
        const FieldType to = table->second.schema.find(field)->type;
        step = text_of(Kind::retype, {id, field, std::string(name_of(to))});
      }
      return not_covered(id, change.text, step);
    }
  }
  return {};
}

}  // namespace kontract
