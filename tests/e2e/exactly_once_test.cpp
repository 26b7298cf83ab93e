// A client whose server is killed with -9 and whose connections are cut, again and again: the
// application sees pauses, and each of its calls has run exactly once.

#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>
#include <random>

#include "server_process.hpp"
#include "storage/store.hpp"
#include "tests/cutting_proxy.hpp"
#include "tests/share.hpp"

namespace kontract {
namespace {

const int kCuts = std::max(3, test::share_of(15));
constexpr int kCallsUnderWay = 32;

// Calls under way, and what became of them.
class Ledger {
 public:
  void begin() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return in_flight_ < kCallsUnderWay; });
    ++in_flight_;
    ++begun_;
  }
  void end(const Result<CallResult>& result) {
    const std::lock_guard lock(mutex_);
    --in_flight_;
    ++answered_;
    if (!result) failures_.push_back(result.error().message);
    changed_.notify_all();
  }
  bool wait_for_answers(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(120), [&] { return answered_ >= count; });
  }
  int begun() {
    const std::lock_guard lock(mutex_);
    return begun_;
  }
  int answered() {
    const std::lock_guard lock(mutex_);
    return answered_;
  }
  std::vector<std::string> failures() {
    const std::lock_guard lock(mutex_);
    return failures_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int in_flight_ = 0, begun_ = 0, answered_ = 0;
  std::vector<std::string> failures_;
};

TEST(ExactlyOnceTest, EachCallRunsOnceOverManyKillsAndCuts) {
  const TemporaryData data;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  test::CuttingProxy proxy(seed, 4000, 200'000);
  auto server = std::make_unique<ServerProcess>(data.path());
  ASSERT_NE(server->port(), 0);
  proxy.set_server(server->port());
  ClientOptions options;
  options.url = proxy.url();
  options.session = "room";
  options.call_timeout = std::chrono::seconds(120);
  options.backoff_min = std::chrono::milliseconds(1);
  options.backoff_max = std::chrono::milliseconds(20);
  Client client(options);
  ASSERT_TRUE(client.connect());
  ASSERT_TRUE(client.call("table.create", {"t"}));
  ASSERT_TRUE(client.call("table.set", {"t", "counter", {{"n", 0}}}));

  Ledger ledger;
  std::atomic<bool> enough{false};
  std::atomic<int> pushes{0}, raises{0};
  std::thread caller([&] {
    for (int i = 0; !enough; ++i) {
      ledger.begin();
      const auto done = [&](const Result<CallResult>& result) { ledger.end(result); };
      if (i % 2 == 0) {
        ++pushes;
        client.call("table.push", {"t", {{"i", i}}}, done);
      } else {
        ++raises;
        client.call("table.exec",
                    {"t",
                     "UPDATE t SET data = json_set(data, '$.n', data->>'n' + 1) "
                     "WHERE id = 'counter'"},
                    done);
      }
    }
  });
  for (int kill = 0; kill < kCuts; ++kill) {
    const int more = std::uniform_int_distribution<int>(1, 300)(random);
    EXPECT_TRUE(ledger.wait_for_answers(ledger.answered() + more));
    EXPECT_EQ(server->end(SIGKILL), -SIGKILL);
    server = std::make_unique<ServerProcess>(
        data.path(), std::vector<std::string>{"--session-idle", kill % 3 == 0 ? "1ms" : "60s"});
    ASSERT_NE(server->port(), 0) << "after kill " << kill;
    proxy.set_server(server->port());
  }
  while (proxy.cuts() == 0 && ledger.wait_for_answers(ledger.answered() + 50)) {
  }
  enough = true;
  caller.join();
  EXPECT_TRUE(ledger.wait_for_answers(ledger.begun()));
  EXPECT_THAT(ledger.failures(), ::testing::IsEmpty());
  client.close();

  ClientOptions direct = options;
  direct.url = server->url();
  Client witness(direct);
  const auto counter = witness.call("table.get", {"t", "counter"});
  ASSERT_TRUE(counter) << counter.error().message;
  EXPECT_EQ(counter->result["n"], raises.load());
  const auto counts = witness.call("table.exec", {"t",
                                                  "SELECT count(*) AS all_of_them, "
                                                  "count(DISTINCT data->>'i') AS different FROM t "
                                                  "WHERE id <> 'counter'"});
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->result["rows"][0],
            Json({{"all_of_them", pushes.load()}, {"different", pushes.load()}}));
  EXPECT_GT(proxy.cuts(), 0);
  EXPECT_EQ(server->end(SIGTERM), 0);
  const Result<CheckReport> report = check_data_directory(data.path());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->problems, ::testing::IsEmpty());
}

}  // namespace
}  // namespace kontract
