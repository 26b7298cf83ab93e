// OpenTransactions: what a session knows of the transactions that connections have begun, and why
// those that it ended itself are over.

#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "actors/call.hpp"

namespace kontract {

namespace detail {
struct TransactionShare;
}

class OpenTransactions {
 public:
  struct One {
    std::string owner;
    ConnectionNo connection = 0;
    Epoch epoch = 0;  // what it has seen rests on this one
    Clock::time_point begun, used;
    std::shared_ptr<detail::TransactionShare> share = nullptr;
    std::map<std::string, std::shared_ptr<detail::TransactionPart>, std::less<>> parts =
        {};  // by table
  };
  using All = std::map<Txid, One>;

  All& all() { return all_; }

  // Ends it; `why`, if it is not empty, is told to who still uses it, as long as there is room.
  void end(Txid txid, std::string why) {
    all_.erase(txid);
    if (why.empty()) return;
    if (ended_.size() == kEndedMax) ended_.pop_front();
    ended_.emplace_back(txid, std::move(why));
  }
  // Empty if nothing is known.
  std::string why_ended(Txid txid) const {
    const auto found = std::find_if(ended_.begin(), ended_.end(),
                                    [&](const auto& one) { return one.first == txid; });
    return found == ended_.end() ? std::string() : found->second;
  }

 private:
  static constexpr std::size_t kEndedMax = 256;

  All all_;
  std::deque<std::pair<Txid, std::string>> ended_;
};

}  // namespace kontract
