// Accounts of the real program: on a machine that has nothing yet, and after kill -9.

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "net/http_get.hpp"
#include "server_process.hpp"

namespace kontract {
namespace {

Result<Json> post(const ServerProcess& server, const std::string& page, const Json& body,
                  const std::string& by = "") {
  return http_post_json(server.url(), "/auth/" + page, by, body, {}, std::chrono::seconds(120));
}

Result<CallResult> called(const ServerProcess& server, const std::string& by,
                          const std::string& function, const Json& args) {
  ClientOptions options;
  options.url = server.url();
  options.session = "room-1";
  options.token = by;
  Client client(options);
  if (auto welcome = client.connect(); !welcome) return welcome.error();
  return client.call(function, args);
}

TEST(AccountsProgramTest, AnAccountAndItsDataOutlastAKill) {
  const TemporaryData data;
  const Json credentials = {{"login", "ann@example.org"}, {"password", "correct horse"}};
  std::string owner;
  {
    ServerProcess server(data.path(), {"--accounts"});
    ASSERT_NE(server.port(), 0);
    const auto came = post(server, "anonymous", Json::object());
    ASSERT_TRUE(came) << came.error().message;
    owner = came->at("owner");
    const std::string by = came->at("token");
    const auto made = called(server, by, "table.create", {"t"});
    ASSERT_TRUE(made) << made.error().message;
    const auto set = called(server, by, "table.set", {"t", "a", {{"n", 1}}});
    ASSERT_TRUE(set) << set.error().message;
    const auto linked = post(server, "link", credentials, by);
    ASSERT_TRUE(linked) << linked.error().message;
    server.end(SIGKILL);
  }
  struct stat keys {};
  ASSERT_EQ(::stat((data.path() / "token-keys.json").c_str(), &keys), 0);
  EXPECT_EQ(keys.st_mode & 0777, 0600U);

  const ServerProcess server(data.path(), {"--accounts"});
  ASSERT_NE(server.port(), 0);
  const auto in = post(server, "login", credentials);
  ASSERT_TRUE(in) << in.error().message;
  EXPECT_EQ(in->at("owner"), owner);
  const auto got = called(server, in->at("token"), "table.get", {"t", "a"});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->result, (Json{{"n", 1}}));
  EXPECT_FALSE(post(server, "register", credentials));
  EXPECT_FALSE(called(server, "", "table.list", Json::array()));
}

}  // namespace
}  // namespace kontract
