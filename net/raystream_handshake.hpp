// raystream's handshake: one frame from the client, one from the server, then both have a Channel.
//
//   client                                       server
//   ClientHandshake(...).hello()  -------------> answer_hello(frame, ...) : frame + Channel
//   .finish(frame, now) : Channel <------------- frame
//
// X25519 for keys that last as long as the channel, Ed25519 for who the server is, HKDF-SHA-256
// over both hellos for what keys come out: whoever changes a byte of either hello gets other keys.
// The client is not authenticated here: its first record is `hello` with its token.
// docs/raystream.md.
//
// No I/O and no clock: frames and times are passed in, and random bytes may be.

#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/raystream_channel.hpp"
#include "net/raystream_frame.hpp"
#include "net/raystream_identity.hpp"
#include "net/secret_bytes.hpp"
#include "storage/result.hpp"

namespace kontract::raystream {

inline constexpr std::chrono::hours kChannelLifeMax{24};

// Both directions of an encrypted channel, and what was agreed on. A receiver that has refused a
// record, and a transport that has ended, end the whole of it: let it go, which wipes its keys.
struct Channel {
  ChannelId id{};
  Cipher cipher = Cipher::chacha20_poly1305;
  Instant expires;
  ChannelLimits limits;
  bool resumed = false;
  IdentityKey server{};
  SecretBytes resume_secret;  // for one later handshake
  SecretBytes exporter;       // to bind something else to this channel
  RecordSender sender;
  RecordReceiver receiver;
};

// What a client keeps of a channel in order to resume it. Good for one handshake.
struct ResumeTicket {
  ChannelId channel_id{};
  SecretBytes secret;
};

struct ClientSetup {
  // Offered; one to eight, none twice.
  std::vector<Cipher> ciphers{Cipher::chacha20_poly1305, Cipher::aes_256_gcm};
  ServerTrust trust;  // its first pin is hinted to the server, in the clear
  std::optional<ResumeTicket> resume;
};

class ClientHandshake {
 public:
  // REQUIRES: `exchange_private` has 32 bytes, and is used for this handshake only; it is a
  // parameter so that test vectors can be reproduced.
  explicit ClientHandshake(ClientSetup setup,
                           SecretBytes exchange_private = SecretBytes::random(32));

  const std::string& hello() const { return hello_; }

  // The channel that the server's frame makes. To be called once: the private key is wiped,
  // whatever comes out. Errors: handshake_failed(), whatever is wrong. The connection is to be
  // closed then, and nothing told to the other side.
  Result<Channel> finish(std::string_view server_frame, Instant now);

 private:
  ClientSetup setup_;
  SecretBytes exchange_private_;
  std::string hello_;
};

struct ServerIdentity {
  SigningKey identity;
  std::string certificate;  // SigningKey::certify by a root that clients know, or empty
};

// What stays the same for all handshakes of a server.
struct ServerSetup {
  std::vector<ServerIdentity> identities;  // the first, unless the client hints another. Not empty
  std::vector<Cipher> ciphers{Cipher::chacha20_poly1305, Cipher::aes_256_gcm};  // best first
  ChannelLimits limits;
  // At most kChannelLifeMax, which a client measures by its own clock: one that is behind by more
  // than the rest refuses the handshake.
  std::chrono::milliseconds life = std::chrono::hours(23);
};

// What is new in every handshake of a server.
struct ServerFresh {
  SecretBytes exchange_private;  // 32 bytes
  ChannelId channel_id{};        // taken unless a channel is resumed

  static ServerFresh make(Instant now);
};

// The resume secret of a channel; none if it is unknown, expired or was used. It is used up when
// the first record of the new channel has opened, not before, and only by a caller of the same
// owner.
using FindResumeSecret = std::function<std::optional<SecretBytes>(const ChannelId&)>;

struct ServerAnswer {
  std::string frame;  // to send
  // Half-open until its receiver has opened a record: only that shows that the client has the keys.
  Channel channel;
};

// Errors: invalid_request if it is no ClientHello; crypto_unsupported if it offers no cipher of
// `setup`; handshake_failed(). A resume that is not possible is none: the handshake is a full one,
// with resumed = 0, and takes as long.
Result<ServerAnswer> answer_hello(std::string_view client_frame, const ServerSetup& setup,
                                  const FindResumeSecret& find_resume_secret, Instant now,
                                  ServerFresh fresh);

}  // namespace kontract::raystream
