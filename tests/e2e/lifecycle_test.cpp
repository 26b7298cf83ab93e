// Starting and stopping: in process, as a program, under load, twice on one directory, on a full
// disk.

#include <gmock/gmock.h>
#include <sys/mount.h>

#include <atomic>
#include <thread>

#include "runtime/runtime.hpp"
#include "server_process.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;

Options options_for(const std::filesystem::path& data) {
  Options options;
  options.store.data = data;
  options.store.disk_floor_bytes = 0;
  options.store.ballast_bytes = 0;
  options.server.port = 0;
  return options;
}

std::unique_ptr<Client> connect(const std::string& url, const std::string& session) {
  ClientOptions options;
  options.url = url;
  options.session = session;
  auto client = std::make_unique<Client>(std::move(options));
  const Result<Welcome> welcome = client->connect();
  EXPECT_TRUE(welcome) << welcome.error().message;
  return client;
}

std::string url_of(const Runtime& runtime) {
  return "ws://127.0.0.1:" + std::to_string(runtime.port());
}

TEST(LifecycleTest, ARuntimeStartsServesAndStopsAgainAndAgain) {
  const TemporaryData data;
  std::uint64_t last = 0;
  for (int round = 0; round < 100; ++round) {
    SCOPED_TRACE(round);
    Options options = options_for(data.path());
    options.scheduler = round % 4 == 3 ? Scheduler::caf : Scheduler::asio;
    options.threads = 1 + static_cast<unsigned>(round % 3);
    const auto runtime = Runtime::start(options);
    ASSERT_TRUE(runtime) << runtime.error().message;
    if (round % 5 == 4) continue;  // stops without having served anybody
    const auto client = connect(url_of(**runtime), "room");
    if (round == 0) {
      ASSERT_TRUE(client->call("table.create", {"t"}));
    }
    const auto set = client->call("table.set", {"t", "x", {{"round", round}}});
    ASSERT_TRUE(set) << set.error().message;
    EXPECT_GT(set->txid, last);
    last = set->txid;
    const auto got = client->call("table.get", {"t", "x"});
    ASSERT_TRUE(got);
    EXPECT_EQ(got->result["round"], round);
    if (round % 2 == 0) client->close();
  }
}

TEST(LifecycleTest, SeveralRuntimesLiveInOneProcess) {
  const TemporaryData first, second;
  const auto a = Runtime::start(options_for(first.path()));
  const auto b = Runtime::start(options_for(second.path()));
  ASSERT_TRUE(a && b);
  ASSERT_TRUE(connect(url_of(**a), "room")->call("table.create", {"only-in-a"}));
  const auto there = connect(url_of(**b), "room")->call("table.get", {"only-in-a", "x"});
  ASSERT_FALSE(there);
  EXPECT_EQ(there.error().code, Errc::storage_ptr_not_found);
}

TEST(LifecycleTest, ADirectoryIsNotOpenedTwice) {
  const TemporaryData data;
  const auto first = Runtime::start(options_for(data.path()));
  ASSERT_TRUE(first);
  const auto second = Runtime::start(options_for(data.path()));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::invalid_request);
  const ServerProcess other(data.path());
  EXPECT_EQ(other.port(), 0);
}

TEST(LifecycleTest, RelaxedDurabilityIsNamedInTheWelcome) {
  const TemporaryData data;
  Options options = options_for(data.path());
  options.store.durability = Durability::relaxed;
  const auto runtime = Runtime::start(options);
  ASSERT_TRUE(runtime);
  ClientOptions client_options;
  client_options.url = url_of(**runtime);
  client_options.session = "room";
  Client client(client_options);
  const auto welcome = client.connect();
  ASSERT_TRUE(welcome);
  EXPECT_EQ(welcome->durability, "relaxed");
}

TEST(LifecycleTest, TheSizeOfARecordAndOfItsIdAreOptions) {
  const TemporaryData data;
  Options options = options_for(data.path());
  options.store.record_bytes_max = 100;
  options.store.record_id_bytes_max = 8;
  const auto runtime = Runtime::start(options);
  ASSERT_TRUE(runtime);
  const auto client = connect(url_of(**runtime), "room");
  ASSERT_TRUE(client->call("table.create", {"t"}));
  EXPECT_TRUE(client->call("table.set", {"t", "12345678", {{"v", std::string(80, 'x')}}}));
  const auto large = client->call("table.set", {"t", "x", {{"v", std::string(100, 'x')}}});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Errc::too_large);
  const auto long_id = client->call("table.set", {"t", "123456789", Json::object()});
  ASSERT_FALSE(long_id);
  EXPECT_EQ(long_id.error().code, Errc::invalid_request);

  const TemporaryData other;
  options.store.data = other.path();
  options.store.record_bytes_max = 2 * limits::kMiB;
  const auto refused = Runtime::start(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_request);
}

TEST(LifecycleTest, SigtermUnderLoadFinishesCallsAndExitsWithZero) {
  const TemporaryData data;
  std::atomic<int> acknowledged{0};
  for (int round = 0; round < 10; ++round) {
    SCOPED_TRACE(round);
    ServerProcess server(data.path());
    ASSERT_NE(server.port(), 0);
    const auto client = connect(server.url(), "room");
    if (round == 0) {
      ASSERT_TRUE(client->call("table.create", {"log"}));
    }
    std::atomic<bool> refused{false};
    std::atomic<int> open{0};
    std::thread writer([&] {
      while (!refused) {
        if (open.load() > 64) {
          std::this_thread::yield();
          continue;
        }
        ++open;
        client->call("table.push", {"log", {{"n", 1}}}, [&](const Result<CallResult>& result) {
          if (result) {
            ++acknowledged;
          } else {
            refused = true;
          }
          --open;
        });
      }
    });
    const int until = acknowledged + 200;
    while (acknowledged < until) std::this_thread::yield();
    EXPECT_EQ(server.end(SIGTERM), 0);
    client->close();
    writer.join();
    while (open.load() > 0) std::this_thread::yield();
  }
  ServerProcess server(data.path());
  const auto tables = connect(server.url(), "room")->call("table.list", Json::array());
  ASSERT_TRUE(tables);
  EXPECT_GE(tables->result[0]["records"].get<int>(), acknowledged.load());
}

TEST(LifecycleTest, AFullDiskRefusesWritesGoesOnReadingAndIsFreedByTheBallast) {
  const TemporaryData data;
  if (mount("none", data.path().c_str(), "tmpfs", 0, "size=24m") != 0) {
    GTEST_SKIP() << "SKIPPED: mounting a tmpfs needs root";
  }
  struct Unmount {
    const std::filesystem::path& path;
    ~Unmount() { umount2(path.c_str(), MNT_DETACH); }
  } unmount{data.path()};
  // Later flags win: this server has a floor and a ballast.
  ServerProcess server(data.path(), {"--disk-floor", "2MiB", "--ballast", "8MiB"});
  ASSERT_NE(server.port(), 0);
  const auto client = connect(server.url(), "room");
  ASSERT_TRUE(client->call("table.create", {"t"}));
  const std::string text(100'000, 'x');
  int stored = 0;
  Error refusal;
  for (; stored < 1000; ++stored) {
    const auto set = client->call("table.set", {"t", "r" + std::to_string(stored), {{"v", text}}});
    if (set) continue;
    refusal = set.error();
    break;
  }
  EXPECT_EQ(refusal.code, Errc::storage_full) << refusal.message;
  ASSERT_GT(stored, 20);
  for (int i = 0; i < stored; ++i) {
    const auto got = client->call("table.get", {"t", "r" + std::to_string(i)});
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_EQ(got->result["v"].get<std::string>().size(), text.size());
  }
  ASSERT_TRUE(std::filesystem::remove(data.path() / "ballast"));
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  bool freed = false;
  while (!freed && std::chrono::steady_clock::now() < patience) {
    freed = client->call("table.set", {"t", "after", {{"v", text}}}).has_value();
  }
  EXPECT_TRUE(freed);
  EXPECT_EQ(server.end(SIGTERM), 0);
}

}  // namespace
}  // namespace kontract
