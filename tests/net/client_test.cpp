#include "net/client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <future>
#include <optional>

#include "net/detail/client_calls.hpp"
#include "net/detail/client_wire.hpp"

namespace kontract {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using ::testing::AnyOf;
using ::testing::HasSubstr;

// The server's end of one connection, played by the test line by line. A read gives null when the
// connection has ended; none waits for ever, as the client beats or goes.
class ServerEnd {
 public:
  explicit ServerEnd(asio::ip::tcp::socket socket) : stream_(std::move(socket)) {
    timeval limit{120, 0};
    setsockopt(beast::get_lowest_layer(stream_).socket().native_handle(), SOL_SOCKET, SO_RCVTIMEO,
               &limit, sizeof limit);
  }

  http::request<http::string_body> read_request() {
    http::request<http::string_body> request;
    http::read(beast::get_lowest_layer(stream_).socket(), buffer_, request);
    return request;
  }
  void refuse(http::status status, const std::string& body) {
    read_request();
    http::response<http::string_body> response{status, 11, body};
    response.prepare_payload();
    http::write(beast::get_lowest_layer(stream_).socket(), response);
  }
  std::string upgrade() {
    const auto request = read_request();
    stream_.accept(request);
    return std::string(request.target());
  }

  Json read() {
    error_code failed;
    beast::flat_buffer frame;
    stream_.read(frame, failed);
    if (failed) return nullptr;
    return Json::parse(beast::buffers_to_string(frame.data()));
  }
  // The next message that is no heartbeat.
  Json read_call() {
    Json message = read();
    while (message.is_object() && message["t"] == "heartbeat") message = read();
    return message;
  }
  void send(const Json& message) { send_text(message.dump()); }
  void send_text(const std::string& text) { stream_.write(asio::buffer(text)); }
  void answer(const Json& call, const Json& result, int txid = 1) {
    send({{"t", "result"}, {"id", call.at("id")}, {"result", result}, {"txid", txid}});
  }

  // Everything from the accepted socket to the welcome. Returns the hello.
  Json welcome(const Json& fields = Json::object()) {
    upgrade();
    Json hello = read();
    Json message = {{"t", "welcome"}, {"v", 1},    {"session", "room-1"}, {"sid", "s"},
                    {"owner", "dev"}, {"perm", 7}, {"txid", 41},          {"heartbeat_ms", 60000}};
    message.update(fields);
    send(message);
    return hello;
  }

  void close(std::string_view reason) {
    error_code ignored;
    stream_.close({websocket::close_code::policy_error, reason}, ignored);
  }
  void drop() { beast::get_lowest_layer(stream_).socket().close(); }

 private:
  beast::flat_buffer buffer_;
  websocket::stream<beast::tcp_stream> stream_;
};

class ClientTest : public ::testing::Test {
 protected:
  ClientOptions options() {
    ClientOptions options;
    options.url = "ws://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
    options.session = "room-1";
    options.backoff_min = 1ms;
    options.backoff_max = 5ms;
    options.connect_timeout = 120s;
    options.call_timeout = 120s;
    return options;
  }
  ServerEnd accept() { return ServerEnd(acceptor_.accept()); }
  bool somebody_knocks() {
    acceptor_.non_blocking(true);
    error_code failed;
    acceptor_.accept(failed);
    return !failed;
  }

  asio::io_context io_;
  asio::ip::tcp::acceptor acceptor_{io_, {asio::ip::make_address("127.0.0.1"), 0}};
};

using Outcome = std::future<Result<CallResult>>;

Outcome call(Client& client, std::string_view function, Json args = Json::array()) {
  auto promise = std::make_shared<std::promise<Result<CallResult>>>();
  client.call(function, std::move(args),
              [promise](Result<CallResult> result) { promise->set_value(std::move(result)); });
  return promise->get_future();
}

TEST_F(ClientTest, ConnectSaysHelloAndGivesWhatTheWelcomeSays) {
  ClientOptions with_token = options();
  with_token.token = "a.b.c";
  Client client(with_token);
  ServerEnd peer = accept();
  EXPECT_EQ(peer.upgrade(), "/ws/room-1");
  EXPECT_EQ(peer.read(), Json({{"t", "hello"}, {"v", 1}, {"token", "a.b.c"}}));
  peer.send({{"t", "welcome"},
             {"session", "room-1"},
             {"sid", "0190"},
             {"owner", "tenant-1"},
             {"perm", 5},
             {"txid", 41},
             {"durability", "relaxed"},
             {"heartbeat_ms", 30000},
             {"limits", {{"calls_in_flight", 17}, {"frame_bytes", 1000}}}});
  const auto welcome = client.connect();
  ASSERT_TRUE(welcome) << welcome.error().message;
  EXPECT_EQ(welcome->session, "room-1");
  EXPECT_EQ(welcome->sid, "0190");
  EXPECT_EQ(welcome->owner, "tenant-1");
  EXPECT_EQ(welcome->perm, 5);
  EXPECT_EQ(welcome->txid, 41U);
  EXPECT_EQ(welcome->durability, "relaxed");
  EXPECT_EQ(welcome->heartbeat, 30s);
  EXPECT_EQ(welcome->calls_in_flight, 17U);
  EXPECT_EQ(welcome->frame_bytes, 1000U);
}

TEST_F(ClientTest, CallsAreSentInOrderWithoutWaitingAndMayBeAnsweredInAnyOrder) {
  Client client(options());
  std::vector<Outcome> outcomes;
  outcomes.reserve(20);
  for (int i = 0; i < 20; ++i) outcomes.push_back(call(client, "table.get", {"users", i}));
  ServerEnd peer = accept();
  peer.welcome();
  std::vector<Json> calls;
  for (int i = 0; i < 20; ++i) {
    calls.push_back(peer.read());
    EXPECT_EQ(calls.back()["fn"], "table.get");
    EXPECT_EQ(calls.back()["args"], Json({"users", i}));
  }
  for (int i = 19; i >= 0; --i) peer.answer(calls[i], {{"n", i}}, 100 + i);
  for (int i = 0; i < 20; ++i) {
    const auto result = outcomes[i].get();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->result, Json({{"n", i}}));
    EXPECT_EQ(result->txid, 100U + i);
  }
}

TEST_F(ClientTest, NoMoreCallsAreInFlightThanTheWelcomeAllows) {
  Client client(options());
  ServerEnd peer = accept();
  peer.welcome(
      {{"heartbeat_ms", 500}, {"limits", {{"calls_in_flight", 2}, {"call_timeout_max_ms", 900}}}});
  for (const char* fn : {"a", "b", "c"}) call(client, fn);
  const Json first = peer.read_call();
  const Json second = peer.read_call();
  EXPECT_EQ(first["fn"], "a");
  EXPECT_EQ(first["timeout_ms"], 900);
  EXPECT_EQ(second["fn"], "b");
  // Had the third been sent, it would have come at once, before two heartbeats. They are answered,
  // so that the client does not leave before the test gets on.
  for (int beat = 0; beat < 2; ++beat) {
    const Json heartbeat = peer.read();
    EXPECT_EQ(heartbeat["t"], "heartbeat");
    peer.send(heartbeat);
  }
  peer.answer(second, true);
  EXPECT_EQ(peer.read_call()["fn"], "c");
}

TEST_F(ClientTest, AnErrorKeepsWhatTheServerSaid) {
  Client client(options());
  ServerEnd peer = accept();
  peer.welcome();
  auto known = call(client, "table.get");
  peer.send({{"t", "error"},
             {"id", peer.read()["id"]},
             {"code", "KONTRACT_RATE_LIMITED"},
             {"status", 429},
             {"message", "Too many"},
             {"hint", "Wait"},
             {"retry", true},
             {"retry_after_ms", 250}});
  const auto error = known.get().error();
  EXPECT_EQ(error.code, Errc::rate_limited);
  EXPECT_EQ(error.message, "Too many");
  EXPECT_EQ(error.hint, "Wait");
  EXPECT_EQ(error.retry_after, 250ms);

  for (const bool retry : {true, false}) {
    auto unknown = call(client, "table.get");
    peer.send({{"t", "error"},
               {"id", peer.read()["id"]},
               {"code", "KONTRACT_OF_TOMORROW"},
               {"message", "New"},
               {"retry", retry}});
    const auto later = unknown.get().error();
    EXPECT_EQ(traits(later.code).retry, retry);
    EXPECT_THAT(later.message, HasSubstr("KONTRACT_OF_TOMORROW"));
  }
}

TEST_F(ClientTest, WithoutKeysWhatWasSentIsLostWithTheConnectionAndWhatWasNotWaitsForTheNext) {
  ClientOptions no_keys = options();
  no_keys.exactly_once = false;
  Client client(no_keys);
  std::optional<ServerEnd> peer(accept());
  peer->welcome({{"limits", {{"calls_in_flight", 1}}}});
  auto sent = call(client, "sent");
  auto waiting = call(client, "waiting");
  const Json frame = peer->read();
  EXPECT_EQ(frame["fn"], "sent");
  EXPECT_FALSE(frame.contains("key"));
  peer->drop();
  const auto lost = sent.get();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Errc::timeout);
  EXPECT_THAT(lost.error().message, HasSubstr("unknown"));

  peer.emplace(accept());
  peer->welcome();
  const Json next = peer->read();
  EXPECT_EQ(next["fn"], "waiting");
  peer->answer(next, 1);
  EXPECT_TRUE(waiting.get());
}

TEST_F(ClientTest, WhatWasSentIsSentAgainRightBehindTheNextHello) {
  Client client(options());
  std::optional<ServerEnd> peer(accept());
  peer->welcome({{"limits", {{"calls_in_flight", 3}}}});
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 5; ++i) outcomes.push_back(call(client, "table.push", {"t", {{"n", i}}}));
  std::vector<Json> sent;
  for (int i = 0; i < 3; ++i) sent.push_back(peer->read());
  EXPECT_NE(sent[0]["key"], sent[1]["key"]);
  peer->answer(sent[1], "b");
  EXPECT_TRUE(outcomes[1].get());
  sent.push_back(peer->read());
  peer->drop();

  peer.emplace(accept());
  peer->upgrade();
  EXPECT_EQ(peer->read()["resume"], Json({{"sid", "s"}}));
  for (const int i : {0, 2, 3}) {  // before there was a welcome
    const Json again = peer->read();
    EXPECT_EQ(again["args"], sent[i]["args"]);
    EXPECT_EQ(again["key"], sent[i]["key"]);
    EXPECT_EQ(again["id"], sent[i]["id"]);
    EXPECT_FALSE(sent[i].contains("age_ms"));
    EXPECT_GE(again["age_ms"], 0);
    peer->answer(again, i);
  }
  peer->send({{"t", "welcome"}, {"sid", "s"}});
  for (const int i : {0, 2, 3}) EXPECT_EQ(outcomes[i].get()->result, i);
  const Json last = peer->read_call();
  EXPECT_FALSE(last.contains("age_ms"));
  peer->answer(last, "last");
  EXPECT_TRUE(outcomes[4].get());
}

TEST_F(ClientTest, CallsThatOnlyReadHaveNoKeyAndAreSentAgainAsWell) {
  Client client(options());
  std::optional<ServerEnd> peer(accept());
  peer->welcome();
  struct Case {
    const char* function;
    Json args;
    bool key;
  };
  const std::vector<Case> cases = {
      {"table.get", {"t", "x"}, false},         {"table.exec", {"t", " \nSELECT 1"}, false},
      {"table.exec", {"t", "select 1"}, false}, {"table.exec", {"t", "INSERT INTO t"}, true},
      {"table.exec", {"t", "WITH x"}, true},    {"table.exec", Json::array({"t"}), true},
      {"table.set", {"t", "x"}, true},          {"bank.pay", Json::array(), true}};
  std::vector<Outcome> outcomes;
  for (const Case& c : cases) outcomes.push_back(call(client, c.function, c.args));
  for (const Case& c : cases) EXPECT_EQ(peer->read().contains("key"), c.key) << c.function;
  peer->drop();
  peer.emplace(accept());
  peer->welcome();
  for (auto& outcome : outcomes) {
    peer->answer(peer->read_call(), 1);
    EXPECT_TRUE(outcome.get());
  }
}

TEST_F(ClientTest, ARepeatThatIsRefusedForNowIsSentOnceMore) {
  Client client(options());
  std::optional<ServerEnd> peer(accept());
  peer->welcome();
  auto outcome = call(client, "table.push", {"t", Json::object()});
  const Json first = peer->read();
  peer->drop();
  peer.emplace(accept());
  peer->welcome();
  for (int round = 0; round < 3; ++round) {
    const Json again = peer->read_call();
    EXPECT_EQ(again["key"], first["key"]);
    peer->send({{"t", "error"},
                {"id", again["id"]},
                {"code", round == 1 ? "KONTRACT_RATE_LIMITED" : "KONTRACT_OVERLOADED"},
                {"message", "Not now"},
                {"retry", true},
                {"retry_after_ms", 1}});
  }
  peer->answer(peer->read_call(), "done");
  EXPECT_EQ(outcome.get()->result, "done");

  auto refused = call(client, "table.push", {"t", Json::object()});
  peer->send({{"t", "error"}, {"id", peer->read_call()["id"]}, {"code", "KONTRACT_OVERLOADED"}});
  EXPECT_EQ(refused.get().error().code, Errc::overloaded) << "this one has not run";
}

TEST_F(ClientTest, WhatMayHaveRunInASessionThatIsGoneIsNotSentToTheNext) {
  Client client(options());
  std::optional<ServerEnd> peer(accept());
  peer->welcome({{"limits", {{"calls_in_flight", 1}}}});
  auto sent = call(client, "table.push", {"t", Json::object()});
  auto waiting = call(client, "table.push", {"u", Json::object()});
  peer->read();
  peer->drop();
  peer.emplace(accept());
  peer->upgrade();
  EXPECT_EQ(peer->read()["resume"]["sid"], "s");
  peer->send({{"t", "close"}, {"code", "KONTRACT_NOT_FOUND"}, {"message", "Destroyed"}});
  peer->close("KONTRACT_NOT_FOUND");
  const auto lost = sent.get();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Errc::timeout);
  EXPECT_THAT(lost.error().message, HasSubstr("destroyed"));
  peer.emplace(accept());
  EXPECT_FALSE(peer->welcome({{"sid", "another"}}).contains("resume"));
  const Json next = peer->read();
  EXPECT_EQ(next["args"][0], "u");
  peer->answer(next, 1);
  EXPECT_TRUE(waiting.get());
}

TEST_F(ClientTest, ARepeatExpiresWithAnUnknownOutcome) {
  ClientOptions hasty = options();
  hasty.call_timeout = 300ms;
  Client client(hasty);
  ServerEnd peer = accept();
  peer.welcome();
  auto outcome = call(client, "table.push", {"t", Json::object()});
  peer.read();
  acceptor_.close();
  peer.drop();
  const auto expired = outcome.get();
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().code, Errc::timeout);
  EXPECT_THAT(expired.error().message, HasSubstr("unknown"));
}

TEST_F(ClientTest, CallsThatWaitHaveALimitOfBytes) {
  ClientOptions small = options();
  small.calls_bytes_max = 3000;
  Client client(small);
  const std::string text(1000, 'x');
  auto first = call(client, "f", Json::array({text}));
  auto second = call(client, "f", Json::array({text}));
  const auto third = client.call("f", Json::array({text}));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, Errc::overloaded);
  ServerEnd peer = accept();
  peer.welcome();
  peer.answer(peer.read(), 1);
  EXPECT_TRUE(first.get());
  auto fourth = call(client, "f", Json::array({text}));
  peer.answer(peer.read(), 2);
  EXPECT_TRUE(second.get());
  peer.answer(peer.read(), 4);
  EXPECT_TRUE(fourth.get());
}

TEST_F(ClientTest, ACallFailsWhenItsTimeIsOutAndItsLateAnswerIsNobodys) {
  ClientOptions hasty = options();
  hasty.call_timeout = 1s;  // in which "next" has to be answered
  Client client(hasty);
  auto unsent = call(client, "unsent");
  const auto never_ran = unsent.get();
  ASSERT_FALSE(never_ran);
  EXPECT_EQ(never_ran.error().code, Errc::timeout);
  EXPECT_THAT(never_ran.error().message, HasSubstr("did not run"));

  ServerEnd peer = accept();
  peer.welcome();
  auto slow = call(client, "slow");
  const Json late = peer.read();
  EXPECT_EQ(late["fn"], "slow");
  EXPECT_LE(late["timeout_ms"], 1000);
  const auto expired = slow.get();
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().code, Errc::timeout);
  EXPECT_THAT(expired.error().message, HasSubstr("unknown"));
  auto next = call(client, "next");
  peer.answer(late, "late");
  peer.answer(peer.read(), "next");
  const auto result = next.get();
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->result, "next");
}

TEST_F(ClientTest, ARefusalThatNoRetryCuresEndsTheClient) {
  struct Case {
    const char* name;
    std::function<void(ServerEnd&)> refuse;
    Errc code;
  };
  const Json close = {{"t", "close"}, {"code", "KONTRACT_UNAUTHORIZED"}, {"message", "No token"}};
  const std::vector<Case> cases{
      {"a close message",
       [&](ServerEnd& peer) {
         peer.upgrade();
         peer.read();
         peer.send(close);
         peer.close("");
       },
       Errc::unauthorized},
      {"an error before the welcome",
       [](ServerEnd& peer) {
         peer.upgrade();
         peer.read();
         peer.send({{"t", "error"}, {"code", "KONTRACT_FORBIDDEN"}, {"message", "Not yours"}});
         peer.close("");
       },
       Errc::forbidden},
      {"only the reason of the close frame",
       [](ServerEnd& peer) {
         peer.upgrade();
         peer.read();
         peer.close("KONTRACT_UNAUTHORIZED");
       },
       Errc::unauthorized},
      {"an HTTP answer with a body",
       [](ServerEnd& peer) {
         peer.refuse(http::status::bad_request,
                     R"({"error":"KONTRACT_INVALID_REQUEST","message":"Bad"})");
       },
       Errc::invalid_request},
      {"an HTTP answer of a stranger",
       [](ServerEnd& peer) { peer.refuse(http::status::not_found, "<html>"); }, Errc::not_found},
      {"a token that runs out later",
       [&](ServerEnd& peer) {
         peer.welcome();
         peer.send(close);
         peer.close("");
       },
       Errc::unauthorized},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Client client(options());
    auto early = call(client, "early");
    ServerEnd peer = accept();
    c.refuse(peer);
    const auto failed = early.get();
    ASSERT_FALSE(failed);
    // A call that was sent before the end has an unknown outcome instead.
    EXPECT_THAT(failed.error().code, AnyOf(c.code, Errc::timeout));
    const auto later = client.call("later", Json::array());
    ASSERT_FALSE(later);
    EXPECT_EQ(later.error().code, c.code);
    EXPECT_EQ(client.connect().error().code, c.code);
    EXPECT_FALSE(somebody_knocks());
    acceptor_.non_blocking(false);
  }
}

TEST_F(ClientTest, ARefusalThatMayPassIsTriedAgain) {
  std::vector<bool> seen;
  std::promise<void> thrice;
  Client client(options());
  client.on_connection([&](bool up) {
    seen.push_back(up);
    if (seen.size() == 3) thrice.set_value();
  });
  accept().refuse(http::status::service_unavailable, "");
  {
    ServerEnd peer = accept();
    peer.upgrade();
    peer.read();
    peer.send({{"t", "close"}, {"code", "KONTRACT_OVERLOADED"}, {"message", "Full"}});
    peer.close("KONTRACT_OVERLOADED");
  }
  {
    ServerEnd peer = accept();
    peer.welcome();
    peer.send({{"t", "close"}, {"code", "KONTRACT_OVERLOADED"}, {"message", "Draining"}});
    peer.close("KONTRACT_OVERLOADED");
  }
  ServerEnd peer = accept();
  peer.welcome();
  thrice.get_future().wait();
  EXPECT_EQ(seen, (std::vector{true, false, true}));
}

TEST_F(ClientTest, AnswersThatComeAfterACloseMessageStillCount) {
  Client client(options());
  ServerEnd peer = accept();
  peer.welcome();
  auto outcome = call(client, "last");
  const Json last = peer.read();
  peer.send({{"t", "close"}, {"code", "KONTRACT_OVERLOADED"}, {"message", "Draining"}});
  peer.answer(last, "done");
  const auto result = outcome.get();
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->result, "done");
}

TEST_F(ClientTest, AServerThatFallsSilentIsLeftAfterThreeHeartbeats) {
  Client client(options());
  {
    ServerEnd peer = accept();
    peer.welcome({{"heartbeat_ms", 300}});
    int beats = 0;
    for (Json message = peer.read(); message.is_object(); message = peer.read()) {
      EXPECT_EQ(message["t"], "heartbeat");
      EXPECT_GT(message["timestamp"], 1'600'000'000'000);
      ++beats;
    }
    EXPECT_GE(beats, 2);
  }
  accept().welcome();
}

TEST_F(ClientTest, AServerThatSpeaksNonsenseIsLeft) {
  for (const char* frame : {"{", "[]", "7"}) {
    SCOPED_TRACE(frame);
    Client client(options());
    ServerEnd peer = accept();
    peer.welcome();
    peer.send_text(frame);
    ServerEnd next = accept();
    next.welcome();
    client.close();  // before `next` goes: it would knock again, and the next round would let it in
    EXPECT_TRUE(next.read().is_null());
  }
}

TEST_F(ClientTest, MoreCallsThanItMayKeepAreRefusedAtOnce) {
  ClientOptions small = options();
  small.calls_max = 2;
  Client client(small);
  auto first = call(client, "first");
  auto second = call(client, "second");
  const auto third = client.call("third", Json::array());
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, Errc::overloaded);
  ServerEnd peer = accept();
  peer.welcome();
  peer.answer(peer.read(), 1);
  EXPECT_TRUE(first.get());
  auto fourth = call(client, "fourth");
  EXPECT_EQ(peer.read()["fn"], "second");
  EXPECT_EQ(peer.read()["fn"], "fourth");
}

TEST_F(ClientTest, CloseFailsWhatIsUnansweredAndWhatComesLater) {
  std::promise<void> lost;
  Client client(options());
  ServerEnd peer = accept();
  client.on_connection([&](bool up) {
    if (!up) lost.set_value();
  });
  peer.welcome();
  auto unanswered = call(client, "unanswered");
  peer.read();
  client.close();
  EXPECT_TRUE(peer.read().is_null());
  lost.get_future().wait();
  for (const auto& result : {unanswered.get(), client.call("later", Json::array())}) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::overloaded);
    EXPECT_THAT(result.error().message, HasSubstr("closed"));
  }
}

TEST_F(ClientTest, ItsEndFailsWhatWaitsEvenWithoutAConnection) {
  Outcome waiting;
  {
    ClientOptions nowhere = options();
    acceptor_.close();
    Client client(nowhere);
    waiting = call(client, "waiting");
  }
  const auto result = waiting.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::overloaded);
}

// A coroutine that nobody waits for.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Detached read_twice(Client& client, std::promise<Json>& both) {
  Json args = Json::array({"a"});
  const Result<CallResult> first = co_await client.async_call("first", args);
  args[0] = first->result;
  const Result<CallResult> second = co_await client.async_call("second", args);
  both.set_value(second->result);
}

TEST_F(ClientTest, ACallCanBeAwaited) {
  Client client(options());
  std::promise<Json> both;
  read_twice(client, both);
  ServerEnd peer = accept();
  peer.welcome();
  const Json first = peer.read();
  EXPECT_EQ(first["fn"], "first");
  peer.answer(first, 7);
  const Json second = peer.read();
  EXPECT_EQ(second["args"], Json::array({7}));
  peer.answer(second, "done");
  EXPECT_EQ(both.get_future().get(), "done");
}

TEST_F(ClientTest, WaitingOnItsOwnThreadIsRefusedInsteadOfHanging) {
  Client client(options());
  std::promise<std::pair<Errc, Errc>> codes;
  client.call("any", Json::array(), [&](const Result<CallResult>&) {
    codes.set_value(
        {client.call("inner", Json::array()).error().code, client.connect().error().code});
  });
  ServerEnd peer = accept();
  peer.welcome();
  peer.answer(peer.read(), 1);
  EXPECT_EQ(codes.get_future().get(), std::pair(Errc::invalid_request, Errc::invalid_request));
}

TEST_F(ClientTest, ItMayEndInsideItsOwnCallback) {
  auto client = std::make_unique<Client>(options());
  std::promise<void> gone;
  client->call("any", Json::array(), [&](const Result<CallResult>&) {
    client.reset();
    gone.set_value();
  });
  ServerEnd peer = accept();
  peer.welcome();
  peer.answer(peer.read(), 1);
  gone.get_future().wait();
  EXPECT_TRUE(peer.read().is_null());
}

TEST_F(ClientTest, ACallThatCannotBeSentFailsAlone) {
  struct Case {
    const char* name;
    Json args;
    Errc code;
  };
  Client client(options());
  ServerEnd peer = accept();
  peer.welcome({{"limits", {{"frame_bytes", 200}, {"json_depth", 4}}}});
  for (const Case& c :
       {Case{"no array", Json::object(), Errc::invalid_request},
        Case{"not UTF-8", Json::array({"\xff"}), Errc::invalid_request},
        Case{"too deep", Json::array({Json::parse("[[[1]]]")}), Errc::invalid_request},
        Case{"no number of the wire", Json::array({std::uint64_t{1} << 60}), Errc::invalid_request},
        Case{"too large", Json::array({std::string(200, 'x')}), Errc::too_large}}) {
    SCOPED_TRACE(c.name);
    const auto result = client.call("table.set", c.args);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, c.code);
  }
  auto good = call(client, "good", Json::array({Json::parse("[[1]]")}));
  peer.answer(peer.read(), 1);
  EXPECT_TRUE(good.get());
}

TEST_F(ClientTest, ATransactionThatIsLostBeforeItsCommitRunsAgain) {
  Client client(options());
  int runs = 0;
  auto outcome = std::async(std::launch::async, [&] {
    return client.transact([&](Client::Transaction& tx) -> Status {
      ++runs;
      const auto read = tx.call("table.get", {"t", "a"});
      return read ? Status() : Status(read.error());
    });
  });
  {
    ServerEnd first = accept();
    first.welcome();
    first.answer(first.read_call(), {{"tx", 7}, {"txid", 7}}, 7);
    EXPECT_EQ(first.read_call()["tx"], 7);
    first.drop();
  }
  ServerEnd second = accept();
  second.welcome();
  Json call = second.read_call();
  if (call["fn"] == "tx.rollback") {  // of what is gone
    second.answer(call, true);
    call = second.read_call();
  }
  EXPECT_EQ(call["fn"], "tx.begin");
  second.answer(call, {{"tx", 9}, {"txid", 9}}, 9);
  call = second.read_call();
  EXPECT_EQ(call["tx"], 9);
  second.answer(call, nullptr, 9);
  call = second.read_call();
  EXPECT_EQ(call["fn"], "tx.commit");
  EXPECT_EQ(call["args"], Json({9}));
  second.answer(call, {{"txid", 12}}, 12);
  const auto committed = outcome.get();
  ASSERT_TRUE(committed);
  EXPECT_EQ(*committed, 12U);
  EXPECT_EQ(runs, 2);
}

TEST_F(ClientTest, WhetherACommitThatIsLostHappenedIsUnknown) {
  Client client(options());
  int runs = 0;
  auto outcome = std::async(std::launch::async, [&] {
    return client.transact([&](Client::Transaction&) -> Status {
      ++runs;
      return {};
    });
  });
  ServerEnd first = accept();
  first.welcome();
  first.answer(first.read_call(), {{"tx", 7}, {"txid", 7}}, 7);
  EXPECT_EQ(first.read_call()["fn"], "tx.commit");
  first.drop();
  const auto committed = outcome.get();
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, Errc::timeout);
  EXPECT_NE(committed.error().message.find("unknown"), std::string::npos);
  EXPECT_EQ(runs, 1);
}

TEST_F(ClientTest, ConflictsAreRetriedAsOftenAsWasSaid) {
  Client client(options());
  TransactOptions thrice;
  thrice.attempts_max = 3;
  thrice.backoff_max = 1ms;
  auto outcome = std::async(std::launch::async, [&] {
    return client.transact([](Client::Transaction&) { return Status(); }, thrice);
  });
  ServerEnd server = accept();
  server.welcome();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    server.answer(server.read_call(), {{"tx", attempt}, {"txid", attempt}});
    server.send({{"t", "error"},
                 {"id", server.read_call()["id"]},
                 {"code", "KONTRACT_TXN_CONFLICT"},
                 {"message", "m"},
                 {"retry", true}});
  }
  const auto committed = outcome.get();
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, Errc::txn_conflict);
}

TEST_F(ClientTest, ConnectSaysWhyThereIsNoConnection) {
  struct Case {
    const char* name;
    std::function<void(ClientOptions&)> change;
    Errc code;
    const char* message;
  };
  const auto once = [](ClientOptions& options) { options.reconnect = false; };
  // Bound, so that nobody else gets the port meanwhile.
  asio::ip::tcp::acceptor not_listening(io_, asio::ip::tcp::v4());
  not_listening.bind({asio::ip::make_address("127.0.0.1"), 0});
  const auto port_of_nobody = [&] {
    return std::to_string(not_listening.local_endpoint().port());
  }();
  for (const Case& c :
       {Case{"nobody listens",
             [&](ClientOptions& options) {
               once(options);
               options.url = "ws://127.0.0.1:" + port_of_nobody;
             },
             Errc::overloaded, "Connection refused"},
        Case{"nobody listens, and it tries for a while",
             [&](ClientOptions& options) {
               options.connect_timeout = 1s;
               options.url = "ws://localhost:" + port_of_nobody;
             },
             Errc::timeout, "Connection refused"},
        Case{"it listens and says nothing",
             [&](ClientOptions& options) {
               once(options);
               options.connect_timeout = 50ms;
             },
             Errc::overloaded, "in time"},
        Case{"not a url", [](ClientOptions& options) { options.url = "http://x"; },
             Errc::invalid_request, "ws://"},
        Case{"not a session's name", [](ClientOptions& options) { options.session = "a b"; },
             Errc::invalid_request, "'a b'"},
        Case{"no session", [](ClientOptions& options) { options.session = ""; },
             Errc::invalid_request, "''"}}) {
    SCOPED_TRACE(c.name);
    ClientOptions changed = options();
    c.change(changed);
    Client client(changed);
    const auto welcome = client.connect();
    ASSERT_FALSE(welcome);
    if (std::string_view(c.message) == "in time") {
      // The attempt and the wait for it end at the same moment; either may be first.
      EXPECT_THAT(welcome.error().code, AnyOf(Errc::timeout, c.code));
      continue;
    }
    EXPECT_EQ(welcome.error().code, c.code);
    EXPECT_THAT(welcome.error().message, HasSubstr(c.message));
  }
}

TEST_F(ClientTest, WhoAsksForTheConnectionLateIsToldOfTheOneThereIs) {
  Client client(options());
  ServerEnd peer = accept();
  peer.welcome();
  ASSERT_TRUE(client.connect());
  std::promise<bool> told;
  client.on_connection([&](bool up) {
    if (up) told.set_value(up);
  });
  EXPECT_TRUE(told.get_future().get());
}

TEST(ClientCallsTest, ASlowCallStillExpiresAfterManyThatCameAfterIt) {
  std::atomic<std::size_t> open{0};
  ClientCalls calls(open);
  const auto now = ClientCalls::Clock::now();
  std::optional<Errc> slow;
  std::size_t answered = 0;
  for (std::uint64_t id = 1; id <= 100; ++id) {
    open.fetch_add(1);
    const auto done = [&, id](const Result<CallResult>& result) {
      if (id == 1) slow = result.error().code;
      if (id != 1 && result) ++answered;
    };
    calls.add({id, *client_wire::call(id, "any", Json::array()), done, now + id * 1ms});
    ASSERT_TRUE(calls.next_to_send(Welcome(), now));
    if (id != 1) calls.answer(id, CallResult());
  }
  EXPECT_EQ(answered, 99U);
  EXPECT_EQ(open, 1U);
  EXPECT_EQ(calls.expire(now), now + 1ms);
  EXPECT_EQ(calls.expire(now + 1ms), std::nullopt);
  EXPECT_EQ(slow, Errc::timeout);
  EXPECT_EQ(open, 0U);
}

TEST(ClientWireTest, UrlsAreTakenApart) {
  struct Case {
    const char* url;
    const char* host;
    const char* port;
  };
  for (const Case& c :
       {Case{"ws://127.0.0.1:8787", "127.0.0.1", "8787"}, Case{"ws://localhost", "localhost", "80"},
        Case{"ws://example.org:1/", "example.org", "1"}, Case{"ws://[::1]:65535", "::1", "65535"},
        Case{"ws://[::1]", "::1", "80"}, Case{"wss://example.org", "example.org", "443"}}) {
    SCOPED_TRACE(c.url);
    const auto url = client_wire::parse_url(c.url);
    ASSERT_TRUE(url);
    EXPECT_EQ(url->host, c.host);
    EXPECT_EQ(url->port, c.port);
  }
  for (const char* bad : {"", "http://x", "ws://", "ws://:1", "ws://x:", "ws://x:0", "ws://x:65536",
                          "ws://x:1a", "ws://x/ws", "ws://a@b", "ws://a b", "ws://[::1"}) {
    SCOPED_TRACE(bad);
    EXPECT_FALSE(client_wire::parse_url(bad));
  }
}

}  // namespace
}  // namespace kontract
