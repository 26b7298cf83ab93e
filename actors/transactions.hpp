// Transactions: the open ones of a session, and how far back their reads go.

#pragma once

#include <algorithm>
#include <map>
#include <string>

#include "storage/limits.hpp"
#include "storage/result.hpp"
#include "storage/version.hpp"

namespace kontract {

struct TransactionFacts {
  std::string sid;
  std::string owner;
  Txid current_txid = 0;  // it reads at; also its name
};

class Transactions {
 public:
  explicit Transactions(std::size_t open_max) : open_max_(open_max) {}

  // Opens the transaction that begins at `txid`. Errors: overloaded.
  Status begin(Txid txid, std::string owner) {
    if (open_.size() >= open_max_) {
      return Error(Errc::overloaded,
                   "The session has " + std::to_string(open_max_) + " open transactions",
                   "Commit or roll back those that are no longer needed.");
    }
    open_.emplace(txid, std::move(owner));
    return {};
  }

  // Ends it. Errors: txid_invalid.
  Status end(Txid txid, std::string_view owner) {
    const auto found = open_.find(txid);
    if (found == open_.end() || found->second != owner) {
      return Error(Errc::txid_invalid,
                   std::to_string(txid) + " is not an open transaction of this session");
    }
    open_.erase(found);
    return {};
  }

  // The lowest txid at which a transaction reads now; `next`, the next to be given, if none is
  // open.
  Txid min_active(Txid next) const { return open_.empty() ? next : open_.begin()->first; }

  void clear() { open_.clear(); }

  std::size_t size() const { return open_.size(); }
  const std::map<Txid, std::string>& open() const { return open_; }  // begin txid, owner

 private:
  const std::size_t open_max_;
  std::map<Txid, std::string> open_;
};

}  // namespace kontract
