#include "actors/middleware_shipped.hpp"

#include <gmock/gmock.h>

#include <stdexcept>

#include "actors/front.hpp"
#include "storage/shared_state.hpp"
#include "tests/actors/session_fixture.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class ShippedMiddlewareTest : public SessionFixture {
 protected:
  void open() {
    const Status checked = backend_.check();
    ASSERT_TRUE(checked) << checked.error().message;
    front_ = std::make_unique<Front>(*system_, std::make_shared<const Backend>(std::move(backend_)),
                                     store_->shared(), Alarm());
  }
  void TearDown() override {
    if (front_) front_->close();
    front_.reset();
    SessionFixture::TearDown();
  }

  Answer through(const std::string& function, const std::string& session = "room") {
    CallPtr call = make_call(function, Json::array());
    const std::uint64_t id = last_call_;
    front_->send(handle(session), std::move(call));
    return answers_->wait(id);
  }
  // The error's code, if there is one.
  std::string code(const std::string& function, const std::string& session = "room") {
    const Answer answer = through(function, session);
    return answer.result ? "ok" : std::string(answer.result.error().name());
  }

  Backend backend_;
  std::unique_ptr<Front> front_;
};

TEST_F(ShippedMiddlewareTest, OnlyWhoSaidWhoHeIsMayPassAndWhoIsInTheGroup) {
  backend_.middleware({.endpoints = {"session.info", "table.list"}}, require_auth());
  backend_.middleware({.endpoints = {"table.list"}}, require_group("staff"));
  open();
  EXPECT_EQ(code("session.info"), "ok");
  EXPECT_EQ(code("table.list"), "KONTRACT_FORBIDDEN");
  peer_.ugroups.emplace_back("staff");
  EXPECT_EQ(code("table.list"), "ok");
  peer_.anonymous = true;
  EXPECT_EQ(code("table.list"), "KONTRACT_UNAUTHORIZED");
  EXPECT_EQ(code("schema.show"), "ok");
}

TEST(TokenBucketTest, FillsWithTimeUpToItsBurst) {
  const RateLimit limit{.rate = 2, .burst = 3};
  std::optional<TokenBucket> bucket;
  struct Case {
    std::int64_t at_ms;
    std::optional<std::chrono::milliseconds> wait;
  };
  for (const Case& c : {Case{1000, {}}, Case{1000, {}}, Case{1000, {}}, Case{1000, 500ms},
                        Case{1100, 400ms}, Case{1499, 1ms}, Case{1500, {}}, Case{1500, 500ms},
                        Case{1200, 500ms},  // the clock was set back
                        Case{9000, {}}, Case{9000, {}}, Case{9000, {}}, Case{9000, 500ms}}) {
    SCOPED_TRACE(c.at_ms);
    EXPECT_EQ(take_token(bucket, limit, c.at_ms), c.wait);
  }
}

TEST_F(ShippedMiddlewareTest, ALimitIsPerOwnerUserOrSession) {
  // A token a week: none comes while the test runs.
  const auto limited = [](RatePer per) {
    return rate_limit({.per = per, .rate = 1.0 / (7 * 86'400), .burst = 1});
  };
  backend_.middleware({.endpoints = {"session.info"}}, limited(RatePer::owner));
  backend_.middleware({.endpoints = {"table.list"}}, limited(RatePer::user));
  backend_.middleware({.endpoints = {"schema.show"}}, limited(RatePer::session));
  open();
  const std::string no = "KONTRACT_RATE_LIMITED";
  for (const char* function : {"session.info", "table.list", "schema.show"}) {
    EXPECT_EQ(code(function), "ok");
  }
  const Answer refused = through("session.info");
  ASSERT_FALSE(refused.result);
  EXPECT_GT(refused.result.error().retry_after, 23h);
  EXPECT_EQ(code("table.list"), no);
  EXPECT_EQ(code("schema.show"), no);
  EXPECT_EQ(code("session.info", "other"), no);
  EXPECT_EQ(code("table.list", "other"), no);
  EXPECT_EQ(code("schema.show", "other"), "ok");
  peer_.user = "v";
  EXPECT_EQ(code("session.info"), no);
  EXPECT_EQ(code("table.list"), "ok");
  EXPECT_EQ(code("schema.show"), no);
  handles_.clear();
  peer_.owner = "tenant-2";
  for (const char* function : {"session.info", "table.list", "schema.show"}) {
    EXPECT_EQ(code(function), "ok");
  }
}

TEST_F(ShippedMiddlewareTest, ALimitHoldsWhateverAUserIsCalledAndWhateverWasInItsPlace) {
  backend_.middleware({.name = "rate"},
                      rate_limit({.per = RatePer::user, .rate = 1e-6, .burst = 1}));
  open();
  ASSERT_TRUE(store_->shared().set("rate/calls/user/8:tenant-1/x", "no bucket"));
  for (const std::string& user : {std::string("x"), std::string(500, 'x'), std::string("\xff"),
                                  std::string("a\0b", 3), std::string("a")}) {
    SCOPED_TRACE(user);
    peer_.user = user;
    EXPECT_EQ(code("session.info"), "ok");
    EXPECT_EQ(code("session.info"), "KONTRACT_RATE_LIMITED");
  }
}

TEST(RateLimitTest, ALimitThatLetsNothingPassIsNone) {
  EXPECT_THROW(static_cast<void>(rate_limit({.rate = 0})), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(rate_limit({.rate = -1})), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(rate_limit({.burst = 0.5})), std::invalid_argument);
}

TEST_F(ShippedMiddlewareTest, TheLogTellsOfEachCallThatItIsAround) {
  std::mutex mutex;
  std::vector<RequestEntry> entries;
  backend_.middleware({.name = "log"}, request_log([&](const RequestEntry& entry) {
                        const std::lock_guard lock(mutex);
                        entries.push_back(entry);
                      }));
  backend_.middleware({.endpoints = {"table.list"}}, require_group("staff"));
  open();
  peer_.remote = "127.0.0.1:1";
  peer_.method = "POST";
  EXPECT_EQ(code("session.info"), "ok");
  EXPECT_EQ(code("table.list"), "KONTRACT_FORBIDDEN");
  EXPECT_EQ(code("no\nsuch"), "KONTRACT_NOT_FOUND");
  ASSERT_THAT(entries, SizeIs(3));
  EXPECT_EQ(entries[0].function, "session.info");
  EXPECT_EQ(entries[0].error, std::nullopt);
  EXPECT_EQ(entries[1].error, Errc::forbidden);
  entries[0].took = 350us;
  entries[0].txid = 12;
  EXPECT_EQ(to_line(entries[0]), "session.info room tenant-1/u POST 127.0.0.1:1 ok txid=12 350us");
  EXPECT_THAT(to_line(entries[1]), HasSubstr(" KONTRACT_FORBIDDEN txid=0 "));
  EXPECT_THAT(to_line(entries[2]), Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace kontract
