#include "net/raystream_identity.hpp"

#include <algorithm>
#include <utility>

#include "net/detail/base64url.hpp"
#include "net/detail/raystream_kdf.hpp"
#include "net/detail/raystream_keys.hpp"
#include "net/detail/raystream_sodium.hpp"
#include "storage/byte_codec.hpp"

namespace kontract::raystream {

using kontract::detail::octets;
using kontract::detail::view;

namespace {

constexpr std::string_view kCertificateContext = "raystream-v1, identity cert";

// What the root signs.
std::string certificate_text(const IdentityKey& server, std::uint64_t not_before,
                             std::uint64_t not_after) {
  ByteWriter out(view(server).size() + 16);
  out.bytes(view(server)).be(not_before).be(not_after);
  return detail::signed_text(kCertificateContext, out.view());
}

bool certified(const IdentityKey& root, const IdentityKey& server, std::string_view certificate,
               Instant now) {
  ByteReader in(certificate);
  const std::string_view root_id = in.bytes(sizeof(KeyHint));
  const auto not_before = in.be<std::uint64_t>();
  const auto not_after = in.be<std::uint64_t>();
  const std::string_view sent = in.bytes(sizeof(Signature));
  if (!in.done() || root_id != view(key_hint(root))) return false;
  const std::uint64_t now_is = detail::to_ms(now);
  if (now_is < not_before || now_is > not_after) return false;
  Signature signature;
  std::copy(sent.begin(), sent.end(), signature.begin());
  return signature_matches(signature, certificate_text(server, not_before, not_after), root);
}

}  // namespace

KeyHint key_hint(const IdentityKey& key) {
  const kontract::detail::Hash hash = kontract::detail::sha256({view(key)});
  KeyHint hint;
  std::copy_n(hash.begin(), hint.size(), hint.begin());
  return hint;
}

std::string to_pin(const IdentityKey& key) { return kontract::detail::to_base64url(view(key)); }

std::optional<IdentityKey> from_pin(std::string_view pin) {
  const auto bytes = kontract::detail::from_base64url(pin);
  IdentityKey key;
  if (!bytes || bytes->size() != key.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), key.begin());
  return key;
}

Result<SigningKey> SigningKey::from_seed(std::string_view seed) {
  static_assert(kIdentitySeedBytes == crypto_sign_SEEDBYTES);
  if (seed.size() != kIdentitySeedBytes) {
    return Error{Errc::invalid_request,
                 "The seed of an identity has " + std::to_string(seed.size()) + " bytes, not 32"};
  }
  kontract::detail::use_sodium();
  SigningKey made;
  made.secret_ = SecretBytes(crypto_sign_SECRETKEYBYTES);
  crypto_sign_seed_keypair(octets(made.public_key_.data()), octets(made.secret_.data()),
                           octets(seed));
  return made;
}

Signature SigningKey::sign(std::string_view message) const {
  Signature signature;
  crypto_sign_detached(octets(signature.data()), nullptr, octets(message), message.size(),
                       octets(secret_.view()));
  return signature;
}

std::string SigningKey::certify(const IdentityKey& server, Instant not_before,
                                Instant not_after) const {
  const std::uint64_t from = detail::to_ms(not_before);
  const std::uint64_t until = detail::to_ms(not_after);
  ByteWriter out(kCertificateBytes);
  out.bytes(view(key_hint(public_key_))).be(from).be(until);
  out.bytes(view(sign(certificate_text(server, from, until))));
  return std::move(out).take();
}

bool signature_matches(const Signature& signature, std::string_view message,
                       const IdentityKey& signer) {
  return crypto_sign_verify_detached(octets(view(signature)), octets(message), message.size(),
                                     octets(view(signer))) == 0;
}

bool ServerTrust::accepts(const IdentityKey& server, std::string_view certificate,
                          Instant now) const {
  if (std::find(pins.begin(), pins.end(), server) != pins.end()) return true;
  for (const IdentityKey& root : roots) {
    if (certified(root, server, certificate, now)) return true;
  }
  return tls_vouches && over_tls;
}

}  // namespace kontract::raystream
