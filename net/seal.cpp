#include "net/seal.hpp"

#include <algorithm>
#include <utility>

#include "net/detail/raystream_aead.hpp"
#include "net/detail/raystream_kdf.hpp"

namespace kontract {

namespace {

Error wrong_size(const char* what, std::size_t is, std::size_t must_be) {
  return Error{Errc::invalid_request,
               std::string("The ") + what + " has " + std::to_string(is) + " bytes, not " +
                   std::to_string(must_be),
               "Give the raw bytes, not their hexadecimal or base64 form."};
}

Status check(const SealWith& with, std::size_t text_bytes) {
  if (with.cipher != Cipher::chacha20_poly1305 && with.cipher != Cipher::aes_256_gcm) {
    return Error{Errc::crypto_unsupported, "There is no such cipher"};
  }
  if (with.key.size() != kSealKeyBytes) return wrong_size("key", with.key.size(), kSealKeyBytes);
  if (with.nonce.size() != kSealNonceBytes) {
    return wrong_size("nonce", with.nonce.size(), kSealNonceBytes);
  }
  if (std::max(text_bytes, with.associated.size()) > kSealTextBytesMax) {
    return Error{Errc::too_large, "More than 1 GiB in one piece",
                 "Seal it in several pieces, each with a nonce of its own."};
  }
  return {};
}

}  // namespace

Result<std::string> encrypt(std::string_view plaintext, const SealWith& with) {
  if (auto checked = check(with, plaintext.size()); !checked) return std::move(checked).error();
  detail::Aead aead(with.cipher, with.key, detail::Aead::Use::seal);
  std::string sealed(plaintext.size() + kSealTagBytes, '\0');
  if (!aead.seal(with.nonce, with.associated, plaintext, sealed.data())) {
    return detail::Aead::unsupported();
  }
  return sealed;
}

Result<std::string> decrypt(std::string_view sealed, const SealWith& with) {
  const std::size_t text_bytes = sealed.size() - std::min(sealed.size(), kSealTagBytes);
  if (auto checked = check(with, text_bytes); !checked) return std::move(checked).error();
  if (sealed.size() < kSealTagBytes) return decrypt_failed();
  detail::Aead aead(with.cipher, with.key, detail::Aead::Use::open);
  if (!aead.ready()) return detail::Aead::unsupported();
  std::string plaintext(text_bytes, '\0');
  if (!aead.open(with.nonce, with.associated, sealed, plaintext.data())) return decrypt_failed();
  return plaintext;
}

Error decrypt_failed() {
  return {
      Errc::decrypt_failed, "What was received does not open",
      "One of four: the two sides have different keys; the nonce that it was sealed with was "
      "not sent along; the text, its associated data or the tag (the last 16 bytes) was changed "
      "or cut off; or the other side uses another cipher."};
}

Result<SecretBytes> hkdf(std::string_view input_key, std::string_view salt, std::string_view info,
                         std::size_t bytes) {
  if (bytes > kHkdfBytesMax) {
    return Error{Errc::invalid_request,
                 "HKDF-SHA-256 gives at most " + std::to_string(kHkdfBytesMax) + " bytes",
                 "Derive a key of 32 bytes and a stream from that."};
  }
  return detail::hkdf_expand(detail::hkdf_extract(salt, input_key).view(), info, bytes);
}

}  // namespace kontract
