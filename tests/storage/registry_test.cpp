#include "storage/registry.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "storage/format.hpp"
#include "tests/storage/manual_shard.hpp"

namespace kontract {
namespace {

using namespace std::string_literals;

TEST(RegistryTest, ASessionIsFoundByOwnerAndName) {
  testing::ManualShard shard;
  WriteBatch batch;
  put_session(batch, {"a", "room"}, {1, "sid-a", 4097, 3, 1'700'000'000'000});
  put_session(batch, {"b", "room"}, {2, "sid-b", 1, 1, 0});
  shard.commit(std::move(batch));

  auto txn = shard.environment().read();
  ASSERT_TRUE(txn);
  const auto a = load_session(*txn, {"a", "room"});
  ASSERT_TRUE(a && *a);
  EXPECT_EQ((*a)->no, 1u);
  EXPECT_EQ((*a)->sid, "sid-a");
  EXPECT_EQ((*a)->reserved_until, 4097u);
  EXPECT_EQ((*a)->next_table_no, 3u);
  EXPECT_EQ((*a)->created_ms, 1'700'000'000'000);
  EXPECT_EQ(load_session(*txn, {"b", "room"}).value()->sid, "sid-b");
  EXPECT_EQ(load_session(*txn, {"a", "roo"}).value(), std::nullopt);
  EXPECT_EQ(load_session(*txn, {"ar", "oom"}).value(), std::nullopt);
}

TEST(RegistryTest, TablesOfASessionAreLoadedByIdAndThoseOfOthersAreNot) {
  testing::ManualShard shard;
  WriteBatch batch;
  put_table(batch, 1, {"users", "tbl_users_1", "a", perms::RWX, 2, ""});
  put_table(batch, 1, {"logs", "tbl_logs_1", "a", perms::RW_, 1, R"({"n":"int"})"});
  put_table(batch, 2, {"users", "tbl_users_2", "b", perms::R__, 1, ""});
  shard.commit(std::move(batch));

  auto txn = shard.environment().read();
  const auto tables = load_tables(*txn, 1);
  ASSERT_TRUE(tables);
  ASSERT_EQ(tables->size(), 2u);
  EXPECT_EQ((*tables)[0].id, "logs");
  EXPECT_EQ((*tables)[0].permissions, perms::RW_);
  EXPECT_EQ((*tables)[0].schema, R"({"n":"int"})");
  EXPECT_EQ((*tables)[1].ptr, "tbl_users_1");
  EXPECT_EQ((*tables)[1].no, 2u);
  EXPECT_TRUE(load_tables(*txn, 3)->empty());
}

TEST(RegistryTest, ADamagedRowIsNamed) {
  testing::ManualShard shard;
  WriteBatch batch;
  put_table(batch, 1, {"users", "tbl_users_1", "a", perms::RWX, 2, ""});
  put_session(batch, {"a", "room"}, {1, "sid-a", 1, 1, 0});
  WriteBatch damaged;
  for (const WriteOp& op : batch.ops()) {
    std::string value = op.value;
    value[3] = static_cast<char>(value[3] ^ 1);
    damaged.put(op.space, op.key, value);
  }
  shard.commit(std::move(damaged));

  auto txn = shard.environment().read();
  const auto tables = load_tables(*txn, 1);
  ASSERT_FALSE(tables);
  EXPECT_EQ(tables.error().code, Errc::storage_corrupt);
  EXPECT_NE(tables.error().message.find("table \"users\""), std::string::npos);
  const auto session = load_session(*txn, {"a", "room"});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, Errc::storage_corrupt);
}

TEST(RegistryTest, ADroppedTableIsPurgedInStepsAndLeavesNothing) {
  testing::ManualShard shard;
  WriteBatch batch;
  const TableRow dropped{"users", "tbl_users_1", "a", perms::RWX, 1, ""};
  const TableRow kept{"logs", "tbl_logs_1", "a", perms::RWX, 2, ""};
  for (const TableRow& row : {dropped, kept}) {
    put_table(batch, 1, row);
    for (int i = 0; i < 4; ++i) {
      const std::string id = "u" + std::to_string(i);
      const auto version = format::version_key(1, row.no, id, 5);
      batch.put(Keyspace::versions, version.str(),
                format::version_value(version, {false, 9, "a", "{}"}));
      const auto order = format::order_key(1, row.no, 100u + static_cast<unsigned>(i));
      batch.put(Keyspace::order, order.str(), format::order_value(order, id));
      const auto garbage = format::garbage_key({1, row.no, 6, 5, id});
      batch.put(Keyspace::garbage, garbage.str(), format::garbage_value(garbage, 0));
    }
    const auto count = format::count_key(1, row.no);
    batch.put(Keyspace::registry, count.str(), format::count_value(count, {4, 5}));
  }
  shard.commit(std::move(batch));

  WriteBatch drop;
  drop_table(drop, 1, dropped);
  shard.commit(std::move(drop));

  int steps = 0;
  for (bool more = true; more; ++steps) {
    WriteBatch purge;
    {
      auto txn = shard.environment().read();
      const auto left = purge_dropped(*txn, 1, 5, purge);
      ASSERT_TRUE(left);
      more = *left;
    }
    EXPECT_LE(purge.ops().size(), 5u);
    shard.commit(std::move(purge));
    ASSERT_LT(steps, 10);
  }
  EXPECT_EQ(steps, 3);  // 12 rows, the count and the mark

  EXPECT_EQ(shard.rows(Keyspace::versions).size(), 4u);
  EXPECT_EQ(shard.rows(Keyspace::order).size(), 4u);
  EXPECT_EQ(shard.rows(Keyspace::garbage).size(), 4u);
  EXPECT_EQ(shard.rows(Keyspace::registry).size(), 2u);  // the other table and its count
  auto txn = shard.environment().read();
  EXPECT_EQ(load_tables(*txn, 1)->at(0).id, "logs");
}

TEST(RegistryTest, NamesAreCheckedAndTheErrorSaysWhatIsAllowed) {
  struct Case {
    const char* name;
    Status (*validate)(std::string_view);
    std::string text;
    const char* message;  // null: valid
  };
  const Case cases[] = {
      {"session", validate_session_name, "room-1.a:B_9", nullptr},
      {"longest session", validate_session_name, std::string(128, 'r'), nullptr},
      {"empty session", validate_session_name, "", "A session name is 1 to 128 characters of "},
      {"long session", validate_session_name, std::string(129, 'r'), "A session name is 1 to 128"},
      {"session with a slash", validate_session_name, "a/b", "A session name is"},
      {"session with NUL", validate_session_name, "a\0b"s, "A session name is"},
      {"owner", validate_owner, "Müller & Söhne", nullptr},
      {"owner with a control character", validate_owner, "a\nb", "An owner is"},
      {"owner not UTF-8", validate_owner, "\xFF", "An owner is 1 to 128 bytes of UTF-8"},
      {"empty owner", validate_owner, "", "An owner is"},
      {"table", validate_table_id, "users:2024", nullptr},
      {"table with a blank", validate_table_id, "my users", "A table id is 1 to 128 characters of"},
      {"ptr", validate_ptr, "tbl_users_1", nullptr},
      {"ptr with a dash", validate_ptr, "tbl-users", "A ptr is 1 to 128 characters of A-Za-z0-9_"},
      {"record", validate_record_id, "jürgen/1 2", nullptr},
      {"longest record", validate_record_id, std::string(400, 'i'), nullptr},
      {"long record", validate_record_id, std::string(401, 'i'),
       "A record id is 1 to 400 bytes of"},
      {"record with NUL", validate_record_id, "a\0"s, "A record id is"},
      {"record not UTF-8", validate_record_id, "\xC3", "A record id is"},
      {"empty record", validate_record_id, "", "A record id is"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Status status = c.validate(c.text);
    ASSERT_EQ(status.has_value(), c.message == nullptr);
    if (status) continue;
    EXPECT_EQ(status.error().code, Errc::invalid_request);
    EXPECT_TRUE(status.error().message.starts_with(c.message)) << status.error().message;
  }
}

TEST(RegistryTest, ATableThatIsNotThereIsAnsweredWithHowToRegisterIt) {
  struct Case {
    const char* name;
    Identity session;
    const char* command;  // up to the ptr, which is random
    const char* rest;
  };
  for (const Case& c :
       {Case{"usual", {"dev", "default"}, "kontract sql \"INSERT INTO ", ", 'dev', 7);\""},
        Case{"another session",
             {"dev", "room"},
             "kontract sql --session=room \"INSERT INTO ",
             ", 'dev', 7);\""},
        Case{"another owner",
             {"a b", "default"},
             "kontract sql --owner=\"a b\" \"INSERT INTO ",
             ", 'a b', 7);\""},
        Case{"quotes of SQL",
             {"o'n", "default"},
             "kontract sql --owner=\"o'n\" \"INSERT INTO ",
             ", 'o''n', 7);\""},
        Case{"what a shell expands",
             {"o'n$x", "default"},
             "kontract sql --owner='o'\\''n$x' 'INSERT INTO ",
             ", '\\''o'\\'''\\''n$x'\\'', 7);'"}}) {
    SCOPED_TRACE(c.name);
    const Error error = table_not_found("users", c.session);
    EXPECT_EQ(error.code, Errc::storage_ptr_not_found);
    EXPECT_EQ(error.message, "Table users not found");
    EXPECT_TRUE(error.hint.starts_with(std::string("Register it first: ") + c.command))
        << error.hint;
    EXPECT_TRUE(error.hint.ends_with(c.rest)) << error.hint;
  }
}

TEST(RegistryTest, ANameThatCannotBeATablesIsNotPutIntoACommand) {
  for (const std::string& id : {"a b"s, "$(reboot)"s, ""s}) {
    const Error error = table_not_found(id, {"dev", "default"});
    EXPECT_EQ(error.hint.find("kontract"), std::string::npos) << error.hint;
    EXPECT_TRUE(error.hint.starts_with("A table id is")) << error.hint;
  }
}

TEST(RegistryTest, APtrIsMadeOfTheIdAndIsNewEachTime) {
  const std::string ptr = make_ptr("my-users.2024");
  EXPECT_TRUE(ptr.starts_with("tbl_myusers2024_")) << ptr;
  EXPECT_NE(ptr, make_ptr("my-users.2024"));
  for (const std::string& id : {"users"s, "---"s, std::string(128, 'x')}) {
    EXPECT_TRUE(validate_ptr(make_ptr(id))) << make_ptr(id);
  }
}

TEST(RegistryTest, UuidsAreOfVersion7AndIncreaseAcrossThreads) {
  std::vector<std::string> made[2];
  std::thread threads[2];
  for (int i = 0; i < 2; ++i) {
    threads[i] = std::thread([&mine = made[i]] {
      for (int n = 0; n < 10'000; ++n) mine.push_back(make_uuid_v7());
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::set<std::string> all;
  for (const auto& mine : made) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    all.insert(mine.begin(), mine.end());
  }
  EXPECT_EQ(all.size(), 20'000u);
  // The part that orders them is never given twice.
  std::set<std::string> times;
  for (const std::string& uuid : all) times.insert(uuid.substr(0, 18));
  EXPECT_EQ(times.size(), all.size());
  constexpr std::string_view kShape = "xxxxxxxx-xxxx-7xxx-vxxx-xxxxxxxxxxxx";
  for (const std::string& uuid : all) {
    ASSERT_EQ(uuid.size(), kShape.size());
    for (std::size_t i = 0; i < uuid.size(); ++i) {
      const std::string_view allowed = kShape[i] == 'x'   ? "0123456789abcdef"
                                       : kShape[i] == 'v' ? "89ab"
                                                          : kShape.substr(i, 1);
      ASSERT_NE(allowed.find(uuid[i]), allowed.npos) << uuid;
    }
  }

  using namespace std::chrono;
  const auto now = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  const auto ms = std::stoll(all.begin()->substr(0, 8) + all.begin()->substr(9, 4), nullptr, 16);
  EXPECT_LT(std::abs(now - ms), 60'000);
}

}  // namespace
}  // namespace kontract
