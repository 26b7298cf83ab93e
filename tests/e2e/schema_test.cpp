// A document that was applied holds, whatever happens to the server before its sessions wake.

#include "server_process.hpp"

namespace kontract {
namespace {

class SchemaEndToEndTest : public ::testing::Test {
 protected:
  Result<CallResult> ask(const ServerProcess& server, const std::string& session,
                         const std::string& function, Json args) {
    ClientOptions options;
    options.url = server.url();
    options.session = session;
    options.reconnect = false;
    Client client(options);
    if (auto welcome = client.connect(); !welcome) return std::move(welcome).error();
    return client.call(function, std::move(args));
  }

  const TemporaryData data_;
};

TEST_F(SchemaEndToEndTest, SessionsMigrateAfterACrashBetweenApplyAndWake) {
  const std::vector<std::string> sessions = {"s0", "s1", "s2", "s3", "s4"};
  {
    ServerProcess server(data_.path(), {"--shards", "3"});
    ASSERT_NE(server.port(), 0);
    for (const std::string& session : sessions) {
      ASSERT_TRUE(ask(server, session, "table.create", {"movies"}));
      for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(ask(server, session, "table.set",
                        {"movies", "m" + std::to_string(i), {{"year", std::to_string(i)}}}));
      }
    }
    server.end(SIGTERM);
  }
  const Json document = {
      {"version", 1},
      {"tables",
       {{"movies",
         {{"fields", {{"year", {{"type", "integer"}, {"unique", true}, {"required", true}}}}}}}}},
      {"steps", {{{"retype", {{"table", "movies"}, {"field", "year"}, {"to", "integer"}}}}}}};
  {
    ServerProcess server(data_.path(), {"--shards", "3"});
    ASSERT_NE(server.port(), 0);
    const auto applied = ask(server, "admin", "schema.apply", Json::array({document}));
    ASSERT_TRUE(applied) << applied.error().message;
    EXPECT_EQ(server.end(SIGKILL), -SIGKILL);
  }
  ServerProcess server(data_.path(), {"--shards", "3"});
  ASSERT_NE(server.port(), 0);
  for (const std::string& session : sessions) {
    SCOPED_TRACE(session);
    const auto record = ask(server, session, "table.get", {"movies", "m7"});
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(record->result, Json({{"year", 7}}));
    const auto list = ask(server, session, "table.list", Json::array());
    ASSERT_TRUE(list);
    EXPECT_EQ(list->result[0]["records"], 20);
  }
  // What a wake has written stays, too.
  EXPECT_EQ(server.end(SIGKILL), -SIGKILL);
  ServerProcess last(data_.path(), {"--shards", "3"});
  ASSERT_NE(last.port(), 0);
  const auto info = ask(last, "s3", "session.info", Json::array());
  ASSERT_TRUE(info);
  EXPECT_EQ(info->result["schemaVersion"], 1);
  const auto equal = ask(last, "s3", "table.set", {"movies", "x", {{"year", 7}}});
  ASSERT_FALSE(equal);
  EXPECT_EQ(equal.error().code, Errc::schema_violation);
}

}  // namespace
}  // namespace kontract
