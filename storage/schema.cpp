// Schemas as JSON: from outside, as stored, and the indexes that follow from one.

#include "storage/schema.hpp"

#include <algorithm>
#include <map>

#include "storage/registry.hpp"

namespace kontract {
namespace {

Error wrong(const std::string& place, std::string_view what) {
  return {Errc::invalid_request, place + ": " + std::string(what),
          "See Schemas in docs/protocol.md."};
}

Error unknown_key(const std::string& place, std::string_view key, std::string_view known) {
  return wrong(place, "unknown key '" + shown(key) + "'; known are " + std::string(known));
}

Error wrong_type(const std::string& place, std::string_view expected, const Json& given) {
  return wrong(place,
               "expected " + std::string(expected) + ", not one of type " + given.type_name());
}

// SQL knows names of columns apart by more than the case of A to Z.
std::string folded(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

Status check_path(const std::string& place, std::string_view path) {
  const bool printable = std::none_of(path.begin(), path.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (!path.empty() && path.size() <= limits::kFieldNameBytesMax && printable && is_utf8(path)) {
    return {};
  }
  return wrong(place, "a field's name is 1 to " + std::to_string(limits::kFieldNameBytesMax) +
                          " bytes of UTF-8 without control characters");
}

Status check_name(const std::string& place, std::string_view name) {
  if (Status path = check_path(place, name); !path) return path;
  const std::string column = folded(name);
  if (column != "id" && column != "data" && !column.starts_with('_')) return {};
  return wrong(place, "no field is named id, data or _...: these are columns of every table");
}

bool* flag_of(SchemaField& field, std::string_view key) {
  if (key == "required") return &field.required;
  if (key == "primkey") return &field.primkey;
  if (key == "unique") return &field.unique;
  if (key == "index") return &field.index;
  return nullptr;
}

Status parse_member(const std::string& place, std::string_view key, const Json& value,
                    SchemaField& field) {
  const std::string at = place + '.' + shown(key);
  if (key == "type") {
    if (!value.is_string()) return wrong_type(at, "a string", value);
    const std::string& name = value.get_ref<const std::string&>();
    const auto type = field_type(name);
    if (!type) {
      return wrong(
          at, "'" + shown(name) + "' is not a type; types are " + std::string(field_type_names()));
    }
    field.type = *type;
  } else if (bool* flag = flag_of(field, key)) {
    if (!value.is_boolean()) return wrong_type(at, "true or false", value);
    *flag = value.get<bool>();
  } else if (key == "perm") {
    const bool bits = value.is_number_integer() && value >= 0 && value <= int{perms::RWX};
    if (!bits) return wrong(at, "expected an integer 0..7 (R=4, W=2)");
    field.perm = value.get<Perm>();
  } else if (key == "default") {
    field.default_value = value;
  } else {
    return unknown_key(place, key, "type, required, default, primkey, perm, unique, index");
  }
  return {};
}

bool is_container(FieldType type) { return type == FieldType::array || type == FieldType::object; }

// Checks what the members of one field say of each other.
Status complete(const std::string& place, SchemaField& field) {
  if (field.primkey) {
    if (field.type != FieldType::string && field.type != FieldType::integer) {
      return wrong(place + ".primkey", "a primary key is of type string or integer, not " +
                                           std::string(name_of(field.type)));
    }
    if (!field.default_value.is_null()) {
      return wrong(place + ".default", "a primary key has no default");
    }
    field.required = true;
  }
  if ((field.index || field.unique) && is_container(field.type)) {
    return wrong(place + (field.unique ? ".unique" : ".index"),
                 "an " + std::string(name_of(field.type)) + " cannot be indexed");
  }
  if (!field.default_value.is_null() && !make_fit(field.type, field.default_value)) {
    return wrong(place + ".default", "it is not " + std::string(description(field.type)));
  }
  return {};
}

Result<SchemaField> parse_field(const std::string& name, const Json& given) {
  const std::string place = "fields." + shown(name);
  if (Status named = check_name(place, name); !named) return std::move(named).error();
  if (!given.is_object()) return wrong_type(place, R"(an object like {"type": "string"})", given);
  if (!given.contains("type")) {
    return wrong(place, "it has no type; types are " + std::string(field_type_names()));
  }
  SchemaField field;
  field.name = name;
  for (const auto& [key, value] : given.items()) {
    if (Status member = parse_member(place, key, value, field); !member) {
      return std::move(member).error();
    }
  }
  if (Status whole = complete(place, field); !whole) return std::move(whole).error();
  return field;
}

Result<std::vector<std::string>> parse_paths(const std::string& place, const Json& given) {
  if (!given.is_array() || given.empty() || given.size() > limits::kIndexFieldsMax) {
    return wrong(place, "expected an array of 1 to " + std::to_string(limits::kIndexFieldsMax) +
                            " names of fields");
  }
  std::vector<std::string> paths;
  for (const Json& path : given) {
    const std::string at = place + '[' + std::to_string(paths.size()) + ']';
    if (!path.is_string()) return wrong_type(at, "the name of a field", path);
    const std::string& name = path.get_ref<const std::string&>();
    if (Status valid = check_path(at, name); !valid) return std::move(valid).error();
    if (std::find(paths.begin(), paths.end(), name) != paths.end()) {
      return wrong(at, "'" + shown(name) + "' is in it twice");
    }
    paths.push_back(name);
  }
  return paths;
}

Result<IndexDefinition> parse_index(const std::string& place, const Json& given) {
  if (!given.is_object()) return wrong_type(place, R"(an object like {"fields": ["a"]})", given);
  if (!given.contains("fields")) return wrong(place, "it has no fields");
  IndexDefinition index;
  for (const auto& [key, value] : given.items()) {
    const std::string at = place + '.' + shown(key);
    if (key == "fields") {
      auto paths = parse_paths(at, value);
      if (!paths) return std::move(paths).error();
      index.fields = *std::move(paths);
    } else if (key == "unique") {
      if (!value.is_boolean()) return wrong_type(at, "true or false", value);
      index.unique = value.get<bool>();
    } else {
      return unknown_key(place, key, "fields, unique");
    }
  }
  return index;
}

void merge(std::vector<IndexDefinition>& indexes, IndexDefinition added) {
  const auto same = std::find_if(indexes.begin(), indexes.end(), [&](const IndexDefinition& known) {
    return known.fields == added.fields;
  });
  if (same == indexes.end()) {
    indexes.push_back(std::move(added));
  } else {
    same->unique = same->unique || added.unique;
  }
}

}  // namespace

Result<Schema> Schema::parse(const Json& given) {
  if (!given.is_object()) {
    return wrong_type("schema", R"(an object like {"fields": {...}})", given);
  }
  Schema schema;
  for (const auto& [key, value] : given.items()) {
    if (key == "fields") {
      if (!value.is_object()) return wrong_type(key, "an object", value);
      if (value.size() > limits::kSchemaFieldsMax) {
        return wrong(key, "there are " + std::to_string(value.size()) + "; at most " +
                              std::to_string(limits::kSchemaFieldsMax) + " are allowed");
      }
      for (const auto& [name, member] : value.items()) {
        auto field = parse_field(name, member);
        if (!field) return std::move(field).error();
        if (Status added = schema.add(*std::move(field)); !added) return std::move(added).error();
      }
    } else if (key == "indexes") {
      if (!value.is_array()) return wrong_type(key, "an array", value);
      for (std::size_t i = 0; i < value.size(); ++i) {
        auto index = parse_index("indexes[" + std::to_string(i) + "]", value[i]);
        if (!index) return std::move(index).error();
        merge(schema.indexes_, *std::move(index));
      }
    } else {
      return unknown_key("schema", key, "fields, indexes");
    }
  }
  if (Status whole = schema.check_together(); !whole) return std::move(whole).error();
  return schema;
}

// JSON's objects are sorted by name, and so the fields are.
Status Schema::add(SchemaField field) {
  if (field.primkey) {
    if (const SchemaField* other = primkey()) {
      return wrong("fields." + shown(field.name) + ".primkey",
                   "'" + shown(other->name) + "' is the primary key already");
    }
    primkey_ = fields_.size();
  }
  if (!field.readable()) hidden_.push_back(field.name);
  guards_ = guards_ || !field.readable() || !field.writable();
  fields_.push_back(std::move(field));
  return {};
}

// Checks what fields and indexes say of each other.
Status Schema::check_together() const {
  std::map<std::string, std::string_view> columns;
  for (const SchemaField& field : fields_) {
    const std::string place = "fields." + shown(field.name);
    const auto [same, added] = columns.emplace(folded(field.name), field.name);
    if (!added) {
      return wrong(place, "SQL takes it for the same column as '" + shown(same->second) + "'");
    }
    for (auto dot = field.name.find('.'); dot != std::string::npos;
         dot = field.name.find('.', dot + 1)) {
      const SchemaField* outer = find(std::string_view(field.name).substr(0, dot));
      if (outer != nullptr && outer->type != FieldType::object && outer->type != FieldType::any) {
        return wrong(place, "'" + shown(outer->name) + "' is of type " +
                                std::string(name_of(outer->type)) + " and has no members");
      }
    }
  }
  for (const IndexDefinition& index : indexes_) {
    for (const std::string& path : index.fields) {
      const SchemaField* field = find(path);
      if (field == nullptr || !is_container(field->type)) continue;
      return wrong("indexes", "'" + shown(path) + "' is of type " +
                                  std::string(name_of(field->type)) + " and cannot be indexed");
    }
  }
  if (const std::size_t count = index_definitions().size(); count > limits::kIndexesPerTableMax) {
    return wrong("indexes", "with those of single fields there are " + std::to_string(count) +
                                "; at most " + std::to_string(limits::kIndexesPerTableMax) +
                                " are allowed");
  }
  if (const std::size_t bytes = to_json().size(); bytes > limits::kSchemaBytesMax) {
    return Error{Errc::too_large,
                 "The schema has " + std::to_string(bytes) + " bytes as compact JSON; " +
                     std::to_string(limits::kSchemaBytesMax) + " are allowed",
                 "Shorten its defaults and names."};
  }
  return {};
}

JsonText Schema::to_json() const {
  Json fields = Json::object();
  for (const SchemaField& field : fields_) {
    Json& out = fields[field.name];
    out["type"] = name_of(field.type);
    if (field.required && !field.primkey) out["required"] = true;
    if (field.primkey) out["primkey"] = true;
    if (field.unique) out["unique"] = true;
    if (field.index) out["index"] = true;
    if (field.perm != perms::RWX) out["perm"] = field.perm;
    if (!field.default_value.is_null()) out["default"] = field.default_value;
  }
  Json indexes = Json::array();
  for (const IndexDefinition& index : indexes_) {
    Json& out = indexes.emplace_back(Json{{"fields", index.fields}});
    if (index.unique) out["unique"] = true;
  }
  Json schema = Json::object();
  if (!fields.empty()) schema["fields"] = std::move(fields);
  if (!indexes.empty()) schema["indexes"] = std::move(indexes);
  return to_text(schema);
}

const SchemaField* Schema::find(std::string_view name) const {
  const auto field = std::lower_bound(
      fields_.begin(), fields_.end(), name,
      [](const SchemaField& known, std::string_view wanted) { return known.name < wanted; });
  return field != fields_.end() && field->name == name ? &*field : nullptr;
}

std::vector<IndexDefinition> Schema::index_definitions() const {
  std::vector<IndexDefinition> indexes = indexes_;
  for (const SchemaField& field : fields_) {
    if (field.index || field.unique) merge(indexes, {{field.name}, field.unique});
  }
  return indexes;
}

}  // namespace kontract
