#include "net/detail/owner_rates.hpp"

#include <algorithm>

namespace kontract::detail {

std::optional<Error> CallRate::refuse(PerSecond::Time now) {
  const auto wait = rate_.take(per_second_, now);
  if (!wait) return std::nullopt;
  Error error(Errc::rate_limited, "This owner makes too many calls",
              "Wait as long as the answer says; the server takes " + std::to_string(per_second_) +
                  " a second of an owner (calls-per-owner).");
  error.retry_after = *wait;
  return error;
}

std::shared_ptr<CallRate> OwnerRates::of(const std::string& owner, PerSecond::Time now) {
  if (per_second_ == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  if (rates_.size() >= sweep_at_) {
    std::erase_if(rates_, [now](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->full(now);
    });
    sweep_at_ = std::max(kSweepAt, 2 * rates_.size());
  }
  std::shared_ptr<CallRate>& rate = rates_[owner];
  if (!rate) rate = std::make_shared<CallRate>(per_second_);
  return rate;
}

std::size_t OwnerRates::tracked() const {
  const std::lock_guard lock(mutex_);
  return rates_.size();
}

}  // namespace kontract::detail
