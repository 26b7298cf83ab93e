#include "storage/pending_set.hpp"

#include <algorithm>

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
  for (const std::string& entry : version.entries) {
    entries_.add(entry, chain->first, version.txid);
  }
  chain->second.push_back(std::move(version));
}

void PendingSet::drop_applied(Ticket applied) {
  while (head_ < arrivals_.size() && arrivals_[head_].ticket <= applied) {
    auto& [id, chain] = *arrivals_[head_++].chain;
    if (chain.front().inserted) orders_.erase(chain.front().order);
    for (const std::string& entry : chain.front().entries) entries_.remove(entry);
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
  entries_.clear();
  head_ = 0;
  if (arrivals_.capacity() > kIdleCapacity) {
    arrivals_ = {};
    chains_ = {};
  } else {
    arrivals_.clear();
    chains_.clear();
  }
}

std::vector<std::string_view> PendingSet::ids() const {
  std::vector<std::string_view> ids;
  ids.reserve(chains_.size());
  for (const auto& [id, chain] : chains_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

const PendingSet::Chain* PendingSet::find(std::string_view id) const {
  if (chains_.empty()) return nullptr;
  const auto chain = chains_.find(id);
  return chain == chains_.end() ? nullptr : &chain->second;
}

}  // namespace kontract
