#include "net/detail/raystream_direction.hpp"

#include <algorithm>
#include <utility>

#include "net/detail/raystream_kdf.hpp"
#include "net/detail/raystream_sodium.hpp"
#include "storage/byte_codec.hpp"

namespace kontract::raystream::detail {

using kontract::detail::Aead;

SecretBytes expand_label(std::string_view secret, std::string_view label, std::size_t bytes) {
  ByteWriter info(1 + label.size());
  info.counted<std::uint8_t>(label);
  return kontract::detail::hkdf_expand(secret, info.view(), bytes);
}

DirectionKeys::DirectionKeys(Direction direction, Aead::Use use)
    : from_(std::move(direction)), use_(use) {
  from_.limits.plaintext_bytes = std::min(from_.limits.plaintext_bytes, kPlaintextBytesMax);
  derive();
}

DirectionKeys::~DirectionKeys() { sodium_memzero(iv_.data(), iv_.size()); }

void DirectionKeys::derive() {
  const SecretBytes key = expand_label(from_.secret.view(), "key", kSealKeyBytes);
  const SecretBytes iv = expand_label(from_.secret.view(), "iv", kSealNonceBytes);
  aead_.emplace(from_.cipher, key.view(), use_);
  std::copy_n(iv.data(), iv.size(), iv_.begin());
}

Nonce DirectionKeys::nonce() const {
  Nonce nonce = iv_;
  std::uint64_t left = n_;
  for (std::size_t i = nonce.size(); left != 0; left >>= 8) {
    --i;
    nonce[i] = static_cast<char>(static_cast<std::uint8_t>(nonce[i]) ^ (left & 0xFF));
  }
  return nonce;
}

void DirectionKeys::count(std::size_t plaintext_bytes, bool key_update) {
  ++records_under_key_;
  bytes_under_key_ += plaintext_bytes;
  if (key_update) {
    last_update_ = n_;
    from_.secret = expand_label(from_.secret.view(), "ku", kSealKeyBytes);
    derive();
    records_under_key_ = 0;
    bytes_under_key_ = 0;
  }
  ++n_;
}

}  // namespace kontract::raystream::detail
