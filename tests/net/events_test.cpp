// Subscriptions over sockets: what a follower of a table is told, live and from the log.

#include <algorithm>
#include <map>
#include <mutex>
#include <random>

#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using test::WsClient;

class EventsTest : public ServerFixture {
 protected:
  static Json subscribe(WsClient& client, std::uint64_t id, const Json& more = Json::object()) {
    Json message = {{"t", "subscribe"}, {"id", id}, {"table", "t"}};
    message.update(more);
    client.send(message);
    return client.next();
  }

  // Reads the txids of a follower until it has `last`; each once, ascending.
  static void follow(WsClient& client, Txid last, std::vector<Txid>& txids) {
    while (txids.empty() || txids.back() < last) {
      const Json event = client.next();
      ASSERT_EQ(event["t"], "event") << event;
      const Txid txid = event["txid"];
      ASSERT_TRUE(txids.empty() || txids.back() < txid) << event;
      txids.push_back(txid);
    }
  }

  static Txid set(WsClient& client, const std::string& id, const Json& data) {
    const Json answer = client.ask(77, "table.set", {"t", id, data});
    EXPECT_EQ(answer["t"], "result") << answer;
    return answer["txid"];
  }
};

TEST_F(EventsTest, AFollowerIsToldOfEachChangeInOrder) {
  start();
  auto writer = joined();
  auto follower = joined();
  set(*writer, "before", {{"n", 0}});
  const Json answer = subscribe(*follower, 8);
  ASSERT_EQ(answer["t"], "result") << answer;
  EXPECT_EQ(answer["result"]["sub"], 8);
  EXPECT_EQ(answer["result"]["txid"], answer["txid"]);

  const Txid first = set(*writer, "u1", {{"n", 1}});
  const Txid second = set(*writer, "u1", {{"n", 2}});
  writer->ask(3, "table.delete", {"t", "u1"});
  EXPECT_EQ(follower->next(),
            Json::parse(R"({"t":"event","sub":8,"txid":)" + std::to_string(first) +
                        R"(,"type":"insert","table":"t","id":"u1","data":{"n":1}})"));
  const Json update = follower->next();
  EXPECT_EQ(update["txid"], second);
  EXPECT_EQ(update["type"], "update");
  EXPECT_EQ(update["oldData"], Json({{"n", 1}}));
  const Json erased = follower->next();
  EXPECT_EQ(erased["type"], "delete");
  EXPECT_EQ(erased["oldData"], Json({{"n", 2}}));
  EXPECT_FALSE(erased.contains("data"));

  follower->send({{"t", "unsubscribe"}, {"id", 9}, {"sub", 8}});
  const Json ended = follower->next();
  EXPECT_EQ(ended["result"], true);
  EXPECT_EQ(ended["txid"], erased["txid"]);
  set(*writer, "u2", {{"n", 1}});
  EXPECT_EQ(follower->beat(1)["t"], "heartbeat") << "nothing comes any more";
  follower->send({{"t", "unsubscribe"}, {"id", 10}, {"sub", 8}});
  EXPECT_EQ(follower->next()["result"], false);
}

TEST_F(EventsTest, TheChangesOfOneTransactionComeTogetherAndSayWhetherMoreFollow) {
  start();
  auto client = joined();
  subscribe(*client, 8);
  client->call(2, "table.batch",
               Json::parse(R"([[["table.set","t","a",{"n":1}],["table.set","t","b",{"n":2}]]])"));
  std::vector<Json> events;
  Json result;
  while (events.size() < 2 || result.is_null()) {
    Json message = client->next();
    ASSERT_TRUE(message["t"] == "event" || message["t"] == "result") << message;
    if (message["t"] == "event") {
      events.push_back(std::move(message));
    } else {
      result = std::move(message);
    }
  }
  EXPECT_EQ(events[0]["more"], true);
  EXPECT_FALSE(events[1].contains("more"));
  EXPECT_EQ(events[0]["txid"], result["txid"]);
  EXPECT_EQ(events[1]["txid"], result["txid"]);
}

TEST_F(EventsTest, AFilterLetsThroughWhatMatchesOrDid) {
  start();
  auto writer = joined();
  auto follower = joined();
  subscribe(*follower, 8, {{"filter", {{"active", true}}}});
  set(*writer, "a", {{"active", false}});
  set(*writer, "b", {{"active", true}});
  set(*writer, "b", {{"active", false}});
  set(*writer, "b", {{"active", false}, {"n", 1}});
  set(*writer, "a", {{"active", true}});
  EXPECT_EQ(follower->next()["data"], Json({{"active", true}}));
  EXPECT_EQ(follower->next()["data"], Json({{"active", false}})) << "it leaves";
  const Json enters = follower->next();
  EXPECT_EQ(enters["id"], "a");
  EXPECT_EQ(enters["type"], "update");
  EXPECT_EQ(subscribe(*follower, 9, {{"filter", {{"x", 1}}}, {"from", 0}})["t"], "result");
  EXPECT_EQ(follower->beat(1)["t"], "heartbeat");
}

TEST_F(EventsTest, FieldsThatAreNotReadableAreInNoEvent) {
  start();
  auto writer = joined();
  const Json schema = {{"fields", {{"secret", {{"type", "string"}, {"perm", 2}}}}}};
  writer->ask(2, "table.create", {"hidden", {{"schema", schema}}});
  auto follower = joined();
  writer->ask(3, "table.set", {"hidden", "a", {{"secret", "s"}, {"n", 1}}});
  EXPECT_EQ(subscribe(*follower, 8, {{"table", "hidden"}, {"from", 0}})["t"], "result");
  writer->ask(4, "table.set", {"hidden", "a", {{"secret", "r"}, {"n", 2}}});
  EXPECT_EQ(follower->next()["data"], Json({{"n", 1}})) << "from the log";
  const Json update = follower->next();
  EXPECT_EQ(update["data"], Json({{"n", 2}}));
  EXPECT_EQ(update["oldData"], Json({{"n", 1}}));
  const Json refused =
      subscribe(*follower, 9, {{"table", "hidden"}, {"filter", {{"secret", "r"}}}});
  EXPECT_EQ(refused["code"], "KONTRACT_PERMISSION_DENIED") << refused;
}

TEST_F(EventsTest, WhoMayNotReadDoesNotFollow) {
  options_.secret = std::string(32, 's');
  start();
  WsClient owner(port(), "room-1");
  owner.hello({{"token", token()}});
  owner.ask(1, "table.create", {"t", Json::object()});
  WsClient blind(port(), "room-1");
  blind.hello({{"token", token({{"perm", 2}})}});
  EXPECT_EQ(subscribe(blind, 8)["code"], "KONTRACT_PERMISSION_DENIED");
  EXPECT_EQ(subscribe(owner, 8, {{"table", "none"}})["code"], "KONTRACT_STORAGE_PTR_NOT_FOUND");
  EXPECT_EQ(subscribe(owner, 9)["t"], "result");
  EXPECT_EQ(subscribe(owner, 9)["code"], "KONTRACT_INVALID_REQUEST") << "the id is in use";
  const Json dropped = owner.ask(10, "table.drop", Json::array({"t"}));
  EXPECT_EQ(dropped["t"] == "result" ? owner.next()["sub"] : dropped["sub"], 9);
}

TEST_F(EventsTest, AReplayAndWhatFollowsAreGapFreeUnderConcurrentWriters) {
  start();
  auto first = joined();
  constexpr int kWriters = 3;
  constexpr int kWrites = 400;
  std::mutex mutex;
  std::vector<Txid> written(1, set(*first, "begin", {{"n", 0}}));
  std::vector<Txid> seen = written;
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      WsClient client(port(), "room-1");
      client.hello();
      for (int i = 0; i < kWrites; ++i) {
        const Txid txid = set(client, "id" + std::to_string((w + i) % 7), {{"n", i}});
        const std::lock_guard lock(mutex);
        written.push_back(txid);
      }
    });
  }
  std::thread end([&] {
    for (std::thread& writer : writers) writer.join();
    written.push_back(set(*first, "end", {{"n", 0}}));
  });
  // Goes away at random points, and comes back from the last that it has seen.
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  int connections = 0;
  for (bool at_end = false; !at_end && !HasFailure();) {
    WsClient client(port(), "room-1");
    ++connections;
    client.hello({{"resume", {{"last_txid", seen.back()}}}});
    const Json answer = subscribe(client, 8);
    EXPECT_EQ(answer["result"]["txid"], seen.back()) << answer;
    for (std::size_t left = 1 + random() % 100; left > 0 && !at_end && !HasFailure(); --left) {
      const Json event = client.next();
      EXPECT_EQ(event["t"], "event") << event;
      if (HasFailure()) break;
      seen.push_back(event["txid"]);
      at_end = event["id"] == "end";
    }
    client.close_socket();
  }
  end.join();
  std::sort(written.begin(), written.end());
  EXPECT_EQ(seen, written);
  EXPECT_GT(connections, 3);
}

TEST_F(EventsTest, WhatTheLogHasNotIsRefused) {
  changes_.changes = 5;
  start();
  auto client = joined();
  Txid txid = 0;
  for (int i = 0; i < 20; ++i) {
    txid = set(*client, "a", {{"n", i}});
    ASSERT_TRUE(store_->flush());  // what is not applied is not taken out
  }
  const Json trimmed = subscribe(*client, 8, {{"from", 1}});
  EXPECT_EQ(trimmed["code"], "KONTRACT_EVENTS_TRIMMED") << trimmed;
  EXPECT_EQ(trimmed["status"], 410);
  EXPECT_EQ(subscribe(*client, 8, {{"from", txid - 2}})["t"], "result");
  EXPECT_EQ(client->next()["txid"], txid - 1);
  EXPECT_EQ(client->next()["txid"], txid);
  EXPECT_EQ(subscribe(*client, 9, {{"from", txid + 1000}})["code"], "KONTRACT_INVALID_REQUEST");
}

TEST_F(EventsTest, ASubscriptionOutlivesTheSleepOfItsSession) {
  idle_ = std::chrono::milliseconds(50);
  start();
  auto follower = joined();
  subscribe(*follower, 8);
  const auto asleep = [&] {
    const auto metrics = directory_->metrics();
    return metrics.awake == 0 && metrics.known == 1;
  };
  wait_until(asleep);
  auto writer = joined();
  const Txid first = set(*writer, "a", {{"n", 1}});
  EXPECT_EQ(follower->next()["txid"], first);
  wait_until(asleep);
  const Txid second = set(*writer, "a", {{"n", 2}});
  EXPECT_EQ(follower->next()["txid"], second);
}

TEST_F(EventsTest, AMigrationIsToldFromTheLog) {
  start();
  auto client = joined();
  const Json field = {{"type", "string"}};
  const auto document = [&](int version, const Json& type, const Json& steps) {
    return Json::array({{{"version", version},
                         {"tables", {{"t", {{"fields", {{"year", {{"type", type}}}}}}}}},
                         {"steps", steps}}});
  };
  EXPECT_EQ(client->ask(2, "schema.apply", document(1, "string", Json::array()))["t"], "result");
  set(*client, "a", {{"year", "1994"}});
  auto follower = joined();
  subscribe(*follower, 8);
  const Json steps =
      Json::array({{{"retype", {{"table", "t"}, {"field", "year"}, {"to", "integer"}}}}});
  const Json applied = client->ask(3, "schema.apply", document(2, "integer", steps));
  ASSERT_EQ(applied["t"], "result") << applied;
  const Json event = follower->next();
  EXPECT_EQ(event["type"], "update") << event;
  EXPECT_EQ(event["data"], Json({{"year", 1994}}));
  set(*client, "a", {{"year", 1995}});
  EXPECT_EQ(follower->next()["data"], Json({{"year", 1995}}));
}

TEST_F(EventsTest, ManyFollowersGetTheSame) {
  start();
  auto writer = joined();
  std::vector<std::unique_ptr<WsClient>> followers;
  for (int i = 0; i < 200; ++i) {
    followers.push_back(std::make_unique<WsClient>(port(), "room-1"));
    followers.back()->hello();
    ASSERT_EQ(subscribe(*followers.back(), 8)["t"], "result");
  }
  Txid last = 0;
  for (int i = 0; i < 20; ++i) last = set(*writer, "a", {{"n", i}});
  for (const auto& follower : followers) {
    std::vector<Txid> txids;
    follow(*follower, last, txids);
    EXPECT_EQ(txids.size(), 20u);
  }
}

class SlowEventsTest : public EventsTest {
 protected:
  // A follower that reads nothing until far more was written than the server holds for it.
  std::unique_ptr<WsClient> left_behind(const char* policy) {
    events_.ring_units = 8;
    changes_.bytes = 256 * limits::kMiB;
    options_.send_queue_bytes_max = 64 * limits::kKiB;
    start();
    auto writer = joined();
    auto slow = std::make_unique<WsClient>(port(), "room-1");
    slow->hello();
    EXPECT_EQ(subscribe(*slow, 8, {{"slow", policy}})["t"], "result");
    const std::string text(100'000, 'x');
    for (int i = 0; i < kWrites; ++i) {
      last_ = set(*writer, "id" + std::to_string(i % 4), {{"n", i}, {"text", text}});
    }
    return slow;
  }
  static constexpr int kWrites = 160;
  Txid last_ = 0;
};

TEST_F(SlowEventsTest, CloseEndsTheSubscriptionWithTheTxidToGoOnFrom) {
  auto slow = left_behind("close");
  Txid seen = 0;
  Json message = slow->next();
  for (; message["t"] == "event"; message = slow->next()) seen = message["txid"];
  ASSERT_EQ(message["t"], "error") << message;
  EXPECT_EQ(message["sub"], 8);
  EXPECT_EQ(message["code"], "KONTRACT_OVERLOADED");
  EXPECT_EQ(message["last_txid"], seen);
  ASSERT_LT(seen, last_);
  EXPECT_EQ(subscribe(*slow, 9, {{"from", seen}})["t"], "result");
  std::vector<Txid> txids{seen};
  follow(*slow, last_, txids);
  EXPECT_EQ(txids.size(), last_ - seen + 1) << "each write had its own txid";
}

TEST_F(SlowEventsTest, CoalesceGoesOnWithTheNewestOfEachRecord) {
  auto slow = left_behind("coalesce");
  std::map<std::string, int> newest;
  int events = 0;
  Txid txid = 0;
  while (txid < last_) {
    const Json event = slow->next();
    ASSERT_EQ(event["t"], "event") << event;
    ASSERT_LT(txid, Txid(event["txid"]));
    txid = event["txid"];
    newest[event["id"]] = event["data"]["n"];
    ++events;
  }
  EXPECT_LT(events, kWrites);
  EXPECT_EQ(
      newest,
      (std::map<std::string, int>{
          {"id0", kWrites - 4}, {"id1", kWrites - 3}, {"id2", kWrites - 2}, {"id3", kWrites - 1}}));
}

TEST_F(SlowEventsTest, ResyncSaysFromWhereItIsLiveAgain) {
  auto slow = left_behind("resync");
  Json event = slow->next();
  Txid seen = 0;
  for (; event["type"] != "resync"; event = slow->next()) {
    ASSERT_EQ(event["t"], "event") << event;
    seen = event["txid"];
  }
  EXPECT_GT(Txid(event["txid"]), seen + 1);
  std::vector<Txid> txids{event["txid"]};
  follow(*slow, last_, txids);
  EXPECT_EQ(txids.size(), last_ - Txid(event["txid"]) + 1);
}

}  // namespace
}  // namespace kontract
