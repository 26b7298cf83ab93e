// Alarms of a server that is killed while they fire: each takes effect once.

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <string>
#include <thread>

#include "server_process.hpp"
#include "storage/store.hpp"
#include "storage/wall_clock.hpp"
#include "tests/share.hpp"

namespace kontract {
namespace {

using ::testing::IsEmpty;

constexpr int kAlarms = 400;
const int kAlarmKills = test::share_of(8);

ClientOptions options_for(const ServerProcess& server) {
  ClientOptions options;
  options.url = server.url();
  options.session = "room";
  return options;
}

// How often each number was pushed.
std::map<int, int> pushed(Client& client) {
  std::map<int, int> times;
  Json after;
  do {
    const auto page = client.call("table.query", {"log", nullptr, {{"after", after}}});
    EXPECT_TRUE(page) << page.error().message;
    if (!page) return times;
    for (const Json& row : page->result["rows"]) ++times[row["data"]["n"].get<int>()];
    after = page->result["next"];
  } while (!after.is_null());
  return times;
}

TEST(AlarmCrashTest, EachTakesEffectOnceHoweverOftenTheServerIsKilled) {
  TemporaryData data;
  {
    ServerProcess server(data.path());
    Client client(options_for(server));
    ASSERT_TRUE(client.connect());
    ASSERT_TRUE(client.call("table.create", {"log"}));
    // They are due one after the other while servers come and go.
    const std::int64_t begin = now_ms() + 200;
    for (int n = 0; n < kAlarms; ++n) {
      const Json alarm = {
          {"fn", "table.push"}, {"args", {"log", {{"n", n}}}}, {"at", begin + n * 10}};
      const auto set = client.call("alarm.set", {"alarm " + std::to_string(n), alarm});
      ASSERT_TRUE(set) << set.error().message;
    }
  }
  std::size_t seen = 0;
  for (int kill = 0; kill < kAlarmKills; ++kill) {
    ServerProcess server(data.path());
    ASSERT_NE(server.port(), 0);
    Client client(options_for(server));
    ASSERT_TRUE(client.connect());
    // Some more have fired: then it ends in the middle of it.
    const std::size_t enough = std::min<std::size_t>(seen + 20, kAlarms);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while ((seen = pushed(client).size()) < enough) {
      ASSERT_LT(std::chrono::steady_clock::now(), until) << seen;
    }
    server.end(SIGKILL);
  }
  ServerProcess server(data.path());
  Client client(options_for(server));
  ASSERT_TRUE(client.connect());
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  std::map<int, int> times;
  while ((times = pushed(client)).size() < kAlarms) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << times.size();
  }
  for (const auto& [n, count] : times) EXPECT_EQ(count, 1) << n;
  const auto left = client.call("alarm.list", {{{"state", "waiting"}}});
  ASSERT_TRUE(left) << left.error().message;
  EXPECT_THAT(left->result["alarms"], IsEmpty());
  client.close();
  EXPECT_EQ(server.end(SIGTERM), 0);
  const auto report = check_data_directory(data.path());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->problems, IsEmpty());
}

}  // namespace
}  // namespace kontract
