// `kontract token`: keys, issue, verify and revoke, against a data directory and a server.

#include <gmock/gmock.h>

#include <chrono>
#include <sstream>

#include "net/client.hpp"
#include "net/signing_keys.hpp"
#include "runtime/cli.hpp"
#include "tests/runtime/runtime_fixture.hpp"

namespace kontract {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CliTokenTest : public ::testing::Test {
 protected:
  struct Said {
    int code;
    std::string out, err;
  };

  // `kontract token ARGS`; `out` is without the end of its last line.
  static Said token(std::vector<std::string> args) {
    std::ostringstream out, err;
    args.insert(args.begin(), "token");
    const int code = cli::run(std::move(args), {out, err});
    Said said{code, out.str(), err.str()};
    if (said.out.ends_with('\n')) said.out.pop_back();
    return said;
  }
  Said keys(const std::string& command) { return token({"keys", command, "--data", data()}); }
  std::string data() const { return folder_.path().string(); }

  std::string issue(std::vector<std::string> more) {
    more.insert(more.begin(), {"issue", "--owner", "acme", "--perm", "7"});
    const Said said = token(std::move(more));
    EXPECT_EQ(said.code, 0) << said.err;
    return said.out;
  }

  TestFolder folder_;
  const std::string secret_ = std::string(32, 's');
};

TEST_F(CliTokenTest, KeysRotateAndRetire) {
  EXPECT_THAT(keys("list").err, HasSubstr("rotate"));
  const std::string first = keys("rotate").out;
  const std::string old = issue({"--data", data()});
  const std::string second = keys("rotate").out;
  EXPECT_THAT(keys("list").out, AllOf(HasSubstr(first + "  no"), HasSubstr(second + "  yes")));
  EXPECT_EQ(token({"verify", "--data", data(), old}).code, 0);
  const Said set = token({"keys", "list", "--json", "--data", data()});
  EXPECT_THAT(set.out, ::testing::Not(HasSubstr("\"d\"")));
  EXPECT_EQ(token({"verify", "--jwks", set.out, old}).code, 0);  // as another server has them
  EXPECT_EQ(token({"keys", "retire", "--data", data(), first}).code, 0);
  const Said retired = token({"verify", "--data", data(), old});
  EXPECT_EQ(retired.code, 1);
  EXPECT_THAT(retired.err, HasSubstr("No key has its kid"));
  EXPECT_EQ(token({"keys", "retire", "--data", data(), second}).code, 1);
}

TEST_F(CliTokenTest, VerifyPrintsTheClaimsOrTheReason) {
  const std::string by_secret = issue({"--secret", secret_, "--session", "one", "--issuer", "us"});
  const Said good = token({"verify", "--secret", secret_, "--issuer", "us", by_secret});
  EXPECT_EQ(good.code, 0) << good.err;
  const Json claims = Json::parse(good.out);
  EXPECT_EQ(claims["owner"], "acme");
  EXPECT_EQ(claims["sid"], "one");
  EXPECT_EQ(claims["iss"], "us");
  EXPECT_EQ(claims["aud"], "kontract");
  struct Case {
    const char* reason;
    std::vector<std::string> args;
  };
  for (const Case& c :
       {Case{"Its iss is not 'kontract'", {"verify", "--secret", secret_, by_secret}},
        Case{"Its aud is not 'them'",
             {"verify", "--secret", secret_, "--issuer", "us", "--audience", "them", by_secret}},
        Case{"Its signature", {"verify", "--secret", std::string(32, 'x'), by_secret}},
        Case{"three parts", {"verify", "--secret", secret_, "x"}},
        Case{"There is no key", {"verify", by_secret}}}) {
    const Said said = token(c.args);
    EXPECT_EQ(said.code, 1);
    EXPECT_THAT(said.err, HasSubstr(c.reason));
    EXPECT_EQ(said.out, "");
  }
}

TEST_F(CliTokenTest, ARunningServerTakesNewKeysAndRevokesTokens) {
  keys("rotate");
  auto runtime = Runtime::start(options_in(folder_));
  ASSERT_TRUE(runtime) << runtime.error().message;
  const std::string url = "ws://127.0.0.1:" + std::to_string((*runtime)->port());
  const auto welcome = [&](const std::string& by) {
    ClientOptions options;
    options.url = url;
    options.session = "room";
    options.token = by;
    Client client(options);
    return client.connect();
  };
  EXPECT_EQ(welcome("").error().code, Errc::unauthorized);  // keys are enough to require tokens
  const std::string one = issue({"--data", data()}), two = issue({"--data", data()});
  const std::string admin = issue({"--data", data(), "--group", "admin"});
  ASSERT_TRUE(welcome(one));
  const std::string jti = Json::parse(token({"verify", "--data", data(), two}).out)["jti"];

  const Said revoked = token({"revoke", "--url", url, "--token", admin, one});
  EXPECT_EQ(revoked.code, 0) << revoked.err;
  EXPECT_THAT(revoked.out, HasSubstr("connections closed: "));
  EXPECT_EQ(token({"revoke", "--url", url, "--token", admin, jti}).code, 0);
  EXPECT_EQ(welcome(one).error().code, Errc::unauthorized);
  EXPECT_EQ(welcome(two).error().code, Errc::unauthorized);
  EXPECT_EQ(token({"revoke", "--url", url, "--token", two, one}).code, 1);

  keys("rotate");  // the server looks at its keys about once a second
  const std::string newest = issue({"--data", data()});
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool taken = false;
  while (!taken && std::chrono::steady_clock::now() < until) taken = welcome(newest).has_value();
  EXPECT_TRUE(taken);
}

TEST_F(CliTokenTest, WithTheSecretRevokingNeedsNoToken) {
  Options options = options_in(folder_);
  options.server.secret = secret_;
  auto runtime = Runtime::start(std::move(options));
  ASSERT_TRUE(runtime) << runtime.error().message;
  const std::string url = "ws://127.0.0.1:" + std::to_string((*runtime)->port());
  const std::string bad = issue({"--secret", secret_});
  EXPECT_EQ(token({"revoke", "--url", url, "--secret", secret_, bad}).code, 0);  // acme's admin
  EXPECT_EQ(token({"revoke", "--url", url, "--secret", std::string(32, 'x'), bad}).code, 1);
  EXPECT_EQ(token({"revoke", "--url", url, "--secret", "x", bad}).code, cli::kUsage);
}

}  // namespace
}  // namespace kontract
