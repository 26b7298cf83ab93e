#include "net/protocol.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kontract::protocol {
namespace {

using ::testing::HasSubstr;

const DecodeLimits kBounds{.json = {}, .call_timeout_max = std::chrono::seconds(60)};

template <class Message>
Message decoded(std::string_view text) {
  auto result = decode(text, kBounds);
  EXPECT_TRUE(result) << text << ": " << (result ? "" : result.error().message);
  if (!result || !std::holds_alternative<Message>(*result)) {
    ADD_FAILURE() << text << " was not what it should be";
    return {};
  }
  return std::get<Message>(std::move(*result));
}

TEST(ProtocolTest, AHelloIsReadWithItsToken) {
  EXPECT_EQ(decoded<Hello>(R"({"t":"hello","v":1})").token, "");
  const auto hello =
      decoded<Hello>(R"({"t":"hello","v":1,"token":"a.b.c","resume":{"last_txid":41},"x":[]})");
  EXPECT_EQ(hello.token, "a.b.c");
  EXPECT_EQ(hello.last_txid, 41u);
}

TEST(ProtocolTest, ACallIsReadWithItsArgumentsAndTime) {
  const auto call = decoded<CallMessage>(
      R"({"t":"call","id":7,"fn":"table.get","args":["users","u1"],"timeout_ms":5000,"new":1})");
  EXPECT_EQ(call.id, 7u);
  EXPECT_EQ(call.function, "table.get");
  EXPECT_EQ(call.args, Json({"users", "u1"}));
  EXPECT_EQ(call.timeout, std::chrono::milliseconds(5000));
}

TEST(ProtocolTest, ACallWithoutArgumentsHasNone) {
  const auto call = decoded<CallMessage>(R"({"t":"call","id":1,"fn":"session.info"})");
  EXPECT_EQ(call.args, Json::array());
  EXPECT_FALSE(call.timeout);
}

TEST(ProtocolTest, TheOtherMessagesAreRead) {
  EXPECT_EQ(decoded<Subscribe>(R"({"t":"subscribe","id":8,"table":"users","from":41})").id, 8u);
  EXPECT_EQ(decoded<Unsubscribe>(R"({"t":"unsubscribe","id":9,"sub":8})").subscription, 8u);
  EXPECT_EQ(decoded<Heartbeat>(R"({"t":"heartbeat","timestamp":1700000000000})").timestamp,
            "1700000000000");
  EXPECT_EQ(decoded<Heartbeat>(R"({"t":"heartbeat"})").timestamp, "null");
  decoded<Close>(R"({"t":"close"})");
}

TEST(ProtocolTest, IdsReachFromOneToTwoToThe53rdLessOne) {
  EXPECT_EQ(decoded<CallMessage>(R"({"t":"call","id":1,"fn":"f"})").id, 1u);
  EXPECT_EQ(decoded<CallMessage>(R"({"t":"call","id":9007199254740991,"fn":"f"})").id,
            9007199254740991u);
}

TEST(ProtocolTest, WhatHasNoUsableIdIsAnInvalidRequest) {
  for (const char* text : {"",
                           "{",
                           "[]",
                           "7",
                           "\"t\"",
                           "{}",
                           R"({"t":7})",
                           R"({"t":null})",
                           R"({"t":"dance"})",
                           R"({"t":"hello"})",
                           R"({"t":"hello","v":2})",
                           R"({"t":"hello","v":"1"})",
                           R"({"t":"hello","v":1.0})",
                           R"({"t":"hello","v":1,"token":7})",
                           R"({"t":"hello","v":1,"resume":7})",
                           R"({"t":"hello","v":1,"resume":{"last_txid":-1}})",
                           R"({"t":"heartbeat","timestamp":"now"})",
                           R"({"t":"call","fn":"f"})",
                           R"({"t":"call","id":0,"fn":"f"})",
                           R"({"t":"call","id":-1,"fn":"f"})",
                           R"({"t":"call","id":1.5,"fn":"f"})",
                           R"({"t":"call","id":"1","fn":"f"})",
                           R"({"t":"call","id":9007199254740992,"fn":"f"})",
                           R"({"t":"call","id":1,"id":2,"fn":"f"})",
                           R"({"t":"subscribe","table":"users"})",
                           R"({"t":"unsubscribe","sub":1})",
                           R"({"t":"close"} x)"}) {
    SCOPED_TRACE(text);
    const auto result = decode(text, kBounds);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::invalid_request);
    EXPECT_NE(result.error().message, "");
  }
}

TEST(ProtocolTest, WhatIsWrongWithAMessageThatHasAnIdIsSaidToThatId) {
  struct Case {
    const char* text;
    Errc code;
  };
  for (const Case& c : {
           Case{R"({"t":"call","id":5})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":7})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","args":{}})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","args":null})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","timeout_ms":0})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","timeout_ms":60001})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","timeout_ms":"1"})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","key":""})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","key":"a b"})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","key":"ä"})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","key":7})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","key":"k","age_ms":-1})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","tx":"40"})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","tx":0})", Errc::invalid_request},
           Case{R"({"t":"call","id":5,"fn":"f","at":-1})", Errc::invalid_request},
           Case{R"({"t":"subscribe","id":5})", Errc::invalid_request},
           Case{R"({"t":"subscribe","id":5,"table":"u","filter":7})", Errc::invalid_request},
           Case{R"({"t":"subscribe","id":5,"table":"u","from":"x"})", Errc::invalid_request},
           Case{R"({"t":"unsubscribe","id":5})", Errc::invalid_request},
           Case{R"({"t":"dance","id":5})", Errc::invalid_request},
       }) {
    SCOPED_TRACE(c.text);
    const auto refused = decoded<Refused>(c.text);
    EXPECT_EQ(refused.id, 5u);
    EXPECT_EQ(refused.error.code, c.code);
  }
}

TEST(ProtocolTest, TheDepthOfAMessageIsLimited) {
  const std::string deep =
      R"({"t":"call","id":1,"fn":"f","args":)" + std::string(10, '[') + std::string(10, ']') + "}";
  DecodeLimits shallow = kBounds;
  EXPECT_TRUE(decode(deep, shallow));
  shallow.json.depth = 5;
  EXPECT_FALSE(decode(deep, shallow));
}

TEST(ProtocolTest, ArgumentsOverHttpAreAnArrayOrNothing) {
  EXPECT_EQ(*decode_arguments("", {}), Json::array());
  EXPECT_EQ(*decode_arguments(R"(["t","a"])", {}), Json({"t", "a"}));
  for (const char* body : {"{}", "5", "[", "null", "[1] 2"})
    EXPECT_FALSE(decode_arguments(body, {}));
}

TEST(ProtocolTest, AResultCarriesTheTextAsItIsStored) {
  EXPECT_EQ(result(7, R"({"b":1,"a":2})", 42),
            R"({"t":"result","id":7,"result":{"b":1,"a":2},"txid":42})");
  EXPECT_EQ(http_result("null", 42), R"({"result":null,"txid":42})");
}

TEST(ProtocolTest, AnErrorSaysCodeStatusHintAndWhetherToRetry) {
  Error slow{Errc::rate_limited, "Too \"fast\"", "Wait"};
  slow.retry_after = std::chrono::milliseconds(1500);
  EXPECT_EQ(Json::parse(error(7, slow)),
            Json::parse(R"({"t":"error","id":7,"code":"KONTRACT_RATE_LIMITED","status":429,
                "message":"Too \"fast\"","hint":"Wait","retry_after_ms":1500,"retry":true})"));
  const Json unknown = Json::parse(error(std::nullopt, {Errc::not_found, "No"}));
  EXPECT_FALSE(unknown.contains("id"));
  EXPECT_EQ(unknown["retry"], false);
  EXPECT_NE(unknown["hint"], "");
  const Json http = Json::parse(http_error({Errc::not_found, "No", "Look"}));
  EXPECT_EQ(http, Json::parse(R"({"error":"KONTRACT_NOT_FOUND","message":"No","hint":"Look"})"));
}

TEST(ProtocolTest, AWelcomeSaysWhereOneIsAndUnderWhichLimits) {
  ServerOptions options;
  const Json frame = Json::parse(welcome({.session = "room-1",
                                          .sid = "s-1",
                                          .owner = "o\"1",
                                          .durability = "sync",
                                          .perm = 7,
                                          .txid = 41},
                                         options));
  EXPECT_EQ(frame["t"], "welcome");
  EXPECT_EQ(frame["v"], 1);
  EXPECT_EQ(frame["session"], "room-1");
  EXPECT_EQ(frame["sid"], "s-1");
  EXPECT_EQ(frame["owner"], "o\"1");
  EXPECT_EQ(frame["durability"], "sync");
  EXPECT_EQ(frame["perm"], 7);
  EXPECT_EQ(frame["txid"], 41);
  EXPECT_EQ(frame["resumed"], false);
  EXPECT_EQ(frame["heartbeat_ms"], options.heartbeat.count());
  EXPECT_EQ(frame["limits"]["frame_bytes"], options.frame_bytes_max);
  EXPECT_EQ(Json::parse(http_description(options))["limits"], frame["limits"]);
  EXPECT_THAT(http_description(options), HasSubstr(R"("protocols":["kontract.v1+json"])"));
}

TEST(ProtocolTest, HeartbeatsAndCloseAreEncoded) {
  const std::chrono::system_clock::time_point now{std::chrono::milliseconds(1234)};
  EXPECT_EQ(heartbeat("17", now), R"({"t":"heartbeat","timestamp":17,"server_time":1234})");
  EXPECT_EQ(close(Errc::overloaded, "Bye"),
            R"({"t":"close","code":"KONTRACT_OVERLOADED","message":"Bye"})");
}

TEST(ProtocolTest, WhatASessionAnsweredToOpenIsReadBack) {
  const auto opened = decode_opened(R"({"sid":"s-1","txid":41})");
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->sid, "s-1");
  EXPECT_EQ(opened->txid, 41u);
  for (const char* text : {"", "7", "{}", R"({"sid":"s"})", R"({"sid":7,"txid":1})"}) {
    EXPECT_FALSE(decode_opened(text)) << text;
  }
}

}  // namespace
}  // namespace kontract::protocol
