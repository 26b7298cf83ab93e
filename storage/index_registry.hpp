// Which indexes tables have: rows of the registry, and how they follow from what is wanted.

#pragma once

#include <vector>

#include "storage/index.hpp"
#include "storage/registry.hpp"

namespace kontract {

// Of one table, by number; those that are dropped and not yet gone included.
Result<std::vector<IndexRow>> load_indexes(const ReadTxn& txn, SessionNo session, TableNo table);
void put_index(WriteBatch& batch, SessionNo session, TableNo table, const IndexRow& row);
void erase_index(WriteBatch& batch, SessionNo session, TableNo table, IndexNo index);

struct IndexChanges {
  std::vector<IndexRow> put;    // rows to write: new ones, and those that are dropped now
  std::vector<IndexRow> after;  // all rows of the table then, for Table::set_indexes
};

// What leads from the rows that are there to the definitions. An index that is there as it is
// wanted stays; one that has failed is built again. `state` of new ones: `building` or, if the
// table is created in the same batch, `ready`.
// Numbers are never reused: a new index has the highest number of all rows and one more, and the
// row with the highest number stays, even of an index that is dropped and gone.
// Errors: too_large (kIndexesPerTableMax), invalid_request (a definition without fields, with too
// many, or with one that cannot be).
Result<IndexChanges> plan_index_changes(const std::vector<IndexRow>& existing,
                                        const std::vector<IndexDefinition>& wanted,
                                        IndexState state);

// Has SQL before `since` not read the indexes over one of these fields; see IndexRow.
void withhold(IndexChanges& changes, const std::vector<std::string>& fields, Txid since);

}  // namespace kontract
