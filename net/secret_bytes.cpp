#include "net/secret_bytes.hpp"

#include <sodium.h>

#include <algorithm>
#include <utility>

#include "net/detail/raystream_sodium.hpp"

namespace kontract {

SecretBytes::SecretBytes(std::size_t size)
    : bytes_(size == 0 ? nullptr : std::make_unique<char[]>(size)), size_(size) {}

SecretBytes::SecretBytes(std::string_view copy_of) : SecretBytes(copy_of.size()) {
  std::copy(copy_of.begin(), copy_of.end(), bytes_.get());
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    wipe();
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

SecretBytes::~SecretBytes() { wipe(); }

SecretBytes SecretBytes::random(std::size_t size) {
  detail::use_sodium();
  SecretBytes made(size);
  randombytes_buf(made.data(), made.size());
  return made;
}

void SecretBytes::wipe() {
  if (bytes_) sodium_memzero(bytes_.get(), size_);
  bytes_.reset();
  size_ = 0;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace kontract
