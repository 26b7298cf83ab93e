#include "net/detail/raystream_keys.hpp"

#include <algorithm>
#include <utility>

#include "net/detail/raystream_direction.hpp"
#include "net/detail/raystream_sodium.hpp"
#include "storage/byte_codec.hpp"

namespace kontract::raystream::detail {

using kontract::detail::hkdf_expand;
using kontract::detail::hkdf_extract;
using kontract::detail::hmac_sha256;
using kontract::detail::octets;
using kontract::detail::sha256;
using kontract::detail::view;

std::string signed_text(std::string_view context, std::string_view text) {
  return std::string(64, ' ').append(context).append(1, '\0').append(text);
}

std::string server_hello_text(const Hash& transcript) {
  return signed_text("raystream-v1, server hello", view(transcript));
}

std::uint64_t to_ms(Instant time) {
  using std::chrono::milliseconds;
  const auto since = std::chrono::duration_cast<milliseconds>(time.time_since_epoch());
  return static_cast<std::uint64_t>(std::max(since, milliseconds::zero()).count());
}

ExchangeKey exchange_public(const SecretBytes& own_private) {
  KONTRACT_ASSERT(own_private.size() == crypto_scalarmult_SCALARBYTES);
  ExchangeKey made;
  const int rc = crypto_scalarmult_base(octets(made.data()), octets(own_private.view()));
  KONTRACT_ASSERT(rc == 0);
  return made;
}

std::optional<SecretBytes> exchange(const SecretBytes& own_private, const ExchangeKey& peer) {
  KONTRACT_ASSERT(own_private.size() == crypto_scalarmult_SCALARBYTES);
  SecretBytes shared(crypto_scalarmult_BYTES);
  // libsodium refuses the points of low order, and all zeros too, in constant time.
  if (crypto_scalarmult(octets(shared.data()), octets(own_private.view()), octets(view(peer))) !=
          0 ||
      sodium_is_zero(octets(shared.view()), shared.size()) != 0) {
    return std::nullopt;
  }
  return shared;
}

SecretBytes handshake_key(const SecretBytes& shared, std::string_view resume_secret) {
  SecretBytes input(shared.size() + resume_secret.size());
  std::copy_n(shared.data(), shared.size(), input.data());
  std::copy(resume_secret.begin(), resume_secret.end(), input.data() + shared.size());
  return hkdf_extract("raystream-v1", input.view());
}

ChannelKeys channel_keys(const SecretBytes& handshake_key, const Bindings& bindings) {
  const auto derive = [&](std::string_view label) {
    ByteWriter info(1 + label.size() + 16 + 32 + 32 + 32);
    info.counted<std::uint8_t>(label).bytes(view(bindings.channel_id)).bytes(view(bindings.client));
    info.bytes(view(bindings.server)).bytes(view(bindings.transcript));
    return hkdf_expand(handshake_key.view(), info.view(), kontract::detail::kHashBytes);
  };
  return {derive("c2s"), derive("s2c"), derive("s fin"), derive("resume"), derive("exporter")};
}

SecretBytes finished_mac(const ChannelKeys& keys, const Hash& transcript,
                         const Signature& signature) {
  return hmac_sha256(keys.finished.view(), {view(transcript), view(signature)});
}

SecretBytes resume_binder(std::string_view resume_secret, std::string_view frame) {
  const SecretBytes key = expand_label(resume_secret, "binder", kontract::detail::kHashBytes);
  return hmac_sha256(key.view(), {view(sha256({frame}))});
}

}  // namespace kontract::raystream::detail
