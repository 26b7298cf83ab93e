#include "storage/schema_diff.hpp"

#include <algorithm>

#include "storage/registry.hpp"

namespace kontract {
namespace {

using Kind = SchemaChange::Kind;

constexpr bool kSafe = true;
constexpr bool kExplicit = false;

class Differ {
 public:
  explicit Differ(const Renames& renames) : renames_(renames) {}

  void fields(const Schema& from, const Schema& to) {
    std::map<std::string, const SchemaField*> before;  // by the name it has in `to`
    for (const SchemaField& field : from.fields()) {
      const auto renamed = renames_.find(field.name);
      before[renamed == renames_.end() ? field.name : renamed->second] = &field;
    }
    for (const SchemaField& field : to.fields()) {
      const auto known = before.find(field.name);
      if (known == before.end()) {
        const bool fits = !field.required || !field.default_value.is_null();
        add(Kind::field_added, field, fits && !field.primkey,
            "added, " + std::string(name_of(field.type)) + (field.required ? ", required" : ""));
      } else {
        same_field(*known->second, field);
        before.erase(known);
      }
    }
    for (const auto& [name, field] : before) {
      add(Kind::field_removed, *field, kExplicit, "removed");
    }
    std::stable_sort(
        changes_.begin(), changes_.end(),
        [](const SchemaChange& a, const SchemaChange& b) { return a.fields < b.fields; });
  }

  void indexes(const std::vector<IndexDefinition>& from, const std::vector<IndexDefinition>& to) {
    for (const IndexDefinition& index : to) {
      const IndexDefinition* before = find(from, index);
      if (before == nullptr) {
        if (index.unique) {
          add(Kind::unique_added, index, kExplicit, "added, unique");
        } else {
          add(Kind::index_added, index, kSafe, "added");
        }
      } else if (index.unique && !before->unique) {
        add(Kind::unique_added, index, kExplicit, "becomes unique");
      } else if (!index.unique && before->unique) {
        add(Kind::unique_removed, index, kSafe, "is unique no more");
      }
    }
    for (const IndexDefinition& index : from) {
      if (find(to, index) == nullptr) add(Kind::index_removed, index, kSafe, "removed");
    }
  }

  std::vector<SchemaChange> take() { return std::move(changes_); }

 private:
  void same_field(const SchemaField& before, const SchemaField& now) {
    if (before.name != now.name) {
      add(Kind::field_renamed, now, kExplicit, "was '" + shown(before.name) + "'");
    }
    if (before.type != now.type) {
      add(Kind::field_retyped, now, widens(before.type, now.type),
          std::string(name_of(before.type)) + " becomes " + std::string(name_of(now.type)));
    }
    if (now.primkey && !before.primkey) {
      add(Kind::primkey_added, now, kExplicit, "becomes the primary key");
    } else if (now.required && !before.required) {
      add(Kind::field_required, now, kExplicit, "becomes required");
    }
    if (before.primkey && !now.primkey) {
      add(Kind::primkey_removed, now, kSafe, "is the primary key no more");
    }
    if (before.required && !now.required) {
      add(Kind::field_optional, now, kSafe, "becomes optional");
    }
    if (before.default_value != now.default_value) {
      add(Kind::default_changed, now, kSafe, "has another default");
    }
    if (before.readable() != now.readable() || before.writable() != now.writable()) {
      add(Kind::perm_changed, now, kSafe,
          "perm " + std::to_string(before.perm) + " becomes " + std::to_string(now.perm));
    }
  }

  static const IndexDefinition* find(const std::vector<IndexDefinition>& in,
                                     const IndexDefinition& wanted) {
    const auto found = std::find_if(in.begin(), in.end(), [&](const IndexDefinition& index) {
      return index.fields == wanted.fields;
    });
    return found == in.end() ? nullptr : &*found;
  }

  void add(Kind kind, const SchemaField& field, bool safe, const std::string& what) {
    changes_.push_back({kind, {field.name}, safe, "field '" + shown(field.name) + "': " + what});
  }
  void add(Kind kind, const IndexDefinition& index, bool safe, const std::string& what) {
    std::string names;
    for (const std::string& field : index.fields) {
      names += (names.empty() ? "" : ", ") + shown(field);
    }
    changes_.push_back({kind, index.fields, safe, "index (" + names + "): " + what});
  }

  const Renames& renames_;
  std::vector<SchemaChange> changes_;
};

}  // namespace

std::vector<SchemaChange> diff(const Schema& from, const Schema& to, const Renames& renames) {
  Differ differ(renames);
  differ.fields(from, to);
  differ.indexes(from.index_definitions(), to.index_definitions());
  return differ.take();
}

std::vector<std::string> typed_anew(const std::vector<SchemaChange>& changes) {
  std::vector<std::string> names;
  for (const SchemaChange& change : changes) {
    if (change.kind == Kind::field_added || change.kind == Kind::field_renamed ||
        (change.kind == Kind::field_retyped && !change.safe)) {
      names.push_back(change.fields[0]);
    }
  }
  return names;
}

}  // namespace kontract
