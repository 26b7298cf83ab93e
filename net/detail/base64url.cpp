#include "net/detail/base64url.hpp"

#include <sodium.h>

namespace kontract::detail {

constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

std::optional<std::string> from_base64url(std::string_view text) {
  std::string out(text.size() / 4 * 3 + 3, '\0');
  std::size_t size = 0;
  const int rc = sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(),
                                   text.data(), text.size(), nullptr, &size, nullptr, kVariant);
  if (rc != 0) return std::nullopt;
  out.resize(size);
  return out;
}

std::string to_base64url(std::string_view binary) {
  std::string out(sodium_base64_encoded_len(binary.size(), kVariant), '\0');
  sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(binary.data()),
                    binary.size(), kVariant);
  out.pop_back();  // the terminating zero
  return out;
}

}  // namespace kontract::detail
