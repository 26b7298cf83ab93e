// TableDriver: does with a table what its owner does, one call at a time.

#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "storage/table.hpp"
#include "tests/storage/manual_shard.hpp"

namespace kontract::testing {

inline constexpr SessionNo kSession = 1;

inline TableRow users_row(Perm permissions = perms::RWX) {
  return {"users", "tbl_users_1", "tenant", permissions, 1, ""};
}

class TableDriver {
 public:
  explicit TableDriver(ManualShard& shard) : shard_(shard) { reopen(); }

  // As after a restart. REQUIRES: nothing waits in the log.
  void reopen() {
    auto opened = Table::open(shard_, kSession, users_row());
    ASSERT_TRUE(opened) << opened.error().message;
    table_ = *std::move(opened);
  }

  Table& table() { return *table_; }
  Txid last_txid() const { return last_txid_; }

  // Begins the next transaction. Readers may still be at `oldest_reader` (0: none is).
  void begin(Txid oldest_reader = 0) {
    ++last_txid_;
    begin_at(last_txid_, oldest_reader == 0 ? last_txid_ + 1 : oldest_reader);
  }
  void begin_at(Txid txid, Txid oldest_reader) {
    const Status begun = table_->begin({"sid", "tenant", txid, perms::RWX, oldest_reader});
    ASSERT_TRUE(begun) << begun.error().message;
  }

  // Appends what was staged; returns its ticket, 0 if there is nothing.
  Ticket end() {
    if (table_->staged().empty()) return 0;
    const Ticket ticket = shard_.log().append(table_->take_staged(), table_->epoch(), nullptr);
    table_->seal(ticket);
    return ticket;
  }

  // One operation in a transaction of its own; its JSON text, or the name of its error.
  template <class Operation>
  std::string run(const Operation& operation, Txid oldest_reader = 0) {
    begin(oldest_reader);
    std::string text = text_of(operation(*table_));
    end();
    return text;
  }

  // One read of the past.
  template <class Operation>
  std::string read_at(Txid txid, const Operation& operation) {
    begin_at(txid, txid);
    std::string text = text_of(operation(*table_));
    EXPECT_TRUE(table_->staged().empty());
    return text;
  }

  std::string get(std::string_view id) {
    return run([&](Table& t) { return t.get(id); });
  }
  std::string set(std::string_view id, const Json& data) {
    return run([&](Table& t) { return t.set(id, data); });
  }
  std::string update(std::string_view id, const Json& partial) {
    return run([&](Table& t) { return t.update(id, partial); });
  }
  std::string erase(std::string_view id) {
    return run([&](Table& t) { return t.erase(id); });
  }
  std::string query(const Json& filter = nullptr, const QueryOptions& options = {}) {
    return run([&](Table& t) { return t.query(filter, options); });
  }
  std::string count() {
    return run([](Table& t) { return t.count(); });
  }

  // Applies all that waits and collects what nobody sees any more.
  void settle(std::chrono::system_clock::time_point now = std::chrono::system_clock::now()) {
    for (bool more = true; more;) {
      ASSERT_TRUE(shard_.log().flush());
      WriteBatch batch;
      const auto left = table_->collect_garbage(last_txid_ + 1, now, 100, batch);
      ASSERT_TRUE(left) << left.error().message;
      EXPECT_LE(batch.ops().size(), 100u);
      more = *left;
      shard_.commit(std::move(batch));
    }
  }

  static std::string text_of(const Result<JsonText>& result) {
    return result ? *result : std::string(result.error().name());
  }
  static std::string text_of(const Result<std::uint64_t>& result) {
    return result ? std::to_string(*result) : std::string(result.error().name());
  }

 private:
  ManualShard& shard_;
  std::unique_ptr<Table> table_;
  Txid last_txid_ = 0;
};

}  // namespace kontract::testing
