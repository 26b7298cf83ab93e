// TlsSession: the TLS of one connection (OpenSSL), either end, over the descriptor of its socket.
//
// Nothing here waits. What cannot go on says what the descriptor has to become first, and is called
// again then, a write with the same bytes and maybe more behind them. What OpenSSL has read ahead
// shows in buffered(): the descriptor may have nothing while a read still finds something.
//
// The end of input without close_notify is an error, since anybody on the way could have cut the
// connection there. Not thread-safe: all on the socket's strand.

#pragma once

#include <boost/asio/buffer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "net/detail/socket.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace kontract::detail {

// The settings of many sessions: OpenSSL's SSL_CTX.
using TlsContext = std::shared_ptr<ssl_ctx_st>;

class TlsSession {
 public:
  enum class Side : std::uint8_t { client, server };
  enum class Wants : std::uint8_t { nothing, input, output };  // nothing: done, or failed

  // Null if there is no memory. The socket is closed by its owner, who calls close() before.
  static std::shared_ptr<TlsSession> open(const TlsContext& context, int descriptor, Side side);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // For a client, before the handshake: the certificate must be for this name or IP address, and
  // the name is told to the server.
  bool expect_host(const std::string& host);

  Wants handshake(ErrorCode& error);
  Wants read(asio::mutable_buffer into, std::size_t& bytes, ErrorCode& error);
  Wants write(asio::const_buffer from, std::size_t& bytes, ErrorCode& error);
  // Says close_notify; to be repeated while it wants something. After it nothing is written.
  Wants farewell();
  // The descriptor is no more, or will be another's: everything fails with operation_aborted.
  void close() { closed_ = true; }

  bool closed() const { return closed_; }
  bool buffered() const;
  Wants write_wants() const { return write_wants_; }  // of the last write
  std::uint64_t wire_bytes_sent() const;              // what the socket has taken, all of TLS
  std::uint64_t wire_bytes_received() const;
  // The subject of the other end's verified certificate, as RFC 2253 writes it; nothing: none.
  std::optional<std::string> peer_subject() const;
  // Why the other end's certificate does not do; empty if it does, or there is none.
  std::string certificate_problem() const;

 private:
  explicit TlsSession(ssl_st* ssl) : ssl_(ssl) {}
  Wants outcome(int result, ErrorCode& error);

  ssl_st* const ssl_;
  bool closed_ = false;
  bool failed_ = false;  // OpenSSL must not be asked again
  Wants write_wants_ = Wants::nothing;
};

// Errors of OpenSSL, with its packed codes as values.
const boost::system::error_category& tls_category();

enum class TlsProblem : std::uint8_t {
  other,
  truncated,       // ended without close_notify
  not_tls,         // the other end speaks something else
  plain_http,      // that is HTTP
  no_common,       // version or cipher
  bad_peer,        // its certificate does not do
  refused_by_peer  // ours does not do, or is missing
};
TlsProblem tls_problem(const ErrorCode& error);

}  // namespace kontract::detail
