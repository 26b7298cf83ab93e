// What a schema does to the records that are written and read.

#include <charconv>

#include "storage/json_field.hpp"
#include "storage/json_path.hpp"
#include "storage/registry.hpp"
#include "storage/schema.hpp"

namespace kontract {
namespace {

Error violation(const SchemaField& field, std::string_view what) {
  return {Errc::schema_violation, "Field '" + shown(field.name) + "' " + std::string(what)};
}

Error missing(const SchemaField& field) {
  return violation(field, "is required: expected " + std::string(description(field.type)));
}

Error not_of_type(const SchemaField& field, const Json& value) {
  std::string what = "must be " + std::string(description(field.type)) + "; ";
  // What has the right type in JSON has not the right form.
  what += value.is_string() || value.is_number()
              ? "this " + std::string(value.type_name()) + " is not"
              : "this is of type " + std::string(value.type_name());
  return violation(field, what);
}

Error no_place(const SchemaField& field) {
  return violation(field, "has no place: what it is a member of must be an object");
}

Error denied(const SchemaField& field, std::string_view what) {
  return {Errc::permission_denied, "Field '" + shown(field.name) + "' is " + std::string(what)};
}

// The id of a record whose primary key has this value, which fits its type.
std::string id_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : to_text(value);
}

// The value of the primary key of the record with this id; null if there is none.
Json primkey_value(FieldType type, std::string_view id) {
  if (type == FieldType::string) return id;
  std::int64_t number = 0;
  const auto read = std::from_chars(id.data(), id.data() + id.size(), number);
  Json value = number;
  const bool canonical = read.ec == std::errc{} && id == id_text(value);
  return canonical && make_fit(type, value) ? value : Json();
}

}  // namespace

Status Schema::prepare(std::string_view id, Json& data, const Json* old) const {
  if (old != nullptr && guards_) {
    if (Status kept = keep_guarded(data, *old); !kept) return kept;
  }
  if (primkey_) {
    if (Status fits = fit_primkey(id, data); !fits) return fits;
  }
  for (const SchemaField& field : fields_) {
    Json* value = find_path(data, field.name);
    if (value == nullptr || (value->is_null() && field.required)) {
      if (field.default_value.is_null()) {
        if (field.required) return missing(field);
      } else if (value != nullptr) {
        *value = field.default_value;
      } else if (!place_path(data, field.name, field.default_value)) {
        return no_place(field);
      }
    } else if (!value->is_null() && !make_fit(field.type, *value)) {
      return not_of_type(field, *value);
    }
  }
  return {};
}

// A field counts as written once it has a value other than null. Of one that is neither seen nor
// changed even the same value is refused, or else writes would find out what it is.
Status Schema::keep_guarded(Json& data, const Json& old) const {
  std::vector<std::pair<const SchemaField*, const Json*>> kept;
  for (const SchemaField& field : fields_) {
    if (field.readable() && field.writable()) continue;
    const Json* before = find_path(old, field.name);
    if (before == nullptr || before->is_null()) continue;
    const Json* now = find_path(std::as_const(data), field.name);
    if (now == nullptr) {
      kept.emplace_back(&field, before);
    } else if (!field.writable() && (!field.readable() || *now != *before)) {
      return denied(field, "read-only");
    }
  }
  for (const auto& [field, before] : kept) {
    // One that was kept may hold another.
    if (find_path(data, field->name) != nullptr) continue;
    if (!place_path(data, field->name, *before)) return no_place(*field);
  }
  return {};
}

Status Schema::fit_primkey(std::string_view id, Json& data) const {
  const SchemaField& field = *primkey();
  Json* value = find_path(data, field.name);
  if (value != nullptr && !value->is_null()) {
    if (!make_fit(field.type, *value)) return not_of_type(field, *value);
    if (id_text(*value) == id) return {};
    return violation(field, "is the primary key: it must be the id of the record");
  }
  Json from_id = primkey_value(field.type, id);
  if (from_id.is_null()) {
    return violation(field, "is the primary key: the record's id must be an integer in decimal");
  }
  if (value != nullptr) {
    *value = std::move(from_id);
  } else if (!place_path(data, field.name, std::move(from_id))) {
    return no_place(field);
  }
  return {};
}

Result<std::string> Schema::id_of(const Json& data) const {
  const SchemaField& field = *primkey();
  const Json* value = find_path(data, field.name);
  if (value == nullptr || value->is_null()) return missing(field);
  Json fitting = *value;
  if (!make_fit(field.type, fitting)) return not_of_type(field, *value);
  return id_text(fitting);
}

JsonText Schema::visible_data(std::string_view data) const {
  return json_without(data, {hidden_.begin(), hidden_.end()});
}

Status Schema::check_filter(const Json& filter) const {
  for (const std::string& name : hidden_) {
    if (find_path(filter, name) != nullptr) return denied(*find(name), "not readable");
  }
  return {};
}

}  // namespace kontract
