#include "storage/index_set.hpp"

#include <algorithm>
#include <iterator>

#include "storage/byte_codec.hpp"
#include "storage/index_key.hpp"
#include "storage/json_field.hpp"
#include "storage/limits.hpp"

namespace kontract {
namespace {

// What lies at the path if each dot steps into an object.
std::optional<std::string_view> nested_field(std::string_view data, std::string_view path) {
  std::optional<std::string_view> found = data;
  while (found) {
    const std::size_t dot = path.find('.');
    found = json_field(*found, path.substr(0, dot));
    if (dot == path.npos) break;
    path.remove_prefix(dot + 1);
  }
  return found;
}

bool same_place(std::optional<std::string_view> a, std::optional<std::string_view> b) {
  return a.has_value() == b.has_value() && (!a || a->data() == b->data());
}

// Adds what the record has in this index. False if its values do not fit.
bool add_entries(const IndexRow& index, std::string_view data, IndexEntries& out) {
  std::string entry = entry_prefix(index.no);
  const std::size_t prefix = entry.size();
  bool marked = false;
  for (const std::string& path : index.definition.fields) {
    const auto field = json_field(data, path);
    append_index_value(entry, sql_value(field));
    if (entry.size() - prefix > limits::kIndexedBytesMax) return false;
    if (path.find('.') == path.npos || marked) continue;
    marked = !same_place(field, nested_field(data, path));
  }
  out.push_back(std::move(entry));
  if (marked) out.push_back(mark_of(index.no));
  return true;
}

}  // namespace

IndexSet::IndexSet(std::vector<IndexRow> rows) : rows_(std::move(rows)) { count_kept(); }

void IndexSet::count_kept() {
  kept_ = static_cast<std::size_t>(std::count_if(
      rows_.begin(), rows_.end(), [](const IndexRow& row) { return is_kept(row.state); }));
}

const IndexRow* IndexSet::find(IndexNo no) const {
  const auto row = std::find_if(rows_.begin(), rows_.end(),
                                [no](const IndexRow& candidate) { return candidate.no == no; });
  return row == rows_.end() ? nullptr : &*row;
}

const IndexRow* IndexSet::first(IndexState state) const {
  const auto row = std::find_if(rows_.begin(), rows_.end(), [state](const IndexRow& candidate) {
    return candidate.state == state;
  });
  return row == rows_.end() ? nullptr : &*row;
}

std::vector<IndexRow> IndexSet::in_state(IndexState state) const {
  std::vector<IndexRow> rows;
  std::copy_if(rows_.begin(), rows_.end(), std::back_inserter(rows),
               [state](const IndexRow& row) { return row.state == state; });
  return rows;
}

void IndexSet::set_state(IndexNo no, IndexState state) {
  for (IndexRow& row : rows_) {
    if (row.no == no) row.state = state;
  }
  count_kept();
}

void IndexSet::remove(IndexNo no) {
  std::erase_if(rows_, [no](const IndexRow& row) { return row.no == no; });
  count_kept();
}

IndexEntries IndexSet::entries(std::string_view data, std::vector<IndexNo>* unfit) const {
  IndexEntries out;
  if (kept_ == 0) return out;
  out.reserve(kept_);
  for (const IndexRow& row : rows_) {  // in order of number, and a mark is behind all values
    if (!is_kept(row.state) || add_entries(row, data, out)) continue;
    if (unfit != nullptr) unfit->push_back(row.no);
  }
  return out;
}

std::string entry_prefix(IndexNo index) {
  char bytes[sizeof index];
  put_be(bytes, index);
  return {bytes, sizeof bytes};
}

std::string mark_of(IndexNo index) { return entry_prefix(index) + kIndexMark; }

IndexEntries without(const IndexEntries& entries, const IndexEntries& others) {
  IndexEntries left;
  std::set_difference(entries.begin(), entries.end(), others.begin(), others.end(),
                      std::back_inserter(left));
  return left;
}

bool has_entry(const IndexEntries& entries, std::string_view entry) {
  return std::binary_search(entries.begin(), entries.end(), entry);
}

std::string fields_text(const IndexDefinition& definition) {
  std::string text = definition.fields.size() == 1 ? "Field " : "Fields ";
  for (std::size_t i = 0; i < definition.fields.size(); ++i) {
    text += (i == 0 ? "'" : ", '") + definition.fields[i] + "'";
  }
  return text;
}

Error does_not_fit(const IndexDefinition& definition) {
  const bool single = definition.fields.size() == 1;
  const std::size_t bytes =
      limits::kIndexedBytesMax - kIndexTextOverheadBytes * definition.fields.size();
  return {Errc::schema_violation,
          fields_text(definition) + (single ? " is" : " are") + " indexed and may have " +
              std::to_string(bytes) + " bytes" + (single ? "" : " together"),
          "Shorten the value, or keep the long part in a field that is not indexed."};
}

}  // namespace kontract
