#include "net/detail/raystream_kdf.hpp"

#include <algorithm>

#include "net/detail/raystream_sodium.hpp"

namespace kontract::detail {

static_assert(kHashBytes == crypto_hash_sha256_BYTES);
static_assert(kHashBytes == crypto_auth_hmacsha256_BYTES);

Hash sha256(Parts parts) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (const std::string_view part : parts) {
    crypto_hash_sha256_update(&state, octets(part), part.size());
  }
  Hash hash;
  crypto_hash_sha256_final(&state, octets(hash.data()));
  return hash;
}

SecretBytes hmac_sha256(std::string_view key, Parts parts) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, octets(key), key.size());
  for (const std::string_view part : parts) {
    crypto_auth_hmacsha256_update(&state, octets(part), part.size());
  }
  SecretBytes mac(kHashBytes);
  crypto_auth_hmacsha256_final(&state, octets(mac.data()));
  sodium_memzero(&state, sizeof state);
  return mac;
}

SecretBytes hkdf_extract(std::string_view salt, std::string_view input_key) {
  // HMAC fills a short key up with zeros, so that an empty salt is 32 zeros by itself.
  return hmac_sha256(salt, {input_key});
}

SecretBytes hkdf_expand(std::string_view pseudorandom_key, std::string_view info,
                        std::size_t bytes) {
  KONTRACT_ASSERT(bytes <= 255 * kHashBytes);
  SecretBytes out(bytes);
  SecretBytes block;
  unsigned char number = 1;
  for (std::size_t at = 0; at < bytes; at += kHashBytes, ++number) {
    const auto counter = static_cast<char>(number);
    block = hmac_sha256(pseudorandom_key, {block.view(), info, {&counter, 1}});
    std::copy_n(block.data(), std::min(kHashBytes, bytes - at), out.data() + at);
  }
  return out;
}

}  // namespace kontract::detail
