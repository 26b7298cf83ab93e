// Accounts over sockets: how one comes in, and who does not.

#include <gmock/gmock.h>

#include <algorithm>
#include <future>

#include "tests/net/accounts_fixture.hpp"

namespace kontract {
namespace {

using test::kUnauthorizedClose;
using test::RawClient;
using test::WsClient;
using ::testing::HasSubstr;
using ::testing::Pair;

class AccountsTest : public AccountsFixture {};

TEST_F(AccountsTest, AnybodyGetsATokenThatOpensSessionsOfHisOwnAtOnce) {
  start();
  const Answered came = post("anonymous", nullptr);
  ASSERT_EQ(came.status, 200) << came.body;
  EXPECT_EQ(came.body["isAnonymous"], true);
  EXPECT_EQ(came.body["owner"], came.body["sub"]);
  const std::string by = came.body["token"];
  EXPECT_EQ(called(by, "table.create", {"t"}).contains("ptr"), true);
  EXPECT_EQ(called(by, "table.set", {"t", "a", {{"n", 1}}}), true);
  const Answered other = post("anonymous", Json::object());
  EXPECT_NE(other.body["owner"], came.body["owner"]);
  EXPECT_EQ(called(other.body["token"], "table.get", {"t", "a"}), "KONTRACT_STORAGE_PTR_NOT_FOUND");
}

TEST_F(AccountsTest, AnAnonymousOwnerComesBackWithHisKey) {
  start();
  const Json came = post("anonymous", nullptr).body;
  const Answered again = post("anonymous", {{"key", came["key"]}});
  ASSERT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(again.body["owner"], came["owner"]);
  EXPECT_FALSE(again.body.contains("key"));
  for (const Json& key : {Json("short"), Json(1), Json(std::string(44, 'a')), Json()}) {
    EXPECT_EQ(post("anonymous", {{"key", key}}).status, 400) << key;
  }
}

TEST_F(AccountsTest, WhoHasRegisteredLogsInElsewhereAndFindsHisData) {
  start();
  const Json made = registered("Ann@Example.org");
  EXPECT_EQ(made["login"], "ann@example.org");
  EXPECT_EQ(made["isAnonymous"], false);
  EXPECT_EQ(called(made["token"], "table.create", {"t"}).contains("ptr"), true);
  EXPECT_EQ(called(made["token"], "table.set", {"t", "a", {{"n", 1}}}), true);
  const Answered in = log_in("ann@EXAMPLE.org");
  ASSERT_EQ(in.status, 200) << in.body;
  EXPECT_EQ(in.body["owner"], made["owner"]);
  EXPECT_EQ(in.body["sub"], made["sub"]);
  EXPECT_EQ(called(in.body["token"], "table.get", {"t", "a"}), (Json{{"n", 1}}));
}

TEST_F(AccountsTest, ALinkKeepsTheDataAndEndsTheAnonymousTokens) {
  start();
  const Json came = post("anonymous", nullptr).body;
  const Json twice = post("anonymous", {{"key", came["key"]}}).body;
  auto socket = welcomed(came["token"]), second = welcomed(twice["token"]);
  EXPECT_EQ(socket->ask(1, "table.create", {"t"})["t"], "result");
  EXPECT_EQ(socket->ask(2, "table.set", {"t", "a", {{"n", 1}}})["result"], true);

  const Answered linked = post("link", credentials("ann"), came["token"]);
  ASSERT_EQ(linked.status, 200) << linked.body;
  EXPECT_EQ(linked.body["owner"], came["owner"]);
  EXPECT_EQ(linked.body["isAnonymous"], false);
  EXPECT_THAT(socket->closing(), Pair(kUnauthorizedClose, "KONTRACT_UNAUTHORIZED"));
  EXPECT_THAT(second->closing(), Pair(kUnauthorizedClose, "KONTRACT_UNAUTHORIZED"));
  EXPECT_EQ(status_of_call(came["token"]), 401);
  EXPECT_EQ(post("refresh", nullptr, twice["token"]).status, 401);
  EXPECT_EQ(post("anonymous", {{"key", came["key"]}}).status, 401);
  EXPECT_EQ(post("link", credentials("bob"), came["token"]).status, 401);

  const Answered in = log_in("ann");
  EXPECT_EQ(called(in.body["token"], "table.get", {"t", "a"}), (Json{{"n", 1}}));
  EXPECT_EQ(called(linked.body["token"], "table.get", {"t", "a"}), (Json{{"n", 1}}));
}

TEST_F(AccountsTest, OnlyWhomTheServerItselfHasMadeAnonymousCanBeLinked) {
  start();
  // An operator's guest token: its owner is others' as well.
  const std::string guest = token({{"isAnonymous", true}, {"perm", 4}});
  EXPECT_EQ(post("link", credentials("ann"), guest).status, 403);
  EXPECT_EQ(post("link", credentials("ann"), token()).status, 403);
  EXPECT_EQ(post("link", credentials("bob"), registered("ann")["token"]).status, 403);
  EXPECT_EQ(post("link", credentials("bob")).status, 401);
  EXPECT_EQ(log_in("bob").status, 401);
}

TEST_F(AccountsTest, ALoginThatIsTakenIsRefused) {
  start();
  registered("ann");
  const Answered again = post("register", credentials("ANN", "another password"));
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.body["error"], "KONTRACT_INVALID_REQUEST");
  const Json came = post("anonymous", nullptr).body;
  EXPECT_EQ(post("link", credentials("ann"), came["token"]).status, 409);
  EXPECT_EQ(status_of_call(came["token"]), 200);  // he stays who he was
  EXPECT_EQ(log_in("ann").status, 200);
}

TEST_F(AccountsTest, OfTwoRegistrationsOfOneLoginOneHappens) {
  start();
  hold_hashes();
  const auto one_more = [this](const char* password) {
    return std::async(std::launch::async,
                      [=, this] { return post("register", credentials("ann", password)).status; });
  };
  auto first = one_more("the first password"), second = one_more("the second password");
  wait_until([this] { return hashes() == 2; });
  release_hashes();
  const int of_first = first.get(), of_second = second.get();
  EXPECT_EQ(std::min(of_first, of_second), 200);
  EXPECT_EQ(std::max(of_first, of_second), 409);
  EXPECT_EQ(log_in("ann", "the first password").status, of_first == 200 ? 200 : 401);
  EXPECT_EQ(log_in("ann", "the second password").status, of_second == 200 ? 200 : 401);
}

TEST_F(AccountsTest, OfTwoLinksOfOneOwnerOneHappens) {
  start();
  const std::string by = post("anonymous", nullptr).body["token"];
  hold_hashes();
  const auto one_more = [&](const char* login) {
    return std::async(std::launch::async,
                      [=, this] { return post("link", credentials(login), by).status; });
  };
  auto ann = one_more("ann"), bob = one_more("bob");
  wait_until([this] { return hashes() == 2; });
  release_hashes();
  const int of_ann = ann.get(), of_bob = bob.get();
  EXPECT_EQ(std::min(of_ann, of_bob), 200);
  EXPECT_EQ(std::max(of_ann, of_bob), 409);
  EXPECT_EQ(log_in("ann").status, of_ann == 200 ? 200 : 401);
  EXPECT_EQ(log_in("bob").status, of_bob == 200 ? 200 : 401);
}

TEST_F(AccountsTest, AccountsOutlastARestart) {
  start();
  const Json made = registered("ann");
  restart();
  EXPECT_EQ(log_in("ann").body["owner"], made["owner"]);
  EXPECT_EQ(status_of_call(made["token"]), 200);
  EXPECT_EQ(post("register", credentials("ann")).status, 409);
  registered("bob");
}

// Not by time, which a busy machine makes of anything: by what is computed and what is said.
TEST_F(AccountsTest, AnUnknownLoginAWrongPasswordAndADisabledAccountLookTheSame) {
  start();
  EXPECT_EQ(hashes_of([&] { EXPECT_EQ(log_in("nobody yet").status, 401); }), 1);  // no table yet
  registered("ann");
  registered("eve");
  EXPECT_EQ(operated("table.update", {"accounts", "eve", {{"enabled", false}}}), true);
  Answered unknown, wrong, disabled;
  EXPECT_EQ(hashes_of([&] { unknown = log_in("nobody"); }), 1);
  EXPECT_EQ(hashes_of([&] { wrong = log_in("ann", "wrong horse"); }), 1);
  EXPECT_EQ(hashes_of([&] { disabled = log_in("eve"); }), 1);
  EXPECT_EQ(hashes_of([&] { EXPECT_EQ(log_in("ann").status, 200); }), 1);
  EXPECT_EQ(unknown.status, 401);
  EXPECT_EQ(unknown.body["error"], "KONTRACT_UNAUTHORIZED");
  for (const Answered& other : {wrong, disabled}) {
    EXPECT_EQ(other.status, unknown.status);
    EXPECT_EQ(other.body, unknown.body);
  }
}

TEST_F(AccountsTest, WhatIsNoRequestIsSaid) {
  start();
  struct Case {
    const char* name;
    std::string body;
    int status;
  };
  const std::string huge(17 * limits::kKiB, 'x');
  for (const Case& c :
       {Case{"nothing", "", 400}, Case{"no JSON", "{", 400}, Case{"an array", "[]", 400},
        Case{"no login", R"({"password":"12345678"})", 400},
        Case{"no password", R"({"login":"a"})", 400},
        Case{"a login that is no text", R"({"login":1,"password":"12345678"})", 400},
        Case{"a password that is no text", R"({"login":"a","password":12345678})", 400},
        Case{"an empty login", credentials("").dump(), 400},
        Case{"a login that is too long", credentials(std::string(255, 'a')).dump(), 400},
        Case{"a space before", credentials(" a").dump(), 400},
        Case{"a space behind", credentials("a ").dump(), 400},
        Case{"a control character", credentials("a\nb").dump(), 400},
        Case{"a NUL", credentials(std::string("a\0b", 3)).dump(), 400},
        Case{"a short password", credentials("a", "1234567").dump(), 400},
        Case{"a long password", credentials("a", std::string(1025, 'p')).dump(), 400},
        Case{"a member twice", R"({"login":"a","login":"b","password":"12345678"})", 400},
        Case{"a large body", credentials("a", huge).dump(), 413}}) {
    SCOPED_TRACE(c.name);
    const Answered answered = send("POST", "register", "", c.body);
    EXPECT_EQ(answered.status, c.status) << answered.body;
    EXPECT_THAT(answered.body["hint"].get<std::string>(), testing::Not(testing::IsEmpty()));
  }
  EXPECT_EQ(hashes(), 0);
  EXPECT_EQ(send("POST", "register", "", credentials("a").dump(), "").status, 415);
  EXPECT_EQ(
      send("POST", "register", "", credentials("a").dump(), "Content-Type: text/plain\r\n").status,
      415);
  EXPECT_EQ(send("POST", "register", "", credentials("a").dump(),
                 "Content-Type: Application/JSON; charset=utf-8\r\n")
                .status,
            200);
  EXPECT_EQ(post("register", credentials(std::string(254, 'z'), std::string(1024, 'p'))).status,
            200);
  EXPECT_EQ(log_in(std::string(254, 'z'), std::string(1024, 'p')).status, 200);
  EXPECT_EQ(post("login", credentials("a", "")).status, 400);
  EXPECT_EQ(send("GET", "login", "", "").status, 405);
  EXPECT_EQ(send("POST", "me", token(), "").status, 405);
}

TEST_F(AccountsTest, WhileWorkersAreBusyOthersAreServedAndTheNextLoginIsToldToWait) {
  table_options_.waiting_max = 0;
  start();
  registered("ann");
  const int before = hashes();
  hold_hashes();
  const auto one_more = [this] {
    return std::async(std::launch::async, [this] { return log_in("ann").status; });
  };
  auto first = one_more(), second = one_more();
  wait_until([&] { return hashes() == before + 2; });
  EXPECT_EQ(RawClient(port()).request("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
  EXPECT_EQ(status_of_call(token()), 200);
  const Answered third = log_in("ann");
  EXPECT_EQ(third.status, 503);
  EXPECT_EQ(third.body["error"], "KONTRACT_OVERLOADED");
  EXPECT_EQ(third.retry_after, "1");
  EXPECT_EQ(post("register", credentials("bob")).status, 503);
  release_hashes();
  EXPECT_EQ(first.get(), 200);
  EXPECT_EQ(second.get(), 200);
}

TEST_F(AccountsTest, AServerThatStopsWaitsForNoPassword) {
  start();
  registered("ann");
  const int before = hashes();
  hold_hashes();
  auto login = std::async(std::launch::async, [this] { return log_in("ann").status; });
  wait_until([&] { return hashes() == before + 1; });
  server_->stop();
  EXPECT_EQ(login.get(), 0);  // cut off
  wait_until([this] { return server_->drained(); });
}

TEST_F(AccountsTest, GuessesAreLimitedBeforeTheyAreComputed) {
  options_.login_attempts = {2, 1000};
  start();
  registered("ann");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(log_in("ann").status, 200);  // no guesses
  EXPECT_EQ(log_in("ann", "wrong horse").status, 401);
  EXPECT_EQ(log_in("nobody").status, 401);
  EXPECT_EQ(hashes_of([&] {
              const Answered limited = log_in("ann");
              EXPECT_EQ(limited.status, 429);
              EXPECT_EQ(limited.body["error"], "KONTRACT_RATE_LIMITED");
              EXPECT_GE(std::stoi(limited.retry_after), 1);
              EXPECT_LE(std::stoi(limited.retry_after), 60);
            }),
            0);
}

TEST_F(AccountsTest, RegistrationsAndAnonymousOwnersOfOneAddressAreLimited) {
  options_.register_attempts = options_.anonymous_attempts = {1000, 2};
  start();
  const std::string by = post("anonymous", nullptr).body["token"];
  EXPECT_EQ(post("anonymous", nullptr).status, 200);
  EXPECT_EQ(post("anonymous", nullptr).status, 429);
  registered("ann");
  EXPECT_EQ(post("register", credentials("ann")).status, 409);
  EXPECT_EQ(post("register", credentials("bob")).status, 429);
  EXPECT_EQ(post("link", credentials("bob"), by).status, 429);
  EXPECT_EQ(log_in("ann").status, 200);
}

TEST_F(AccountsTest, ThePageOfAnotherOriginMayLogInWhereCorsAllowsIt) {
  backend_.middleware({.name = "site", .prefixurl = "/auth/"},
                      Cors{.origins = {"https://app.example"}});
  start();
  RawClient client(port());
  const std::string origin = "Origin: https://app.example\r\n";
  EXPECT_EQ(client.request("OPTIONS /auth/login HTTP/1.1\r\nHost: x\r\n" + origin +
                           "Access-Control-Request-Method: POST\r\n\r\n"),
            204);
  EXPECT_THAT(client.header("Access-Control-Allow-Methods"), HasSubstr("POST"));
  EXPECT_THAT(client.header("Access-Control-Allow-Headers"), HasSubstr("Content-Type"));
  EXPECT_EQ(client.request("OPTIONS /auth/me HTTP/1.1\r\nHost: x\r\n" + origin +
                           "Access-Control-Request-Method: GET\r\n\r\n"),
            204);
  EXPECT_THAT(client.header("Access-Control-Allow-Methods"), HasSubstr("GET"));
  EXPECT_EQ(client.request("POST /auth/anonymous HTTP/1.1\r\nHost: x\r\n" + origin +
                           "Content-Length: 0\r\n\r\n"),
            200);
  EXPECT_EQ(client.header("Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_EQ(client.request("POST /auth/anonymous HTTP/1.1\r\nHost: x\r\nOrigin: https://b.example"
                           "\r\nContent-Length: 0\r\n\r\n"),
            403);
  EXPECT_EQ(client.header("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(client.request("OPTIONS /auth/login HTTP/1.1\r\nHost: x\r\nOrigin: https://b.example"
                           "\r\nAccess-Control-Request-Method: POST\r\n\r\n"),
            403);
}

using NoAccountsTest = ServerFixture;

TEST_F(NoAccountsTest, AServerWithoutAccountsSaysSo) {
  start();
  RawClient client(port());
  for (const char* page : {"anonymous", "register", "login", "link", "password", "logout"}) {
    SCOPED_TRACE(page);
    EXPECT_EQ(client.request("POST /auth/" + std::string(page) +
                             " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
              404);
    EXPECT_THAT(client.body()["hint"].get<std::string>(), HasSubstr("--accounts"));
  }
  EXPECT_EQ(client.request("GET /auth/me HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
}

class KeylessAccountsTest : public AccountsFixture {};

TEST_F(KeylessAccountsTest, AccountsNeedAKeyThatSigns) {
  start();
  for (const char* jwks : {"", R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"idp","x":)"
                               R"("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})"}) {
    ServerOptions without = options_;
    without.secret.clear();
    without.jwks = jwks;
    const auto refused = listen(without);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::invalid_request);
    EXPECT_THAT(refused.error().message, HasSubstr("signs"));
  }
}

}  // namespace
}  // namespace kontract
