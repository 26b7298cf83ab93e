// What a table's owner does with its indexes, and what the cursors of a table show.

#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "storage/index_check.hpp"
#include "storage/index_registry.hpp"
#include "storage/mvcc_table.hpp"
#include "tests/storage/table_driver.hpp"

namespace kontract::testing {

inline MvccTable& mvcc(TableDriver& driver) { return dynamic_cast<MvccTable&>(driver.table()); }

// Gives the table these indexes and no others. Appended, not applied.
inline void want_indexes(ManualShard& shard, Table& table,
                         const std::vector<IndexDefinition>& wanted,
                         IndexState state = IndexState::building) {
  auto changes = plan_index_changes(table.index_rows(), wanted, state);
  ASSERT_TRUE(changes) << changes.error().message;
  WriteBatch batch;
  for (const IndexRow& row : changes->put) put_index(batch, kSession, table.row().no, row);
  if (!batch.empty()) shard.log().append(std::move(batch), table.epoch(), nullptr);
  ASSERT_TRUE(table.set_indexes(changes->after));
}

// Rounds until nothing is left to do; returns how many there were.
inline int finish_indexes(ManualShard& shard, Table& table, std::size_t ops_max = 50) {
  int rounds = 0;
  for (bool more = true; more && rounds < 10'000; ++rounds) {
    WriteBatch batch;
    const auto left = table.maintain_indexes(ops_max, batch);
    EXPECT_TRUE(left) << left.error().message;
    EXPECT_LE(batch.ops().size(), ops_max + 1) << "the row that says what became of it";
    more = left && *left;
    shard.commit(std::move(batch));
  }
  EXPECT_FALSE(table.indexes_unfinished());
  return rounds;
}

inline std::vector<std::string> index_problems(ManualShard& shard) {
  std::vector<std::string> problems;
  EXPECT_TRUE(shard.log().flush());
  auto txn = shard.environment().read();
  EXPECT_TRUE(txn);
  EXPECT_TRUE(check_indexes(*txn, [&](const std::string& what) { problems.push_back(what); }));
  return problems;
}

// The ids of a scan in its order. REQUIRES: a transaction is open.
inline std::vector<std::string> ids(MvccTable& table, const RecordScan& scan) {
  std::vector<std::string> out;
  auto cursor = table.scan(scan);
  EXPECT_TRUE(cursor) << cursor.error().message;
  for (;;) {
    const auto found = (*cursor)->next();
    EXPECT_TRUE(found) << found.error().message;
    if (!found || !*found) return out;
    out.emplace_back((*cursor)->record().id);
  }
}

}  // namespace kontract::testing
