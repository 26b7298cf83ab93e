#include "net/detail/address_limits.hpp"

#include <algorithm>
#include <string_view>

namespace kontract::detail {

namespace {

using boost::asio::ip::address;

constexpr std::size_t kNetworkBytes = 8;  // of an IPv6 address: /64

address plain(const address& given) {
  if (!given.is_v6() || !given.to_v6().is_v4_mapped()) return given;
  return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, given.to_v6());
}

bool above(std::size_t have, std::size_t most) { return most != 0 && have >= most; }

}  // namespace

AddressLimits::Place& AddressLimits::Place::operator=(Place&& other) noexcept {
  std::swap(of_, other.of_);
  std::swap(key_, other.key_);
  std::swap(newcomer_, other.newcomer_);
  return *this;
}

AddressLimits::Place::~Place() {
  if (!of_) return;
  const std::lock_guard lock(of_->mutex_);
  of_->release(key_, newcomer_);
}

void AddressLimits::Place::known() {
  if (!of_ || !newcomer_) return;
  newcomer_ = false;
  const std::lock_guard lock(of_->mutex_);
  --of_->entries_.at(key_).newcomers;
}

bool AddressLimits::Place::take_handshake(Time now) {
  if (!of_) return true;
  const std::lock_guard lock(of_->mutex_);
  return !of_->entries_.at(key_).handshakes.take(of_->options_.handshakes_per_second, now);
}

AddressLimits::Taken AddressLimits::take(const address& given, Time now) {
  const address from = plain(given);
  if (from.is_loopback() && !options_.loopback) return {};
  const Key key = key_of(from);
  const std::lock_guard lock(mutex_);
  Entry* const entry = find_or_make(key, now);
  // Nothing can be forgotten: all of them have connections.
  if (entry == nullptr) return {{}, Refusal::address_connections};
  std::optional<Refusal> refused;
  if (entry->accepts.take(options_.accepts_per_second, now)) {
    refused = Refusal::address_accepts;
  } else if (above(entry->connections, options_.connections_max)) {
    refused = Refusal::address_connections;
  } else if (above(entry->newcomers, options_.unauthenticated_max)) {
    refused = Refusal::address_unauthenticated;
  }
  if (refused) return {{}, refused};
  if (entry->connections++ == 0) idle_.erase(entry->idle);
  ++entry->newcomers;
  return {Place(shared_from_this(), key), std::nullopt};
}

AddressLimits::Entry* AddressLimits::find_or_make(const Key& key, Time now) {
  if (const auto found = entries_.find(key); found != entries_.end()) {
    Entry& known = found->second;
    if (known.connections == 0) idle_.splice(idle_.end(), idle_, known.idle);
    return &known;
  }
  forget_idle(now);
  if (entries_.size() >= options_.tracked_max) return nullptr;
  Entry& entry = entries_[key];
  entry.idle = idle_.insert(idle_.end(), key);
  return &entry;
}

void AddressLimits::forget_idle(Time now) {
  while (!idle_.empty()) {
    const auto oldest = entries_.find(idle_.front());
    const Entry& entry = oldest->second;
    const bool still = entry.accepts.full(now) && entry.handshakes.full(now);
    if (!still && entries_.size() < options_.tracked_max) return;
    idle_.pop_front();
    entries_.erase(oldest);
  }
}

void AddressLimits::release(const Key& key, bool newcomer) {
  Entry& entry = entries_.at(key);
  if (newcomer) --entry.newcomers;
  if (--entry.connections == 0) entry.idle = idle_.insert(idle_.end(), key);
}

AddressLimits::Key AddressLimits::key_of(const address& from) {
  Key key{};
  if (from.is_v4()) {
    const auto mapped =
        boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, from.to_v4()).to_bytes();
    std::copy(mapped.begin(), mapped.end(), key.begin());
  } else {
    const auto bytes = from.to_v6().to_bytes();
    std::copy_n(bytes.begin(), kNetworkBytes, key.begin());
  }
  return key;
}

std::size_t AddressLimits::KeyHash::operator()(const Key& key) const {
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(key.data()), key.size()});
}

std::size_t AddressLimits::tracked() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace kontract::detail
