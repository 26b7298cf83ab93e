#include "storage/pending_set.hpp"

namespace kontract {
namespace {

constexpr std::size_t kIdleCapacity = 1024;  // what an empty set may keep allocated

}  // namespace

void PendingSet::add(std::string id, PendingVersion version) {
  KONTRACT_ASSERT(arrivals_.empty() || arrivals_.back().ticket <= version.ticket);
  auto chain = chains_.try_emplace(std::move(id)).first;
  KONTRACT_ASSERT(chain->second.empty() || chain->second.back().txid < version.txid);
  arrivals_.push_back({version.ticket, &*chain});
  if (version.inserted) orders_.emplace(version.order, chain->first);
  chain->second.push_back(std::move(version));
}

void PendingSet::drop_applied(Ticket applied) {
  while (head_ < arrivals_.size() && arrivals_[head_].ticket <= applied) {
    auto& [id, chain] = *arrivals_[head_++].chain;
    if (chain.front().inserted) orders_.erase(chain.front().order);
    chain.pop_front();
    if (chain.empty()) chains_.erase(chains_.find(id));
  }
  if (head_ == arrivals_.size()) {
    if (head_ > 0) clear();
  } else if (head_ > kIdleCapacity && head_ > arrivals_.size() / 2) {
    arrivals_.erase(arrivals_.begin(), arrivals_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
}

void PendingSet::clear() {
  orders_.clear();
  head_ = 0;
  if (arrivals_.capacity() > kIdleCapacity) {
    arrivals_ = {};
    chains_ = {};
  } else {
    arrivals_.clear();
    chains_.clear();
  }
}

const PendingSet::Chain* PendingSet::find(std::string_view id) const {
  if (chains_.empty()) return nullptr;
  const auto chain = chains_.find(id);
  return chain == chains_.end() ? nullptr : &chain->second;
}

}  // namespace kontract
