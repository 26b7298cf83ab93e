#include "runtime/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

namespace kontract {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

class ConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "config_test-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path file(const std::string& text) {
    auto path = directory_ / "kontract.toml";
    std::ofstream(path) << text;
    return path;
  }

  std::filesystem::path directory_;
};

TEST_F(ConfigTest, WithoutSourcesTheDefaultsAreThoseOfTheOptions) {
  const auto options = load_options({}, {}, {});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->runtime.store.data, "data");
  EXPECT_EQ(options->runtime.store.shards, 1U);
  EXPECT_EQ(options->runtime.server.port, 8787);
  EXPECT_EQ(options->runtime.server.address, "127.0.0.1");
  EXPECT_EQ(options->runtime.store.durability, Durability::sync);
  EXPECT_EQ(options->log_level, "info");
}

TEST_F(ConfigTest, AFlagOverridesTheEnvironmentThatTheFileThatTheDefault) {
  struct Case {
    const char* name;
    Values flags, environment;
    std::string file;
    std::uint16_t port;
  };
  for (const Case& c :
       {Case{"default", {}, {}, "", 8787}, Case{"file", {}, {}, "port = 1", 1},
        Case{"environment", {}, {{"KONTRACT_PORT", "2"}}, "port = 1", 2},
        Case{"flag over both", {{"port", "3"}}, {{"KONTRACT_PORT", "2"}}, "port = 1", 3},
        Case{"flag over the file", {{"port", "3"}}, {}, "port = 1", 3}}) {
    SCOPED_TRACE(c.name);
    const auto options = load_options(c.flags, c.environment, file(c.file));
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_EQ(options->runtime.server.port, c.port);
  }
}

TEST_F(ConfigTest, WhereThereAreAccountsOwnersCreateTablesUnlessSomebodySaysOtherwise) {
  struct Case {
    const char* name;
    Values flags, environment;
    std::string file;
    bool may;
  };
  for (const Case& c :
       {Case{"no accounts", {}, {}, "", false},
        Case{"accounts", {{"accounts", "true"}}, {}, "", true},
        Case{"accounts of the file", {}, {}, "accounts = true", true},
        Case{"not by flag",
             {{"accounts", "true"}, {"owners-create-tables", "false"}},
             {},
             "",
             false},
        Case{"not by environment",
             {{"accounts", "true"}},
             {{"KONTRACT_OWNERS_CREATE_TABLES", "false"}},
             "",
             false},
        Case{"not by file", {{"accounts", "true"}}, {}, "owners-create-tables = false", false}}) {
    SCOPED_TRACE(c.name);
    const auto options = load_options(c.flags, c.environment, file(c.file));
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_EQ(options->runtime.sessions.owners_create_tables, c.may);
  }
}

TEST_F(ConfigTest, ARateHasANumberForAMinuteAndOneForAnHour) {
  const auto options = load_options({{"login-attempts", "7/30"}}, {}, {});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->runtime.server.login_attempts.per_minute, 7U);
  EXPECT_EQ(options->runtime.server.login_attempts.per_hour, 30U);
  for (const char* bad :
       {"", "7", "7/", "/7", "0/7", "7/0", "7/7/7", "-1/7", "7 / 30", "100001/7"}) {
    EXPECT_FALSE(load_options({{"login-attempts", bad}}, {}, {})) << bad;
  }
}

TEST_F(ConfigTest, WhatIsNotKnownOrDoesNotFitIsRefusedByName) {
  struct Case {
    const char* name;
    Values flags, environment;
    std::string file;
    const char* message;
  };
  for (const Case& c :
       {Case{"unknown key", {}, {}, "prot = 1", "The key prot of "},
        Case{"unknown variable", {}, {{"KONTRACT_PROT", "1"}}, "", "variable KONTRACT_PROT"},
        Case{"unknown flag", {{"prot", "1"}}, {}, "", "--prot"},
        Case{"bad value of a key", {}, {}, "port = 65536", "The key port of "},
        Case{"bad value of a variable", {}, {{"KONTRACT_PORT", "x"}}, "", "KONTRACT_PORT: 'x'"},
        Case{"bad value of a flag", {{"port", "-1"}}, {}, "", "--port: '-1'"},
        Case{"a section", {}, {}, "[server]\nport = 1", "line 1"},
        Case{"a key twice", {}, {}, "port = 1\n\nport = 2", "line 3"},
        Case{"an open string", {}, {}, "data = \"x", "line 1"},
        Case{"something after a string", {}, {}, "data = \"x\" y", "line 1"},
        Case{"no value", {}, {}, "data =", "line 1"},
        Case{"a comment instead of a value", {}, {}, "data = # x", "line 1"},
        Case{"a string with a wrong escape", {}, {}, "data = \"\\x\"", "line 1"}}) {
    SCOPED_TRACE(c.name);
    const auto options = load_options(c.flags, c.environment, file(c.file));
    ASSERT_FALSE(options);
    EXPECT_EQ(options.error().code, Errc::invalid_request);
    EXPECT_THAT(options.error().message, HasSubstr(c.message));
  }
}

TEST_F(ConfigTest, TheFileCanBeNamedByTheEnvironmentAndMustBeThere) {
  const auto named = load_options({}, {{"KONTRACT_CONFIG", file("shards = 4").string()}}, {});
  ASSERT_TRUE(named) << named.error().message;
  EXPECT_EQ(named->runtime.store.shards, 4U);
  const auto missing = load_options({}, {}, directory_ / "missing");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr((directory_ / "missing").string()));
  EXPECT_FALSE(load_options({}, {}, directory_));
}

TEST_F(ConfigTest, VariablesOfTheOtherCommandsAreLetBe) {
  EXPECT_TRUE(load_options(
      {}, {{"KONTRACT_URL", "x"}, {"KONTRACT_TOKEN", "x"}, {"KONTRACT_JOBS", "2"}}, {}));
}

TEST_F(ConfigTest, TheEnvironmentIsReadByItsPrefix) {
  ::setenv("KONTRACT_PORT", "7=8", 1);
  ::setenv("NOT_KONTRACT_PORT", "1", 1);
  const Values values = environment_values();
  ::unsetenv("KONTRACT_PORT");
  ::unsetenv("NOT_KONTRACT_PORT");
  EXPECT_EQ(values.at("KONTRACT_PORT"), "7=8");
  EXPECT_FALSE(values.contains("NOT_KONTRACT_PORT"));
}

TEST(ConfigFileTest, ValuesAreBareOrQuoted) {
  const auto values = parse_config(
      "# a comment\r\n"
      "\n"
      "  bare = word   # and why\n"
      "number=12\n"
      "spaces = \"a b\"\n"
      "hash = \"a#b\" # c\n"
      "escapes = \"tab\\t \\\"quoted\\\" \\u00e4\"\n"
      "literal = 'C:\\x \"y\"'\n"
      "secret = abc#def\t# not cut at the first #\n"
      "empty = \"\"");
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ(*values, (Values{{"bare", "word"},
                             {"number", "12"},
                             {"spaces", "a b"},
                             {"hash", "a#b"},
                             {"escapes", "tab\t \"quoted\" \u00e4"},
                             {"secret", "abc#def"},
                             {"literal", "C:\\x \"y\""},
                             {"empty", ""}}));
}

TEST(SettingsTest, EveryDefaultIsWrittenAsItIsRead) {
  std::set<std::string> names;
  for (const Setting& setting : settings()) {
    SCOPED_TRACE(setting.name);
    EXPECT_TRUE(names.insert(setting.name).second);
    EXPECT_THAT(setting.name, MatchesRegex("[a-z]+(-[a-z]+)*"));
    EXPECT_FALSE(setting.help.empty());
    ServeOptions options;
    const std::string text = setting.text(options);
    EXPECT_TRUE(setting.set(options, text));
    EXPECT_EQ(setting.text(options), text);
  }
}

// Two settings that share a field would pass every other test.
TEST(SettingsTest, EverySettingChangesItselfAndNoOther) {
  const std::map<std::string, std::string> values{{"NUMBER", "7"},
                                                  {"SIZE", "3MiB"},
                                                  {"DURATION", "7m"},
                                                  {"TEXT", "other"},
                                                  {"ADDRESS", "::1"},
                                                  {"DIR", "elsewhere"},
                                                  {"sync|relaxed", "relaxed"},
                                                  {"true|false", "true"},
                                                  {"asio|caf", "caf"},
                                                  {"off|on|required", "required"},
                                                  {"FILE|JSON", "/jwks.json"},
                                                  {"FILE", "/some.pem"},
                                                  {"LIST", "10.0.0.0/8"},
                                                  {"ORIGINS", "https://app.example"},
                                                  {"NUMBER/NUMBER", "7/70"},
                                                  {"off|optional|required", "required"},
                                                  {"x-forwarded-for|forwarded", "forwarded"}};
  for (const Setting& setting : settings()) {
    SCOPED_TRACE(setting.name);
    const auto value = setting.name == "log-level"         ? "debug"
                       : setting.name == "raystream-rekey" ? "100"
                                                           : values.at(setting.type);
    ServeOptions options;
    const Status set = setting.set(options, value);
    ASSERT_TRUE(set) << set.error().message;
    EXPECT_EQ(setting.text(options), value);
    for (const Setting& other : settings()) {
      if (other.name != setting.name) {
        EXPECT_EQ(other.text(options), other.text(ServeOptions())) << other.name;
      }
    }
  }
}

TEST(SettingsTest, SizesAndDurationsHaveUnitsAndNumbersBounds) {
  struct Case {
    const char* setting;
    const char* text;
    bool good;
    const char* as;
  };
  for (const Case& c : {Case{"map-size", "1048576", true, "1MiB"},
                        Case{"map-size", "64 GiB", true, "64GiB"},
                        Case{"map-size", "1500KiB", true, "1500KiB"},
                        Case{"map-size", "1048577B", true, "1048577B"},
                        Case{"map-size", "1023KiB", false, ""},
                        Case{"map-size", "64GB", false, ""},
                        Case{"map-size", "-1MiB", false, ""},
                        Case{"map-size", "1.5GiB", false, ""},
                        Case{"map-size", "", false, ""},
                        Case{"map-size", "GiB", false, ""},
                        Case{"map-size", "99999999999GiB", false, ""},
                        Case{"disk-floor", "0", true, "0"},
                        Case{"session-idle", "1500ms", true, "1500ms"},
                        Case{"session-idle", "60s", true, "1m"},
                        Case{"session-idle", "2h", true, "2h"},
                        Case{"session-idle", "60", false, ""},
                        Case{"session-idle", "0", false, ""},
                        Case{"version-retention", "0", true, "0"},
                        Case{"port", "0", true, "0"},
                        Case{"port", "65535", true, "65535"},
                        Case{"port", "65536", false, ""},
                        Case{"shards", "65", false, ""},
                        Case{"durability", "Sync", false, ""},
                        Case{"owners-create-tables", "yes", false, ""},
                        Case{"data", "", false, ""},
                        Case{"log-level", "loud", false, ""}}) {
    SCOPED_TRACE(std::string(c.setting) + " = " + c.text);
    const auto options = load_options({{c.setting, c.text}}, {}, {});
    ASSERT_EQ(options.has_value(), c.good);
    if (!c.good) continue;
    for (const Setting& setting : settings()) {
      if (setting.name == c.setting) {
        EXPECT_EQ(setting.text(*options), c.as);
      }
    }
  }
}

TEST(SettingsTest, DurationsAreRead) {
  EXPECT_EQ(*parse_duration("250ms"), 250ms);
  EXPECT_EQ(*parse_duration("3 s"), 3s);
  EXPECT_EQ(*parse_duration("5m"), 5min);
  EXPECT_EQ(*parse_duration("1h"), 1h);
  EXPECT_FALSE(parse_duration("1d"));
}

}  // namespace
}  // namespace kontract
