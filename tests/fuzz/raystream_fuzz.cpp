// The first byte says as what the rest is taken: a hello of either side, or a record. What is read
// must be what would be written, and nobody guesses a key.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/detail/raystream_hello.hpp"
#include "net/raystream_handshake.hpp"

namespace {

using namespace kontract;
using namespace kontract::raystream;

const Instant kNow{std::chrono::hours(500'000)};

SecretBytes key_of(char byte) { return SecretBytes(std::string(32, byte)); }

ServerSetup server() {
  ServerSetup setup;
  setup.identities.push_back({*SigningKey::from_seed(key_of('i').view()), ""});
  return setup;
}

void take_client_hello(std::string_view frame) {
  const auto hello = raystream::detail::decode_client_hello(frame);
  const auto known = [](const ChannelId&) { return std::optional(key_of('r')); };
  const auto answer = answer_hello(frame, server(), known, kNow, {key_of('s'), {}});
  KONTRACT_ASSERT(hello.has_value() || !answer.has_value());
  if (!answer) return;
  KONTRACT_ASSERT(!answer->channel.resumed);  // nobody guesses a binder
  KONTRACT_ASSERT(raystream::detail::decode_server_hello(answer->frame).has_value());
}

void take_server_hello(std::string_view frame) {
  ClientSetup setup;
  setup.trust.pins = {server().identities.front().identity.public_key()};
  ClientHandshake handshake(std::move(setup), key_of('c'));
  KONTRACT_ASSERT(!handshake.finish(frame, kNow).has_value());  // nor a signature
  const auto hello = raystream::detail::decode_server_hello(frame);
  if (!hello) return;
  const std::string again = raystream::detail::encode_without_proof(*hello);
  // Only extensions that are unknown, and ignored, are not written again.
  KONTRACT_ASSERT(again.size() + raystream::detail::kServerProofBytes <= frame.size());
}

void take_records(std::string_view frame) {
  for (const Cipher cipher : {Cipher::chacha20_poly1305, Cipher::aes_256_gcm}) {
    RecordReceiver receiver(
        {cipher, Role::client, key_of('k'), {}, kNow + std::chrono::hours(1), {}});
    KONTRACT_ASSERT(!receiver.open(frame, kNow).has_value());
    static_cast<void>(decrypt(frame, {cipher, "key", "nonce", frame}));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view frame(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      take_client_hello(frame);
      break;
    case 1:
      take_server_hello(frame);
      break;
    default:
      take_records(frame);
  }
  return 0;
}
