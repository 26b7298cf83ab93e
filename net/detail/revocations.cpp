#include "net/detail/revocations.hpp"

#include <sodium.h>

#include <array>
#include <vector>

#include "net/detail/base64url.hpp"
#include "net/detail/hub.hpp"

namespace kontract::detail {

namespace {

constexpr std::string_view kPrefix = "kontract.revoked.";
// From now, the latest moment at which a token that is good now, or is made of one, can be good.
constexpr std::chrono::milliseconds kRemembered = kTokenLifeMax + 2 * kTokenSkew;

std::string key_of_name(const Json& name_parts) {
  const std::string name = to_text(name_parts);
  std::array<unsigned char, crypto_generichash_BYTES> hash;
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(name.data()),
                     name.size(), nullptr, 0);
  return std::string(kPrefix) +
         to_base64url({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

}  // namespace

std::string Revocations::key_of(const std::string& owner, const TokenId& id) {
  if (id.jti.empty()) return {};
  return key_of_name(Json::array({owner, id.issuer, id.jti}));
}

std::string Revocations::account_key_of(const std::string& owner, const std::string& user,
                                        const TokenId& id) {
  if (!id.generation) return {};
  return key_of_name(Json::array({owner, id.issuer, user, *id.generation}));
}

bool Revocations::revoked(const std::string& key) const {
  if (key.empty() || shared_ == nullptr) return false;
  const auto entry = shared_->get(key);
  return !entry || entry->has_value();
}

Result<std::size_t> Revocations::revoke(const std::string& key) {
  if (key.empty()) return Error(Errc::invalid_request, "A token without jti cannot be revoked");
  if (shared_ == nullptr) return Error(Errc::overloaded, "This server keeps no revocations");
  if (Status set = shared_->set(key, true, kRemembered); !set) return std::move(set).error();
  std::vector<std::shared_ptr<Connection>> told;
  {
    const std::lock_guard lock(mutex_);
    const auto [first, last] = holders_.equal_range(key);
    for (auto entry = first; entry != last; ++entry) {
      if (auto alive = entry->second.second.lock()) told.push_back(std::move(alive));
    }
  }
  for (const auto& connection : told) connection->token_revoked(key);
  return told.size();
}

Status Revocations::flush() { return shared_ == nullptr ? Status() : shared_->flush(); }

Revocations::Hold Revocations::hold(std::string key, const std::shared_ptr<Connection>& holder) {
  if (key.empty()) return {};
  {
    const std::lock_guard lock(mutex_);
    holders_.emplace(key, std::pair(holder.get(), std::weak_ptr(holder)));
  }
  return {shared_from_this(), std::move(key), holder.get()};
}

void Revocations::release(const std::string& key, const Connection* holder) {
  const std::lock_guard lock(mutex_);
  const auto [first, last] = holders_.equal_range(key);
  for (auto entry = first; entry != last; ++entry) {
    if (entry->second.first != holder) continue;
    holders_.erase(entry);
    return;
  }
}

Revocations::Hold& Revocations::Hold::operator=(Hold&& other) noexcept {
  std::swap(of_, other.of_);
  std::swap(key_, other.key_);
  std::swap(holder_, other.holder_);
  return *this;
}

Revocations::Hold::~Hold() {
  if (of_) of_->release(key_, holder_);
}

}  // namespace kontract::detail
