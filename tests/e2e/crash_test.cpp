// kill -9 under load, again and again: what was acknowledged is there, nothing is torn, txids rise.

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "server_process.hpp"
#include "storage/store.hpp"
#include "tests/share.hpp"

namespace kontract {
namespace {

const int kKills = test::share_of(50);
constexpr int kWriters = 4;
constexpr int kInFlight = 8;

// What one writer knows of the session it writes to. Every write n of a writer is one batch over
// two tables: record "wW-nN" with {n} in both.
struct Writer {
  int number = 0;
  std::string session;
  int next = 0;
  std::mutex mutex;
  std::vector<int> acknowledged;
  std::uint64_t highest_txid = 0;  // told before the last kill
  std::uint64_t txid_this_life = 0;
  std::vector<std::string> complaints;

  std::string id(int n) const { return "w" + std::to_string(number) + "-n" + std::to_string(n); }
};

// Writes until the server is gone.
void write_until_killed(Writer& writer, const std::string& url) {
  ClientOptions options;
  options.url = url;
  options.session = writer.session;
  options.reconnect = false;
  Client client(options);
  if (!client.connect()) return;
  std::atomic<bool> gone{false};
  std::atomic<int> in_flight{0};
  while (!gone) {
    if (in_flight.load() >= kInFlight) {
      std::this_thread::yield();
      continue;
    }
    const int n = writer.next++;
    ++in_flight;
    const Json data = {{"n", n}, {"text", std::string(static_cast<std::size_t>(n % 300), 'x')}};
    const Json operations = Json::array({Json::array({"table.set", "a", writer.id(n), data}),
                                         Json::array({"table.set", "b", writer.id(n), data})});
    client.call("table.batch", Json::array({operations}), [&, n](Result<CallResult> result) {
      if (result) {
        const std::lock_guard lock(writer.mutex);
        writer.acknowledged.push_back(n);
        if (result->txid <= writer.highest_txid) {
          writer.complaints.push_back("txid " + std::to_string(result->txid) + " after " +
                                      std::to_string(writer.highest_txid));
        }
        writer.txid_this_life = std::max(writer.txid_this_life, result->txid);
      } else {
        gone = true;
      }
      --in_flight;
    });
  }
  client.close();
  while (in_flight.load() > 0) std::this_thread::yield();
}

std::map<std::string, int> read_all(Client& client, const std::string& table) {
  std::map<std::string, int> records;
  Json after;
  do {
    const auto page = client.call("table.query", {table, nullptr, {{"after", after}}});
    if (!page) {
      ADD_FAILURE() << page.error().message;
      return records;
    }
    for (const Json& row : page->result["rows"]) {
      EXPECT_TRUE(records.emplace(row["id"], row["data"]["n"]).second) << "twice: " << row["id"];
    }
    after = page->result["next"];
  } while (!after.is_null());
  return records;
}

TEST(CrashTest, NothingAcknowledgedIsLostOrTornOverManyKills) {
  const TemporaryData data;
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::vector<std::unique_ptr<Writer>> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.push_back(std::make_unique<Writer>());
    writers.back()->number = w;
    writers.back()->session = w < 2 ? "shared" : "own-" + std::to_string(w);
  }
  for (int life = 0; life < kKills; ++life) {
    // Some lives sleep between calls, so that kills meet passivation and waking too.
    ServerProcess server(data.path(), {"--session-idle", life % 5 == 0 ? "1ms" : "60s"});
    ASSERT_NE(server.port(), 0) << "life " << life;
    if (life == 0) {
      for (const char* session : {"shared", "own-2", "own-3"}) {
        ClientOptions options;
        options.url = server.url();
        options.session = session;
        Client client(options);
        ASSERT_TRUE(client.connect());
        ASSERT_TRUE(client.call("table.create", {"a"}));
        ASSERT_TRUE(client.call("table.create", {"b"}));
      }
    }
    std::vector<std::thread> threads;
    for (auto& writer : writers) {
      threads.emplace_back([&, url = server.url()] { write_until_killed(*writer, url); });
    }
    // Killed once so many more writes were acknowledged: at once, soon, or in full swing.
    const auto count = [&] {
      std::size_t sum = 0;
      for (auto& writer : writers) {
        const std::lock_guard lock(writer->mutex);
        sum += writer->acknowledged.size();
      }
      return sum;
    };
    const std::size_t until = count() + std::uniform_int_distribution<std::size_t>(0, 1500)(random);
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (count() < until && std::chrono::steady_clock::now() < patience) {
      std::this_thread::yield();
    }
    EXPECT_EQ(server.end(SIGKILL), -SIGKILL);
    for (std::thread& thread : threads) thread.join();
    for (auto& writer : writers) {
      writer->highest_txid = std::max(writer->highest_txid, writer->txid_this_life);
      EXPECT_THAT(writer->complaints, ::testing::IsEmpty());
    }
    if (life % 10 == 9) {
      const Result<CheckReport> report = check_data_directory(data.path());
      ASSERT_TRUE(report) << report.error().message;
      ASSERT_THAT(report->problems, ::testing::IsEmpty());
    }
  }

  ServerProcess server(data.path());
  ASSERT_NE(server.port(), 0);
  std::size_t acknowledged = 0;
  for (const char* session : {"shared", "own-2", "own-3"}) {
    ClientOptions options;
    options.url = server.url();
    options.session = session;
    Client client(options);
    ASSERT_TRUE(client.connect());
    const auto a = read_all(client, "a");
    const auto b = read_all(client, "b");
    EXPECT_EQ(a, b) << "a batch was torn";
    for (auto& writer : writers) {
      if (writer->session != session) continue;
      acknowledged += writer->acknowledged.size();
      for (const int n : writer->acknowledged) {
        const auto found = a.find(writer->id(n));
        ASSERT_NE(found, a.end()) << "acknowledged and lost: " << writer->id(n);
        ASSERT_EQ(found->second, n);
      }
    }
  }
  EXPECT_GT(acknowledged, static_cast<std::size_t>(test::share_of(10'000)));
  EXPECT_EQ(server.end(SIGTERM), 0);
}

}  // namespace
}  // namespace kontract
