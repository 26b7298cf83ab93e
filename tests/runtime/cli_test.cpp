#include "runtime/cli.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "net/token.hpp"
#include "runtime/runtime.hpp"

namespace kontract {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Outcome {
  int code;
  std::string out, err;
};

Outcome kontract_program(std::vector<std::string> args) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = cli::run(std::move(args), {out, err});
  return {code, out.str(), err.str()};
}

class Directory {
 public:
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cli_test-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A server in this process, as `kontract serve` would start it.
class CliServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Options options;
    options.store.data = directory_.path();
    options.store.ballast_bytes = 0;
    options.server.port = 0;
    auto started = Runtime::start(options);
    ASSERT_TRUE(started) << started.error().message;
    runtime_ = std::move(*started);
  }

  Outcome ask(std::vector<std::string> args) {
    args.insert(args.begin() + 1, {"--url", "ws://127.0.0.1:" + std::to_string(runtime_->port())});
    return kontract_program(std::move(args));
  }

  Directory directory_;
  std::unique_ptr<Runtime> runtime_;
};

TEST_F(CliServerTest, CallTakesJsonOrStringsAndPrintsTheResult) {
  ASSERT_EQ(ask({"call", "demo", "table.create", "users", R"({"permissions":7})"}).code, 0);
  EXPECT_EQ(ask({"call", "demo", "table.set", "users", "u1", R"({"name":"Ada","n":[1,2]})"}).out,
            "true\n");
  EXPECT_EQ(ask({"call", "demo", "table.get", "users", "u1"}).out,
            "{\"n\":[1,2],\"name\":\"Ada\"}\n");
  EXPECT_EQ(ask({"call", "demo", "table.get", "users", "u2"}).out, "null\n");
  // A whole argument in brackets is one JSON array, not several arguments.
  const auto batch = ask({"call", "demo", "table.batch",
                          R"([["table.set","users","u3",{}],["table.get","users","u1"]])"});
  EXPECT_EQ(batch.code, 0) << batch.err;
  // Neither is taken for an option.
  EXPECT_EQ(ask({"call", "demo", "table.push", "-1"}).code, 1);
  EXPECT_EQ(ask({"call", "demo", "table.get", "--", "users", "--u1"}).out, "null\n");
}

TEST_F(CliServerTest, AFailedCallSaysWhyOnStderrAndHowToFixIt) {
  const auto outcome = ask({"call", "demo", "table.get", "nothing", "u1"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(StartsWith("KONTRACT_STORAGE_PTR_NOT_FOUND: Table nothing"),
                                 HasSubstr("\nhint: ")));
}

// Also where other commands, which were not given, have an option of that name.
TEST_F(CliServerTest, AnOptionOverridesTheEnvironment) {
  const std::string url = "ws://127.0.0.1:" + std::to_string(runtime_->port());
  ::setenv("KONTRACT_URL", "ws://127.0.0.1:1", 1);
  const auto told = ask({"call", "demo", "table.create", "users"});
  const auto listed = ask({"sessions", "inspect", "demo"});
  ::setenv("KONTRACT_URL", url.c_str(), 1);
  const auto from_environment = kontract_program({"call", "demo", "table.list"});
  ::unsetenv("KONTRACT_URL");
  EXPECT_EQ(told.code, 0) << told.err;
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_EQ(from_environment.code, 0) << from_environment.err;
}

TEST_F(CliServerTest, TablesAreListedInColumns) {
  ask({"call", "demo", "table.create", "a", R"({"permissions":7})"});
  ask({"call", "demo", "table.create", "long_name", R"({"permissions":5})"});
  ask({"call", "demo", "table.set", "a", "u1", "{}"});
  EXPECT_EQ(ask({"tables", "demo"}).out,
            "TABLE      PERMISSIONS  RECORDS\n"
            "a          RWX                1\n"
            "long_name  R-X                0\n");
  EXPECT_EQ(ask({"tables", "a b"}).code, 1);
}

TEST_F(CliServerTest, CheckReadsADirectoryThatNoServerHasOpen) {
  ask({"call", "demo", "table.create", "users", R"({"permissions":7})"});
  ask({"call", "demo", "table.set", "users", "u1", "{}"});
  const std::string data = directory_.path().string();
  EXPECT_EQ(kontract_program({"check", data}).code, 1);
  runtime_->stop();
  runtime_.reset();
  const auto outcome = kontract_program({"check", data});
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("records 1"));
  EXPECT_THAT(outcome.out, HasSubstr("no problems"));
}

constexpr const char* kInsert =
    "INSERT INTO storage (id, ptr, owner, permissions) "
    "VALUES ('users', 'tbl_users_abc123', 'tenant-1', 7);";

TEST_F(CliServerTest, SqlRegistersShowsAndDropsTables) {
  auto outcome = ask({"sql", kInsert});
  EXPECT_EQ(outcome.out, "1 row changed\n") << outcome.err;
  EXPECT_EQ(ask({"sql", "INSERT INTO storage (id, ptr) VALUES (?, $2)", "b", "p"}).code, 0);
  EXPECT_EQ(ask({"sql", "SELECT * FROM storage ORDER BY id"}).out,
            "id     ptr               owner     permissions  schema\n"
            "b      p                 dev       7            NULL\n"
            "users  tbl_users_abc123  tenant-1  7            NULL\n");
  EXPECT_EQ(ask({"sql", "SELECT id FROM storage WHERE ptr = :p", R"({"p":"p"})"}).out, "id\nb\n");
  EXPECT_EQ(ask({"sql", "--json", "SELECT -1 = ? AS same", "-1"}).out,
            "{\"changes\":0,\"columns\":[\"same\"],\"rows\":[{\"same\":1}]}\n");
  EXPECT_EQ(ask({"sql", "SELECT char(27) AS c"}).out, "c\n\"\\u001b\"\n");
  EXPECT_EQ(ask({"sql", "DELETE FROM storage"}).out, "2 rows changed\n");
  EXPECT_EQ(ask({"sql", "--session", "other", "SELECT count(*) AS n FROM storage"}).out, "n\n0\n");
  outcome = ask({"sql", "DROP TABLE storage"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, StartsWith("KONTRACT_EXEC_FAILED: not authorized"));
}

TEST_F(CliServerTest, SqlForAnotherOwnerNeedsAServerWithASecret) {
  const auto outcome = ask({"sql", "--owner", "acme", "SELECT 1"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("the owner is dev, not acme"), HasSubstr("secret")));
  // Nor does signing help.
  EXPECT_EQ(ask({"sql", "--owner", "acme", "--secret", std::string(32, 's'), "SELECT 1"}).err,
            outcome.err);
}

TEST(CliSqlTest, WithTheSecretItSignsForTheOwner) {
  const Directory directory;
  const std::string secret(32, 's');
  Options options;
  options.store.data = directory.path();
  options.store.ballast_bytes = 0;
  options.server.port = 0;
  options.server.secret = secret;
  auto runtime = Runtime::start(options);
  ASSERT_TRUE(runtime) << runtime.error().message;
  const std::string url = "ws://127.0.0.1:" + std::to_string((*runtime)->port());
  const auto ask = [&](std::vector<std::string> args) {
    args.insert(args.begin(), {"sql", "--url", url});
    return kontract_program(std::move(args));
  };
  const auto made = ask({"--secret", secret, "--owner", "acme", "--json",
                         "INSERT INTO storage (id) VALUES ('t') RETURNING owner"});
  EXPECT_THAT(made.out, HasSubstr(R"("rows":[{"owner":"acme"}])")) << made.err;
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"SELECT 1"},
        {"--owner", "acme", "SELECT 1"},
        {"--owner", "acme", "--secret", std::string(32, 'x'), "SELECT 1"}}) {
    const auto refused = ask(args);
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.err, AllOf(StartsWith("KONTRACT_UNAUTHORIZED"), HasSubstr("secret")));
  }
}

TEST_F(CliServerTest, SqlWorksOnADirectoryThatNoServerHasOpen) {
  const std::string data = directory_.path().string();
  const auto on_directory = [&](std::vector<std::string> args) {
    args.insert(args.begin(), {"sql", "--data", data});
    return kontract_program(std::move(args));
  };
  const auto busy = on_directory({"SELECT 1"});
  EXPECT_EQ(busy.code, 1);
  EXPECT_THAT(busy.err, AllOf(StartsWith("KONTRACT_INVALID_REQUEST"), HasSubstr("open")));
  ask({"sql", "--session", "room", "INSERT INTO storage (id) VALUES ('users')"});
  runtime_->stop();
  runtime_.reset();

  EXPECT_EQ(on_directory({"--session", "room", "SELECT id, owner FROM storage"}).out,
            "id     owner\nusers  dev\n");
  EXPECT_EQ(on_directory({"--owner", "acme", kInsert}).out, "1 row changed\n");
  EXPECT_EQ(on_directory({"--owner", "acme", "SELECT id FROM storage"}).out, "id\nusers\n");
  EXPECT_EQ(on_directory({"SELECT id FROM storage"}).out, "id\n");
  EXPECT_EQ(on_directory({"--session", "a b", "SELECT 1"}).code, 1);
}

TEST(CliSqlTest, ADirectoryThatIsNoneIsNotMadeOne) {
  const Directory directory;
  const auto missing = directory.path() / "typo";
  const auto outcome = kontract_program({"sql", "--data", missing.string(), "SELECT 1"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("is no data directory"));
  EXPECT_FALSE(std::filesystem::exists(missing));
}

TEST(CliTest, ServeRefusesToStartWhereItCannot) {
  const auto outcome =
      kontract_program({"serve", "--port", "0", "--data", "/dev/null", "--log-level", "off"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, AllOf(StartsWith("KONTRACT_"), HasSubstr("\nhint: ")));
}

TEST(CliTest, WithoutAServerCallSaysHowToStartOne) {
  // Port 1 is privileged and taken by nobody on a loopback interface.
  const auto outcome =
      kontract_program({"call", "--url", "ws://127.0.0.1:1", "demo", "table.list"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("kontract serve"));
}

TEST(CliTest, WrongUsageExitsWithTwoAndNamesWhatIsWrong) {
  struct Case {
    std::vector<std::string> args;
    const char* message;
  };
  for (const Case& c :
       {Case{{}, "subcommand is required"}, Case{{"sreve"}, "sreve"},
        Case{{"serve", "--prot", "1"}, "--prot"}, Case{{"serve", "--port", "x"}, "--port: 'x'"},
        Case{{"serve", "--config", "/missing.toml"}, "/missing.toml"}, Case{{"call", "demo"}, "FN"},
        Case{{"call", "demo", "f", "--bad"}, "--bad"},
        Case{{"token", "issue", "--owner", "o", "--perm", "8", "--secret", "s"}, "--perm"},
        Case{{"token", "issue", "--owner", "o", "--perm", "7", "--secret", "s"}, "shorter"},
        Case{{"token", "issue", "--owner", "o", "--perm", "7", "--secret", std::string(32, 's'),
              "--ttl", "2h"},
             "--ttl"},
        Case{{"sql"}, "SQL"}, Case{{"sql", "--secret", "s", "SELECT 1"}, "shorter"},
        Case{{"tables"}, "SESSION"}}) {
    SCOPED_TRACE(c.message);
    const auto outcome = kontract_program(c.args);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr(c.message));
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(CliTest, AFlagThatIsTrueOrFalseMeansTrueByItself) {
  // The wrong port is found after the flag was taken; else the message would name the flag.
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"serve", "--owners-create-tables", "--port", "x"},
        {"serve", "--owners-create-tables", "false", "--port", "x"},
        {"serve", "--port", "x", "--owners-create-tables"}}) {
    const auto outcome = kontract_program(args);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("--port: 'x'"));
  }
}

TEST(CliTest, ServeRefusesAnUnknownVariableByName) {
  ::setenv("KONTRACT_PROT", "1", 1);
  const auto outcome = kontract_program({"serve", "--port", "0"});
  ::unsetenv("KONTRACT_PROT");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("KONTRACT_PROT"));
}

TEST(CliTest, HelpOfServeListsFlagVariableKeyAndDefaultOfEachSetting) {
  const auto outcome = kontract_program({"serve", "--help"});
  EXPECT_EQ(outcome.code, 0);
  for (const Setting& setting : settings()) {
    EXPECT_THAT(outcome.out, HasSubstr("--" + setting.name + " " + setting.type));
    EXPECT_THAT(outcome.out,
                HasSubstr("env " + setting.variable() + ", key " + setting.name + ")"));
    EXPECT_THAT(outcome.out, HasSubstr("default " + setting.text(ServeOptions())));
  }
}

TEST(CliTest, ExplainKnowsEveryCodeWithOrWithoutPrefix) {
  const std::string all = kontract_program({"explain"}).out;
  for (const ErrorTraits& error : all_errors()) {
    SCOPED_TRACE(error.name);
    EXPECT_THAT(all, HasSubstr(std::string(error.name)));
    const std::string name(error.name);
    const auto full = kontract_program({"explain", name});
    EXPECT_EQ(full.code, 0);
    EXPECT_THAT(full.out,
                AllOf(HasSubstr(std::string(error.cause)), HasSubstr(std::string(error.cure)),
                      HasSubstr(std::to_string(error.http_status))));
    EXPECT_EQ(kontract_program({"explain", name.substr(name.find('_') + 1)}).out, full.out);
  }
  EXPECT_EQ(kontract_program({"explain", "KONTRACT_NONSENSE"}).code, 1);
}

TEST(CliTest, VersionIsThatOfTheProject) {
  EXPECT_THAT(kontract_program({"version"}).out, ::testing::MatchesRegex("kontract [0-9.]+\n"));
}

TEST(CliTest, AnIssuedTokenSaysWhatWasAskedFor) {
  const std::string secret(32, 's');
  auto outcome =
      kontract_program({"token", "issue", "--secret", secret, "--owner", "acme", "--perm", "5",
                        "--group", "admin", "--group", "staff", "--ttl", "5m", "--session", "one"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  outcome.out.pop_back();
  const auto now = std::chrono::system_clock::now();
  TokenKeys keys, others;
  ASSERT_TRUE(keys.add(secret_key(secret)));
  ASSERT_TRUE(others.add(secret_key(std::string(32, 'x'))));
  const auto identified = verify_token(outcome.out, keys, now);
  ASSERT_TRUE(identified);
  EXPECT_EQ(identified->peer.owner, "acme");
  EXPECT_EQ(identified->peer.user, "acme");
  EXPECT_EQ(identified->peer.perm, 5);
  EXPECT_EQ(identified->peer.ugroups, (std::vector<std::string>{"admin", "staff"}));
  EXPECT_EQ(identified->peer.only_session, "one");
  EXPECT_LE(identified->expires, now + std::chrono::minutes(5));
  EXPECT_FALSE(verify_token(outcome.out, others, now));
  EXPECT_EQ(identified->id.jti.size(), 2 * kJtiBytes);
}

}  // namespace
}  // namespace kontract
