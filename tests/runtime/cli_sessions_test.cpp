// `kontract sessions`, on a server and in a data directory.

#include <gmock/gmock.h>

#include <sstream>

#include "runtime/cli.hpp"
#include "tests/runtime/runtime_fixture.hpp"

namespace kontract {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class CliSessionsTest : public ::testing::Test {
 protected:
  struct Said {
    int code;
    std::string out, err;
  };

  void SetUp() override {
    Options options = options_in(folder_);
    options.store.shards = 3;
    runtime_ = must_start(std::move(options));
    for (const char* owner : {"dev", "tenant-2"}) {
      for (const char* name : {"a-1", "a-2", "b-1"}) {
        LocalSession room = runtime_->session(owner, name);
        ASSERT_TRUE(room.call("table.create", "t").get());
        ASSERT_TRUE(room.call("table.push", "t", Json::object()).get());
      }
    }
    ASSERT_TRUE(runtime_->store().flush());
  }

  static Said run(std::vector<std::string> args) {
    std::ostringstream out;
    std::ostringstream err;
    args.insert(args.begin(), "sessions");
    const int code = cli::run(std::move(args), {out, err});
    return {code, out.str(), err.str()};
  }
  Said online(std::vector<std::string> args) {
    args.insert(args.begin(), {"--url", "ws://127.0.0.1:" + std::to_string(runtime_->port())});
    return run(std::move(args));
  }
  Said offline(std::vector<std::string> args) {
    args.insert(args.begin(), {"--data", folder_.path().string()});
    return run(std::move(args));
  }

  TestFolder folder_;
  std::unique_ptr<Runtime> runtime_;
};

TEST_F(CliSessionsTest, AServerTellsOfTheOwnersSessions) {
  const auto all = online({});
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_THAT(all.out, AllOf(HasSubstr("dev/a-1  "), HasSubstr("dev/a-2  "), HasSubstr("dev/b-1  "),
                             Not(HasSubstr("tenant-2"))));
  EXPECT_EQ(online({"--count"}).out, "3\n");
  EXPECT_EQ(online({"--count", "--prefix", "a-"}).out, "2\n");
  const auto one = online({"inspect", "b-1"});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_THAT(one.out, AllOf(HasSubstr("session  b-1"), HasSubstr("t      dev    RWX")));
  EXPECT_THAT(online({"inspect", "none"}).err, HasSubstr("KONTRACT_NOT_FOUND"));
  EXPECT_THAT(online({"inspect", "tenant-2/b-1"}).err, HasSubstr("KONTRACT_FORBIDDEN"));
}

TEST_F(CliSessionsTest, ADirectoryTellsOfAllSessions) {
  runtime_.reset();
  EXPECT_EQ(offline({"--count"}).out, "6\n");
  EXPECT_EQ(offline({"--count", "--owner", "tenant-2"}).out, "3\n");
  EXPECT_EQ(offline({"--count", "--prefix", "b"}).out, "2\n");
  const auto lines = offline({"--owner", "tenant-2", "--prefix", "a-1", "--json"});
  EXPECT_EQ(lines.code, 0) << lines.err;
  const Json session = Json::parse(lines.out);
  EXPECT_EQ(session["owner"], "tenant-2");
  EXPECT_EQ(session["session"], "a-1");
  EXPECT_GT(session["txid"], 0);
  const auto one = offline({"inspect", "tenant-2/a-1", "--json"});
  EXPECT_EQ(Json::parse(one.out)["tables"][0]["records"], 1);
  EXPECT_THAT(offline({"inspect", "tenant-3/a-1"}).err, HasSubstr("KONTRACT_NOT_FOUND"));
  EXPECT_THAT(run({"--data", "/nowhere"}).err, HasSubstr("is no data directory"));
}

}  // namespace
}  // namespace kontract
