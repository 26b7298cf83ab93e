// The middleware that comes with the runtime.
//
//   backend.middleware({.name = "auth"}, require_auth());
//   backend.middleware({.prefixurl = "/rpc/admin."}, require_group("admin"));
//   backend.middleware({.name = "rate"}, rate_limit({.per = RatePer::user, .rate = 20, .burst =
//   40})); backend.middleware({.name = "cors"}, cors({.origins = {"https://app.example"}}));
//   backend.middleware({.name = "log"}, request_log(print));
//
// They nest as they are registered: a log that shall tell of refused calls comes first.

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "actors/middleware.hpp"

namespace kontract {

// Lets only calls of people pass who have said who they are: KONTRACT_UNAUTHORIZED for an anonymous
// token.
Middleware::Guard require_auth();

// KONTRACT_FORBIDDEN for who is not in the group.
Middleware::Guard require_group(std::string group);

enum class RatePer : std::uint8_t { owner, user, session };

// A token bucket for each owner, user (of an owner) or session: a call takes a token. The bucket
// holds `burst` and gets `rate` of them a second.
struct RateLimit {
  RatePer per = RatePer::owner;
  double rate = 10;
  double burst = 20;
  std::string name = "calls";  // limits of one name and kind share their buckets
};

// What a bucket holds, and since when.
struct TokenBucket {
  double tokens = 0;
  std::int64_t at_ms = 0;
};
// Takes a token from a bucket (none: a full one) and leaves it as it is then. The time until there
// is one, if there is none.
std::optional<std::chrono::milliseconds> take_token(std::optional<TokenBucket>& bucket,
                                                    const RateLimit& limit, std::int64_t now_ms);

// KONTRACT_RATE_LIMITED, with the time to wait, for a call that finds no token. The buckets are in
// ctx.shared(): they are those of the whole runtime, outlive a restart, and expire when they are
// full again. Errors: throws std::invalid_argument unless rate is positive and burst is 1 or more.
Middleware::Guard rate_limit(RateLimit limit);

struct RequestEntry {
  std::string function, session, owner, user, remote, method;
  std::optional<Errc> error;  // nothing: it was answered
  Txid txid = 0;
  std::chrono::microseconds took{0};  // until its answer came back here
};

// "table.get room-1 tenant-1/ann POST 127.0.0.1:4711 ok txid=12 350us", on one line whatever a name
// may hold.
std::string to_line(const RequestEntry& entry);

// Tells `sink` of each call that is over; it may be called by several threads at once.
Middleware::Around request_log(std::function<void(const RequestEntry&)> sink);

// Answers to pages of other origins: actors/middleware.hpp.
inline Cors cors(Cors policy) { return policy; }

}  // namespace kontract
