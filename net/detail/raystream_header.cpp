#include "net/detail/raystream_header.hpp"

#include "storage/byte_codec.hpp"

namespace kontract::raystream {

Error bad_frame() {
  return {Errc::invalid_request, "Not a raystream frame that may come here",
          "docs/raystream.md gives the form of every frame. The connection is closed."};
}

Error handshake_failed() { return {Errc::decrypt_failed, "The handshake failed"}; }

namespace detail {

void put_header(char* out, const Header& header) {
  out[0] = static_cast<char>(header.version);
  out[1] = static_cast<char>(header.type);
  put_be(out + 2, header.flags);
  put_be(out + 4, header.sequence);
  put_be(out + 8, header.payload_bytes);
  put_be(out + 12, header.reserved);
}

std::optional<Header> read_header(std::string_view frame) {
  ByteReader in(frame);
  Header header;
  header.version = in.be<std::uint8_t>();
  header.type = static_cast<FrameType>(in.be<std::uint8_t>());
  header.flags = in.be<std::uint16_t>();
  header.sequence = in.be<std::uint32_t>();
  header.payload_bytes = in.be<std::uint32_t>();
  header.reserved = in.be<std::uint32_t>();
  if (in.failed()) return std::nullopt;
  return header;
}

std::string handshake_frame(FrameType type, std::string_view payload) {
  std::string frame(kHeaderBytes, '\0');
  put_header(frame.data(),
             {.type = type, .payload_bytes = static_cast<std::uint32_t>(payload.size())});
  return frame.append(payload);
}

std::optional<std::string_view> handshake_payload(FrameType type, std::string_view frame) {
  const auto header = read_header(frame);
  if (!header || header->version != kVersion || header->type != type || header->flags != 0 ||
      header->sequence != 0 || header->reserved != 0 ||
      header->payload_bytes != frame.size() - kHeaderBytes) {
    return std::nullopt;
  }
  return frame.substr(kHeaderBytes);
}

}  // namespace detail
}  // namespace kontract::raystream
