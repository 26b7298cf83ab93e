// An index on a table that has records: its rounds are the table's own, beside its calls.

#include "session_fixture.hpp"
#include "storage/index_registry.hpp"

namespace kontract {
namespace {

class TableIndexActorTest : public SessionFixture {
 protected:
  Shard& shard() { return store_->shard_of({peer_.owner, "room"}); }

  std::pair<SessionNo, TableNo> numbers() {
    EXPECT_TRUE(store_->flush());  // what was answered may be in the journal only
    auto txn = shard().environment().read();
    const auto session = load_session(*txn, {peer_.owner, "room"});
    EXPECT_TRUE(session && *session);
    return {(*session)->no, load_tables(*txn, (*session)->no)->at(0).no};
  }

  std::vector<IndexRow> index_rows() {
    const auto [session, table] = numbers();
    auto txn = shard().environment().read();
    return *load_indexes(*txn, session, table);
  }

  // As if the server had stopped right after the index was created.
  void create_index(const IndexDefinition& definition) {
    const auto [session, table] = numbers();
    WriteBatch batch;
    put_index(batch, session, table, {1, definition, IndexState::building});
    CommitLog& log = shard().log();
    log.append(std::move(batch), log.epoch(), nullptr);
    ASSERT_TRUE(log.flush());
    stop();
    start();
  }

  void fill(int records) {
    ok("room", "table.create", {"users"});
    std::uint64_t last = 0;
    for (int i = 0; i < records; ++i) {
      last = send("room", "table.set",
                  {"users", "u" + std::to_string(i), Json{{"age", i % 100}, {"no", i / 2}}});
    }
    ASSERT_TRUE(answers_->wait(last).result);
    ASSERT_TRUE(store_->flush());  // the rows are read past the log
  }
};

TEST_F(TableIndexActorTest, ABuildThatWasInterruptedGoesOnWithTheFirstCall) {
  fill(2500);
  create_index({{"age"}, false});
  ok("room", "table.get", {"users", "u1"});
  ASSERT_TRUE(eventually([&] {
    ok("room", "table.set", {"users", "u1", {{"age", 7}}});
    return index_rows()[0].state == IndexState::ready;
  }));
  const Json page = ok("room", "table.query", {"users", {{"age", 7}}});
  EXPECT_EQ(page["rows"].size(), 26u);
  EXPECT_TRUE(page["next"].is_null());
  stop();
  const auto report = check_data_directory(store_options_.data);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->problems, std::vector<std::string>{});
}

TEST_F(TableIndexActorTest, AnIndexThatCannotBeBuiltIsToldOfAndCallsGoOn) {
  std::mutex mutex;
  std::vector<std::string> alarms;
  fill(20);
  stop();
  store_options_.alarm = [&](const std::string& what) {
    const std::lock_guard lock(mutex);
    alarms.push_back(what);
  };
  start();
  create_index({{"no"}, true});
  ok("room", "table.get", {"users", "u1"});
  ASSERT_TRUE(eventually([&] { return index_rows()[0].state == IndexState::failed; }));
  ok("room", "table.set", {"users", "u1", {{"no", 0}}});
  stop();
  ASSERT_EQ(alarms.size(), 1u);
  EXPECT_EQ(alarms[0],
            "table users: an index cannot be built: Field 'no' must be unique, but records 'u0' "
            "and 'u1' are equal in it");
}

}  // namespace
}  // namespace kontract
