#include "net/server.hpp"

#include <sodium.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "net/detail/hand_over.hpp"
#include "net/detail/hub.hpp"
#include "net/detail/listener.hpp"
#include "net/detail/secure_gate.hpp"
#include "net/detail/server_tls.hpp"
#include "net/token_keyring.hpp"

namespace kontract {

namespace {

// Descriptors that the files of the store, the log and the acceptor may need.
constexpr std::size_t kReservedDescriptors = 256;

// No more connections than there can be descriptors for.
void cap_connections(ServerOptions& options) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  const std::size_t half = limit.rlim_cur / 2;
  const std::size_t room = limit.rlim_cur - std::min(half, kReservedDescriptors);
  if (options.connections_max <= room) return;
  spdlog::warn("connections_max is {} instead of {}: the process may open only {} files", room,
               options.connections_max, limit.rlim_cur);
  options.connections_max = room;
}

Status check(const ServerOptions& options) {
  if (options.call_timeout > options.call_timeout_max || options.call_timeout.count() < 1) {
    return Error{Errc::invalid_request, "call_timeout must be from 1 ms to call_timeout_max"};
  }
  if (options.heartbeat.count() < 1 || options.handshake_timeout.count() < 1 ||
      options.message_timeout.count() < 1) {
    return Error{Errc::invalid_request,
                 "heartbeat, handshake_timeout and message_timeout must be at least 1 ms"};
  }
  if (options.calls_in_flight_max < 1 || options.frame_bytes_max < 1) {
    return Error{Errc::invalid_request, "calls_in_flight_max and frame_bytes_max must not be 0"};
  }
  if (auto origins = detail::Origins::parse(options.allowed_origins); !origins) {
    return std::move(origins).error();
  }
  const bool life_allowed =
      options.raystream_life.count() >= 1 && options.raystream_life <= raystream::kChannelLifeMax;
  if (!life_allowed || options.raystream_rekey_records < raystream::kKeyUpdateGapMin ||
      options.raystream_handshakes_max < 1) {
    return Error{Errc::invalid_request,
                 "raystream_life must be from 1 ms to 24 h, raystream_rekey_records at least 64 "
                 "and raystream_handshakes_max not 0"};
  }
  return {};
}

class BeastServer final : public Server {
 public:
  BeastServer(std::shared_ptr<detail::Hub> hub, std::shared_ptr<detail::Listener> listener,
              std::shared_ptr<detail::ServerTls> tls)
      : hub_(std::move(hub)), listener_(std::move(listener)), tls_(std::move(tls)) {
    if (listener_) listener_->start();
  }
  ~BeastServer() override { stop(); }

  Status accept(int socket, std::string_view received) override {
    return detail::hand_over(hub_, socket, received);
  }

  Status reload_tls() override {
    if (tls_) return tls_->reload();
    return Error(Errc::invalid_request, "The server has no certificate that could be read again");
  }

  std::uint16_t port() const override { return listener_ ? listener_->port() : 0; }
  ServerMetrics metrics() const override { return hub_->metrics(); }
  void session_destroyed(const std::string& sid) override { hub_->session_destroyed(sid); }
  std::string identity() const override {
    return hub_->secure() ? raystream::to_pin(hub_->secure()->identity()) : std::string();
  }

  void drain() override {
    if (listener_) listener_->close();
    hub_->drain();
  }
  bool drained() const override { return (!listener_ || listener_->closed()) && hub_->empty(); }
  void stop() override {
    if (listener_) listener_->close();
    hub_->stop();
  }

 private:
  std::shared_ptr<detail::Hub> hub_;
  std::shared_ptr<detail::Listener> listener_;    // null if it has none
  const std::shared_ptr<detail::ServerTls> tls_;  // of the listener; null: it speaks plain TCP
};

void warn(const std::string& what) { spdlog::warn("{}", what); }

Result<std::shared_ptr<detail::Hub>> make_hub(ServerOptions options, Server::Parts parts) {
  KONTRACT_ASSERT(parts.io != nullptr && parts.directory != nullptr);
  if (sodium_init() < 0) return Error{Errc::internal, "libsodium cannot be initialised"};
  if (Status checked = check(options); !checked) return std::move(checked).error();
  auto proxies = detail::TrustedProxies::parse(options.trusted_proxies);
  if (!proxies) return std::move(proxies).error();
  if (options.proxy_protocol && proxies->empty()) {
    return Error{Errc::invalid_request,
                 "proxy-protocol takes trusted-proxies: the addresses that may say who connects"};
  }
  cap_connections(options);
  std::unique_ptr<TokenKeyring> keyring;
  if (tokens_required(options)) {
    auto opened = TokenKeyring::open(options, &warn);
    if (!opened) return std::move(opened).error();
    keyring = std::move(*opened);
  }
  if (parts.accounts && (!keyring || keyring->keys()->newest_signing() == nullptr)) {
    return Error{Errc::invalid_request, "Accounts need a key that signs their tokens",
                 "Configure a secret, or make signing keys with `kontract token keys rotate`."};
  }
  std::shared_ptr<detail::SecureGate> secure;
  if (options.raystream != RaystreamOffer::off) {
    auto opened = detail::SecureGate::open(options);
    if (!opened) return std::move(opened).error();
    secure = std::move(*opened);
  }
  return std::make_shared<detail::Hub>(std::move(options), std::move(parts), std::move(keyring),
                                       std::move(secure), std::move(*proxies));
}

}  // namespace

std::string_view name_of(Refusal reason) {
  constexpr std::array<std::string_view, kRefusals> names = {"other",
                                                             "connections",
                                                             "unauthenticated",
                                                             "address_connections",
                                                             "address_unauthenticated",
                                                             "address_accepts",
                                                             "address_handshakes",
                                                             "origin",
                                                             "request",
                                                             "token",
                                                             "owner_connections",
                                                             "owner_calls"};
  return names.at(static_cast<std::size_t>(reason));
}

Result<std::shared_ptr<Server>> Server::listen(ServerOptions options, Parts parts) {
  auto tls = detail::ServerTls::open(options, &warn);
  if (!tls) return std::move(tls).error();
  auto hub = make_hub(std::move(options), std::move(parts));
  if (!hub) return std::move(hub).error();
  auto listener = detail::Listener::open(*hub, *tls);
  if (!listener) return std::move(listener).error();
  return std::shared_ptr<Server>(
      std::make_shared<BeastServer>(std::move(*hub), std::move(*listener), std::move(*tls)));
}

Result<std::shared_ptr<Server>> Server::without_listener(ServerOptions options, Parts parts) {
  auto hub = make_hub(std::move(options), std::move(parts));
  if (!hub) return std::move(hub).error();
  return std::shared_ptr<Server>(std::make_shared<BeastServer>(std::move(*hub), nullptr, nullptr));
}

}  // namespace kontract
