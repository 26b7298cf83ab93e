// A schema as a client meets it over a socket.

#include <gtest/gtest.h>

#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using test::WsClient;

class SchemaOverWebSocketTest : public ServerFixture {};

TEST_F(SchemaOverWebSocketTest, ATableIsCreatedWithOneAndHoldsItsRecordsToIt) {
  start();
  WsClient client(port(), "room-1");
  ASSERT_EQ(client.hello()["t"], "welcome");
  std::uint64_t last_id = 0;
  const auto result = [&](const std::string& function, const Json& args) {
    const Json answer = client.ask(++last_id, function, args);
    EXPECT_EQ(answer["t"], "result") << answer;
    return answer.value("result", Json());
  };
  const auto error = [&](const std::string& function, const Json& args) {
    const Json answer = client.ask(++last_id, function, args);
    EXPECT_EQ(answer["t"], "error") << answer;
    return answer.value("code", "") + " " + std::to_string(answer.value("status", 0)) + " " +
           answer.value("message", "");
  };

  const Json wrong = Json::parse(R"({"schema":{"fields":{"year":{"type":"integr"}}}})");
  EXPECT_EQ(error("table.create", {"films", wrong}),
            "KONTRACT_INVALID_REQUEST 400 fields.year.type: 'integr' is not a type; types are "
            "string, number, integer, boolean, datetime, bytes, array, object, any");

  const Json schema = Json::parse(R"({"fields":{
      "title": {"type":"string","required":true},
      "year": {"type":"integer","default":1999},
      "studio": {"type":"string","perm":4},
      "gross": {"type":"number","perm":2}}})");
  result("table.create", {"films", {{"schema", schema}}});
  EXPECT_EQ(result("table.schema", {"films"})["fields"]["gross"]["perm"], 2);
  EXPECT_EQ(error("table.set", {"films", "f1", {{"year", 2001}}}),
            "KONTRACT_SCHEMA_VIOLATION 422 Field 'title' is required: expected a string");
  EXPECT_EQ(result("table.set", {"films", "f1", {{"title", "A"}, {"studio", "S"}, {"gross", 5}}}),
            true);
  EXPECT_EQ(error("table.update", {"films", "f1", {{"studio", "T"}}}),
            "KONTRACT_PERMISSION_DENIED 403 Field 'studio' is read-only");
  EXPECT_EQ(result("table.set", {"films", "f1", {{"title", "B"}}}), true);
  const Json visible = {{"title", "B"}, {"year", 1999}, {"studio", "S"}};
  EXPECT_EQ(result("table.get", {"films", "f1"}), visible);
  EXPECT_EQ(result("table.query", {"films", {{"title", "B"}}})["rows"][0]["data"], visible);
  EXPECT_EQ(error("table.query", {"films", {{"gross", 5}}}),
            "KONTRACT_PERMISSION_DENIED 403 Field 'gross' is not readable");
  EXPECT_EQ(result("table.pop", {"films"}), visible);
}

TEST_F(SchemaOverWebSocketTest, AFieldIsNotAddedOverValuesOfAnotherType) {
  start();
  WsClient client(port(), "room-1");
  ASSERT_EQ(client.hello()["t"], "welcome");
  EXPECT_EQ(client.ask(1, "table.create", {"t"})["t"], "result");
  EXPECT_EQ(client.ask(2, "table.set", {"t", "r1", {{"n", "5"}}})["t"], "result");
  const Json schema = Json::parse(R"({"fields":{"n":{"type":"integer","index":true}}})");
  const Json refused = client.ask(3, "table.alter", {"t", {{"schema", schema}}});
  EXPECT_EQ(refused["code"], "KONTRACT_SCHEMA_VIOLATION");
  EXPECT_EQ(refused["status"], 422);
  EXPECT_EQ(refused["retry"], false);
  EXPECT_EQ(client.ask(4, "table.schema", {"t"})["result"], nullptr);
  EXPECT_EQ(client.ask(5, "table.set", {"t", "r1", {{"n", 5}}})["t"], "result");
  EXPECT_EQ(client.ask(6, "table.alter", {"t", {{"schema", schema}}})["t"], "result");
  const Json found = client.ask(7, "table.exec", {"t", "SELECT id FROM t WHERE n = '5'"});
  EXPECT_EQ(found["result"]["rows"], Json::parse(R"([{"id":"r1"}])"));
}

}  // namespace
}  // namespace kontract
