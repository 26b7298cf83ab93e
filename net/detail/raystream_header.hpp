// The 16 bytes that each raystream frame begins with (net/raystream_frame.hpp), as they are: only
// the size is looked at.

#pragma once

#include <optional>
#include <string_view>

#include "net/raystream_frame.hpp"

namespace kontract::raystream::detail {

inline constexpr std::uint16_t kEncrypted = 0x0001;
inline constexpr std::uint16_t kKeyUpdate = 0x0002;

struct Header {
  std::uint8_t version = kVersion;
  FrameType type = FrameType::close;
  std::uint16_t flags = 0;
  std::uint32_t sequence = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t reserved = 0;
};

// Writes kHeaderBytes.
void put_header(char* out, const Header& header);

// The header of `frame`, if it is long enough to have one.
std::optional<Header> read_header(std::string_view frame);

// A handshake frame: header and payload.
std::string handshake_frame(FrameType type, std::string_view payload);

// The payload of a handshake frame of this type, if every field of its header is as it must be.
std::optional<std::string_view> handshake_payload(FrameType type, std::string_view frame);

}  // namespace kontract::raystream::detail
