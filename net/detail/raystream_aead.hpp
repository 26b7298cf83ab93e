// Aead: one key of one cipher, ready to seal or to open many texts. The key schedule of AES is made
// once. Sizes are for the caller to check; ciphertext is as long as plaintext, the tag follows it.

#pragma once

#include <memory>
#include <string_view>

#include "net/seal.hpp"

struct evp_cipher_ctx_st;  // OpenSSL's EVP_CIPHER_CTX

namespace kontract::detail {

class Aead {
 public:
  enum class Use { seal, open };

  // REQUIRES: key has kSealKeyBytes.
  Aead(Cipher cipher, std::string_view key, Use use);

  // False if OpenSSL has no such cipher here: then neither seal nor open succeeds.
  bool ready() const;
  static Error unsupported();

  // Writes plaintext.size() + kSealTagBytes bytes to `out`. REQUIRES: made to seal, the nonce has
  // kSealNonceBytes and was not used with this key before.
  bool seal(std::string_view nonce, std::string_view associated, std::string_view plaintext,
            char* out);

  // Writes sealed.size() - kSealTagBytes bytes to `out`; zeros if it returns false, which it does
  // unless all of it is authentic. REQUIRES: made to open, sealed has at least kSealTagBytes.
  bool open(std::string_view nonce, std::string_view associated, std::string_view sealed,
            char* out);

 private:
  struct FreeContext {
    void operator()(evp_cipher_ctx_st* context) const;  // OpenSSL wipes the key
  };

  bool aes_seal(std::string_view nonce, std::string_view associated, std::string_view plaintext,
                char* out);
  bool aes_open(std::string_view nonce, std::string_view associated, std::string_view ciphertext,
                std::string_view tag, char* out);

  Cipher cipher_;
  SecretBytes key_;                                          // of ChaCha20-Poly1305
  std::unique_ptr<evp_cipher_ctx_st, FreeContext> context_;  // of AES-256-GCM
};

}  // namespace kontract::detail
