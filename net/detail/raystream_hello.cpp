#include "net/detail/raystream_hello.hpp"

#include <algorithm>
#include <utility>

#include "net/detail/raystream_header.hpp"
#include "storage/byte_codec.hpp"

namespace kontract::raystream::detail {

using kontract::detail::view;

namespace {

// Never renumber. Those of the client come before those of the server.
enum class Extension : std::uint16_t {
  pin_hint = 0x0001,
  resume = 0x00FF,
  server_identity = 0x0101,
  server_max_version = 0x0102,
  limits = 0x0103,
  resumed = 0x0104,
  identity_cert = 0x0105,
};
constexpr std::uint16_t kCritical = 0x8000;  // who does not know it must not go on

class ExtensionWriter {
 public:
  ExtensionWriter& add(Extension type, std::string_view value) {
    out_.be(static_cast<std::uint16_t>(type)).counted<std::uint16_t>(value);
    return *this;
  }
  const std::string& view() const { return out_.view(); }

 private:
  ByteWriter out_{256};
};

// Calls take(type, value), which is false for a value that may not be; whether all were
// well-formed, in strictly ascending order, and known if they are critical.
template <class Take>
bool read_extensions(std::string_view bytes, Take take) {
  ByteReader in(bytes);
  std::optional<std::uint16_t> last;
  while (in.left() > 0) {
    const auto type = in.be<std::uint16_t>();
    const std::string_view value = in.counted<std::uint16_t>();
    if (in.failed() || (last && type <= *last) || (type & kCritical) != 0) return false;
    if (!take(static_cast<Extension>(type), value)) return false;
    last = type;
  }
  return in.done();
}

template <std::size_t N>
bool fill(std::array<char, N>& out, std::string_view value) {
  if (value.size() != N) return false;
  std::copy(value.begin(), value.end(), out.begin());
  return true;
}

template <std::size_t N>
bool fill(std::optional<std::array<char, N>>& out, std::string_view value) {
  return fill(out.emplace(), value);
}

bool read_ciphers(std::string_view ids, std::vector<Cipher>& out) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids.find(ids[i], i + 1) != std::string_view::npos) return false;
    const auto cipher = static_cast<Cipher>(ids[i]);
    if (cipher == Cipher::chacha20_poly1305 || cipher == Cipher::aes_256_gcm) {
      out.push_back(cipher);
    }
  }
  return true;
}

bool read_byte(std::string_view value, std::uint8_t max, std::uint8_t& out) {
  if (value.size() != 1) return false;
  out = static_cast<std::uint8_t>(value[0]);
  return out <= max;
}

std::string limits_bytes(const ChannelLimits& limits) {
  ByteWriter out(16);
  out.be(limits.plaintext_bytes).be(limits.calls_in_flight);
  out.be(limits.heartbeat_ms).be(limits.rekey_records);
  return std::move(out).take();
}

bool read_limits(std::string_view value, ChannelLimits& out) {
  ByteReader in(value);
  out.plaintext_bytes = in.be<std::uint32_t>();
  out.calls_in_flight = in.be<std::uint32_t>();
  out.heartbeat_ms = in.be<std::uint32_t>();
  out.rekey_records = in.be<std::uint32_t>();
  return in.done();
}

bool read_server_extensions(std::string_view bytes, ServerHello& hello) {
  bool identity = false;
  bool max_version = false;
  bool limits = false;
  const bool read = read_extensions(bytes, [&](Extension type, std::string_view value) {
    std::uint8_t resumed = 0;
    switch (type) {
      case Extension::server_identity:
        identity = true;
        return fill(hello.identity, value);
      case Extension::server_max_version:
        max_version = true;
        return read_byte(value, 0xFF, hello.max_version);
      case Extension::limits:
        limits = true;
        return read_limits(value, hello.limits);
      case Extension::resumed:
        if (!read_byte(value, 1, resumed)) return false;
        hello.resumed = resumed == 1;
        return true;
      case Extension::identity_cert:
        hello.certificate = value;
        return value.size() == kCertificateBytes;
      default:
        return true;
    }
  });
  return read && identity && max_version && limits;
}

}  // namespace

std::string encode(const ClientHello& hello) {
  KONTRACT_ASSERT(!hello.ciphers.empty() && hello.ciphers.size() <= kCiphersMax);
  ExtensionWriter extensions;
  if (hello.pin_hint) extensions.add(Extension::pin_hint, view(*hello.pin_hint));
  if (hello.resume) {
    extensions.add(Extension::resume, std::string(view(*hello.resume)).append(kBinderBytes, '\0'));
  }
  ByteWriter out(128);
  out.be(hello.version).be(static_cast<std::uint8_t>(hello.ciphers.size()));
  out.be(static_cast<std::uint16_t>(extensions.view().size())).bytes(view(hello.exchange_key));
  for (const Cipher cipher : hello.ciphers) out.be(static_cast<std::uint8_t>(cipher));
  out.bytes(extensions.view());
  return handshake_frame(FrameType::handshake_init, out.view());
}

void put_binder(std::string& frame, std::string_view resume_secret) {
  const std::size_t at = frame.size() - kBinderBytes;
  const SecretBytes binder = resume_binder(resume_secret, std::string_view(frame).substr(0, at));
  frame.replace(at, kBinderBytes, binder.view());
}

bool binder_matches(std::string_view frame, std::string_view resume_secret) {
  const std::size_t at = frame.size() - kBinderBytes;
  const SecretBytes binder = resume_binder(resume_secret, frame.substr(0, at));
  return equal_in_constant_time(frame.substr(at), binder.view());
}

std::optional<ClientHello> decode_client_hello(std::string_view frame) {
  const auto payload = handshake_payload(FrameType::handshake_init, frame);
  if (!payload) return std::nullopt;
  ByteReader in(*payload);
  ClientHello hello;
  hello.version = in.be<std::uint8_t>();
  const auto cipher_count = in.be<std::uint8_t>();
  const auto extension_bytes = in.be<std::uint16_t>();
  const std::string_view exchange_key = in.bytes(hello.exchange_key.size());
  const std::string_view ciphers = in.bytes(cipher_count);
  const std::string_view extensions = in.bytes(extension_bytes);
  if (!in.done() || hello.version == 0 || cipher_count == 0 || cipher_count > kCiphersMax ||
      !fill(hello.exchange_key, exchange_key) || !read_ciphers(ciphers, hello.ciphers)) {
    return std::nullopt;
  }
  const bool read = read_extensions(extensions, [&](Extension type, std::string_view value) {
    if (hello.resume) return false;  // it is the last one
    if (type == Extension::pin_hint) return fill(hello.pin_hint, value);
    if (type != Extension::resume) return true;
    return value.size() == sizeof(ChannelId) + kBinderBytes &&
           fill(hello.resume, value.substr(0, sizeof(ChannelId)));
  });
  if (!read) return std::nullopt;
  return hello;
}

std::string encode_without_proof(const ServerHello& hello) {
  ExtensionWriter extensions;
  const auto max_version = static_cast<char>(hello.max_version);
  extensions.add(Extension::server_identity, view(hello.identity))
      .add(Extension::server_max_version, {&max_version, 1})
      .add(Extension::limits, limits_bytes(hello.limits));
  if (hello.resumed) {
    const char resumed = *hello.resumed ? '\1' : '\0';
    extensions.add(Extension::resumed, {&resumed, 1});
  }
  if (!hello.certificate.empty()) extensions.add(Extension::identity_cert, hello.certificate);
  ByteWriter out(512);
  out.be(hello.version).be(hello.cipher);
  out.be(static_cast<std::uint16_t>(extensions.view().size())).bytes(view(hello.exchange_key));
  out.bytes(view(hello.channel_id)).be(hello.expires_ms).bytes(extensions.view());
  // Counted, though not there yet: the header is part of what is signed.
  out.bytes(std::string(kServerProofBytes, '\0'));
  std::string frame = handshake_frame(FrameType::handshake_response, out.view());
  frame.resize(frame.size() - kServerProofBytes);
  return frame;
}

std::optional<ServerHello> decode_server_hello(std::string_view frame) {
  const auto payload = handshake_payload(FrameType::handshake_response, frame);
  if (!payload) return std::nullopt;
  ByteReader in(*payload);
  ServerHello hello;
  hello.version = in.be<std::uint8_t>();
  hello.cipher = in.be<std::uint8_t>();
  const auto extension_bytes = in.be<std::uint16_t>();
  const std::string_view exchange_key = in.bytes(hello.exchange_key.size());
  const std::string_view channel_id = in.bytes(hello.channel_id.size());
  hello.expires_ms = in.be<std::uint64_t>();
  const std::string_view extensions = in.bytes(extension_bytes);
  const std::string_view signature = in.bytes(hello.signature.size());
  hello.finished = in.bytes(kFinishedBytes);
  if (!in.done() || !fill(hello.exchange_key, exchange_key) ||
      !fill(hello.channel_id, channel_id) || !fill(hello.signature, signature) ||
      !read_server_extensions(extensions, hello)) {
    return std::nullopt;
  }
  return hello;
}

Hash transcript(std::string_view client_frame, std::string_view server_frame_without_proof) {
  return kontract::detail::sha256({client_frame, server_frame_without_proof});
}

}  // namespace kontract::raystream::detail
