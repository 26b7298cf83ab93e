#include <algorithm>
#include <utility>

#include "net/detail/raystream_establish.hpp"
#include "net/detail/raystream_hello.hpp"
#include "net/detail/raystream_keys.hpp"
#include "net/detail/raystream_sodium.hpp"
#include "net/raystream_handshake.hpp"
#include "storage/byte_codec.hpp"

namespace kontract::raystream {

using kontract::detail::view;

namespace {

std::optional<Cipher> choose(const std::vector<Cipher>& ours, const std::vector<Cipher>& theirs) {
  for (const Cipher cipher : ours) {
    if (std::find(theirs.begin(), theirs.end(), cipher) != theirs.end()) return cipher;
  }
  return std::nullopt;
}

Error no_common_cipher() {
  return {Errc::crypto_unsupported, "The client offers no cipher that the server takes"};
}

const ServerIdentity& identity_for(const std::optional<KeyHint>& hint, const ServerSetup& setup) {
  for (const ServerIdentity& candidate : setup.identities) {
    if (hint && key_hint(candidate.identity.public_key()) == *hint) return candidate;
  }
  return setup.identities.front();
}

// The secret to resume with, if there is one and the client has it. A binder is computed also when
// there is none, so that the time does not tell which channels are known.
std::optional<SecretBytes> resume_secret(std::string_view client_frame,
                                         const detail::ClientHello& hello,
                                         const FindResumeSecret& find) {
  if (!hello.resume) return std::nullopt;
  std::optional<SecretBytes> found = find ? find(*hello.resume) : std::nullopt;
  const bool known = found.has_value();
  if (!known) found.emplace(kontract::detail::kHashBytes);
  const bool bound = detail::binder_matches(client_frame, found->view());
  if (!known || !bound) return std::nullopt;
  return found;
}

// UUIDv7 (RFC 9562): milliseconds, then random bits around version and variant.
ChannelId new_channel_id(Instant now) {
  kontract::detail::use_sodium();
  ChannelId id;
  randombytes_buf(id.data(), id.size());
  char time[8];
  put_be(time, detail::to_ms(now));
  std::copy(time + 2, time + 8, id.begin());
  const auto set = [&id](std::size_t at, unsigned keep, unsigned bits) {
    id[at] = static_cast<char>((static_cast<std::uint8_t>(id[at]) & keep) | bits);
  };
  set(6, 0x0F, 0x70);
  set(8, 0x3F, 0x80);
  return id;
}

}  // namespace

ServerFresh ServerFresh::make(Instant now) {
  return {SecretBytes::random(kSealKeyBytes), new_channel_id(now)};
}

Result<ServerAnswer> answer_hello(std::string_view client_frame, const ServerSetup& setup,
                                  const FindResumeSecret& find_resume_secret, Instant now,
                                  ServerFresh fresh) {
  KONTRACT_ASSERT(!setup.identities.empty());
  KONTRACT_ASSERT(setup.life > setup.life.zero() && setup.life <= kChannelLifeMax);
  const auto client = detail::decode_client_hello(client_frame);
  if (!client) return bad_frame();
  const auto cipher = choose(setup.ciphers, client->ciphers);
  if (!cipher) return no_common_cipher();
  const auto shared = detail::exchange(fresh.exchange_private, client->exchange_key);
  if (!shared) return handshake_failed();
  const auto resume = resume_secret(client_frame, *client, find_resume_secret);

  const ServerIdentity& own = identity_for(client->pin_hint, setup);
  detail::ServerHello hello;
  hello.version = std::min(client->version, kVersion);
  hello.cipher = static_cast<std::uint8_t>(*cipher);
  hello.exchange_key = detail::exchange_public(fresh.exchange_private);
  hello.channel_id = resume ? *client->resume : fresh.channel_id;
  hello.expires_ms = detail::to_ms(now + setup.life);
  hello.identity = own.identity.public_key();
  hello.limits = setup.limits;
  if (client->resume) hello.resumed = resume.has_value();
  hello.certificate = own.certificate;

  std::string frame = detail::encode_without_proof(hello);
  const detail::Hash transcript = detail::transcript(client_frame, frame);
  const Signature signature = own.identity.sign(detail::server_hello_text(transcript));
  const SecretBytes key =
      detail::handshake_key(*shared, resume ? resume->view() : std::string_view());
  detail::ChannelKeys keys = detail::channel_keys(
      key, {hello.channel_id, client->exchange_key, hello.exchange_key, transcript});
  frame.append(view(signature)).append(detail::finished_mac(keys, transcript, signature).view());
  return ServerAnswer{std::move(frame), detail::establish(Role::server, hello, std::move(keys))};
}

}  // namespace kontract::raystream
