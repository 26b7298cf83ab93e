#include "net/detail/http_router.hpp"

#include <gtest/gtest.h>

namespace kontract::detail {
namespace {

int status_of(const Route& route) {
  const auto* response = std::get_if<HttpResponse>(&route);
  return response == nullptr ? 0 : response->status;
}

TEST(HttpRouterTest, ADrainingServerSaysSoAndTakesNothingNew) {
  const auto hub = std::make_shared<Hub>(ServerOptions{}, Server::Parts{});
  HttpRequest health{.method = "GET", .target = "/health", .headers = {}, .body = {}};
  HttpRequest call{
      .method = "POST", .target = "/rpc/f", .headers = {{"x-session-id", "s"}}, .body = {}};
  HttpRequest socket{.method = "GET", .target = "/ws/s", .headers = {}, .body = {}};
  EXPECT_EQ(status_of(route(health, false, *hub)), 200);
  EXPECT_TRUE(std::holds_alternative<RpcRoute>(route(call, false, *hub)));
  EXPECT_TRUE(std::holds_alternative<WebSocketRoute>(route(socket, true, *hub)));
  hub->drain();
  const Route draining = route(health, false, *hub);
  EXPECT_EQ(status_of(draining), 503);
  EXPECT_EQ(std::get<HttpResponse>(draining).body, R"({"status":"draining"})");
  EXPECT_EQ(status_of(route(call, false, *hub)), 503);
  EXPECT_EQ(status_of(route(socket, true, *hub)), 503);
}

TEST(HttpRouterTest, OnlySoManyConnectionsMayBeOfNobodyKnown) {
  const auto hub = std::make_shared<Hub>(ServerOptions{}, Server::Parts{});
  std::vector<Hub::Place> places;
  for (std::size_t i = 0; i < Hub::kNewcomersMax; ++i) {
    auto place = hub->take_place();
    ASSERT_TRUE(place);
    places.push_back(std::move(*place));
  }
  EXPECT_FALSE(hub->take_place());
  places.front().known();
  places.front().known();
  auto next = hub->take_place();
  EXPECT_TRUE(next);
  EXPECT_FALSE(hub->take_place());
  places.pop_back();
  EXPECT_TRUE(hub->take_place());
  next.reset();
  places.clear();
  EXPECT_TRUE(hub->empty());
}

TEST(HttpRouterTest, PathsAreDecodedSegmentBySegment) {
  struct Case {
    const char* target;
    std::vector<std::string> segments;
  };
  for (const Case& c : {Case{"/", {""}}, Case{"/a", {"a"}}, Case{"/a/b?c/d", {"a", "b"}},
                        Case{"/a%2Fb/%3a", {"a/b", ":"}}, Case{"/a/", {"a", ""}}}) {
    SCOPED_TRACE(c.target);
    const auto segments = path_segments(c.target);
    ASSERT_TRUE(segments);
    EXPECT_EQ(*segments, c.segments);
  }
  for (const char* target : {"", "*", "a", "http://x/", "/%", "/%4", "/%4x", "/%+1", "/%-1"}) {
    EXPECT_FALSE(path_segments(target)) << target;
  }
}

TEST(HttpRouterTest, AResponseIsWrittenWithItsLengthAndFields) {
  Error error{Errc::overloaded, "Busy", "Wait"};
  error.retry_after = std::chrono::milliseconds(1500);
  const std::string wire = to_wire(error_response(error), false);
  EXPECT_TRUE(wire.starts_with("HTTP/1.1 503 Service Unavailable\r\n")) << wire;
  EXPECT_NE(wire.find("\r\nRetry-After: 2\r\n"), std::string::npos);
  EXPECT_NE(wire.find("\r\nConnection: close\r\n"), std::string::npos);
  for (const char* field :
       {"Cache-Control: no-store", "X-Content-Type-Options: nosniff",
        "Referrer-Policy: no-referrer",
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'"}) {
    EXPECT_NE(wire.find("\r\n" + std::string(field) + "\r\n"), std::string::npos) << field;
  }
  EXPECT_EQ(wire.find("Strict-Transport-Security"), std::string::npos);
  const std::size_t body = wire.find("\r\n\r\n") + 4;
  EXPECT_NE(wire.find("Content-Length: " + std::to_string(wire.size() - body)), std::string::npos);
}

TEST(HttpRouterTest, AFunctionsOwnFieldTakesThePlaceOfADefault) {
  HttpResponse response;
  response.headers = {{"cache-control", "max-age=60"}};
  const std::string wire = to_wire(response, true);
  EXPECT_NE(wire.find("\r\ncache-control: max-age=60\r\n"), std::string::npos);
  EXPECT_EQ(wire.find("no-store"), std::string::npos);
}

TEST(HttpRouterTest, OverTlsBrowsersAreToldToComeByNoOtherWay) {
  const std::string wire = to_wire(HttpResponse(), true, false, Transport::tls);
  EXPECT_NE(wire.find("\r\nStrict-Transport-Security: max-age=31536000\r\n"), std::string::npos);
}

}  // namespace
}  // namespace kontract::detail
