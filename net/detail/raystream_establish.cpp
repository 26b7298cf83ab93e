#include "net/detail/raystream_establish.hpp"

#include <utility>

namespace kontract::raystream::detail {

Channel establish(Role own, const ServerHello& hello, ChannelKeys keys) {
  const auto cipher = static_cast<Cipher>(hello.cipher);
  const Instant expires{std::chrono::milliseconds(hello.expires_ms)};
  const auto direction = [&](Role sender) {
    SecretBytes& secret = sender == Role::client ? keys.client_to_server : keys.server_to_client;
    return Direction{cipher, sender, std::move(secret), hello.limits, expires, {}};
  };
  const Role other = own == Role::client ? Role::server : Role::client;
  return {.id = hello.channel_id,
          .cipher = cipher,
          .expires = expires,
          .limits = hello.limits,
          .resumed = hello.resumed.value_or(false),
          .server = hello.identity,
          .resume_secret = std::move(keys.resume),
          .exporter = std::move(keys.exporter),
          .sender = RecordSender(direction(own)),
          .receiver = RecordReceiver(direction(other))};
}

}  // namespace kontract::raystream::detail
