// OwnerRates: so many calls a second of each owner, over all of his connections. An owner whose
// rate is full again is forgotten when nobody of his is connected. Thread-safe.

#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "net/detail/per_second.hpp"
#include "storage/error.hpp"

namespace kontract::detail {

// Of one owner.
class CallRate {
 public:
  explicit CallRate(std::size_t per_second) : per_second_(per_second) {}
  // Counts a call. Why it may not run, if it may not: rate_limited, with the time to wait.
  std::optional<Error> refuse(PerSecond::Time now);
  bool full(PerSecond::Time now) const { return rate_.full(now); }

 private:
  const std::size_t per_second_;
  PerSecond rate_;
};

class OwnerRates {
 public:
  explicit OwnerRates(std::size_t per_second) : per_second_(per_second) {}

  // Null if there is no limit.
  std::shared_ptr<CallRate> of(const std::string& owner, PerSecond::Time now);

  std::size_t tracked() const;

 private:
  static constexpr std::size_t kSweepAt = 1024;

  const std::size_t per_second_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<CallRate>> rates_;
  std::size_t sweep_at_ = kSweepAt;
};

}  // namespace kontract::detail
