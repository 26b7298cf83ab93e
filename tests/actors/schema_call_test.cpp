// table.alter, schema.apply and what sessions make of it, asleep and awake.

#include <gmock/gmock.h>

#include "session_fixture.hpp"
#include "storage/index_registry.hpp"
#include "storage/schema_catalog.hpp"
#include "tests/storage/io_faults.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;

Json json(const char* text) { return Json::parse(text); }

class SchemaCallTest : public SessionFixture {
 protected:
  void SetUp() override {
    store_options_.shards = 3;
    store_options_.alarm = [this](const std::string& what) {
      const std::lock_guard lock(mutex_);
      alarms_.push_back(what);
    };
    SessionFixture::SetUp();
  }

  void restart() {
    stop();
    start();
  }

  Error failure(const std::string& session, std::string function, Json args) {
    const Answer answer = call(session, std::move(function), std::move(args));
    if (answer.result) ADD_FAILURE() << "no error: " << *answer.result;
    return answer.result ? Error() : answer.result.error();
  }

  std::vector<IndexState> index_states(const std::string& session, const std::string& table) {
    const Identity identity{peer_.owner, session};
    auto txn = store_->shard_of(identity).environment().read();
    const auto row = load_session(*txn, identity);
    std::vector<IndexState> states;
    const auto tables = load_tables(*txn, (*row)->no);
    for (const TableRow& one : *tables) {
      if (one.id != table) continue;
      const auto indexes = load_indexes(*txn, (*row)->no, one.no);
      for (const IndexRow& index : *indexes) states.push_back(index.state);
    }
    return states;
  }

  void expect_sound() {
    stop();
    const auto report = check_data_directory(store_options_.data);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->problems, std::vector<std::string>{});
    start();
  }

  std::mutex mutex_;
  std::vector<std::string> alarms_;
};

// ------------------------------------------------------------------------------- table.alter

TEST_F(SchemaCallTest, AnAlteredSchemaHoldsForTheNextCallAndAfterARestart) {
  ok("room", "table.create", {"t"});
  ok("room", "table.set", {"t", "1", {{"n", 1}}});
  const std::uint64_t altered =
      send("room", "table.alter",
           {"t", {{"schema", json(R"({"fields": {"n": {"type": "integer"}}})")}}});
  const std::uint64_t refused = send("room", "table.set", {"t", "2", {{"n", "x"}}});
  EXPECT_EQ(*answers_->wait(altered).result, R"({"schema":{"fields":{"n":{"type":"integer"}}}})");
  ASSERT_FALSE(answers_->wait(refused).result);
  EXPECT_EQ(answers_->wait(refused).result.error().code, Errc::schema_violation);
  restart();
  EXPECT_EQ(error("room", "table.set", {"t", "2", {{"n", "x"}}}), "KONTRACT_SCHEMA_VIOLATION");
  EXPECT_EQ(ok("room", "table.schema", {"t"})["fields"]["n"]["type"], "integer");
}

TEST_F(SchemaCallTest, AnAlteredTableGetsItsIndexWhileCallsGoOn) {
  ok("room", "table.create", {"t"});
  for (int i = 0; i < 2100; ++i) {
    send("room", "table.set", {"t", "r" + std::to_string(i), {{"n", i % 10}}});
  }
  const Json schema = json(R"({"fields": {"n": {"type": "integer", "index": true}}})");
  const std::uint64_t altered = send("room", "table.alter", {"t", {{"schema", schema}}});
  const std::uint64_t created = send("room", "table.create", {"other"});
  const std::uint64_t dropped = send("room", "table.drop", {"other"});
  ASSERT_TRUE(answers_->wait(altered).result) << answers_->wait(altered).result.error().message;
  ASSERT_TRUE(answers_->wait(created).result);
  ASSERT_TRUE(answers_->wait(dropped).result);
  ASSERT_TRUE(eventually([&] {
    ok("room", "table.set", {"t", "r1", {{"n", 7}}});
    return index_states("room", "t") == std::vector{IndexState::ready};
  }));
  EXPECT_EQ(ok("room", "table.query", {"t", {{"n", 7}}})["rows"].size(), 211u);
  ok("room", "table.alter", {"t", {{"schema", json(R"({"fields": {"n": {"type": "integer"}}})")}}});
  EXPECT_EQ(ok("room", "table.query", {"t", {{"n", 7}}})["rows"].size(), 211u);
  EXPECT_EQ(index_states("room", "t").size(), 1u);
  expect_sound();
}

TEST_F(SchemaCallTest, ADropAfterAnAlterLeavesNoTable) {
  ok("room", "table.create", {"t"});
  ok("room", "table.set", {"t", "1", {{"n", 1}}});
  send("room", "table.alter",
       {"t", {{"schema", json(R"({"fields": {"n": {"type": "integer", "index": true}}})")}}});
  const std::uint64_t dropped = send("room", "table.drop", {"t"});
  ASSERT_TRUE(answers_->wait(dropped).result);
  restart();
  EXPECT_EQ(error("room", "table.get", {"t", "1"}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
  expect_sound();
}

TEST_F(SchemaCallTest, AnAlterThatIsNotSafeSaysWhatToDo) {
  const Json schema = json(R"({"fields": {"n": {"type": "integer"}}})");
  ok("room", "table.create", {"t", {{"schema", schema}}});
  struct Case {
    const char* name;
    const char* schema;
    const char* change;
  };
  for (const Case& c :
       {Case{"removed", R"({"fields": {}})", "field 'n': removed"}, Case{"none", "null", "removed"},
        Case{"retyped", R"({"fields": {"n": {"type": "boolean"}}})", "integer becomes boolean"},
        Case{"required", R"({"fields": {"n": {"type": "integer", "required": true}}})",
             "becomes required"},
        Case{"unique", R"({"fields": {"n": {"type": "integer", "unique": true}}})",
             "added, unique"}}) {
    SCOPED_TRACE(c.name);
    const Error refused = failure("room", "table.alter", {"t", {{"schema", json(c.schema)}}});
    EXPECT_EQ(refused.code, Errc::schema_violation);
    EXPECT_THAT(refused.message, HasSubstr(c.change));
    EXPECT_THAT(refused.hint, HasSubstr("kontract schema apply"));
  }
  EXPECT_EQ(ok("room", "table.schema", {"t"}), schema);
}

// SQL would find the text as a number by a scan and miss it by an index.
TEST_F(SchemaCallTest, AFieldThatRecordsHoldWithAnotherTypeIsNotAdded) {
  ok("room", "table.create", {"t"});
  ok("room", "table.set", {"t", "1", {{"n", 5}}});
  ok("room", "table.set", {"t", "2", {{"n", "5"}}});
  for (const char* field : {R"({"type": "integer"})", R"({"type": "integer", "index": true})"}) {
    SCOPED_TRACE(field);
    const Json schema = {{"fields", {{"n", json(field)}}}};
    const std::uint64_t altered = send("room", "table.alter", {"t", {{"schema", schema}}});
    const std::uint64_t behind = send("room", "table.get", {"t", "1"});
    const Answer refused = answers_->wait(altered);
    ASSERT_FALSE(refused.result) << *refused.result;
    EXPECT_EQ(refused.result.error().code, Errc::schema_violation);
    EXPECT_THAT(refused.result.error().message,
                HasSubstr("1 record does not fit a field that is added; it is '2': Field 'n'"));
    EXPECT_THAT(refused.result.error().hint, HasSubstr(R"({"retype":{"field":"n")"));
    EXPECT_TRUE(answers_->wait(behind).result);
    EXPECT_EQ(ok("room", "table.schema", {"t"}), nullptr);
    EXPECT_TRUE(index_states("room", "t").empty());
  }
  ok("room", "table.set", {"t", "3", {{"n", "x"}}});  // still under the old one
  ok("room", "table.alter", {"t", {{"schema", json(R"({"fields": {"n": {"type": "any"}}})")}}});
  ok("room", "table.alter",
     {"t", {{"schema", json(R"({"fields": {"n": {"type": "any"}, "m": {"type": "string"}}})")}}});
  EXPECT_EQ(ok("room", "table.schema", {"t"})["fields"]["m"]["type"], "string");
  expect_sound();
}

TEST_F(SchemaCallTest, ASessionWhoseRecordsDoNotFitAnAddedFieldGoesOnUntilAStepConvertsThem) {
  ok("room", "table.create", {"t"});
  ok("room", "table.set", {"t", "1", {{"n", "5"}}});
  const Json document = json(
      R"({"version": 1, "tables": {"t": {"fields": {"n": {"type": "integer", "index": true}}}}})");
  const Json dry = ok("room", "schema.apply", {document, {{"dry_run", true}}});
  EXPECT_EQ(dry["sessions"][0]["tables"][0]["failed"], 1);
  EXPECT_EQ(dry["sessions"][0]["tables"][0]["failures"][0]["id"], "1");
  for (const bool asleep : {false, true}) {
    SCOPED_TRACE(asleep);
    ok("other", "schema.apply", {document});
    if (asleep) restart();
    ASSERT_TRUE(eventually([&] {
      return ok("room", "session.info").value("schemaError", "").find("'1': Field 'n'") !=
             std::string::npos;
    }));
    const Json info = ok("room", "session.info");
    EXPECT_EQ(info["schemaVersion"], 0);
    EXPECT_THAT(info["schemaError"].get<std::string>(), HasSubstr(R"({"retype":)"));
    EXPECT_EQ(ok("room", "table.get", {"t", "1"})["n"], "5");
    ok("room", "table.set", {"t", "2", {{"n", asleep ? "7" : "6"}}});
    EXPECT_EQ(ok("room", "table.schema", {"t"}), nullptr);
  }
  Json cure = document;
  cure["version"] = 2;
  cure["steps"] = json(R"([{"retype": {"table": "t", "field": "n", "to": "integer"}}])");
  ok("other", "schema.apply", {cure});
  ASSERT_TRUE(eventually([&] { return ok("room", "session.info")["schemaVersion"] == 2; }));
  EXPECT_EQ(ok("room", "table.get", {"t", "1"})["n"], 5);
  EXPECT_EQ(ok("room", "table.get", {"t", "2"})["n"], 7);
  EXPECT_EQ(ok("room", "table.exec", {"t", "SELECT id FROM t WHERE n = 5"})["rows"].size(), 1u);
  expect_sound();
}

TEST_F(SchemaCallTest, OnlyAnAdministratorAlters) {
  ok("room", "table.create", {"t"});
  EXPECT_EQ(error("room", "table.alter", {"t"}), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(error("room", "table.alter", {"t", {{"ptr", "x"}}}), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(error("room", "table.alter", {"t", {{"permissions", 8}}}), "KONTRACT_INVALID_REQUEST");
  EXPECT_EQ(error("room", "table.alter", {"x", Json::object()}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
  ok("room", "table.alter", {"t", {{"permissions", 4}}});
  EXPECT_EQ(error("room", "table.set", {"t", "1", Json::object()}), "KONTRACT_PERMISSION_DENIED");
  peer_.ugroups.clear();
  EXPECT_EQ(error("room", "table.alter", {"t", {{"permissions", 7}}}), "KONTRACT_FORBIDDEN");
  EXPECT_EQ(error("room", "schema.apply", {{{"version", 1}}}), "KONTRACT_FORBIDDEN");
}

// ------------------------------------------------------------------------------ schema.apply

const char* const kFirst = R"({"version": 1, "tables": {"movies": {"fields":
    {"year": {"type": "string"}, "gross": {"type": "number"}}}}})";
const char* const kSecond = R"({"version": 2, "tables": {"movies": {"fields":
    {"year": {"type": "integer", "index": true}, "us_gross": {"type": "number"}}}},
    "steps": [{"rename": {"table": "movies", "from": "gross", "to": "us_gross"}},
              {"retype": {"table": "movies", "field": "year", "to": "integer"}}]})";

TEST_F(SchemaCallTest, AllSessionsOfTheOwnerFollowADocument) {
  EXPECT_EQ(ok("admin", "schema.show"), nullptr);
  EXPECT_EQ(ok("admin", "schema.apply", {json(kFirst)}), Json({{"version", 1}, {"applied", true}}));
  // A new one, and the one that applied it.
  for (const char* session : {"new", "admin"}) {
    ok(session, "table.set", {"movies", "m1", {{"year", "1994"}, {"gross", 1.5}}});
    EXPECT_EQ(ok(session, "session.info")["schemaVersion"], 1);
  }
  restart();
  ok("admin", "schema.apply", {json(kSecond)});
  for (const char* session : {"new", "admin"}) {
    SCOPED_TRACE(session);
    EXPECT_EQ(ok(session, "table.get", {"movies", "m1"}), json(R"({"year":1994,"us_gross":1.5})"));
    EXPECT_EQ(ok(session, "session.info")["schemaVersion"], 2);
    EXPECT_EQ(error(session, "table.set", {"movies", "m2", {{"year", "1995"}}}),
              "KONTRACT_SCHEMA_VIOLATION");
    EXPECT_EQ(ok(session, "table.query", {"movies", {{"year", 1994}}})["rows"].size(), 1u);
  }
  EXPECT_EQ(ok("admin", "schema.show")["version"], 2);
  // Another owner's are not concerned.
  peer_.owner = "tenant-2";
  handles_.clear();
  EXPECT_EQ(error("new", "table.get", {"movies", "m1"}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
  expect_sound();
}

TEST_F(SchemaCallTest, VersionsRise) {
  ok("admin", "schema.apply", {json(kFirst)});
  EXPECT_EQ(ok("admin", "schema.apply", {json(kFirst)}),
            Json({{"version", 1}, {"applied", false}}));
  const Error other = failure("admin", "schema.apply", {{{"version", 1}}});
  EXPECT_EQ(other.code, Errc::invalid_request);
  EXPECT_THAT(other.message, HasSubstr("Version 1 is applied"));
  const Error unsafe = failure("admin", "schema.apply", {{{"version", 2}}});
  EXPECT_EQ(unsafe.code, Errc::schema_violation);
  EXPECT_THAT(unsafe.hint, HasSubstr(R"({"drop":{"table":"movies"}})"));
  EXPECT_EQ(ok("admin", "schema.show")["version"], 1);
}

TEST_F(SchemaCallTest, ASessionThatCannotFollowStaysAsItWasAndSaysWhy) {
  ok("admin", "schema.apply", {json(kFirst)});
  ok("bad", "table.set", {"movies", "m1", {{"year", "1994"}}});
  ok("bad", "table.set", {"movies", "m2", {{"year", "soon"}}});
  ok("good", "table.set", {"movies", "m1", {{"year", "1994"}}});
  restart();
  const Json dry = ok("admin", "schema.apply", {json(kSecond), {{"dry_run", true}}});
  ok("admin", "schema.apply", {json(kSecond)});
  EXPECT_EQ(ok("good", "table.get", {"movies", "m1"})["year"], 1994);
  EXPECT_EQ(ok("bad", "table.get", {"movies", "m1"})["year"], "1994");
  const Json info = ok("bad", "session.info");
  EXPECT_EQ(info["schemaVersion"], 1);
  EXPECT_THAT(info["schemaError"].get<std::string>(), HasSubstr("record 'm2': Field 'year'"));
  {
    const std::lock_guard lock(mutex_);
    ASSERT_FALSE(alarms_.empty());
    EXPECT_THAT(alarms_.back(), HasSubstr("session bad"));
  }
  // The dry run said so.
  std::map<std::string, Json> by_name;
  for (const Json& session : dry["sessions"]) by_name[session["session"]] = session["tables"];
  EXPECT_EQ(by_name.size(), 3u);
  EXPECT_EQ(by_name["good"][0]["changed"], 1);
  EXPECT_EQ(by_name["good"][0]["failed"], 0);
  EXPECT_EQ(by_name["bad"][0]["failed"], 1);
  EXPECT_EQ(by_name["bad"][0]["failures"][0]["id"], "m2");
  EXPECT_EQ(dry["next"], nullptr);
  // It can be mended, and follows at the next wake.
  ok("bad", "table.set", {"movies", "m2", {{"year", "1995"}}});
  restart();
  EXPECT_EQ(ok("bad", "table.get", {"movies", "m2"})["year"], 1995);
  EXPECT_EQ(ok("bad", "session.info").value("schemaError", "none"), "none");
  expect_sound();
}

TEST_F(SchemaCallTest, OptionsThatAreNoneAreRefused) {
  struct Case {
    const char* name;
    Json options;
    const char* message;
  };
  for (const Case& c :
       {Case{"no object", 5, "must be an object"},
        Case{"unknown", {{"colour", true}}, "Option colour is unknown"},
        Case{"a number for yes", {{"dry_run", 1}}, "Option dry_run is unknown or has a wrong"},
        Case{"no place", {{"dry_run", true}, {"after", 5}}, "Option after is unknown or has a"},
        Case{"a place of nobody", {{"dry_run", true}, {"after", "x"}}, "not what a page gave"}}) {
    SCOPED_TRACE(c.name);
    const Error error = failure("admin", "schema.apply", {json(kFirst), c.options});
    EXPECT_EQ(error.code, Errc::invalid_request);
    EXPECT_THAT(error.message, HasSubstr(c.message));
  }
  EXPECT_EQ(ok("admin", "schema.show"), nullptr);
}

TEST_F(SchemaCallTest, ADryRunSeesWhatWasToldBeforeIt) {
  ok("admin", "schema.apply", {json(kFirst)});
  for (int i = 0; i < 20; ++i) {
    SCOPED_TRACE(i);
    const std::string session = "s" + std::to_string(i);
    ok(session, "table.set", {"movies", "m", {{"year", "soon"}}});
    const Json dry = ok("admin", "schema.apply", {json(kSecond), {{"dry_run", true}}});
    std::uint64_t failed = 0;
    for (const Json& one : dry["sessions"]) {
      if (!one["tables"].empty()) failed += one["tables"][0]["failed"].get<std::uint64_t>();
    }
    EXPECT_EQ(failed, i + 1u);
  }
}

TEST_F(SchemaCallTest, ADryRunChangesNothingAndGoesInPages) {
  ok("admin", "schema.apply", {json(kFirst)});
  for (int i = 0; i < 120; ++i) {
    send("s" + std::to_string(i), "table.set", {"movies", "m", {{"year", "1"}}});
  }
  ASSERT_TRUE(eventually([&] { return answers_->count() == last_call_; }));
  restart();
  std::set<std::string> seen;
  std::size_t pages = 0;
  for (Json after = nullptr; pages == 0 || !after.is_null(); ++pages) {
    const Json page =
        ok("admin", "schema.apply", {json(kSecond), {{"dry_run", true}, {"after", after}}});
    for (const Json& session : page["sessions"]) {
      EXPECT_TRUE(seen.insert(session["session"]).second);
      EXPECT_EQ(session["to"], 2);
    }
    after = page["next"];
  }
  EXPECT_EQ(seen.size(), 121u);
  EXPECT_GE(pages, 2u);
  EXPECT_EQ(ok("s7", "table.get", {"movies", "m"})["year"], "1");
  EXPECT_EQ(ok("admin", "schema.show")["version"], 1);
  EXPECT_LE(directory_->metrics().wakes, 2u);  // this one and admin
}

TEST_F(SchemaCallTest, AwakeSessionsFollowUnderWritersAndNoCallIsLostOrRunTwice) {
  ok("admin", "schema.apply", {json(kFirst)});
  const std::vector<std::string> sessions = {"a", "b", "c"};
  std::vector<std::uint64_t> calls;
  const auto write = [&](int round) {
    for (const std::string& session : sessions) {
      const std::string id = "m" + std::to_string(round);
      calls.push_back(send(session, "table.push", {"movies", {{"note", id}}}));
      calls.push_back(
          send(session, "table.batch",
               {{{"table.set", "movies", id, {{"gross", round}}}, {"table.get", "movies", id}}}));
    }
  };
  for (int i = 0; i < 200; ++i) write(i);
  const std::uint64_t applied = send("admin", "schema.apply", {json(kSecond)});
  for (int i = 200; i < 600; ++i) write(i);
  ASSERT_TRUE(answers_->wait(applied).result);
  ASSERT_TRUE(eventually([&] { return ok("a", "session.info")["schemaVersion"] == 2; }));
  for (int i = 600; i < 700; ++i) write(i);
  Txid last = 0;
  for (const std::uint64_t id : calls) {
    const Answer answer = answers_->wait(id);
    ASSERT_TRUE(answer.result) << answer.result.error().message;
    if (id % 6 == calls[0] % 6) {  // those of one session, in their order
      EXPECT_GT(answer.txid, last);
      last = answer.txid;
    }
  }
  for (const std::string& session : sessions) {
    SCOPED_TRACE(session);
    EXPECT_EQ(ok(session, "session.info")["schemaVersion"], 2);
    EXPECT_EQ(ok(session, "table.list")[0]["records"], 1400);
    EXPECT_EQ(ok(session, "table.get", {"movies", "m0"}), json(R"({"us_gross":0})"));
    EXPECT_EQ(ok(session, "table.query", {"movies", {{"note", "m300"}}})["rows"].size(), 1u);
  }
  expect_sound();
}

TEST_F(SchemaCallTest, AnApplyThatACrashCutShortIsCompletedByTheNext) {
  const auto document = SchemaDocument::parse(json(kFirst));
  ASSERT_TRUE(document);
  WriteBatch batch;
  put_document(batch, peer_.owner, *document);
  CommitLog& log = store_->shard(1).log();
  log.append(std::move(batch), log.epoch(), nullptr);
  ASSERT_TRUE(store_->flush());
  EXPECT_THAT(failure("admin", "schema.apply", {{{"version", 1}}}).message,
              HasSubstr("Version 1 is applied"));
  EXPECT_EQ(ok("admin", "schema.apply", {json(kFirst)}),
            Json({{"version", 1}, {"applied", false}}));
  for (std::size_t i = 0; i < store_->shards(); ++i) {
    auto txn = store_->shard(i).environment().read();
    const auto newest = newest_document(*txn, peer_.owner);
    ASSERT_TRUE(newest && *newest);
    EXPECT_EQ(**newest, *document);
  }
}

TEST_F(SchemaCallTest, ATableThatIsDroppedGoesFromSessionsThatAreAwakeToo) {
  ok("admin", "schema.apply", {json(kFirst)});
  for (int i = 0; i < 50; ++i) ok("room", "table.push", {"movies", {{"year", "1"}}});
  ok("admin", "schema.apply", {json(R"({"version": 2, "tables": {"movies": {}},
               "steps": [{"drop": {"table": "movies"}}]})")});
  ASSERT_TRUE(eventually([&] { return ok("room", "session.info")["schemaVersion"] == 2; }));
  EXPECT_EQ(ok("room", "table.list")[0]["records"], 0);  // there is a new one of that name
  EXPECT_EQ(ok("room", "table.schema", {"movies"}), Json::object());
  expect_sound();
}

TEST_F(SchemaCallTest, AMigrationThatCannotBeStoredLeavesTheSessionAsItWas) {
  ok("admin", "schema.apply", {json(kFirst)});
  ok("room", "table.set", {"movies", "m", {{"year", "1994"}}});
  restart();
  ok("admin", "schema.apply", {json(kSecond)});
  {
    const testing::FailingWrite failing(ENOSPC);
    const Answer answer = call("room", "table.get", {"movies", "m"});
    ASSERT_FALSE(answer.result) << *answer.result;
    EXPECT_THAT(answer.result.error().code, ::testing::AnyOf(Errc::storage_full, Errc::overloaded))
        << answer.result.error().message;
  }
  Json info;
  ASSERT_TRUE(eventually([&] {
    const Answer answer = call("room", "session.info");
    if (answer.result) info = Json::parse(*answer.result);
    return answer.result.has_value();
  }));
  EXPECT_EQ(info["schemaVersion"], 1);
  EXPECT_THAT(info.value("schemaError", ""), HasSubstr("could not be stored"));
  EXPECT_EQ(ok("room", "table.get", {"movies", "m"})["year"], "1994");
  restart();
  EXPECT_EQ(ok("room", "table.get", {"movies", "m"})["year"], 1994);
  EXPECT_EQ(ok("room", "session.info")["schemaVersion"], 2);
  expect_sound();
}

TEST_F(SchemaCallTest, OneDocumentIsAppliedAtATime) {
  std::vector<std::uint64_t> calls;
  for (int i = 0; i < 8; ++i) {
    const Json document = {{"version", 1}, {"tables", {{"t" + std::to_string(i), Json::object()}}}};
    calls.push_back(send("s" + std::to_string(i), "schema.apply", {document}));
  }
  int applied = 0;
  for (const std::uint64_t id : calls) {
    const Answer answer = answers_->wait(id);
    applied += answer.result ? 1 : 0;
    if (answer.result) continue;
    const Errc code = answer.result.error().code;
    EXPECT_TRUE(code == Errc::overloaded || code == Errc::invalid_request);
  }
  EXPECT_EQ(applied, 1);
}

}  // namespace
}  // namespace kontract
