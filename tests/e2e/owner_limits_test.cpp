// What an owner may have in the store, counted again after kill -9.

#include <gtest/gtest.h>

#include "server_process.hpp"

namespace kontract {
namespace {

constexpr int kRounds = 4;
constexpr std::size_t kRecordBytes = 8000;
constexpr std::size_t kBytesMax = 200'000;

Result<CallResult> call(const ServerProcess& server, const std::string& session,
                        const std::string& function, const Json& args) {
  ClientOptions options;
  options.url = server.url();
  options.session = session;
  options.reconnect = false;
  Client client(options);
  if (auto welcome = client.connect(); !welcome) return std::move(welcome).error();
  return client.call(function, args);
}

TEST(OwnerLimitsE2eTest, AKillNeitherFreesNorTakesAnything) {
  const TemporaryData data;
  const std::vector<std::string> limited = {"--sessions-per-owner-max", "3",
                                            "--bytes-per-owner-max", std::to_string(kBytesMax)};
  std::size_t acknowledged = 0;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    ServerProcess server(data.path(), limited);
    ASSERT_NE(server.port(), 0);
    // What was acknowledged is there: the room that is left is the same.
    for (const char* session : {"a", "b", "c"}) {
      EXPECT_TRUE(call(server, session, "session.info", Json::array())) << session;
    }
    const auto fourth = call(server, "d", "session.info", Json::array());
    ASSERT_FALSE(fourth);
    EXPECT_EQ(fourth.error().code, Errc::rate_limited);

    if (round == 0) {
      ASSERT_TRUE(call(server, "a", "table.create", {"t"}));
    }
    for (int i = 0; i < 10; ++i) {
      const std::string id = std::to_string(round) + "-" + std::to_string(i);
      const auto set =
          call(server, "a", "table.set", {"t", id, {{"x", std::string(kRecordBytes, 'x')}}});
      if (!set) {
        EXPECT_EQ(set.error().code, Errc::storage_full);
        EXPECT_GT((acknowledged + 1) * kRecordBytes * 11 / 10, kBytesMax);
        continue;
      }
      ++acknowledged;
    }
    if (round == kRounds - 1) {
      // All that the last life found was committed long ago, so this one knew when to stop.
      EXPECT_LT(acknowledged, std::size_t{kRounds} * 10);
      const auto refused = call(server, "a", "table.set", {"t", "more", {{"x", 1}}});
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, Errc::storage_full);
      EXPECT_TRUE(call(server, "a", "table.get", {"t", "0-0"}));
    }
    server.end(SIGKILL);
  }
}

}  // namespace
}  // namespace kontract
