#include <algorithm>
#include <utility>

#include "net/detail/raystream_establish.hpp"
#include "net/detail/raystream_hello.hpp"
#include "net/detail/raystream_keys.hpp"
#include "net/raystream_handshake.hpp"

namespace kontract::raystream {

namespace {

// There is one version. A client of a later one also refuses a server that could have spoken the
// client's highest (max_version) but was made to choose a lower one.
bool version_acceptable(const detail::ServerHello& hello) {
  return hello.version == kVersion && hello.max_version >= hello.version;
}

bool expiry_acceptable(std::uint64_t expires_ms, Instant now) {
  constexpr auto kLifeMax = std::chrono::milliseconds(kChannelLifeMax).count();
  const std::uint64_t now_ms = detail::to_ms(now);
  return now_ms < expires_ms && expires_ms - now_ms <= std::uint64_t{kLifeMax};
}

bool resume_acceptable(const detail::ServerHello& hello, const ClientSetup& setup) {
  if (!hello.resumed) return true;
  if (!setup.resume) return false;
  return !*hello.resumed || hello.channel_id == setup.resume->channel_id;
}

bool acceptable(const detail::ServerHello& hello, const ClientSetup& setup, Instant now) {
  const auto offered = [&](Cipher cipher) {
    return static_cast<std::uint8_t>(cipher) == hello.cipher;
  };
  return version_acceptable(hello) &&
         std::any_of(setup.ciphers.begin(), setup.ciphers.end(), offered) &&
         expiry_acceptable(hello.expires_ms, now) && resume_acceptable(hello, setup) &&
         setup.trust.accepts(hello.identity, hello.certificate, now);
}

}  // namespace

ClientHandshake::ClientHandshake(ClientSetup setup, SecretBytes exchange_private)
    : setup_(std::move(setup)), exchange_private_(std::move(exchange_private)) {
  detail::ClientHello hello;
  hello.exchange_key = detail::exchange_public(exchange_private_);
  hello.ciphers = setup_.ciphers;
  if (!setup_.trust.pins.empty()) hello.pin_hint = key_hint(setup_.trust.pins.front());
  if (setup_.resume) hello.resume = setup_.resume->channel_id;
  hello_ = detail::encode(hello);
  if (setup_.resume) detail::put_binder(hello_, setup_.resume->secret.view());
}

Result<Channel> ClientHandshake::finish(std::string_view server_frame, Instant now) {
  KONTRACT_ASSERT(!exchange_private_.empty());
  const SecretBytes exchange_private = std::move(exchange_private_);
  const ClientSetup setup = std::move(setup_);
  const auto hello = detail::decode_server_hello(server_frame);
  if (!hello || !acceptable(*hello, setup, now)) return handshake_failed();
  const auto shared = detail::exchange(exchange_private, hello->exchange_key);
  if (!shared) return handshake_failed();

  const detail::Hash transcript = detail::transcript(
      hello_, server_frame.substr(0, server_frame.size() - detail::kServerProofBytes));
  if (!signature_matches(hello->signature, detail::server_hello_text(transcript),
                         hello->identity)) {
    return handshake_failed();
  }
  const bool resumed = hello->resumed.value_or(false);
  const SecretBytes key =
      detail::handshake_key(*shared, resumed ? setup.resume->secret.view() : std::string_view());
  detail::ChannelKeys keys =
      detail::channel_keys(key, {hello->channel_id, detail::exchange_public(exchange_private),
                                 hello->exchange_key, transcript});
  const SecretBytes finished = detail::finished_mac(keys, transcript, hello->signature);
  if (!equal_in_constant_time(finished.view(), hello->finished)) return handshake_failed();
  return detail::establish(Role::client, *hello, std::move(keys));
}

}  // namespace kontract::raystream
