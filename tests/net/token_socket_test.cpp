// Tokens over sockets: what ends a connection, what lets it go on, and what /auth/ answers.

#include <gmock/gmock.h>

#include "tests/net/server_fixture.hpp"

namespace kontract {
namespace {

using std::chrono::seconds;
using test::kUnauthorizedClose;
using test::RawClient;
using test::WsClient;
using ::testing::HasSubstr;
using ::testing::Pair;

class TokenSocketTest : public ServerFixture {
 protected:
  void SetUp() override {
    ServerFixture::SetUp();
    options_.secret = std::string(32, 's');
  }

  // Good for at most two seconds more, the skew included.
  std::string short_token(const std::string& jti) const {
    const auto now =
        std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch());
    const auto end = now - kTokenSkew + seconds(2);
    return token({{"jti", jti}, {"iat", end.count() - 60}, {"exp", end.count()}});
  }

  std::unique_ptr<WsClient> welcomed(const std::string& by, const std::string& session = "room-1") {
    auto client = std::make_unique<WsClient>(port(), session);
    EXPECT_EQ(client->hello({{"token", by}})["t"], "welcome");
    return client;
  }

  // Status and body of POST /auth/PAGE.
  std::pair<int, Json> post(const std::string& page, const std::string& by,
                            const std::string& body = "") {
    RawClient client(port());
    const int status = client.request(
        "POST /auth/" + page + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + by +
        "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return {status, client.body()};
  }
  std::pair<int, Json> revoke(const Json& what) {
    return post("revoke", token({{"jti", "admin"}}), what.dump());
  }

  // Status of a call over HTTP.
  int call_by(const std::string& by) {
    return RawClient(port()).request(
        "POST /rpc/session.info HTTP/1.1\r\nHost: x\r\nX-Session-Id: room-1\r\nAuthorization: "
        "Bearer " +
        by + "\r\nContent-Length: 2\r\n\r\n[]");
  }
};

TEST_F(TokenSocketTest, RevokingATokenClosesWhatItOpenedAndNothingElse) {
  start();
  const std::string bad = token({{"jti", "bad"}}), other = token({{"jti", "other"}});
  auto one = welcomed(bad), two = welcomed(bad, "room-2"), stays = welcomed(other);
  WsClient::Options by_header;
  by_header.authorization = "Bearer " + bad;
  WsClient three(port(), "room-3", by_header);
  EXPECT_EQ(three.hello()["t"], "welcome");
  WsClient silent(port(), "room-4", by_header);  // has not said hello when it happens
  EXPECT_EQ(call_by(bad), 200);

  const auto [status, answer] = revoke({{"token", bad}});
  EXPECT_EQ(status, 200);
  EXPECT_EQ(answer, (Json{{"iss", "kontract"}, {"jti", "bad"}, {"closed", 3}}));
  for (WsClient* client : {one.get(), two.get(), &three}) {
    EXPECT_EQ(client->next()["message"], "The token was revoked");
    EXPECT_THAT(client->closing(), Pair(kUnauthorizedClose, "KONTRACT_UNAUTHORIZED"));
  }
  EXPECT_EQ(silent.hello()["code"], "KONTRACT_UNAUTHORIZED");
  EXPECT_THAT(silent.closing(), Pair(kUnauthorizedClose, "KONTRACT_UNAUTHORIZED"));
  EXPECT_EQ(call_by(bad), 401);
  EXPECT_EQ(WsClient(port(), "room-1", by_header).status(), 401);
  EXPECT_EQ(post("refresh", bad).first, 401);
  EXPECT_EQ(stays->beat(1)["t"], "heartbeat");
  EXPECT_EQ(call_by(other), 200);
  EXPECT_EQ(revoke({{"token", bad}}).first, 200);  // once more does no harm
}

TEST_F(TokenSocketTest, ARevocationNamesOwnerIssuerAndJti) {
  start();
  const std::string mine = token({{"jti", "7"}});
  const std::string theirs = token({{"jti", "7"}, {"owner", "tenant-2"}});
  EXPECT_EQ(revoke({{"jti", "7"}, {"iss", "someone"}}).first, 200);
  EXPECT_EQ(call_by(mine), 200);
  EXPECT_EQ(revoke({{"token", theirs}}).first, 403);
  EXPECT_EQ(revoke({{"jti", "7"}}).first, 200);
  EXPECT_EQ(call_by(mine), 401);
  EXPECT_EQ(call_by(theirs), 200);
}

TEST_F(TokenSocketTest, ARevocationOutlastsARestart) {
  start();
  const std::string bad = token({{"jti", "bad"}});
  EXPECT_EQ(revoke({{"jti", "bad"}}).first, 200);
  stop();
  start();
  EXPECT_EQ(call_by(bad), 401);
  EXPECT_EQ(call_by(token({{"jti", "good"}})), 200);
}

TEST_F(TokenSocketTest, WhatCannotBeRevokedIsSaid) {
  start();
  struct Case {
    const char* name;
    std::string body;
    int status;
  };
  for (const Case& c :
       {Case{"no JSON", "x", 400}, Case{"nothing", "{}", 400},
        Case{"both", R"({"jti":"1","token":"a"})", 400}, Case{"an empty jti", R"({"jti":""})", 400},
        Case{"a jti that is no text", R"({"jti":1})", 400},
        Case{"an issuer that is no text", R"({"jti":"1","iss":1})", 400},
        Case{"no token", R"({"token":"a.b.c"})", 400},
        Case{"a token without jti", Json{{"token", token()}}.dump(), 400}}) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(post("revoke", token(), c.body).first, c.status);
  }
  EXPECT_EQ(post("revoke", token({{"ugroups", {"x"}}}), R"({"jti":"1"})").first, 403);
  EXPECT_EQ(post("revoke", "x", R"({"jti":"1"})").first, 401);
  EXPECT_EQ(RawClient(port()).request("GET /auth/revoke HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
  EXPECT_EQ(post("nonsense", token()).first, 404);
}

TEST_F(TokenSocketTest, AnotherTokenOfTheUserKeepsTheConnectionOpen) {
  start();
  const std::string ends = short_token("short");
  auto renewed = welcomed(ends), left = welcomed(ends, "room-2");
  const Json again = renewed->hello({{"token", token({{"perm", 4}})}});
  EXPECT_EQ(again["t"], "welcome");
  EXPECT_EQ(again["perm"], 4);
  EXPECT_EQ(again["session"], "room-1");
  EXPECT_THAT(left->closing(), Pair(kUnauthorizedClose, "KONTRACT_SESSION_EXPIRED"));
  EXPECT_EQ(renewed->beat(1)["t"], "heartbeat");
  // It may do what the new token says.
  EXPECT_EQ(renewed->ask(1, "session.info", Json::array())["t"], "result");
  EXPECT_EQ(renewed->ask(2, "table.create", {"t", Json::object()})["code"],
            "KONTRACT_PERMISSION_DENIED");
}

TEST_F(TokenSocketTest, ARenewedConnectionIsRevokedByItsNewToken) {
  start();
  auto client = welcomed(token({{"jti", "first"}}));
  EXPECT_EQ(client->hello({{"token", token({{"jti", "second"}})}})["t"], "welcome");
  EXPECT_EQ(revoke({{"jti", "first"}}).second["closed"], 0);
  EXPECT_EQ(client->beat(1)["t"], "heartbeat");
  EXPECT_EQ(revoke({{"jti", "second"}}).second["closed"], 1);
  EXPECT_THAT(client->closing(), Pair(kUnauthorizedClose, "KONTRACT_UNAUTHORIZED"));
}

TEST_F(TokenSocketTest, ATokenThatDoesNotRenewChangesNothing) {
  start();
  auto client = welcomed(token({{"sid", "room-1"}}));
  EXPECT_EQ(revoke({{"jti", "revoked"}}).first, 200);
  struct Case {
    const char* name;
    Json token;
    const char* code;
  };
  for (const Case& c :
       {Case{"none", nullptr, "KONTRACT_INVALID_REQUEST"},
        Case{"nonsense", "a.b.c", "KONTRACT_UNAUTHORIZED"},
        Case{"revoked", token({{"jti", "revoked"}}), "KONTRACT_UNAUTHORIZED"},
        Case{"another owner's", token({{"owner", "tenant-2"}}), "KONTRACT_FORBIDDEN"},
        Case{"another user's", token({{"sub", "u2"}}), "KONTRACT_FORBIDDEN"},
        Case{"for another session", token({{"sid", "room-2"}}), "KONTRACT_FORBIDDEN"}}) {
    SCOPED_TRACE(c.name);
    const Json more = c.token.is_null() ? Json::object() : Json{{"token", c.token}};
    EXPECT_EQ(client->hello(more)["code"], c.code);
    EXPECT_EQ(client->ask(1, "session.info", Json::array())["t"], "result");
  }
}

TEST_F(TokenSocketTest, ARefreshedTokenIsAsTheOldOneFromNowOn) {
  start();
  const std::string old = short_token("login");
  const auto [status, answer] = post("refresh", old);
  ASSERT_EQ(status, 200) << answer;
  const std::string fresh = answer["token"];
  TokenKeys keys;
  ASSERT_TRUE(keys.add(secret_key(options_.secret)));
  const auto now = std::chrono::system_clock::now();
  const auto before = verify_token(old, keys, now), after = verify_token(fresh, keys, now);
  ASSERT_TRUE(before && after);
  EXPECT_EQ(after->peer.owner, before->peer.owner);
  EXPECT_EQ(after->peer.user, before->peer.user);
  EXPECT_EQ(after->peer.perm, before->peer.perm);
  EXPECT_EQ(after->peer.ugroups, before->peer.ugroups);
  EXPECT_EQ(after->id.jti, "login");
  EXPECT_EQ(after->life, seconds(60));
  EXPECT_GT(after->expires, now + seconds(50));

  auto client = welcomed(fresh);
  EXPECT_EQ(revoke({{"token", old}}).second["closed"], 1);  // the login, with all that came of it
  EXPECT_THAT(client->closing(), Pair(kUnauthorizedClose, "KONTRACT_UNAUTHORIZED"));
  EXPECT_EQ(call_by(fresh), 401);
}

TEST_F(TokenSocketTest, ATokenWithoutJtiGetsOneWhenItIsRefreshed) {
  start();
  const auto [status, answer] = post("refresh", token());
  ASSERT_EQ(status, 200);
  EXPECT_EQ(revoke({{"token", answer["token"]}}).first, 200);
  EXPECT_EQ(call_by(answer["token"]), 401);
}

TEST_F(TokenSocketTest, AnIdentityProvidersTokenOpensButIsNotRefreshedHere) {
  const TokenKey provider = seed_key(std::string(32, 'p'), "idp", "https://id.example");
  options_.jwks = Json{{"keys", {public_jwk(provider)}}}.dump();
  options_.jwks_issuer = provider.issuer;
  start();
  Peer peer = development_peer();
  peer.owner = "tenant-1";
  const std::string by_provider =
      issue_token(token_claims(peer, {provider.issuer, "p1"}, "kontract",
                               std::chrono::system_clock::now(), seconds(60)),
                  provider);
  auto client = welcomed(by_provider);
  EXPECT_EQ(post("refresh", by_provider).first, 403);
  EXPECT_EQ(revoke({{"jti", "p1"}, {"iss", provider.issuer}}).second["closed"], 1);
  EXPECT_THAT(client->closing(), Pair(kUnauthorizedClose, "KONTRACT_UNAUTHORIZED"));
}

TEST_F(TokenSocketTest, WithoutKeysThereIsNothingToRefresh) {
  options_.secret.clear();
  start();
  EXPECT_EQ(post("refresh", "x").first, 404);
  EXPECT_THAT(post("revoke", "x", "{}").second["message"].get<std::string>(), HasSubstr("tokens"));
}

}  // namespace
}  // namespace kontract
