// IndexSet: the indexes of one table, and which entries a record has in those that are kept up.
//
//   entry := index:u16 values        (storage/index_key.hpp)
//          | index:u16 7F            a mark
//
// A record has one entry in each index. Where a field's name has a dot, and the record has a member
// whose own name has one, so that the field is not what lies at `a` in `b`, it has a mark as well:
// a filter that steps into objects does not find it by its values.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/index.hpp"
#include "storage/result.hpp"

namespace kontract {

using IndexEntries = std::vector<std::string>;  // sorted

class IndexSet {
 public:
  IndexSet() = default;
  explicit IndexSet(std::vector<IndexRow> rows);  // in order of number

  const std::vector<IndexRow>& rows() const { return rows_; }
  const IndexRow* find(IndexNo no) const;
  const IndexRow* first(IndexState state) const;  // the lowest number in that state, or null
  std::vector<IndexRow> in_state(IndexState state) const;

  void set_state(IndexNo no, IndexState state);
  void remove(IndexNo no);

  // Whether writes keep up any: those that are building or ready.
  bool keeps_entries() const { return kept_ != 0; }
  std::size_t entries_max() const { return 2 * kept_; }  // of one record

  // The entries of a record with this data. Values that do not fit a key have none; the indexes of
  // such are added to `unfit`.
  IndexEntries entries(std::string_view data, std::vector<IndexNo>* unfit = nullptr) const;

 private:
  void count_kept();

  std::vector<IndexRow> rows_;
  std::size_t kept_ = 0;
};

constexpr bool is_kept(IndexState state) {
  return state == IndexState::building || state == IndexState::ready;
}

// `index` as the first bytes of its entries.
std::string entry_prefix(IndexNo index);
std::string mark_of(IndexNo index);

// What `entries` has and `others` lack.
IndexEntries without(const IndexEntries& entries, const IndexEntries& others);
bool has_entry(const IndexEntries& entries, std::string_view entry);

// "Field 'x'" or "Fields 'x', 'y'".
std::string fields_text(const IndexDefinition& definition);

// Errors: schema_violation, saying what may be indexed.
Error does_not_fit(const IndexDefinition& definition);

}  // namespace kontract
