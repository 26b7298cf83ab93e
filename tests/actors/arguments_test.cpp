// What a session says to arguments that are wrong, at a limit or unusual.

#include <gmock/gmock.h>

#include "session_fixture.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;

class ArgumentsTest : public SessionFixture {
 protected:
  // The message of the error that the call must end with.
  std::string refusal(const std::string& function, const Json& args) {
    const Answer answer = call("room", function, args);
    if (answer.result) return "no error: " + *answer.result;
    EXPECT_EQ(answer.result.error().name(), "KONTRACT_INVALID_REQUEST");
    return answer.result.error().message;
  }
};

TEST_F(ArgumentsTest, WhatIsWrongIsSaidInWords) {
  ok("room", "table.create", {"t", {{"ptr", "taken"}}});
  struct Case {
    const char* name;
    const char* function;
    Json args;
    const char* says;
  };
  const auto query = [](Json options) { return Json::array({"t", nullptr, std::move(options)}); };
  for (const Case& c : std::vector<Case>{
           {"list", "table.list", Json::array({1}), "Wrong number of arguments: 1"},
           {"options of create", "table.create", Json::array({"u", 1}), "must be an object"},
           {"permissions below", "table.create", {"u", {{"permissions", -1}}}, "permissions"},
           {"permissions no number", "table.create", {"u", {{"permissions", "7"}}}, "permissions"},
           {"ptr no string", "table.create", {"u", {{"ptr", 7}}}, "ptr"},
           {"ptr of another", "table.create", {"u", {{"ptr", "taken"}}}, "belongs to t"},
           {"id of create", "table.create", Json::array({7}), "must be a string"},
           {"id of drop", "table.drop", Json::array({7}), "must be a string"},
           {"options of query", "table.query", query("all"), "must be an object"},
           {"limit below", "table.query", query({{"limit", -1}}), "positive integer"},
           {"limit no integer", "table.query", query({{"limit", 1.5}}), "positive integer"},
           {"limit past 63 bits", "table.query", query({{"limit", ~std::uint64_t{0}}}), "positive"},
           {"limit zero", "table.query", query({{"limit", 0}}), "`limit` is 1 to 1000; this is 0"},
           {"limit above", "table.query", query({{"limit", 1001}}), "this is 1001"},
           {"after no string", "table.query", query({{"after", 5}}), "must be a cursor"},
           {"after no cursor", "table.query", query({{"after", "zz"}}), "is not a cursor"},
           {"order", "table.query", query({{"order", 1}}), "\"asc\" or \"desc\""},
           {"operation", "table.batch",
            Json::array({Json::array({Json::array({"table.get", "t"})})}),
            "Operation 1: table.get takes 2 arguments"},
           {"empty operation", "table.batch", Json::array({Json::array({Json::array()})}),
            "Operation 1: must be"},
           {"second operation", "table.batch",
            Json::array(
                {Json::array({Json::array({"table.get", "t", "x"}), Json::array({"table.list"})})}),
            "Operation 2: "},
       }) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(refusal(c.function, c.args), HasSubstr(c.says));
  }
}

TEST_F(ArgumentsTest, ArgumentsThatAreNullAreLeftOut) {
  ok("room", "table.create", {"t", nullptr});
  ok("room", "table.push", {"t", {{"n", 1}}});
  EXPECT_EQ(ok("room", "table.query", {"t", nullptr, nullptr})["rows"].size(), 1U);
  EXPECT_EQ(
      ok("room", "table.query", {"t", nullptr, {{"after", nullptr}, {"order", "desc"}}})["rows"]
          .size(),
      1U);
}

TEST_F(ArgumentsTest, ABatchHasSoManyOperations) {
  ok("room", "table.create", {"t"});
  Json operations = Json::array();
  for (std::size_t i = 0; i < limits::kBatchOpsMax; ++i) {
    operations.push_back({"table.get", "t", "x"});
  }
  EXPECT_EQ(ok("room", "table.batch", Json::array({operations})).size(), limits::kBatchOpsMax);
  operations.push_back({"table.get", "t", "x"});
  EXPECT_EQ(error("room", "table.batch", Json::array({operations})), "KONTRACT_TOO_LARGE");
}

TEST_F(ArgumentsTest, ASessionHasSoManyTables) {
  std::vector<std::uint64_t> created;
  for (std::size_t i = 0; i < limits::kTablesPerSessionMax; ++i) {
    created.push_back(send("room", "table.create", Json::array({"t" + std::to_string(i)})));
  }
  for (const std::uint64_t id : created) EXPECT_TRUE(answers_->wait(id).result);
  EXPECT_EQ(error("room", "table.create", {"one-more"}), "KONTRACT_TOO_LARGE");
  EXPECT_EQ(ok("room", "table.drop", {"t7"}), true) << "nobody used it";
  ok("room", "table.create", {"one-more"});
  EXPECT_EQ(ok("room", "session.info")["tables"].size(), limits::kTablesPerSessionMax);
}

TEST_F(ArgumentsTest, ATableThatMayNotBeReadIsListedWithoutItsNumberOfRecords) {
  ok("room", "table.create", {"t", {{"permissions", perms::_W_}}});
  ok("room", "table.push", {"t", {{"n", 1}}});
  EXPECT_EQ(ok("room", "table.list")[0],
            Json({{"id", "t"}, {"permissions", perms::_W_}, {"records", nullptr}}));
}

TEST_F(ArgumentsTest, OpeningASessionTellsWhoItIsAndUsesUpNoTransaction) {
  const auto open = [&] {
    CallPtr call = make_call("", Json::array(), CallKind::open);
    const std::uint64_t id = last_call_;
    handle("room")->send(std::move(call));
    const Answer answer = answers_->wait(id);
    EXPECT_TRUE(answer.result);
    return Json::parse(*answer.result);
  };
  const Json first = open();
  EXPECT_EQ(open(), first);
  EXPECT_EQ(ok("room", "session.info")["sid"], first["sid"]);
  EXPECT_GT(open()["txid"], first["txid"]);
}

}  // namespace
}  // namespace kontract
