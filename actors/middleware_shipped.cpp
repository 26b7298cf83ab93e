#include "actors/middleware_shipped.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "storage/registry.hpp"
#include "storage/shared_state.hpp"

namespace kontract {

namespace {

constexpr double kMsPerSecond = 1000;
constexpr double kDayMs = 86'400 * kMsPerSecond;
constexpr double kYearMs = 365 * kDayMs;
constexpr double kRounding = 1e-6;  // of a token: what sums of fractions may be off

double tokens_at(const TokenBucket& bucket, const RateLimit& limit, std::int64_t now_ms) {
  // A clock that was set back takes nothing away.
  const auto passed = static_cast<double>(std::max<std::int64_t>(now_ms - bucket.at_ms, 0));
  return std::min(limit.burst, bucket.tokens + passed * limit.rate / kMsPerSecond);
}

std::optional<TokenBucket> bucket_in(const std::optional<SharedValue>& entry) {
  if (!entry) return std::nullopt;
  const Json& value = entry->value;
  if (!value.is_array() || value.size() != 2 || !value[0].is_number() || !value[1].is_number()) {
    return std::nullopt;  // somebody else's: it is one of ours from now on
  }
  return TokenBucket{value[0].get<double>(), value[1].get<std::int64_t>()};
}

Result<std::optional<std::chrono::milliseconds>> take(SharedState& shared, const std::string& key,
                                                      const RateLimit& limit) {
  std::optional<std::chrono::milliseconds> wait;
  Status taken = shared.update(key, [&](std::optional<SharedValue>& entry, WallTime now) {
    std::optional<TokenBucket> bucket = bucket_in(entry);
    wait = take_token(bucket, limit, now.time_since_epoch().count());
    const double full_ms = std::ceil((limit.burst - bucket->tokens) / limit.rate * kMsPerSecond);
    const std::chrono::milliseconds full(static_cast<std::int64_t>(std::min(full_ms, kYearMs)));
    entry = SharedValue{Json::array({bucket->tokens, bucket->at_ms}), now + full};
    return Status();
  });
  if (!taken) return std::move(taken).error();
  return wait;
}

// A name as a line may hold it.
std::string printable(std::string_view name) {
  std::string text = shown(name);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return (c >= 0 && c <= ' ') || c == 0x7F; }, '?');
  return text;
}

// "rate/calls/user/8:tenant-1/ann". No name can pass for another.
std::string own_key(const RateLimit& limit, const MiddlewareContext& ctx) {
  const std::string& owner = ctx.peer().owner;
  const std::string own = std::to_string(owner.size()) + ':' + owner;
  switch (limit.per) {
    case RatePer::owner:
      return "rate/" + limit.name + "/owner/" + own;
    case RatePer::user:
      return "rate/" + limit.name + "/user/" + own + '/' + ctx.peer().user;
    case RatePer::session:
      break;
  }
  return "rate/" + limit.name + "/session/" + own + '/' + ctx.session().name;
}

// Who shares a bucket. A user's name may be more than a key can hold.
std::string bucket_key(const RateLimit& limit, const MiddlewareContext& ctx) {
  std::string key = own_key(limit, ctx);
  const bool fits = key.size() <= limits::kSharedKeyBytesMax && is_utf8(key) &&
                    key.find('\0') == std::string::npos;
  if (fits) return key;
  return "rate/" + limit.name + "/hash/" + std::to_string(std::hash<std::string>()(key));
}

Task<CallAnswer> logged(std::shared_ptr<const std::function<void(const RequestEntry&)>> sink,
                        MiddlewareContext& ctx, Next next) {
  const auto begun = Clock::now();
  CallAnswer answer = co_await next();
  const Peer& peer = ctx.peer();
  RequestEntry entry;
  entry.function = ctx.function();
  entry.session = ctx.session().name;
  entry.owner = peer.owner;
  entry.user = peer.user;
  entry.remote = peer.remote;
  entry.method = peer.method;
  if (!answer.ok()) entry.error = answer.error().code;
  entry.txid = answer.txid();
  entry.took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun);
  (*sink)(entry);
  co_return answer;
}

}  // namespace

Middleware::Guard require_auth() {
  return [](const MiddlewareContext& ctx) {
    if (ctx.peer().anonymous) throw Unauthorized("This is for those who have said who they are");
  };
}

Middleware::Guard require_group(std::string group) {
  return [group = std::move(group)](const MiddlewareContext& ctx) {
    if (!ctx.peer().in_group(group)) throw Forbidden("This is for the group " + group);
  };
}

std::optional<std::chrono::milliseconds> take_token(std::optional<TokenBucket>& bucket,
                                                    const RateLimit& limit, std::int64_t now_ms) {
  const double there = bucket ? tokens_at(*bucket, limit, now_ms) : limit.burst;
  const double left = there - 1;
  if (left >= -kRounding) {
    bucket = TokenBucket{std::max(left, 0.0), now_ms};
    return std::nullopt;
  }
  bucket = TokenBucket{there, now_ms};
  const double wait_ms = std::ceil((-left - kRounding) / limit.rate * kMsPerSecond);
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(wait_ms, kDayMs)));
}

Middleware::Guard rate_limit(RateLimit limit) {
  if (!(limit.rate > 0) || !(limit.burst >= 1)) {
    throw std::invalid_argument("rate_limit: rate must be positive, and burst 1 or more");
  }
  return [limit = std::move(limit)](const MiddlewareContext& ctx) {
    const auto wait = take(ctx.shared(), bucket_key(limit, ctx), limit);
    if (!wait) throw CallError(wait.error());
    if (!*wait) return;
    Error error(Errc::rate_limited, "Too many calls", "Wait as long as the answer says.");
    error.retry_after = **wait;
    throw CallError(std::move(error));
  };
}

std::string to_line(const RequestEntry& entry) {
  return printable(entry.function) + ' ' + entry.session + ' ' + printable(entry.owner) + '/' +
         printable(entry.user) + ' ' + entry.method + ' ' + entry.remote + ' ' +
         (entry.error ? std::string(traits(*entry.error).name) : "ok") +
         " txid=" + std::to_string(entry.txid) + ' ' + std::to_string(entry.took.count()) + "us";
}

Middleware::Around request_log(std::function<void(const RequestEntry&)> sink) {
  const auto kept =
      std::make_shared<const std::function<void(const RequestEntry&)>>(std::move(sink));
  return [kept](MiddlewareContext& ctx, Next next) { return logged(kept, ctx, next); };
}

}  // namespace kontract
