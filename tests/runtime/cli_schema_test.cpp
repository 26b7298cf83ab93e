// `kontract schema`, in a data directory.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "net/client.hpp"
#include "runtime/cli.hpp"
#include "runtime/runtime.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;

class CliSchemaTest : public ::testing::Test {
 protected:
  struct Outcome {
    int code;
    std::string out, err;
  };

  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "schema-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
    Options options;
    options.listen = false;
    options.store.data = data();
    options.store.ballast_bytes = 0;
    auto made = Runtime::start(options);
    ASSERT_TRUE(made) << made.error().message;
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  std::filesystem::path data() const { return path_ / "data"; }

  Outcome run(std::vector<std::string> args) {
    args.insert(args.end(), {"--data", data().string()});
    std::ostringstream out;
    std::ostringstream err;
    const int code = cli::run(std::move(args), {out, err});
    return {code, out.str(), err.str()};
  }

  std::string file(const std::string& text) {
    const auto path = path_ / "document.json";
    std::ofstream(path) << text;
    return path.string();
  }

  std::filesystem::path path_;
};

TEST_F(CliSchemaTest, ADocumentIsTriedAppliedAndShown) {
  EXPECT_EQ(run({"schema", "show"}).out, "null\n");
  const std::string document = file(R"({"version": 1, "tables": {"movies": {}}})");
  Outcome outcome = run({"schema", "apply", "--dry-run", document});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("SESSION  TABLE   TO DO   RECORDS  CHANGED  FAILED\n"
                                     "default  movies  create  0        0        0\n"));
  EXPECT_THAT(outcome.out, HasSubstr("1 sessions, 0 records to change"));
  EXPECT_EQ(run({"schema", "show"}).out, "null\n");
  EXPECT_EQ(run({"schema", "apply", document}).out, "version 1 is applied\n");
  EXPECT_EQ(run({"schema", "apply", document}).out, "version 1 was applied before\n");
  EXPECT_EQ(Json::parse(run({"schema", "show"}).out)["version"], 1);
  EXPECT_EQ(run({"sql", "SELECT id FROM storage"}).out, "id\nmovies\n");
  EXPECT_EQ(run({"sql", "--session", "new", "SELECT id FROM storage"}).out, "id\nmovies\n");

  outcome = run({"schema", "apply", "--dry-run", "--json", file(R"({"version": 2})")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("KONTRACT_SCHEMA_VIOLATION: Table movies"));
  EXPECT_THAT(outcome.err, HasSubstr(R"({"drop":{"table":"movies"}})"));
}

TEST_F(CliSchemaTest, ADryRunNamesEachRecordThatDoesNotFit) {
  run({"schema", "apply",
       file(R"({"version": 1, "tables": {"movies": {"fields": {"year": {"type": "string"}}},
                                         "old": {}}})")});
  {
    Options options;
    options.store.data = data();
    options.store.ballast_bytes = 0;
    options.server.port = 0;
    const auto runtime = Runtime::start(options);
    ASSERT_TRUE(runtime) << runtime.error().message;
    ClientOptions to;
    to.url = "ws://127.0.0.1:" + std::to_string((*runtime)->port());
    to.session = "room";
    Client client(to);
    ASSERT_TRUE(client.call("table.set", {"movies", "m1", {{"year", "1994"}}}));
    ASSERT_TRUE(client.call("table.set", {"movies", "m2", {{"year", "soon"}}}));
  }
  const std::string document =
      file(R"({"version": 2, "tables": {"movies": {"fields": {"year": {"type": "integer"}}}},
               "steps": [{"retype": {"table": "movies", "field": "year", "to": "integer"}},
                         {"drop": {"table": "old"}}]})");
  Outcome outcome = run({"schema", "apply", "--dry-run", document});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("room     movies  change  2        1        1\n"));
  EXPECT_THAT(outcome.out, HasSubstr("room     old     drop    0        0        0\n"));
  EXPECT_THAT(outcome.out, HasSubstr("room, movies, record \"m2\": Field 'year'"));
  EXPECT_THAT(outcome.out, HasSubstr("1 sessions with 1 records that fail would stay as they are"));
  outcome = run({"schema", "apply", "--dry-run", "--json", document});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(Json::parse(outcome.out)["totals"]["failed"], 1);
  EXPECT_EQ(Json::parse(run({"schema", "apply", "--json", document}).out),
            Json({{"version", 2}, {"applied", true}}));
}

TEST_F(CliSchemaTest, AFileThatIsNoDocumentIsSaidWhere) {
  EXPECT_THAT(run({"schema", "apply", file("{")}).err, HasSubstr("document.json: "));
  EXPECT_THAT(run({"schema", "apply", path_ / "none.json"}).err, HasSubstr("Cannot read"));
  EXPECT_EQ(run({"schema", "apply"}).code, cli::kUsage);
  EXPECT_EQ(run({"schema"}).code, cli::kUsage);
}

}  // namespace
}  // namespace kontract
