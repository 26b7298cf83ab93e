// The tokens of accounts: what renews and what ends them, and what an operator may change.

#include <gmock/gmock.h>

#include "tests/net/accounts_fixture.hpp"

namespace kontract {
namespace {

using test::kUnauthorizedClose;
using test::WsClient;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

class AccountTokensTest : public AccountsFixture {
 protected:
  Json claims_of(const std::string& token) const {
    TokenKeys keys;
    EXPECT_TRUE(keys.add(secret_key(options_.secret)));
    auto checked = check_token(token, keys, std::chrono::system_clock::now());
    return checked ? checked->claims : Json(checked.error().message);
  }
};

TEST_F(AccountTokensTest, MeSaysWhoOneIs) {
  start();
  const Json came = post("anonymous", nullptr).body;
  EXPECT_EQ(me(came["token"]).body, (Json{{"owner", came["owner"]},
                                          {"sub", came["sub"]},
                                          {"isAnonymous", true},
                                          {"perm", 7},
                                          {"ugroups", Json::array()},
                                          {"exp", came["exp"]}}));
  const Json made = registered("ann");
  EXPECT_EQ(me(made["token"]).body, (Json{{"owner", made["owner"]},
                                          {"sub", made["sub"]},
                                          {"login", "ann"},
                                          {"isAnonymous", false},
                                          {"perm", 7},
                                          {"ugroups", Json::array()},
                                          {"exp", made["exp"]}}));
  EXPECT_EQ(me(token()).body["owner"], "tenant-1");  // an operator's
  EXPECT_EQ(me("").status, 401);
  EXPECT_EQ(me("a.b.c").status, 401);
}

TEST_F(AccountTokensTest, ALogoutEndsOneLoginAndItsSockets) {
  start();
  registered("ann");
  const std::string here = log_in("ann").body["token"], there = log_in("ann").body["token"];
  const std::string renewed = post("refresh", nullptr, here).body["token"];
  auto one = welcomed(here), two = welcomed(renewed), other = welcomed(there);
  const Answered out = post("logout", nullptr, renewed);
  EXPECT_EQ(out.status, 200);
  EXPECT_EQ(out.body["closed"], 2);
  EXPECT_THAT(one->closing(), Pair(kUnauthorizedClose, "KONTRACT_UNAUTHORIZED"));
  EXPECT_THAT(two->closing(), Pair(kUnauthorizedClose, "KONTRACT_UNAUTHORIZED"));
  EXPECT_EQ(status_of_call(here), 401);
  EXPECT_EQ(post("refresh", nullptr, here).status, 401);
  EXPECT_EQ(other->beat(1)["t"], "heartbeat");
  EXPECT_EQ(status_of_call(there), 200);
}

TEST_F(AccountTokensTest, ARefreshedTokenSaysWhatTheAccountIsAllowedNow) {
  start();
  const std::string before = registered("ann")["token"];
  EXPECT_EQ(operated("table.update", {"accounts", "ann", {{"perm", 4}, {"ugroups", {"staff"}}}}),
            true);
  const Answered fresh = post("refresh", nullptr, before);
  ASSERT_EQ(fresh.status, 200) << fresh.body;
  const Json old_claims = claims_of(before), claims = claims_of(fresh.body["token"]);
  EXPECT_EQ(claims["perm"], 4);
  EXPECT_EQ(claims["ugroups"], Json({"staff"}));
  EXPECT_FALSE(claims.contains("isAnonymous"));
  for (const char* same : {"jti", "sub", "owner", "accountGeneration"}) {
    EXPECT_EQ(claims[same], old_claims[same]) << same;
  }
  EXPECT_EQ(log_in("ann").status, 200);
}

TEST_F(AccountTokensTest, AnAnonymousTokenIsRefreshedAsOne) {
  start();
  const Json came = post("anonymous", nullptr).body;
  const Answered fresh = post("refresh", nullptr, came["token"]);
  ASSERT_EQ(fresh.status, 200) << fresh.body;
  EXPECT_EQ(claims_of(fresh.body["token"])["isAnonymous"], true);
  EXPECT_EQ(post("link", credentials("ann"), fresh.body["token"]).status, 200);
  EXPECT_EQ(status_of_call(came["token"]), 401);
}

TEST_F(AccountTokensTest, ADisabledAccountIsNotRenewed) {
  start();
  const std::string by = registered("ann")["token"];
  EXPECT_EQ(operated("table.update", {"accounts", "ann", {{"enabled", false}}}), true);
  EXPECT_EQ(post("refresh", nullptr, by).status, 401);
  EXPECT_EQ(me(by).status, 401);
  EXPECT_EQ(log_in("ann").status, 401);
  EXPECT_EQ(operated("table.update", {"accounts", "ann", {{"enabled", true}}}), true);
  EXPECT_EQ(post("refresh", nullptr, by).status, 200);
}

TEST_F(AccountTokensTest, AnAnonymousOwnerWhoseAccountIsDisabledDoesNotComeBackByHisKey) {
  start();
  const Json came = post("anonymous", nullptr).body;
  EXPECT_EQ(post("link", credentials("ann"), came["token"]).status, 200);
  EXPECT_EQ(operated("table.update", {"accounts", "ann", {{"enabled", false}}}), true);
  EXPECT_EQ(post("anonymous", {{"key", came["key"]}}).status, 401);
}

TEST_F(AccountTokensTest, AnotherPasswordEndsAllOtherLogins) {
  start();
  const std::string here = registered("ann")["token"], there = log_in("ann").body["token"];
  auto socket = welcomed(there);
  const auto change = [&](const std::string& old, const std::string& fresh) {
    return post("password", {{"password", old}, {"new_password", fresh}}, here);
  };
  EXPECT_EQ(change("wrong horse", "battery staple").status, 401);
  EXPECT_EQ(change("correct horse", "short").status, 400);
  EXPECT_EQ(socket->beat(1)["t"], "heartbeat");
  const Answered changed = change("correct horse", "battery staple");
  ASSERT_EQ(changed.status, 200) << changed.body;
  EXPECT_THAT(socket->closing(), Pair(kUnauthorizedClose, "KONTRACT_UNAUTHORIZED"));
  EXPECT_EQ(status_of_call(there), 401);
  EXPECT_EQ(status_of_call(here), 401);
  EXPECT_EQ(status_of_call(changed.body["token"]), 200);
  EXPECT_EQ(post("refresh", nullptr, changed.body["token"]).status, 200);
  EXPECT_EQ(log_in("ann").status, 401);
  EXPECT_EQ(log_in("ann", "battery staple").status, 200);
  restart();
  EXPECT_EQ(status_of_call(there), 401);
  EXPECT_EQ(log_in("ann", "battery staple").status, 200);
}

TEST_F(AccountTokensTest, OnlyAnAccountHasAPasswordToChange) {
  start();
  const Json body = {{"password", "12345678"}, {"new_password", "12345678"}};
  EXPECT_EQ(post("password", body, post("anonymous", nullptr).body["token"]).status, 403);
  EXPECT_EQ(post("password", body, token()).status, 403);
  EXPECT_EQ(post("password", body).status, 401);
}

TEST_F(AccountTokensTest, GuessesOfTheOldPasswordAreLimitedWithThoseAtTheLogin) {
  options_.login_attempts = {2, 1000};
  start();
  const std::string by = registered("ann")["token"];
  const Json guess = {{"password", "wrong horse"}, {"new_password", "battery staple"}};
  EXPECT_EQ(post("password", guess, by).status, 401);
  EXPECT_EQ(log_in("ann", "wrong horse").status, 401);
  EXPECT_EQ(post("password", guess, by).status, 429);
}

TEST_F(AccountTokensTest, AtALoginAnOlderHashIsMadeAnew) {
  start();
  registered("ann");
  const auto hash = [this] {
    return operated("table.get", {"accounts", "ann"})["hash"].get<std::string>();
  };
  EXPECT_THAT(hash(), StartsWith("$argon2id$v=19$m=8,t=1,p=1$"));
  table_options_.cost.operations = 2;
  restart();
  EXPECT_EQ(log_in("ann", "wrong horse").status, 401);
  EXPECT_THAT(hash(), StartsWith("$argon2id$v=19$m=8,t=1,p=1$"));
  EXPECT_EQ(log_in("ann").status, 200);
  wait_until([&] { return hash().starts_with("$argon2id$v=19$m=8,t=2,p=1$"); });
  EXPECT_EQ(log_in("ann").status, 200);
}

TEST_F(AccountTokensTest, NoTokenButTheOperatorsOpensTheSessionOfAccounts) {
  const TokenKey provider = seed_key(std::string(32, 'p'), "idp", "https://id.example");
  options_.jwks = Json{{"keys", {public_jwk(provider)}}}.dump();
  options_.jwks_issuer = provider.issuer;
  start();
  registered("ann");
  EXPECT_EQ(operated("table.get", {"accounts", "ann"})["login"], "ann");
  Peer peer = development_peer();
  const auto by_provider = [&] {
    return issue_token(token_claims(peer, {provider.issuer, "p1"}, "kontract",
                                    std::chrono::system_clock::now(), std::chrono::seconds(60)),
                       provider);
  };
  EXPECT_EQ(status_of_call(by_provider()), 200);
  peer.owner = kSystemOwner;
  EXPECT_EQ(status_of_call(by_provider()), 401);
}

TEST_F(AccountTokensTest, ARecordThatAnOperatorHasSpoiltIsAnErrorOfTheServer) {
  start();
  registered("ann");
  EXPECT_EQ(operated("table.update", {"accounts", "ann", {{"perm", 8}}}), true);
  const Answered failed = log_in("ann");
  EXPECT_EQ(failed.status, 500);
  EXPECT_EQ(failed.body["error"], "KONTRACT_INTERNAL");
  EXPECT_EQ(operated("table.update", {"accounts", "ann", {{"perm", 7}}}), true);
  EXPECT_EQ(log_in("ann").status, 200);
}

}  // namespace
}  // namespace kontract
