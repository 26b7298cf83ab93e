// `kontract serve` and the Runtime at the edges: what they say, and how they end.

#include <gmock/gmock.h>

#include <future>
#include <optional>
#include <thread>

#include "runtime/runtime.hpp"
#include "server_process.hpp"

namespace kontract {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A started `kontract serve` whose greeting is read.
class Served {
 public:
  Served(const fs::path& program, const fs::path& directory, std::vector<std::string> arguments,
         const std::string& secret = "") {
    int out[2];
    if (::pipe(out) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(out[1], STDOUT_FILENO);
      ::close(out[0]);
      ::close(out[1]);
      if (::chdir(directory.c_str()) != 0) ::_exit(126);
      if (!secret.empty()) ::setenv("KONTRACT_SECRET", secret.c_str(), 1);
      arguments.insert(arguments.begin(), {program.string(), "serve", "--ballast", "0",
                                           "--disk-floor", "0", "--log-level", "off"});
      std::vector<char*> argv;
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(out[1]);
    out_ = out[0];
    char byte = 0;
    // The greeting comes in one piece and ends with how to read what was written.
    while (greeting_.find("table.get users u1") == greeting_.npos || !greeting_.ends_with('\n')) {
      if (::read(out_, &byte, 1) != 1) break;
      greeting_ += byte;
    }
  }
  ~Served() {
    if (pid_ > 0) end(SIGKILL);
    ::close(out_);
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  const std::string& greeting() const { return greeting_; }
  std::uint16_t port() const {
    const auto line = greeting_.substr(0, greeting_.find('\n'));
    return static_cast<std::uint16_t>(std::atoi(line.c_str() + line.rfind(':') + 1));
  }
  void signal(int number) const { ::kill(pid_, number); }
  // The exit status, or -signal; nothing while it runs.
  std::optional<int> ended() {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == 0) return std::nullopt;
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int end(int number) {
    signal(number);
    for (;;) {
      if (const auto status = ended()) return *status;
      std::this_thread::yield();
    }
  }

 private:
  pid_t pid_ = 0;
  int out_ = -1;
  std::string greeting_;
};

TEST(ServeTest, ItsGreetingIsWhatToTypeWhereItWasStarted) {
  const TemporaryData place;
  const fs::path folder = place.path() / "it's here";
  fs::create_directories(folder);
  const fs::path program = folder / "kontract";
  fs::copy_file(KONTRACT_PROGRAM, program);
  struct Case {
    const char* name;
    fs::path directory;
    std::string typed;
  };
  for (const Case& c : {
           Case{"in its folder", folder, "  ./kontract call demo table.create"},
           Case{"in the folder above", place.path(),
                "  'it'\\''s here/kontract' call demo table.create"},
           Case{"elsewhere", "/usr",
                "  '" + place.path().string() + "/it'\\''s here/kontract' call demo table.create"},
       }) {
    SCOPED_TRACE(c.name);
    Served server(program, c.directory, {"--port", "0", "--data", place.path() / "data"});
    EXPECT_THAT(server.greeting(),
                AllOf(HasSubstr("listening on 127.0.0.1:"), HasSubstr("durability sync\n"),
                      HasSubstr("no secret: loopback only"), HasSubstr(" --url ws://127.0.0.1:")));
    EXPECT_THAT(server.greeting(), HasSubstr(c.typed));
    EXPECT_EQ(server.end(SIGTERM), 0);
  }
}

TEST(ServeTest, WithASecretItsGreetingBeginsWithAToken) {
  const TemporaryData place;
  Served server(KONTRACT_PROGRAM, place.path(),
                {"--port", "0", "--address", "::1", "--durability", "relaxed", "--data",
                 place.path() / "data"},
                std::string(32, 's'));
  if (server.greeting().empty()) GTEST_SKIP() << "NOT TESTED: there is no IPv6 here";
  EXPECT_THAT(server.greeting(),
              AllOf(HasSubstr("listening on [::1]:"), HasSubstr("durability relaxed\n"),
                    HasSubstr("TOKEN=$("), HasSubstr("--url ws://[::1]:"),
                    HasSubstr("--token \"$TOKEN\""), Not(HasSubstr("no secret"))));
  EXPECT_EQ(server.end(SIGINT), 0);
}

TEST(ServeTest, ASecondSignalStopsAtOnce) {
  const TemporaryData place;
  Served server(KONTRACT_PROGRAM, place.path(),
                {"--port", "0", "--drain-timeout", "1h", "--sql-time-max", "1h", "--data",
                 place.path() / "data"});
  ClientOptions to;
  to.url = "ws://127.0.0.1:" + std::to_string(server.port());
  to.session = "room";
  to.reconnect = false;
  Client client(to);
  ASSERT_TRUE(client.call("table.create", {"t"}));
  client.call("table.exec",
              {"t",
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
               "SELECT count(*) FROM n"},
              [](const Result<CallResult>& result) { EXPECT_FALSE(result); });
  ASSERT_TRUE(client.call("session.info", Json::array()));  // so the one before it has come, too
  std::optional<int> status;
  while (!status) {  // two signals that come at once are one
    server.signal(SIGTERM);
    std::this_thread::yield();
    status = server.ended();
  }
  EXPECT_EQ(*status, 1);
}

Options options_for(const fs::path& data) {
  Options options;
  options.store.data = data;
  options.store.disk_floor_bytes = 0;
  options.store.ballast_bytes = 0;
  options.server.port = 0;
  return options;
}

TEST(RuntimeTest, WhatDoesNotDrainInTimeIsCutAndItsWritesAreKept) {
  const TemporaryData data;
  {
    Options options = options_for(data.path());
    options.drain_timeout = std::chrono::milliseconds(1);
    auto runtime = Runtime::start(options);
    ASSERT_TRUE(runtime);
    ClientOptions to;
    to.url = "ws://127.0.0.1:" + std::to_string((*runtime)->port());
    to.session = "room";
    Client client(to);
    ASSERT_TRUE(client.connect());
    ASSERT_TRUE(client.call("table.create", {"t"}));
    std::promise<bool> cut;
    std::thread stopping;
    {
      // The disk does not get on.
      const auto held = (*runtime)->store().shard(0).environment().write();
      ASSERT_TRUE(held);
      const auto calls = (*runtime)->metrics().sessions.calls;
      client.call("table.set", {"t", "x", {{"n", 1}}},
                  [&](const Result<CallResult>& result) { cut.set_value(!result); });
      while ((*runtime)->metrics().sessions.calls == calls) std::this_thread::yield();
      stopping = std::thread([&] { (*runtime)->stop(); });
      while ((*runtime)->metrics().server.connections > 0) std::this_thread::yield();
    }
    stopping.join();
    client.close();
    EXPECT_TRUE(cut.get_future().get());
  }
  auto runtime = Runtime::start(options_for(data.path()));
  ASSERT_TRUE(runtime);
  ClientOptions to;
  to.url = "ws://127.0.0.1:" + std::to_string((*runtime)->port());
  to.session = "room";
  Client client(to);
  ASSERT_TRUE(client.connect());
  const auto kept = client.call("table.get", {"t", "x"});
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->result["n"], 1);
}

TEST(RuntimeTest, AStartThatFailsLeavesTheDirectoryFree) {
  const TemporaryData data;
  Options nowhere = options_for(data.path());
  nowhere.server.address = "nowhere";
  const auto refused = Runtime::start(nowhere);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_request);
  EXPECT_TRUE(Runtime::start(options_for(data.path())));
}

TEST(RuntimeTest, WithoutRoomOnTheDiskItStartsAndSaysThatItIsNotWritable) {
  const TemporaryData data;
  Options options = options_for(data.path());
  options.store.disk_floor_bytes = fs::space(data.path()).available * 4;
  options.threads = 1;
  int alarms = 0;
  if (fs::space(data.path()).available < 256 * limits::kMiB) GTEST_SKIP() << "the disk is full";
  options.store.alarm = [&](const std::string&) { ++alarms; };
  const auto runtime = Runtime::start(options);
  ASSERT_TRUE(runtime) << runtime.error().message;
  EXPECT_FALSE((*runtime)->metrics().store.writable);
  EXPECT_THAT((*runtime)->metrics_text(), HasSubstr("\nkontract_writable 0\n"));
  EXPECT_EQ(alarms, 1);
}

}  // namespace
}  // namespace kontract
