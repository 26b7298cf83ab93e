// registry.exec as its callers see it: what it changes is the registry that calls go by.

#include <gmock/gmock.h>

#include <cerrno>

#include "session_fixture.hpp"
#include "tests/storage/io_faults.hpp"

namespace kontract {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kInsert =
    "INSERT INTO storage (id, ptr, owner, permissions) "
    "VALUES ('users', 'tbl_users_abc123', 'tenant-1', 7);";

class RegistryExecTest : public SessionFixture {
 protected:
  Json sql(const std::string& text, const Json& params = nullptr) {
    return ok("room", "registry.exec", {text, params});
  }
  std::string sql_error(const std::string& text) { return error("room", "registry.exec", {text}); }

  void restart() {
    stop();
    start();
  }
};

TEST_F(RegistryExecTest, ARegisteredTableIsThereForTheNextCallAndAfterARestart) {
  EXPECT_EQ(sql(kInsert), Json::parse(R"({"columns":[],"rows":[],"changes":1})"));
  EXPECT_EQ(ok("room", "table.set", {"users", "u1", {{"name", "Ann"}}}), true);
  EXPECT_EQ(sql_error(kInsert), "KONTRACT_EXEC_FAILED");
  restart();
  EXPECT_EQ(ok("room", "table.get", {"users", "u1"})["name"], "Ann");
  EXPECT_EQ(sql("SELECT ptr FROM storage WHERE id = ?", {"users"})["rows"],
            Json::parse(R"([{"ptr":"tbl_users_abc123"}])"));
}

TEST_F(RegistryExecTest, ChangedPermissionsHoldFromTheNextCallOnAndAfterARestart) {
  sql(kInsert);
  ok("room", "table.set", {"users", "u1", Json::object()});
  // Sent without waiting: each call goes by the permissions of its place.
  const auto before = send("room", "table.set", {"users", "u2", Json::object()});
  const auto change = send("room", "registry.exec", {"UPDATE storage SET permissions = 4"});
  const auto after = send("room", "table.set", {"users", "u3", Json::object()});
  EXPECT_TRUE(answers_->wait(before).result);
  EXPECT_TRUE(answers_->wait(change).result);
  const Answer refused = answers_->wait(after);
  ASSERT_FALSE(refused.result);
  EXPECT_EQ(refused.result.error().name(), "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(ok("room", "table.list")[0]["permissions"], 4);
  restart();
  EXPECT_EQ(error("room", "table.delete", {"users", "u1"}), "KONTRACT_PERMISSION_DENIED");
  sql("UPDATE storage SET permissions = 7");
  EXPECT_EQ(ok("room", "table.delete", {"users", "u1"}), true);
}

TEST_F(RegistryExecTest, ATableOfAnotherOwnerIsNotFoundUntilItIsTakenOver) {
  sql(kInsert);
  ok("room", "table.set", {"users", "u1", Json::object()});
  sql("UPDATE storage SET owner = 'tenant-2'");
  const Answer hidden = call("room", "table.get", {"users", "u1"});
  ASSERT_FALSE(hidden.result);
  EXPECT_EQ(hidden.result.error().message, "Table users not found");
  EXPECT_THAT(hidden.result.error().hint,
              HasSubstr("kontract sql --owner=\"tenant-1\" --session=room "
                        "\"UPDATE storage SET owner = 'tenant-1' WHERE id = 'users';\""));
  EXPECT_EQ(ok("room", "table.list"), Json::array());
  EXPECT_EQ(error("room", "table.drop", {"users"}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
  EXPECT_EQ(error("room", "table.batch", {Json::array({Json::array({"table.get", "users", "u"})})}),
            "KONTRACT_STORAGE_PTR_NOT_FOUND");
  sql("UPDATE storage SET owner = 'tenant-1'");
  EXPECT_EQ(ok("room", "table.get", {"users", "u1"}), Json::object());
}

TEST_F(RegistryExecTest, ADeletedTableIsGoneAndItsNameFreeForAnEmptyOne) {
  sql(kInsert);
  sql("INSERT INTO storage (id) VALUES ('films'), ('books')");
  ok("room", "table.set", {"users", "u1", Json::object()});
  EXPECT_EQ(sql("DELETE FROM storage WHERE id <> 'books'")["changes"], 2);
  EXPECT_EQ(error("room", "table.get", {"users", "u1"}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
  EXPECT_EQ(ok("room", "table.list").size(), 1U);
  sql(kInsert);
  EXPECT_EQ(ok("room", "table.get", {"users", "u1"}), nullptr);
  restart();
  EXPECT_EQ(ok("room", "table.get", {"users", "u1"}), nullptr);
  EXPECT_EQ(ok("room", "table.list").size(), 2U);
  stop();
  const auto report = check_data_directory(store_options_.data);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->problems, std::vector<std::string>{});
}

TEST_F(RegistryExecTest, AStatementTakesEffectWhollyOrNotAtAll) {
  EXPECT_EQ(sql_error("INSERT INTO storage (id) VALUES ('a'), ('b c')"),
            "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(ok("room", "table.list"), Json::array());
  std::string many = "INSERT INTO storage (id) VALUES ('t0')";
  for (std::size_t i = 1; i < limits::kTablesPerSessionMax; ++i) {
    many += ",('t" + std::to_string(i) + "')";
  }
  EXPECT_EQ(sql_error(many + ",('one_more')"), "KONTRACT_TOO_LARGE");
  EXPECT_EQ(ok("room", "table.list"), Json::array());
  EXPECT_EQ(sql(many)["changes"], limits::kTablesPerSessionMax);
}

TEST_F(RegistryExecTest, ItNeedsTheGroupAndTheBitsOfWhatItDoes) {
  sql(kInsert);
  struct Case {
    const char* sql;
    Perm needs;
  };
  for (const Case& c : {Case{"SELECT * FROM storage", perms::R__},
                        Case{"UPDATE storage SET permissions = 7", perms::_W_},
                        Case{"INSERT INTO storage (id) VALUES ('x')", perms::_W_},
                        Case{"DELETE FROM storage WHERE id = 'x'", perms::__X}}) {
    SCOPED_TRACE(c.sql);
    peer_.perm = perms::RWX & static_cast<Perm>(~c.needs);
    EXPECT_EQ(sql_error(c.sql), "KONTRACT_PERMISSION_DENIED");
    peer_.perm = c.needs;
    sql(c.sql);
  }
  peer_.perm = perms::RWX;
  peer_.ugroups = {};
  EXPECT_EQ(sql_error("SELECT 1"), "KONTRACT_FORBIDDEN");
  session_options_.owners_create_tables = true;
  restart();
  EXPECT_EQ(sql("SELECT id FROM storage")["rows"].size(), 1U);
}

TEST_F(RegistryExecTest, WrongArgumentsAreRefused) {
  for (const Json& args :
       {Json::array(), Json({1}), Json({"SELECT 1", nullptr, 3}), Json({"SELECT 1", "x"})}) {
    SCOPED_TRACE(args.dump());
    EXPECT_EQ(error("room", "registry.exec", args), "KONTRACT_INVALID_REQUEST");
  }
}

TEST_F(RegistryExecTest, TheCureNamesSessionOwnerAndTable) {
  const Answer answer = call("room", "table.get", {"users", "u1"});
  ASSERT_FALSE(answer.result);
  EXPECT_THAT(answer.result.error().hint,
              AllOf(StartsWith("Register it first: kontract sql --owner=\"tenant-1\" "
                               "--session=room \"INSERT INTO storage "
                               "(id, ptr, owner, permissions) VALUES ('users', 'tbl_users_"),
                    HasSubstr("', 'tenant-1', 7);\"")));
}

TEST_F(RegistryExecTest, AChangeWhoseCommitFailedHoldsForNobody) {
  sql(kInsert);
  ok("room", "table.set", {"users", "u1", {{"n", 1}}});
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(store_->flush());
    {
      const kontract::testing::FailingWrite failing(ENOSPC);
      // The actor of the table has heard of the change by the time it fails.
      const std::uint64_t change =
          send("room", "registry.exec", {"UPDATE storage SET permissions = 3"});
      const std::uint64_t read = send("room", "table.get", {"users", "u1"});
      EXPECT_FALSE(answers_->wait(change).result);
      EXPECT_FALSE(answers_->wait(read).result);
    }
    EXPECT_TRUE(eventually([&] { return call("room", "table.get", {"users", "u1"}).result; }));
    EXPECT_EQ(sql("SELECT permissions FROM storage")["rows"][0]["permissions"], 7);
  }
}

}  // namespace
}  // namespace kontract
