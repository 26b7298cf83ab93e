#include "net/password_hash.hpp"

#include <sodium.h>

#include <array>
#include <cerrno>
#include <span>

#include "net/detail/raystream_sodium.hpp"

namespace kontract {

namespace {

constexpr std::size_t kHashBytes = 32;  // of crypto_pwhash_str

Error no_memory() {
  Error error(Errc::overloaded, "There is no memory to check a password with");
  error.retry_after = std::chrono::seconds(1);
  return error;
}

std::string random_base64(std::span<unsigned char> bytes) {
  randombytes_buf(bytes.data(), bytes.size());
  constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
  std::string text(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), kVariant);
  text.pop_back();  // the terminating zero
  return text;
}

}  // namespace

Result<std::string> hash_password(std::string_view password, const PasswordCost& cost) {
  detail::use_sodium();
  std::array<char, crypto_pwhash_STRBYTES> hash{};
  if (crypto_pwhash_str(hash.data(), password.data(), password.size(), cost.operations,
                        cost.memory_bytes) != 0) {
    return no_memory();
  }
  return std::string(hash.data());
}

Result<bool> is_password(const std::string& hash, std::string_view password) {
  detail::use_sodium();
  errno = 0;
  if (crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0) return true;
  if (errno == ENOMEM) return no_memory();
  return false;
}

bool needs_rehash(const std::string& hash, const PasswordCost& cost) {
  return crypto_pwhash_str_needs_rehash(hash.c_str(), cost.operations, cost.memory_bytes) != 0;
}

std::string unmatchable_hash(const PasswordCost& cost) {
  detail::use_sodium();
  std::array<unsigned char, crypto_pwhash_SALTBYTES> salt{};
  std::array<unsigned char, kHashBytes> hash{};
  return "$argon2id$v=19$m=" + std::to_string(cost.memory_bytes / limits::kKiB) +
         ",t=" + std::to_string(cost.operations) + ",p=1$" + random_base64(salt) + '$' +
         random_base64(hash);
}

}  // namespace kontract
