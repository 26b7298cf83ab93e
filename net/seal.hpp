// seal: authenticated encryption and key derivation with a key that the caller has.
//
//   encrypt: plaintext, cipher, key, nonce, associated data -> ciphertext of the same size ‖
//   tag(16) decrypt: the reverse; nothing of the plaintext is given out unless all of it is
//   authentic hkdf:    HKDF-SHA-256 (RFC 5869), extract and expand
//
// Ciphers: ChaCha20-Poly1305 (RFC 8439; libsodium) and AES-256-GCM (NIST SP 800-38D; OpenSSL, which
// has it on every processor). A nonce need not be secret, but may never be used twice with one key:
// who does so gives away the plaintexts and the means to forge. It is sent along with what it
// sealed. raystream's records (net/raystream_channel.hpp) count their nonces by themselves.
//
// Thread-safe; no I/O.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/secret_bytes.hpp"
#include "storage/result.hpp"

namespace kontract {

// Never renumber: the numbers are those of raystream's handshake.
enum class Cipher : std::uint8_t {
  chacha20_poly1305 = 1,
  aes_256_gcm = 2,
};

inline constexpr std::size_t kSealKeyBytes = 32;
inline constexpr std::size_t kSealNonceBytes = 12;
inline constexpr std::size_t kSealTagBytes = 16;
inline constexpr std::size_t kSealTextBytesMax = std::size_t{1} << 30;  // OpenSSL counts in an int
inline constexpr std::size_t kHkdfBytesMax = 255 * 32;                  // RFC 5869, section 2.3

struct SealWith {
  Cipher cipher = Cipher::chacha20_poly1305;
  std::string_view key;         // kSealKeyBytes
  std::string_view nonce;       // kSealNonceBytes
  std::string_view associated;  // authenticated, not part of the result; may be empty
};

// Errors: invalid_request if the key's or the nonce's size is another one; too_large;
// crypto_unsupported if this machine's OpenSSL has no AES-256-GCM.
Result<std::string> encrypt(std::string_view plaintext, const SealWith& with);

// Errors: as encrypt; decrypt_failed, with one text for every cause.
Result<std::string> decrypt(std::string_view sealed, const SealWith& with);

// decrypt_failed as decrypt says it: its hint lists what can be the cause.
Error decrypt_failed();

// `bytes` bytes from `input_key`. An empty salt is that of RFC 5869, 32 zeros.
// Errors: invalid_request if `bytes` is more than kHkdfBytesMax.
Result<SecretBytes> hkdf(std::string_view input_key, std::string_view salt, std::string_view info,
                         std::size_t bytes);

}  // namespace kontract
