// The keys of one direction and what is counted of it: the same for its sender and its receiver.

#pragma once

#include <array>
#include <optional>

#include "net/detail/raystream_aead.hpp"
#include "net/raystream_channel.hpp"

namespace kontract::raystream::detail {

using Nonce = std::array<char, kSealNonceBytes>;

class DirectionKeys {
 public:
  DirectionKeys(Direction direction, kontract::detail::Aead::Use use);
  ~DirectionKeys();
  DirectionKeys(const DirectionKeys&) = delete;
  DirectionKeys& operator=(const DirectionKeys&) = delete;

  kontract::detail::Aead& aead() { return *aead_; }
  Nonce nonce() const;  // of record N

  // Record N was sealed or opened.
  void count(std::size_t plaintext_bytes, bool key_update);
  // Whether record N may announce a key update.
  bool may_update() const { return !last_update_ || n_ - *last_update_ >= kKeyUpdateGapMin; }
  bool used_up(Instant now) const { return now >= from_.expires || n_ >= from_.key_limits.end; }

  std::uint64_t n() const { return n_; }
  std::uint64_t records_under_key() const { return records_under_key_; }
  std::uint64_t bytes_under_key() const { return bytes_under_key_; }
  const Direction& from() const { return from_; }

 private:
  void derive();  // key and iv from the secret of this generation

  Direction from_;  // its secret is that of the current generation
  kontract::detail::Aead::Use use_;
  std::optional<kontract::detail::Aead> aead_;
  Nonce iv_{};
  std::uint64_t n_ = 0;
  std::uint64_t records_under_key_ = 0;
  std::uint64_t bytes_under_key_ = 0;
  std::optional<std::uint64_t> last_update_;  // N of the record that announced it
};

// Key and iv of one generation's secret, and the next generation's secret.
SecretBytes expand_label(std::string_view secret, std::string_view label, std::size_t bytes);

}  // namespace kontract::raystream::detail
