// Runtimes on what the program lends them.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <caf/all.hpp>
#include <future>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "net/client.hpp"
#include "tests/runtime/runtime_fixture.hpp"

namespace kontract {
namespace {

namespace asio = boost::asio;

Client client_of(const Runtime& runtime) {
  return Client({.url = "ws://127.0.0.1:" + std::to_string(runtime.port()), .session = "room-1"});
}

// An io_context that one thread runs.
class OneThread {
 public:
  OneThread() : thread_([this] { io_.run(); }) {}
  ~OneThread() { finish(); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

  asio::io_context& io() { return io_; }
  void finish() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_;
};

// An actor system of somebody else, with an actor of his.
class ForeignActors {
 public:
  caf::actor_system& system() { return system_; }
  int doubled(int number) {
    caf::scoped_actor self(system_);
    const auto doubler =
        system_.spawn([]() -> caf::behavior { return {[](int given) { return 2 * given; }}; });
    int result = 0;
    self->request(doubler, caf::infinite, number)
        .receive([&](int got) { result = got; }, [](const caf::error&) {});
    caf::anon_send_exit(doubler, caf::exit_reason::user_shutdown);
    return result;
  }

 private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
};

void works(Runtime& runtime) {
  auto client = client_of(runtime);
  ASSERT_TRUE(client.connect());
  ASSERT_TRUE(client.call("table.create", Json::array({"t"})));
  const auto counted = client.call("count.up", Json::array({1}));
  ASSERT_TRUE(counted) << counted.error().message;
  EXPECT_EQ(outcome(client.call("count.nap", Json::array({1}))), "rested");
  const auto again = runtime.session("dev", "room-1").call("count.up", 1).get();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->result, counted->result.get<int>() + 1);
}

TEST(HostTest, AnIoContextOfTheProgramRunsIt) {
  const TestFolder folder;
  OneThread host;
  const auto runtime = must_start(options_in(folder), counting_backend(), {.io = &host.io()});
  works(*runtime);
  runtime->stop();
  std::promise<void> still_runs;
  asio::post(host.io(), [&] { still_runs.set_value(); });
  still_runs.get_future().get();
}

TEST(HostTest, ItStopsOnTheOnlyThreadThatRunsIt) {
  const TestFolder folder;
  OneThread host;
  const auto runtime = must_start(options_in(folder), counting_backend(), {.io = &host.io()});
  works(*runtime);
  auto client = client_of(*runtime);
  ASSERT_TRUE(client.connect());
  std::promise<void> stopped;
  asio::post(host.io(), [&] {
    runtime->stop();
    stopped.set_value();
  });
  stopped.get_future().get();
}

TEST(HostTest, ItStopsInACallback) {
  const TestFolder folder;
  OneThread host;
  auto runtime = must_start(options_in(folder), counting_backend(), {.io = &host.io()});
  std::promise<void> stopped;
  runtime->session("dev", "room-1").call("table.list").then([&](const Result<CallResult>& tables) {
    EXPECT_EQ(outcome(tables), Json::array());
    runtime.reset();
    stopped.set_value();
  });
  stopped.get_future().get();
}

TEST(HostTest, ItStopsWhenNobodyRunsTheIoContext) {
  const TestFolder folder;
  auto host = std::make_optional<OneThread>();
  const auto runtime = must_start(options_in(folder), counting_backend(), {.io = &host->io()});
  works(*runtime);
  auto client = client_of(*runtime);
  ASSERT_TRUE(client.connect());
  host->finish();
  runtime->stop();
  EXPECT_TRUE(host->io().stopped());  // as it was found
}

TEST(HostTest, AnIoContextThatIsStoppedMeanwhileIsStoppedAfterwards) {
  const TestFolder folder;
  OneThread host;
  auto runtime = must_start(options_in(folder), counting_backend(), {.io = &host.io()});
  const LocalSession room = runtime->session("dev", "room-1");
  ASSERT_TRUE(room.call("table.create", "t").get());
  std::promise<void> stopped;
  // What stop() waits for brings a callback, in which the program ends its io_context.
  room.call("count.nap", 600'000).then([&](const Result<CallResult>&) { host.io().stop(); });
  ASSERT_TRUE(room.call("table.list").get());
  asio::post(host.io(), [&] {
    runtime->stop();
    stopped.set_value();
  });
  stopped.get_future().get();
  EXPECT_TRUE(host.io().stopped());
}

TEST(HostTest, WhoStopsItSecondWaits) {
  const TestFolder folder;
  OneThread host;
  auto runtime = must_start(options_in(folder), counting_backend(), {.io = &host.io()});
  const LocalSession room = runtime->session("dev", "room-1");
  ASSERT_TRUE(room.call("table.create", "t").get());
  std::promise<void> stopping, go_on;
  std::atomic<bool> first_is_over{false};
  room.call("count.nap", 600'000).then([&](const Result<CallResult>&) {
    runtime->stop();  // in a handler that stop() runs: at once
    stopping.set_value();
    go_on.get_future().get();
  });
  ASSERT_TRUE(room.call("table.list").get());
  asio::post(host.io(), [&] {
    runtime->stop();
    first_is_over = true;
  });
  stopping.get_future().get();
  std::thread second([&] {
    runtime->stop();
    EXPECT_TRUE(runtime->directory().stopped());
    EXPECT_EQ(outcome(room.call("table.list").get()), "KONTRACT_OVERLOADED");
    runtime.reset();
  });
  go_on.set_value();
  second.join();
  host.finish();
  EXPECT_TRUE(first_is_over);
}

TEST(HostDeathTest, ItsOwnThreadsCannotStopIt) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto stop_in_callback = [] {
    const TestFolder folder;
    const auto runtime = must_start(options_in(folder));
    std::promise<void> never;
    runtime->session("dev", "room-1").call("table.list").then([&](const Result<CallResult>&) {
      runtime->stop();
    });
    never.get_future().get();
  };
  EXPECT_DEATH(stop_in_callback(), "broken invariant");
}

TEST(HostTest, WhatItWroteIsThereForTheNext) {
  const TestFolder folder;
  OneThread host;
  for (int round = 1; round <= 3; ++round) {
    const auto runtime = must_start(options_in(folder), counting_backend(), {.io = &host.io()});
    const LocalSession room = runtime->session("dev", "room-1");
    if (round == 1) room.call("table.create", "t");
    EXPECT_EQ(outcome(room.call("count.up", 1).get()), round);
  }
}

TEST(HostTest, AnIoContextThatNobodyRunsYet) {
  const TestFolder folder;
  asio::io_context io;
  auto runtime = must_start(options_in(folder), counting_backend(), {.io = &io});
  const LocalSession room = runtime->session("dev", "room-1");
  room.call("table.create", "t");
  Json counted;
  room.call("count.up", 3).then([&](const Result<CallResult>& result) {
    counted = outcome(result);
    io.stop();
  });
  io.run();
  EXPECT_EQ(counted, 3);
}

TEST(HostTest, AnActorSystemOfTheProgramRunsIt) {
  const TestFolder folder;
  ForeignActors host;
  {
    const auto runtime =
        must_start(options_in(folder), counting_backend(), {.actors = &host.system()});
    works(*runtime);
    EXPECT_EQ(host.doubled(4), 8);
  }
  EXPECT_EQ(host.doubled(5), 10);
  // The actors that ran are gone; those of the runtime's store, which is closed, above all.
  const auto again = must_start(options_in(folder), counting_backend(), {.actors = &host.system()});
  EXPECT_EQ(outcome(again->session("dev", "room-1").call("count.up", 0).get()), 2);
}

TEST(HostTest, AnActorOfTheProgramThatCallsASessionStillLogs) {
  const TestFolder folder;
  ForeignActors host;
  const auto runtime =
      must_start(options_in(folder), counting_backend(), {.actors = &host.system()});
  std::promise<std::pair<caf::logger*, caf::logger*>> seen;
  host.system().spawn([&](caf::event_based_actor*) {
    caf::logger* const before = caf::logger::current_logger();
    runtime->session("dev", "room-1").call("table.list");  // wakes the session: an actor is made
    seen.set_value({before, caf::logger::current_logger()});
  });
  const auto [before, after] = seen.get_future().get();
  EXPECT_EQ(before, &host.system().logger());
  EXPECT_EQ(after, before);
}

TEST(HostTest, TheProgramLendsBoth) {
  const TestFolder folder;
  ForeignActors actors;
  OneThread io;
  const auto runtime = must_start(options_in(folder), counting_backend(),
                                  {.io = &io.io(), .actors = &actors.system()});
  works(*runtime);
}

TEST(HostTest, SleepersEndWithTheRuntimeOnAnActorSystemThatGoesOn) {
  const TestFolder folder;
  ForeignActors host;
  std::promise<Json> told;
  {
    const auto runtime =
        must_start(options_in(folder), counting_backend(), {.actors = &host.system()});
    std::promise<void> asleep;
    const LocalSession room = runtime->session("dev", "room-1");
    room.call("count.nap", 600'000).then([&](const Result<CallResult>& result) {
      told.set_value(outcome(result));
    });
    ASSERT_TRUE(room.call("table.list").get());  // it is asleep, since others run
  }
  EXPECT_EQ(told.get_future().get(), "KONTRACT_OVERLOADED");
  EXPECT_EQ(host.doubled(1), 2);
}

TEST(HostTest, AFailedStartLeavesTheHostAlone) {
  const TestFolder folder;
  OneThread io;
  ForeignActors actors;
  const Host host{.io = &io.io(), .actors = &actors.system()};
  const auto first = must_start(options_in(folder), counting_backend(), host);
  const auto locked = Runtime::start(options_in(folder), {}, host);
  ASSERT_FALSE(locked);
  EXPECT_EQ(locked.error().code, Errc::invalid_request);
  const TestFolder other;
  Options taken = options_in(other);
  taken.server.port = first->port();
  ASSERT_FALSE(Runtime::start(taken, {}, host));
  works(*first);
}

// Descriptors and threads of this process.
std::pair<std::size_t, std::size_t> held() {
  const auto entries = [](const char* folder) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
    return count;
  };
  return {entries("/proc/self/fd"), entries("/proc/self/task")};
}

TEST(HostTest, AThousandStartsAndStopsInAnyOrder) {
  constexpr int kStarts = 1000;
  constexpr std::size_t kAtOnce = 6;
  constexpr unsigned kSeed = 20;
  OneThread io;
  ForeignActors actors;
  const Host hosts[] = {{},
                        {.io = &io.io()},
                        {.actors = &actors.system()},
                        {.io = &io.io(), .actors = &actors.system()}};
  std::mt19937 random(kSeed);
  std::vector<TestFolder> folders(kAtOnce);
  std::vector<std::unique_ptr<Runtime>> runtimes(kAtOnce);
  for (const Host& host : hosts) must_start(options_in(folders[0]), {}, host);  // what hosts keep
  const auto before = held();
  std::vector<int> counts(kAtOnce);
  for (int started = 0; started < kStarts;) {
    const std::size_t at = random() % kAtOnce;
    if (runtimes[at]) {
      runtimes[at].reset();
      continue;
    }
    Options options = options_in(folders[at]);
    options.listen = random() % 2 == 0;
    runtimes[at] = must_start(std::move(options), counting_backend(), hosts[random() % 4]);
    ++started;
    const LocalSession room = runtimes[at]->session("dev", "room-1");
    if (counts[at] == 0) room.call("table.create", "t");
    if (random() % 2 == 0) {
      ASSERT_EQ(outcome(room.call("count.up", 1).get()), ++counts[at]) << "start " << started;
    } else {
      room.call("count.up", 0);  // stops with a call under way
    }
  }
  runtimes.clear();
  EXPECT_EQ(held(), before);
}

}  // namespace
}  // namespace kontract
