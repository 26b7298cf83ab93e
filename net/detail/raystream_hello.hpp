// The two hellos of the handshake: their bytes and their form (docs/raystream.md, sections 4 and
// 5).
//
// Decoding is strict: there is one encoding of each hello, and all other bytes are refused. What
// the values mean, and whether signature, MAC or binder are right, is for the handshake to say.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/detail/raystream_keys.hpp"
#include "net/raystream_frame.hpp"
#include "net/raystream_identity.hpp"

namespace kontract::raystream::detail {

inline constexpr std::size_t kBinderBytes = 32;
inline constexpr std::size_t kFinishedBytes = 32;
// The end of a ServerHello, which is not part of the transcript: signature and finished.
inline constexpr std::size_t kServerProofBytes = sizeof(Signature) + kFinishedBytes;
inline constexpr std::size_t kCiphersMax = 8;

struct ClientHello {
  std::uint8_t version = kVersion;  // the highest that the client speaks
  ExchangeKey exchange_key{};
  std::vector<Cipher> ciphers;  // those that are known here, in the client's order
  std::optional<KeyHint> pin_hint;
  std::optional<ChannelId> resume;  // the binder is the last kBinderBytes of the frame then
};

// With zeros for a binder, which put_binder replaces.
std::string encode(const ClientHello& hello);
void put_binder(std::string& frame, std::string_view resume_secret);
bool binder_matches(std::string_view frame, std::string_view resume_secret);
std::optional<ClientHello> decode_client_hello(std::string_view frame);

struct ServerHello {
  std::uint8_t version = kVersion;
  std::uint8_t cipher = 0;  // as sent
  ExchangeKey exchange_key{};
  ChannelId channel_id{};
  std::uint64_t expires_ms = 0;
  IdentityKey identity{};
  std::uint8_t max_version = kVersion;
  ChannelLimits limits;
  std::optional<bool> resumed;
  std::string certificate;  // empty: none
  // Not written by encode().
  Signature signature{};
  std::string finished;
};

// The frame without its last kServerProofBytes, which its header counts already.
std::string encode_without_proof(const ServerHello& hello);
std::optional<ServerHello> decode_server_hello(std::string_view frame);

Hash transcript(std::string_view client_frame, std::string_view server_frame_without_proof);

}  // namespace kontract::raystream::detail
