// AttemptLimits: how often something may be tried within a minute and within an hour by each of
// some keys, such as an address or an account.
//
// The attempts of the last hour are remembered one by one, so that no minute and no hour sees more,
// wherever it begins. Of more than entries_max keys the one that tried longest ago is forgotten: to
// make room that way takes as many other keys. Thread-safe.

#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/server_options.hpp"
#include "storage/result.hpp"

namespace kontract::detail {

class AttemptLimits {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kEntriesMax = 20'000;

  explicit AttemptLimits(AttemptRate rate, std::size_t entries_max = kEntriesMax)
      : rate_(rate), entries_max_(entries_max) {}

  // Counts an attempt of every key, or of none if one has had all that it may.
  // Errors: rate_limited, with the time after which it may.
  Status take(const std::vector<std::string>& keys, Time now);

  void give_back(const std::string& key);  // its newest attempt was none
  void forget(const std::string& key);     // all of them

 private:
  struct Entry {
    std::string key;
    std::vector<Time> attempts;  // ascending
  };
  using Entries = std::list<Entry>;  // who tried last is first

  Time allowed_at(std::vector<Time>& attempts, Time now) const;
  Entry& touch(const std::string& key);
  void erase(Entries::iterator entry);

  const AttemptRate rate_;
  const std::size_t entries_max_;
  std::mutex mutex_;
  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> by_key_;  // of the entry's own key
};

// What one client's addresses have in common: all of IPv4, the network (/64) of IPv6. Other text is
// its own key.
std::string address_key(std::string_view address);

}  // namespace kontract::detail
