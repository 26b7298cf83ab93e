#include "net/detail/hub.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>
#include <vector>

#include "net/detail/account_pages.hpp"

namespace kontract::detail {

namespace {

constexpr std::string_view kScheme = "bearer ";

bool is_bearer(std::string_view authorization) {
  return authorization.size() > kScheme.size() &&
         std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                    [](char want, char have) { return want == have || want - 32 == have; });
}

AddressLimits::Options address_options(const ServerOptions& server) {
  AddressLimits::Options options;
  options.connections_max = server.connections_per_address_max;
  options.unauthenticated_max = server.unauthenticated_per_address_max;
  options.accepts_per_second = server.accepts_per_address;
  options.handshakes_per_second = server.handshakes_per_address;
  options.loopback = server.limit_loopback;
  // Those that have a connection are never forgotten.
  options.tracked_max = std::max(options.tracked_max, 2 * server.connections_max);
  return options;
}

}  // namespace

Hub::Hub(ServerOptions options, Server::Parts parts, std::unique_ptr<TokenKeyring> keyring,
         std::shared_ptr<SecureGate> secure, TrustedProxies proxies)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      keyring_(std::move(keyring)),
      secure_(std::move(secure)),
      proxies_(std::move(proxies)),
      revocations_(std::make_shared<Revocations>(parts_.shared)),
      origins_(Origins::parse(options_.allowed_origins).value()),
      addresses_(std::make_shared<AddressLimits>(address_options(options_))),
      rates_(options_.calls_per_owner) {
  if (parts_.accounts) accounts_ = std::make_unique<AccountPages>(*this, parts_.accounts);
}

Hub::~Hub() = default;

Hub::Place& Hub::Place::operator=(Place&& other) noexcept {
  std::swap(hub_, other.hub_);
  std::swap(of_address_, other.of_address_);
  std::swap(newcomer_, other.newcomer_);
  return *this;
}

void Hub::Place::known() {
  if (hub_ && newcomer_) hub_->newcomers_.fetch_sub(1, std::memory_order_acq_rel);
  newcomer_ = false;
  of_address_.known();
}

bool Hub::Place::take_address(const boost::asio::ip::address& address) {
  auto taken = hub_->addresses_->take(address, std::chrono::steady_clock::now());
  if (!taken.refused) {
    of_address_ = std::move(taken.place);
    return true;
  }
  hub_->count_refused(*taken.refused);
  hub_->warn(address.to_string(), "refused a connection: " + std::string(name_of(*taken.refused)));
  return false;
}

bool Hub::Place::take_handshake() {
  if (of_address_.take_handshake(std::chrono::steady_clock::now())) return true;
  hub_->count_refused(Refusal::address_handshakes);
  return false;
}

Hub::Place::~Place() {
  known();
  if (hub_) hub_->open_.fetch_sub(1, std::memory_order_acq_rel);
}

std::optional<Hub::Place> Hub::take_place() {
  total_.fetch_add(1, std::memory_order_relaxed);
  if (open_.fetch_add(1, std::memory_order_acq_rel) < options_.connections_max) {
    if (newcomers_.fetch_add(1, std::memory_order_acq_rel) < kNewcomersMax) {
      return Place(shared_from_this());
    }
    newcomers_.fetch_sub(1, std::memory_order_acq_rel);
    count_refused(Refusal::unauthenticated);
  } else {
    count_refused(Refusal::connections);
  }
  open_.fetch_sub(1, std::memory_order_acq_rel);
  return std::nullopt;
}

Hub::OwnerPlace& Hub::OwnerPlace::operator=(OwnerPlace&& other) noexcept {
  std::swap(hub_, other.hub_);
  std::swap(owner_, other.owner_);
  return *this;
}

Hub::OwnerPlace::~OwnerPlace() {
  if (!hub_) return;
  const std::lock_guard lock(hub_->mutex_);
  const auto found = hub_->by_owner_.find(owner_);
  if (--found->second == 0) hub_->by_owner_.erase(found);
}

Result<Hub::OwnerPlace> Hub::take_owner_place(const std::string& owner) {
  const std::lock_guard lock(mutex_);
  const auto found = by_owner_.find(owner);
  const std::size_t have = found == by_owner_.end() ? 0 : found->second;
  if (have >= options_.connections_per_owner_max) {
    return Error(Errc::rate_limited, "This owner has too many connections",
                 "Close some, or use one connection for many calls.");
  }
  by_owner_[owner] = have + 1;
  return OwnerPlace(shared_from_this(), owner);
}

void Hub::add(const std::shared_ptr<Connection>& connection) {
  {
    const std::lock_guard lock(mutex_);
    connections_.emplace(connection.get(), connection);
  }
  // Whoever drains or stops sets the flag first and looks at the map then, so one of us sees both.
  if (stopped_.load()) {
    connection->stop();
  } else if (draining()) {
    connection->drain();
  }
}

void Hub::remove(const Connection* connection) {
  const std::lock_guard lock(mutex_);
  connections_.erase(connection);
}

void Hub::session_destroyed(const std::string& sid) {
  std::vector<std::weak_ptr<Connection>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, connection] : connections_) all.push_back(connection);
  }
  for (const auto& connection : all) {
    if (const auto alive = connection.lock()) alive->session_destroyed(sid);
  }
}

void Hub::drain() {
  if (draining_.exchange(true)) return;
  std::vector<std::weak_ptr<Connection>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, connection] : connections_) all.push_back(connection);
  }
  for (const auto& connection : all) {
    if (const auto alive = connection.lock()) alive->drain();
  }
}

void Hub::stop() {
  draining_.store(true);
  if (stopped_.exchange(true)) return;
  std::vector<std::weak_ptr<Connection>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, connection] : connections_) all.push_back(connection);
  }
  for (const auto& connection : all) {
    if (const auto alive = connection.lock()) alive->stop();
  }
  if (accounts_) accounts_->close();
}

Result<std::optional<Identified>> Hub::identify(
    std::optional<std::string_view> authorization) const {
  if (open_to_all()) {
    return std::optional(
        Identified{development_peer(), std::chrono::system_clock::time_point::max()});
  }
  if (!authorization) return std::optional<Identified>();
  // A header of another scheme is refused in the words of a bad token.
  auto identified =
      identify_token(is_bearer(*authorization) ? authorization->substr(kScheme.size()) : "");
  if (!identified) return std::move(identified).error();
  return std::optional(std::move(*identified));
}

Result<Identified> Hub::identify_token(std::string_view token) const {
  if (open_to_all()) {
    return Identified{development_peer(), std::chrono::system_clock::time_point::max()};
  }
  auto identified = verify_token(token, *keyring_->keys(), std::chrono::system_clock::now());
  if (identified && is_revoked(identified->peer, identified->id)) {
    return verify_token({}, TokenKeys(), {});  // in the words of any that is not good
  }
  return identified;
}

bool Hub::is_revoked(const Peer& peer, const TokenId& id) const {
  return revocations_->revoked(Revocations::key_of(peer.owner, id)) ||
         revocations_->revoked(Revocations::account_key_of(peer.owner, peer.user, id));
}

void Hub::revoke(const std::string& owner, const TokenId& id, Reply reply) {
  const auto back = std::make_shared<Reply>(std::move(reply));
  revoke(Revocations::key_of(owner, id), [id, back](const Result<std::size_t>& told) {
    if (!told) return back->fail(told.error());
    const Json answer = {{"iss", id.issuer}, {"jti", id.jti}, {"closed", *told}};
    back->deliver({to_text(answer), 0});
  });
}

void Hub::revoke(const std::string& key, std::function<void(Result<std::size_t>)> done) {
  const auto told = revocations_->revoke(key);
  if (!told) return done(told.error());
  std::call_once(disk_started_, [this] { disk_.emplace(1); });
  boost::asio::post(*disk_, [revocations = revocations_, told = *told, done = std::move(done)] {
    Status flushed = revocations->flush();
    done(flushed ? Result<std::size_t>(told) : std::move(flushed).error());
  });
}

std::shared_ptr<CallRate> Hub::call_rate(const std::string& owner) {
  return rates_.of(owner, std::chrono::steady_clock::now());
}

void Hub::warn(std::string_view remote, std::string_view what) {
  {
    const std::lock_guard lock(warnings_mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - warnings_since_ >= std::chrono::seconds(1)) {
      warnings_since_ = now;
      warnings_ = 0;
    }
    if (++warnings_ > kWarningsPerSecond) return;
  }
  spdlog::warn("{}: {}", remote, what);
}

ServerMetrics Hub::metrics() const {
  ServerMetrics metrics;
  metrics.connections = websockets_.load(std::memory_order_relaxed);
  metrics.connections_total = total_.load(std::memory_order_relaxed);
  metrics.frames_in = frames_in_.load(std::memory_order_relaxed);
  metrics.frames_out = frames_out_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < kRefusals; ++i) {
    metrics.refused_for[i] = refused_[i].load(std::memory_order_relaxed);
    metrics.refused += metrics.refused_for[i];
  }
  return metrics;
}

}  // namespace kontract::detail
