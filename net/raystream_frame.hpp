// raystream's frames: the header that each begins with, and what may stand in it.
//
//   frame     := header ‖ payload (handshake)  |  header ‖ nonce(12) ‖ ciphertext ‖ tag(16)
//   (record) header    := version:u8 type:u8 flags:u16 sequence:u32 payload_bytes:u32 reserved:u32
//
// All integers are big-endian. payload_bytes of a record counts the ciphertext alone. One frame is
// one binary WebSocket message. docs/raystream.md is the specification (section 3).

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/seal.hpp"
#include "storage/error.hpp"

namespace kontract::raystream {

inline constexpr std::string_view kSubprotocol = "raystream.v1";
inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::size_t kHeaderBytes = 16;
inline constexpr std::size_t kRecordOverheadBytes = kHeaderBytes + kSealNonceBytes + kSealTagBytes;

// Never renumber.
enum class FrameType : std::uint8_t {
  handshake_init = 0x01,
  handshake_response = 0x02,
  call = 0x10,    // also carries `hello`
  result = 0x11,  // also carries `welcome`
  error = 0x12,
  subscribe = 0x20,  // and unsubscribe
  event = 0x21,
  heartbeat = 0x30,
  close = 0xFF,
};

enum class Role { client, server };

// Whether records of this type are `sender`'s to send.
constexpr bool may_send(Role sender, FrameType type) {
  switch (type) {
    case FrameType::call:
    case FrameType::subscribe:
      return sender == Role::client;
    case FrameType::result:
    case FrameType::error:
    case FrameType::event:
      return sender == Role::server;
    case FrameType::heartbeat:
    case FrameType::close:
      return true;
    case FrameType::handshake_init:
    case FrameType::handshake_response:
      break;
  }
  return false;
}

// What the server tells in its hello, of both directions.
struct ChannelLimits {
  std::uint32_t plaintext_bytes = 1 << 20;  // of one record
  std::uint32_t calls_in_flight = 256;
  std::uint32_t heartbeat_ms = 60'000;
  std::uint32_t rekey_records = 1 << 20;  // records after which a sender updates its key

  bool operator==(const ChannelLimits&) const = default;
};

// The session_id of the specification: names the encrypted channel, gives no right to anything.
using ChannelId = std::array<char, 16>;  // a UUIDv7

// BAD_FRAME of the specification.
Error bad_frame();

// HANDSHAKE_FAILED: the same for every cause, so that nobody learns which check he failed.
Error handshake_failed();

}  // namespace kontract::raystream
