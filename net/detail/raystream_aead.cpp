#include "net/detail/raystream_aead.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "net/detail/raystream_sodium.hpp"

namespace kontract::detail {

static_assert(kSealKeyBytes == crypto_aead_chacha20poly1305_IETF_KEYBYTES);
static_assert(kSealNonceBytes == crypto_aead_chacha20poly1305_IETF_NPUBBYTES);
static_assert(kSealTagBytes == crypto_aead_chacha20poly1305_IETF_ABYTES);

Aead::Aead(Cipher cipher, std::string_view key, Use use) : cipher_(cipher) {
  KONTRACT_ASSERT(key.size() == kSealKeyBytes);
  use_sodium();
  if (cipher == Cipher::chacha20_poly1305) {
    key_ = SecretBytes(key);
    return;
  }
  context_.reset(EVP_CIPHER_CTX_new());
  const int encrypts = use == Use::seal ? 1 : 0;
  if (!context_ || EVP_CipherInit_ex(context_.get(), EVP_aes_256_gcm(), nullptr, octets(key),
                                     nullptr, encrypts) != 1) {
    context_.reset();
    ERR_clear_error();
  }
}

void Aead::FreeContext::operator()(evp_cipher_ctx_st* context) const {
  EVP_CIPHER_CTX_free(context);
}

bool Aead::ready() const { return cipher_ == Cipher::chacha20_poly1305 || context_ != nullptr; }

Error Aead::unsupported() {
  return {Errc::crypto_unsupported, "This machine's OpenSSL has no AES-256-GCM",
          "Use chacha20-poly1305."};
}

bool Aead::seal(std::string_view nonce, std::string_view associated, std::string_view plaintext,
                char* out) {
  if (cipher_ == Cipher::aes_256_gcm) return aes_seal(nonce, associated, plaintext, out);
  return crypto_aead_chacha20poly1305_ietf_encrypt(
             octets(out), nullptr, octets(plaintext), plaintext.size(), octets(associated),
             associated.size(), nullptr, octets(nonce), octets(key_.view())) == 0;
}

bool Aead::open(std::string_view nonce, std::string_view associated, std::string_view sealed,
                char* out) {
  const std::size_t text_bytes = sealed.size() - kSealTagBytes;
  const std::string_view ciphertext = sealed.substr(0, text_bytes);
  const std::string_view tag = sealed.substr(text_bytes);
  bool authentic = false;
  if (cipher_ == Cipher::aes_256_gcm) {
    authentic = aes_open(nonce, associated, ciphertext, tag, out);
  } else {
    authentic = crypto_aead_chacha20poly1305_ietf_decrypt_detached(
                    octets(out), nullptr, octets(ciphertext), ciphertext.size(), octets(tag),
                    octets(associated), associated.size(), octets(nonce), octets(key_.view())) == 0;
  }
  // OpenSSL has written the unauthenticated plaintext by the time it looks at the tag.
  if (!authentic && text_bytes > 0) sodium_memzero(out, text_bytes);
  return authentic;
}

// The context keeps key and direction; a call with neither cipher nor key sets the nonce.
bool Aead::aes_seal(std::string_view nonce, std::string_view associated, std::string_view plaintext,
                    char* out) {
  EVP_CIPHER_CTX* const context = context_.get();
  int written = 0;
  const bool sealed =
      context != nullptr &&
      EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, octets(nonce), -1) == 1 &&
      (associated.empty() || EVP_CipherUpdate(context, nullptr, &written, octets(associated),
                                              static_cast<int>(associated.size())) == 1) &&
      (plaintext.empty() || EVP_CipherUpdate(context, octets(out), &written, octets(plaintext),
                                             static_cast<int>(plaintext.size())) == 1) &&
      EVP_CipherFinal_ex(context, octets(out + plaintext.size()), &written) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kSealTagBytes),
                          out + plaintext.size()) == 1;
  if (!sealed) ERR_clear_error();
  return sealed;
}

bool Aead::aes_open(std::string_view nonce, std::string_view associated,
                    std::string_view ciphertext, std::string_view tag, char* out) {
  EVP_CIPHER_CTX* const context = context_.get();
  int written = 0;
  std::string expected_tag(tag);  // the call takes a pointer to what may be changed
  unsigned char nothing_left[kSealTagBytes];
  const bool authentic =
      context != nullptr &&
      EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, octets(nonce), -1) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()),
                          expected_tag.data()) == 1 &&
      (associated.empty() || EVP_CipherUpdate(context, nullptr, &written, octets(associated),
                                              static_cast<int>(associated.size())) == 1) &&
      (ciphertext.empty() || EVP_CipherUpdate(context, octets(out), &written, octets(ciphertext),
                                              static_cast<int>(ciphertext.size())) == 1) &&
      EVP_CipherFinal_ex(context, nothing_left, &written) == 1;
  if (!authentic) ERR_clear_error();
  return authentic;
}

}  // namespace kontract::detail
