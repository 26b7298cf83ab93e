// What the front end may be told, with the defaults of storage/limits.hpp.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "storage/limits.hpp"

namespace kontract {

// How often one address, or one account, may try something.
struct AttemptRate {
  std::uint32_t per_minute = 0, per_hour = 0;
};
// Encrypted WebSockets (raystream.v1, docs/raystream.md): not spoken; offered beside
// kontract.v1+json; or the only way to call a session over the network.
enum class RaystreamOffer : std::uint8_t { off, on, required };
// Whether clients of a TLS listener show certificates: nobody is asked; who has one shows it; who
// has none gets no connection.
enum class ClientCertificates : std::uint8_t { off, optional, required };

// The field in which a proxy says for whom it sends a request.
enum class ForwardedHeader : std::uint8_t { x_forwarded_for, forwarded };

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8787;  // 0: any free one
  bool insecure = false;      // listen without TLS where others than this machine can connect

  // TLS (net/detail/tls_context.hpp); without a certificate the listener speaks plain TCP.
  std::string tls_certificate;  // path of a PEM chain, the server's own certificate first
  std::string tls_key;          // path of its key in PEM, which nobody else may read
  std::string tls_client_ca;    // path of the PEM certificates that sign those of clients
  ClientCertificates tls_client_certificates = ClientCertificates::off;

  // Proxies before the server (net/detail/client_address.hpp).
  std::string trusted_proxies;  // addresses and CIDR blocks, between commas or spaces
  bool proxy_protocol =
      false;  // every connection is of one of them, and begins with a PROXY header
  ForwardedHeader forwarded_header =
      ForwardedHeader::x_forwarded_for;  // which one of theirs counts

  // Keys of tokens, of which one at least must be there; none: development, loopback only.
  std::string secret;                       // of HS256
  std::string jwks;                         // a JWK Set's path, or itself: it begins with {
  std::string signing_keys;                 // path of net/signing_keys.hpp; may be missing
  std::string token_issuer = "kontract";    // `iss` of the secret's and the signing keys' tokens
  std::string jwks_issuer;                  // of the JWK Set's; empty: token_issuer
  std::string token_audience = "kontract";  // `aud` of all

  // Of accounts, where there are any (Server::Parts).
  AttemptRate login_attempts{5, 20};         // that fail, of an address and of an account
  AttemptRate register_attempts{10, 60};     // of an address; links too
  AttemptRate anonymous_attempts{60, 1000};  // of an address
  // Pages that may use it (net/detail/origin.hpp): https://app.example, between commas or spaces;
  // *: all; none: with tokens those of the same host, else those of loopback.
  std::string allowed_origins;

  // Of one client address, an IPv6 one by /64; 0: no limit. A rate allows twice as many at once.
  std::size_t connections_per_address_max = 64;
  std::size_t unauthenticated_per_address_max = 16;  // of them, before it is known who has them
  std::size_t accepts_per_address = 50;              // a second
  std::size_t handshakes_per_address = 20;           // a second
  bool limit_loopback = false;                       // these limits, too

  std::size_t calls_per_owner = 0;           // a second, twice as many at once; 0: no limit
  std::size_t body_rate_min = limits::kKiB;  // bytes a second of a request's body; 0: any
  RaystreamOffer raystream = RaystreamOffer::on;
  std::string identity_keys;  // path of net/server_identity.hpp; empty: a key for this run alone
  std::uint32_t raystream_rekey_records = 1 << 20;           // of one direction under one key
  std::chrono::milliseconds raystream_life{23 * 3'600'000};  // of a channel, at most 24 h
  std::size_t raystream_handshakes_max = 2000;               // a second, of all clients together

  std::size_t frame_bytes_max = limits::kFrameBytesMax;
  std::size_t json_depth_max = limits::kJsonDepthMax;
  std::size_t calls_in_flight_max = limits::kCallsInFlightMax;
  std::size_t connections_max = limits::kConnectionsMax;
  std::size_t connections_per_owner_max = limits::kConnectionsPerOwnerMax;
  std::size_t send_queue_messages_max = limits::kSendQueueMessagesMax;
  std::size_t send_queue_bytes_max = limits::kSendQueueBytesMax;
  std::size_t record_bytes_max = limits::kRecordBytesMax;       // the store's, told in `welcome`
  std::size_t record_id_bytes_max = limits::kRecordIdBytesMax;  // likewise
  std::chrono::milliseconds handshake_timeout{limits::kHandshakeTimeout};
  std::chrono::milliseconds message_timeout{limits::kMessageTimeout};  // or the body of a request
  std::chrono::milliseconds heartbeat{limits::kHeartbeat};
  std::chrono::milliseconds call_timeout{limits::kCallTimeout};
  std::chrono::milliseconds call_timeout_max{limits::kCallTimeoutMax};
};

}  // namespace kontract
