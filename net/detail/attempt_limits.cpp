#include "net/detail/attempt_limits.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <iterator>

namespace kontract::detail {

namespace {

using namespace std::chrono_literals;

}  // namespace

Status AttemptLimits::take(const std::vector<std::string>& keys, Time now) {
  const std::lock_guard lock(mutex_);
  Time at = now;
  for (const std::string& key : keys) {
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) at = std::max(at, allowed_at(found->second->attempts, now));
  }
  if (at > now) {
    const auto wait = std::chrono::ceil<std::chrono::seconds>(at - now);
    Error error(Errc::rate_limited, "Too many attempts",
                "Try again in " + std::to_string(wait.count()) + " s.");
    error.retry_after = wait;
    return error;
  }
  for (const std::string& key : keys) touch(key).attempts.push_back(now);
  return {};
}

void AttemptLimits::give_back(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  std::vector<Time>& attempts = found->second->attempts;
  if (!attempts.empty()) attempts.pop_back();
  if (attempts.empty()) erase(found->second);
}

void AttemptLimits::forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) erase(found->second);
}

// Drops what is older than an hour.
AttemptLimits::Time AttemptLimits::allowed_at(std::vector<Time>& attempts, Time now) const {
  attempts.erase(attempts.begin(), std::upper_bound(attempts.begin(), attempts.end(), now - 1h));
  // The attempt with which this one would be one too many has to be over.
  const auto after = [&](std::size_t count, Time::duration span) {
    return attempts.size() < count ? now : attempts[attempts.size() - count] + span;
  };
  return std::max(after(rate_.per_hour, 1h), after(rate_.per_minute, 1min));
}

AttemptLimits::Entry& AttemptLimits::touch(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front();
  }
  if (entries_.size() >= entries_max_) erase(std::prev(entries_.end()));
  entries_.push_front({key, {}});
  by_key_.emplace(entries_.front().key, entries_.begin());
  return entries_.front();
}

void AttemptLimits::erase(Entries::iterator entry) {
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

std::string address_key(std::string_view address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(std::string(address), error);
  if (error || parsed.is_v4()) return std::string(address);
  const auto v6 = parsed.to_v6();
  if (v6.is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, v6).to_string();
  }
  constexpr std::size_t kNetworkBytes = 8;
  auto bytes = v6.to_bytes();
  std::fill(bytes.begin() + kNetworkBytes, bytes.end(), static_cast<unsigned char>(0));
  return boost::asio::ip::address_v6(bytes).to_string() + "/64";
}

}  // namespace kontract::detail
