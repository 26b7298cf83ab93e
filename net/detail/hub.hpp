// Hub: what the connections of one server share: its options, the directory, how many there are,
// and whether they are to go. Thread-safe.

#pragma once

#include <array>
#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "actors/reply.hpp"
#include "net/detail/address_limits.hpp"
#include "net/detail/client_address.hpp"
#include "net/detail/origin.hpp"
#include "net/detail/owner_rates.hpp"
#include "net/detail/revocations.hpp"
#include "net/server.hpp"
#include "net/token.hpp"
#include "net/token_keyring.hpp"

namespace kontract::detail {

// A connection of any kind, as the one who ends it sees it. All are called from any thread.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual void drain() = 0;  // finish what is in flight, then close
  virtual void stop() = 0;   // close now
  // The token with this key (Revocations::key_of) is good no more.
  virtual void token_revoked(const std::string& /*key*/) {}
  // The session with this sid is no more.
  virtual void session_destroyed(const std::string& /*sid*/) {}
  // The encrypted channel goes on on another connection.
  virtual void superseded() {}
};

// The line in the log about an answer KONTRACT_INTERNAL.
inline std::string internal_error_line(std::uint64_t call, const std::string& message) {
  return "KONTRACT_INTERNAL in call " + std::to_string(call) + ": " + message;
}

class SecureGate;

class Hub : public std::enable_shared_from_this<Hub> {
 public:
  // Without a keyring everybody is the developer. REQUIRES: with accounts, a keyring that signs.
  // Without a gate raystream is not spoken.
  Hub(ServerOptions options, Server::Parts parts, std::unique_ptr<TokenKeyring> keyring = nullptr,
      std::shared_ptr<SecureGate> secure = nullptr, TrustedProxies proxies = {});
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  const ServerOptions& options() const { return options_; }
  const Server::Parts& parts() const { return parts_; }
  const TrustedProxies& proxies() const { return proxies_; }

  bool open_to_all() const { return keyring_ == nullptr; }
  const std::shared_ptr<SecureGate>& secure() const { return secure_; }

  // One of the connections_max; given back when destroyed. Until it is known who has it, it is one
  // of the kNewcomersMax as well.
  class Place {
   public:
    Place() = default;
    explicit Place(std::shared_ptr<Hub> hub) : hub_(std::move(hub)) {}
    Place(Place&&) noexcept = default;
    Place& operator=(Place&& other) noexcept;
    ~Place();
    void known();
    // Counts it with its address, once that is known. False: the address has too many; why is
    // counted and in the log.
    bool take_address(const boost::asio::ip::address& address);
    // Whether its address may begin another handshake of raystream; else it is counted.
    bool take_handshake();

   private:
    std::shared_ptr<Hub> hub_;
    AddressLimits::Place of_address_;
    bool newcomer_ = true;
  };
  std::optional<Place> take_place();  // nothing if all are taken
  static constexpr std::size_t kNewcomersMax = 512;

  // One of an owner's connections_per_owner_max, of any kind; given back when destroyed.
  class OwnerPlace {
   public:
    OwnerPlace() = default;
    OwnerPlace(std::shared_ptr<Hub> hub, std::string owner)
        : hub_(std::move(hub)), owner_(std::move(owner)) {}
    OwnerPlace(OwnerPlace&&) noexcept = default;
    OwnerPlace& operator=(OwnerPlace&& other) noexcept;
    ~OwnerPlace();
    bool is_of(const std::string& owner) const { return hub_ && owner_ == owner; }

   private:
    std::shared_ptr<Hub> hub_;
    std::string owner_;
  };
  // Errors: rate_limited if the owner has all of them.
  Result<OwnerPlace> take_owner_place(const std::string& owner);

  // Known connections are told of drain and stop. One that comes when it is too late is told at
  // once.
  void add(const std::shared_ptr<Connection>& connection);
  void remove(const Connection* connection);

  void session_destroyed(const std::string& sid);
  void drain();
  void stop();
  bool draining() const { return draining_.load(std::memory_order_acquire); }
  bool empty() const { return open_.load(std::memory_order_acquire) == 0; }

  // Who sent this Authorization header; nobody yet if there is none and the server has keys.
  // Errors: unauthorized.
  Result<std::optional<Identified>> identify(std::optional<std::string_view> authorization) const;
  // Errors: unauthorized. Without keys everybody is the developer.
  Result<Identified> identify_token(std::string_view token) const;

  // REQUIRES: !open_to_all().
  std::shared_ptr<const TokenKeys> keys() const { return keyring_->keys(); }
  Revocations& revocations() const { return *revocations_; }
  // Whether a token of this user, good in itself, was revoked.
  bool is_revoked(const Peer& peer, const TokenId& id) const;
  // Revokes it, closes the sockets that use it, and answers when that is on disk:
  // {"iss","jti","closed"}.
  void revoke(const std::string& owner, const TokenId& id, Reply reply);
  // The same by a key of Revocations; `done` is told how many sockets, on any thread.
  void revoke(const std::string& key, std::function<void(Result<std::size_t>)> done);

  // Null: there are none.
  class AccountPages* accounts() const {
    return accounts_.get();
  }

  const Origins& origins() const { return origins_; }

  // Of the owner's calls, on all of his connections; null: he may make as many as he likes.
  std::shared_ptr<CallRate> call_rate(const std::string& owner);

  // A warning in the log, at most kWarningsPerSecond of them.
  void warn(std::string_view remote, std::string_view what);

  void count_frame_in() { frames_in_.fetch_add(1, std::memory_order_relaxed); }
  void count_frame_out() { frames_out_.fetch_add(1, std::memory_order_relaxed); }
  void count_refused(Refusal reason = Refusal::other) const {
    refused_[static_cast<std::size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  }
  void count_websocket(int change) {
    websockets_.fetch_add(static_cast<std::uint64_t>(change), std::memory_order_relaxed);
  }
  ServerMetrics metrics() const;

 private:
  static constexpr int kWarningsPerSecond = 20;

  const ServerOptions options_;
  const Server::Parts parts_;
  const std::unique_ptr<TokenKeyring> keyring_;
  const std::shared_ptr<SecureGate> secure_;
  const TrustedProxies proxies_;
  const std::shared_ptr<Revocations> revocations_;
  const Origins origins_;
  const std::shared_ptr<AddressLimits> addresses_;
  OwnerRates rates_;
  std::atomic<bool> draining_{false};
  std::atomic<bool> stopped_{false};
  std::atomic<std::size_t> open_{0}, newcomers_{0};
  std::atomic<std::uint64_t> total_{0}, websockets_{0}, frames_in_{0}, frames_out_{0};
  mutable std::array<std::atomic<std::uint64_t>, kRefusals> refused_{};

  std::mutex mutex_;  // of the two maps
  std::unordered_map<const Connection*, std::weak_ptr<Connection>> connections_;
  std::unordered_map<std::string, std::size_t> by_owner_;

  std::unique_ptr<AccountPages> accounts_;

  std::once_flag disk_started_;
  std::optional<boost::asio::thread_pool> disk_;  // what waits for it; from the first revocation on

  std::mutex warnings_mutex_;
  std::chrono::steady_clock::time_point warnings_since_;
  int warnings_ = 0;
};

}  // namespace kontract::detail
