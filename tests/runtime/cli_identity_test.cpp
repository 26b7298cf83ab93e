// `kontract identity`, and the commands that talk to a server which they know by it.

#include <gmock/gmock.h>

#include <sstream>

#include "net/client.hpp"
#include "net/server_identity.hpp"
#include "runtime/cli.hpp"
#include "tests/runtime/runtime_fixture.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;

class CliIdentityTest : public ::testing::Test {
 protected:
  struct Said {
    int code;
    std::string out, err;
  };

  static Said kontract(std::vector<std::string> args) {
    std::ostringstream out, err;
    const int code = cli::run(std::move(args), {out, err});
    return {code, out.str(), err.str()};
  }
  Said identity(const std::string& command, std::vector<std::string> more = {}) const {
    std::vector<std::string> args{"identity", command, "--data", folder_.path().string()};
    args.insert(args.end(), more.begin(), more.end());
    return kontract(std::move(args));
  }

  TestFolder folder_;
};

TEST_F(CliIdentityTest, AServerHasTheSameIdentityAtEachStartUntilItIsRotated) {
  EXPECT_THAT(identity("show").err, HasSubstr("kontract serve"));
  const std::string first = must_start(options_in(folder_))->identity();
  EXPECT_EQ(identity("show").out, first + "\n");
  EXPECT_EQ(must_start(options_in(folder_))->identity(), first);

  const Said rotated = identity("rotate");
  EXPECT_EQ(rotated.code, 0) << rotated.err;
  EXPECT_EQ(identity("show").out, rotated.out + first + "\n");
  EXPECT_EQ(must_start(options_in(folder_))->identity() + "\n", rotated.out);
  EXPECT_EQ(identity("rotate", {"--drop-old"}).code, 0);
  EXPECT_EQ(identity("show").out, rotated.out);
}

TEST_F(CliIdentityTest, ARuntimeWithoutAListenerHasOneToo) {
  Options options = options_in(folder_);
  options.listen = false;
  const std::string pin = must_start(options)->identity();
  EXPECT_EQ(identity("show").out, pin + "\n");
  options.server.raystream = RaystreamOffer::off;
  EXPECT_EQ(must_start(options)->identity(), "");
}

TEST_F(CliIdentityTest, CommandsEncryptWhatTheySayToAServerThatTheyKnow) {
  Options options = options_in(folder_);
  options.server.raystream = RaystreamOffer::required;
  const auto runtime = must_start(options);
  const std::string url = "ws://127.0.0.1:" + std::to_string(runtime->port());
  const std::string pin = runtime->identity();
  const std::string known = (folder_.path() / "known_hosts").string();
  const auto info = [&](std::vector<std::string> how) {
    std::vector<std::string> args{"call", "room", "session.info", "--url", url};
    args.insert(args.end(), how.begin(), how.end());
    return kontract(std::move(args));
  };
  EXPECT_EQ(info({"--pin", pin}).code, 0);
  EXPECT_EQ(info({"--pin", pin, "--raystream", "pinned"}).code, 0);
  EXPECT_EQ(info({"--known-hosts", known}).code, 0);
  EXPECT_EQ(info({"--known-hosts", known, "--raystream", "first-use"}).code, 0);
  EXPECT_EQ(kontract({"tables", "room", "--url", url, "--pin", pin}).code, 0);
  EXPECT_EQ(
      kontract({"sql", "--session", "room", "--url", url, "--pin", pin, "SELECT id FROM storage"})
          .code,
      0);

  EXPECT_THAT(info({}).err, HasSubstr("encrypted"));
  const std::string dashes = "-" + std::string(42, 'A');
  EXPECT_THAT(info({"--pin", dashes}).err, HasSubstr("which is not trusted"));
  EXPECT_EQ(info({"--pin", dashes, "--pin", pin}).code, 0);
  EXPECT_THAT(info({"--pin", "nonsense"}).err, HasSubstr("is not the pin of a server"));
  EXPECT_THAT(info({"--pin", pin, "--raystream", "off"}).err, HasSubstr("pin"));
  EXPECT_EQ(info({"--raystream", "nonsense"}).code, cli::kUsage);
  const auto other = raystream::SigningKey::from_seed(std::string(32, 'x'));
  const Said refused = info({"--pin", raystream::to_pin(other->public_key())});
  EXPECT_EQ(refused.code, cli::kFailed);
  EXPECT_THAT(refused.err, HasSubstr("kontract identity show"));
}

}  // namespace
}  // namespace kontract
