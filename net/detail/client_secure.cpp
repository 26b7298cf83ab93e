#include "net/detail/client_secure.hpp"

#include <algorithm>
#include <utility>

#include "net/detail/client_known_hosts.hpp"
#include "net/detail/raystream_hello.hpp"

namespace kontract {

namespace {

using raystream::IdentityKey;
using raystream::ServerTrust;

constexpr std::size_t kCiphersMax = 8;

Error bad(std::string message, std::string hint) {
  return {Errc::invalid_request, std::move(message), std::move(hint)};
}

RaystreamTrust trust_of(const ClientRaystream& options) {
  if (options.trust != RaystreamTrust::automatic) return options.trust;
  if (!options.pins.empty() || !options.roots.empty()) return RaystreamTrust::pinned;
  return options.known_hosts.empty() ? RaystreamTrust::off : RaystreamTrust::first_use;
}

Result<std::vector<IdentityKey>> keys_of(const std::vector<std::string>& pins) {
  std::vector<IdentityKey> keys;
  for (const std::string& pin : pins) {
    const auto key = raystream::from_pin(pin);
    if (!key) {
      return bad("'" + pin + "' is not the pin of a server",
                 "It has 43 characters; `kontract identity show` prints it, and so does the server "
                 "when it starts.");
    }
    keys.push_back(*key);
  }
  return keys;
}

// What does not go together would be less safe than it looks.
Status check(const ClientRaystream& options, bool over_tls) {
  const RaystreamTrust trust = trust_of(options);
  const bool has_keys = !options.pins.empty() || !options.roots.empty();
  if (trust == RaystreamTrust::pinned && !has_keys) {
    return bad("To trust a pinned server takes its pin",
               "Give the pin that `kontract identity show` prints on the server.");
  }
  if (trust != RaystreamTrust::pinned && has_keys) {
    return bad("A pin was given, but not to be trusted", "Choose pinned, or leave the pin out.");
  }
  if (trust == RaystreamTrust::first_use && options.known_hosts.empty()) {
    return bad("To trust on first use takes a file of known hosts", "Name one; it is made.");
  }
  if (trust == RaystreamTrust::tls && !over_tls) {
    return bad("To trust whom TLS vouches for takes a server at wss://",
               "Give its wss:// address, or its pin.");
  }
  if (options.ciphers.empty() || options.ciphers.size() > kCiphersMax) {
    return bad("One to eight ciphers are to be offered", "Leave them as they are.");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ClientSecurity>> ClientSecurity::from(const ClientRaystream& options,
                                                             std::string server, bool over_tls) {
  if (Status checked = check(options, over_tls); !checked) return std::move(checked).error();
  const RaystreamTrust trust = trust_of(options);
  if (trust == RaystreamTrust::off) return std::unique_ptr<ClientSecurity>();
  auto pins = keys_of(options.pins);
  if (!pins) return std::move(pins).error();
  auto roots = keys_of(options.roots);
  if (!roots) return std::move(roots).error();
  ServerTrust whom{.pins = std::move(*pins), .roots = std::move(*roots)};
  whom.tls_vouches = trust == RaystreamTrust::tls;
  whom.over_tls = over_tls;
  return std::unique_ptr<ClientSecurity>(
      new ClientSecurity(options, std::move(server), std::move(whom)));
}

ClientSecurity::ClientSecurity(ClientRaystream options, std::string server, ServerTrust trust)
    : options_(std::move(options)), server_(std::move(server)), trust_(std::move(trust)) {}

Result<raystream::ClientHandshake> ClientSecurity::begin() {
  raystream::ClientSetup setup;
  setup.ciphers = options_.ciphers;
  setup.trust = trust_;
  if (trust_of(options_) == RaystreamTrust::first_use) {
    auto known = read_known_host(options_.known_hosts, server_);
    if (!known) return std::move(known).error();
    known_ = std::move(*known);
    setup.trust.pins = known_;
    // A server that is met for the first time may be anyone.
    setup.trust.tls_vouches = setup.trust.over_tls = known_.empty();
  }
  setup.resume = std::exchange(ticket_, std::nullopt);
  return raystream::ClientHandshake(std::move(setup));
}

Result<raystream::Channel> ClientSecurity::finish(raystream::ClientHandshake handshake,
                                                  std::string_view server_frame) {
  const auto now = std::chrono::system_clock::now();
  auto channel = handshake.finish(server_frame, now);
  const bool first_use = trust_of(options_) == RaystreamTrust::first_use;
  if (!channel) {
    // Why is for the user, and for nobody on the wire.
    const auto said = raystream::detail::decode_server_hello(server_frame);
    ServerTrust whom = trust_;
    if (first_use) whom.pins = known_;
    const bool stranger = said && !(first_use && known_.empty()) &&
                          !whom.accepts(said->identity, said->certificate, now);
    return stranger ? not_trusted(raystream::to_pin(said->identity)) : channel.error();
  }
  if (first_use && known_.empty()) {
    Status added = add_known_host(options_.known_hosts, server_, channel->server);
    if (!added) return std::move(added).error();
  }
  ticket_ = raystream::ResumeTicket{channel->id, channel->resume_secret.copy()};
  return channel;
}

Error ClientSecurity::not_trusted(const std::string& pin) const {
  const bool first_use = trust_of(options_) == RaystreamTrust::first_use;
  Error error(Errc::unauthorized,
              first_use ? "The identity of " + server_ + " has changed: it is " + pin + " now"
                        : "The identity of " + server_ + " is " + pin + ", which is not trusted",
              "Somebody may be in between. Ask the server's operator for its pin (`kontract "
              "identity show`).");
  error.hint += first_use ? " If it has changed indeed, delete the server's line in " +
                                options_.known_hosts + " and connect again."
                          : " If it has changed indeed, pin the new one.";
  return error;
}

}  // namespace kontract
