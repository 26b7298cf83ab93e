// Calls with a key through sockets: on the wire, over HTTP, and by a client whose connections are
// cut again and again.

#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>
#include <random>
#include <set>

#include "net/client.hpp"
#include "server_fixture.hpp"
#include "tests/cutting_proxy.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;

class KeyedCallTest : public ServerFixture {
 protected:
  std::string post(const std::string& function, const std::string& body, const std::string& key) {
    return "POST /rpc/" + function + " HTTP/1.1\r\nHost: h\r\nX-Session-Id: room-1\r\n" +
           "Idempotency-Key: " + key + "\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }
  Json keyed(test::WsClient& client, std::uint64_t id, const std::string& key, const Json& args) {
    client.call(id, "table.push", args, {{"key", key}});
    return client.next();
  }
};

TEST_F(KeyedCallTest, ARepeatGetsTheSameAnswerOnAnyConnection) {
  start();
  auto one = joined();
  auto other = joined();
  const Json first = keyed(*one, 5, "k", {"t", {{"n", 1}}});
  ASSERT_EQ(first["t"], "result") << first;
  EXPECT_EQ(keyed(*one, 5, "k", {"t", {{"n", 1}}}), first);
  EXPECT_EQ(keyed(*other, 5, "k", {"t", {{"n", 1}}}), first);
  EXPECT_EQ(keyed(*other, 6, "k", {"t", {{"n", 2}}})["code"], "KONTRACT_INVALID_REQUEST");

  test::RawClient http(port());
  EXPECT_EQ(http.request(post("table.push", R"(["t",{"n":1}])", "k")), 200);
  EXPECT_EQ(http.body(), Json({{"result", first["result"]}, {"txid", first["txid"]}}));
  EXPECT_EQ(http.request(post("table.push", R"(["t",{"n":2}])", "k")), 400);
  EXPECT_EQ(http.request(post("table.push", R"(["t",{"n":2}])", "\"k 2\"")), 400);
  EXPECT_EQ(http.request(post("table.push", R"(["t",{"n":2}])", std::string(129, 'k'))), 400);
  EXPECT_EQ(http.request(post("table.push", R"(["t",{"n":2}])", "\"k2\"")), 200);
  EXPECT_EQ(one->ask(9, "table.query", Json::array({"t"}))["result"]["rows"].size(), 2U);
}

TEST_F(KeyedCallTest, CallsMayComeRightBehindHello) {
  start();
  joined();
  test::WsClient client(port(), "room-1");
  client.send({{"t", "hello"}, {"v", 1}});
  for (int i = 1; i <= 5; ++i) client.call(i, "table.push", {"t", {{"n", i}}});
  EXPECT_EQ(client.next()["t"], "welcome");
  std::set<int> answered;
  for (int i = 1; i <= 5; ++i) {
    const Json answer = client.next();
    EXPECT_EQ(answer["t"], "result");
    answered.insert(answer["id"].get<int>());
  }
  EXPECT_EQ(answered, (std::set{1, 2, 3, 4, 5}));
}

TEST_F(KeyedCallTest, WhoResumesADestroyedSessionIsTold) {
  start();
  test::WsClient one(port(), "room-1");
  const std::string sid = one.hello()["sid"];
  test::WsClient other(port(), "room-1");
  EXPECT_EQ(other.hello({{"resume", {{"sid", sid}}}})["sid"], sid);
  one.call(1, "session.destroy", Json::array());
  EXPECT_EQ(one.next()["result"], true);
  for (test::WsClient* client : {&one, &other}) {
    const Json last = client->next();
    EXPECT_EQ(last["t"], "close");
    EXPECT_EQ(last["code"], "KONTRACT_NOT_FOUND");
    EXPECT_EQ(client->closing(), (std::pair{1008, std::string("KONTRACT_NOT_FOUND")}));
  }
  test::WsClient late(port(), "room-1");
  EXPECT_EQ(late.hello({{"resume", {{"sid", sid}}}})["code"], "KONTRACT_NOT_FOUND");
  test::WsClient fresh(port(), "room-1");
  EXPECT_NE(fresh.hello()["sid"], sid);
  EXPECT_EQ(fresh.ask(1, "table.list", Json::array())["result"], Json::array());
}

TEST_F(KeyedCallTest, StoredSessionsAreToldInPagesAndNobodyIsWoken) {
  options_.secret = std::string(32, 's');
  start();
  const auto get = [&](test::RawClient& http, const std::string& path,
                       const Json& claims = Json::object()) {
    return http.request("GET " + path + " HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " +
                        token(claims) + "\r\n\r\n");
  };
  for (const char* owner : {"tenant-1", "tenant-2"}) {
    for (const char* name : {"a-1", "a-2", "a-3", "b-1"}) {
      test::WsClient client(port(), name);
      ASSERT_EQ(client.hello({{"token", token({{"owner", owner}})}})["t"], "welcome");
      client.ask(1, "table.create", Json::array({"t"}));
      client.ask(2, "table.push", {"t", Json::object()});
    }
  }
  ASSERT_TRUE(store_->flush());
  const auto wakes = directory_->metrics().wakes;
  test::RawClient http(port());
  std::set<std::string> names;
  std::string after;
  int pages = 0;
  do {
    ASSERT_EQ(get(http, "/sessions?prefix=a-&limit=2&after=" + after), 200) << http.text();
    const Json page = http.body();
    for (const Json& session : page["sessions"]) {
      EXPECT_EQ(session["owner"], "tenant-1");
      EXPECT_TRUE(names.insert(session["session"]).second);
    }
    after = page["next"].is_string() ? page["next"].get<std::string>() : std::string();
    ++pages;
  } while (!after.empty() && pages < 10);
  EXPECT_EQ(names, (std::set<std::string>{"a-1", "a-2", "a-3"}));
  EXPECT_EQ(pages, 2);
  EXPECT_EQ(get(http, "/sessions?count"), 200);
  EXPECT_EQ(http.body(), Json({{"sessions", Json::array()}, {"count", 4}, {"next", nullptr}}));
  EXPECT_EQ(get(http, "/sessions/b-1"), 200);
  EXPECT_EQ(
      http.body()["tables"],
      Json::array({{{"id", "t"}, {"owner", "tenant-1"}, {"permissions", 7}, {"records", 1}}}));
  EXPECT_EQ(get(http, "/sessions/none"), 404);
  EXPECT_EQ(get(http, "/sessions/" + std::string(300, 'x')), 404);
  EXPECT_EQ(get(http, "/sessions?after=nonsense"), 400);
  EXPECT_EQ(get(http, "/sessions?limit=0"), 400);
  EXPECT_EQ(get(http, "/sessions?prefix=%zz"), 400);
  EXPECT_EQ(get(http, "/sessions?prefix=" + std::string(500, 'x')), 200);
  EXPECT_EQ(http.body()["count"], 0);
  EXPECT_EQ(get(http, "/sessions", {{"ugroups", Json::array()}}), 403);
  EXPECT_EQ(get(http, "/sessions", {{"sid", "a-1"}}), 403);
  EXPECT_EQ(directory_->metrics().wakes, wakes);
}

// A counter is raised and records are pushed, both of which would show if a call ran twice.
TEST_F(KeyedCallTest, AClientWhoseConnectionsAreCutLosesNothingAndDoesNothingTwice) {
  start();
  joined()->ask(2, "table.set", {"t", "counter", {{"n", 0}}});
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  test::CuttingProxy proxy(seed, 1500, 12'000);
  proxy.set_server(port());
  ClientOptions options;
  options.url = proxy.url();
  options.session = "room-1";
  options.call_timeout = test::kPatience;
  options.backoff_min = std::chrono::milliseconds(1);
  options.backoff_max = std::chrono::milliseconds(5);
  Client client(options);
  constexpr int kCalls = 1500;
  constexpr int kInFlight = 40;
  std::mutex mutex;
  std::condition_variable changed;
  int in_flight = 0;
  std::vector<std::string> failures;
  const auto done = [&](const Result<CallResult>& result) {
    const std::lock_guard lock(mutex);
    --in_flight;
    if (!result) failures.push_back(result.error().message);
    changed.notify_all();
  };
  for (int i = 0; i < kCalls; ++i) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return in_flight < kInFlight; });
      ++in_flight;
    }
    if (i % 3 == 0) {
      client.call(
          "table.exec",
          {"t", "UPDATE t SET data = json_set(data, '$.n', data->>'n' + 1) WHERE id = 'counter'"},
          done);
    } else if (i % 3 == 1) {
      client.call("table.push", {"t", {{"i", i}}}, done);
    } else {
      client.call("table.get", {"t", "counter"}, done);
    }
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return in_flight == 0; });
  }
  client.close();
  EXPECT_THAT(failures, ::testing::IsEmpty());
  EXPECT_GT(proxy.cuts(), 10);
  auto witness = joined();
  const Json counter = witness->ask(2, "table.get", {"t", "counter"})["result"];
  EXPECT_EQ(counter["n"], kCalls / 3);
  const Json counts =
      witness->ask(3, "table.exec",
                   {"t",
                    "SELECT count(*) AS pushes, count(DISTINCT data->>'i') AS different FROM t "
                    "WHERE id <> 'counter'"})["result"]["rows"][0];
  EXPECT_EQ(counts, Json({{"pushes", kCalls / 3}, {"different", kCalls / 3}}));
}

}  // namespace
}  // namespace kontract
