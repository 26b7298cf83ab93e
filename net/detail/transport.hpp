// SocketTransport: a TCP connection, with TLS or without, in one type, so that what stands on it
// (Beast's WebSocket, HTTP, the client) is compiled once. Without TLS each operation is the
// socket's own behind one branch.
//
// At most one read and one write are under way, and it is not moved meanwhile. All on the socket's
// strand. It may be closed or destroyed at any time; what is under way then ends with an error.

#pragma once

#include <algorithm>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "net/detail/socket.hpp"
#include "net/detail/tls_session.hpp"

namespace kontract::detail {

class SocketTransport {
 public:
  using executor_type = Strand;

  explicit SocketTransport(Socket socket) : socket_(std::move(socket)) {}
  SocketTransport(SocketTransport&&) = default;
  ~SocketTransport() {
    if (tls_) tls_->close();
  }

  executor_type get_executor() { return socket_.get_executor(); }
  // What is under TLS: to connect, for its options and addresses, and to end it.
  Socket& socket() { return socket_; }

  // From here on everything is TLS; the handshake comes first.
  void start_tls(std::shared_ptr<TlsSession> tls) { tls_ = std::move(tls); }
  const TlsSession* tls() const { return tls_.get(); }

  // Of a started TLS: completes with an error code.
  template <class Token>
  auto async_handshake(Token&& token) {
    return asio::async_initiate<Token, void(ErrorCode)>(
        [this](auto handler) { this->start(HandshakeStep{}, std::move(handler)); }, token);
  }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(ErrorCode, std::size_t)>(
        [this](auto handler, const Buffers& into) {
          if (!tls_) return socket_.async_read_some(into, std::move(handler));
          start(ReadStep{first_of<asio::mutable_buffer>(into)}, std::move(handler));
        },
        token, buffers);
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(ErrorCode, std::size_t)>(
        [this](auto handler, const Buffers& from) {
          if (!tls_) return socket_.async_write_some(from, std::move(handler));
          start(WriteStep(from), std::move(handler));
        },
        token, buffers);
  }

  // Does not wait: would_block if the socket takes nothing now. Then the same bytes are next.
  std::size_t write_some(asio::const_buffer from, ErrorCode& error) {
    if (!tls_) return socket_.write_some(from, error);
    std::size_t bytes = 0;
    error = {};
    if (tls_->write(from, bytes, error) != Wants::nothing) error = asio::error::would_block;
    return bytes;
  }

  // Until a write, or a farewell, that could not go on can. Completes with an error code.
  template <class Token>
  auto async_wait_to_write(Token&& token) {
    const bool for_input = tls_ && tls_->write_wants() == Wants::input;
    return socket_.async_wait(for_input ? Socket::wait_read : Socket::wait_write,
                              std::forward<Token>(token));
  }

  // TLS's own end of output, after all that was written. False: wait to write, and say it again.
  bool farewell() { return !tls_ || tls_->farewell() == Wants::nothing; }

  // Without a farewell.
  void close() {
    if (tls_) tls_->close();
    ErrorCode ignored;
    socket_.close(ignored);
  }

  // How much the other end's TCP has acknowledged, if the socket was given `written` bytes since
  // the beginning. Rises only as it takes something.
  std::uint64_t acknowledged(std::uint64_t written);

  friend void beast_close_socket(SocketTransport& transport) { transport.close(); }

  template <class Handler>
  friend void async_teardown(boost::beast::role_type role, SocketTransport& transport,
                             Handler&& handler) {
    transport.farewell();  // if the socket takes nothing, the close frame was not sent either
    boost::beast::websocket::async_teardown(role, transport.socket_,
                                            std::forward<Handler>(handler));
  }

 private:
  using Wants = TlsSession::Wants;
  static constexpr std::size_t kRecordBytesMax = 16 * 1024;  // of TLS

  template <class Buffer, class Buffers>
  static Buffer first_of(const Buffers& buffers) {
    const auto end = asio::buffer_sequence_end(buffers);
    for (auto it = asio::buffer_sequence_begin(buffers); it != end; ++it) {
      if (const Buffer buffer(*it); buffer.size() > 0) return buffer;
    }
    return {};
  }

  struct HandshakeStep {
    static Wants before(const TlsSession& /*tls*/) { return Wants::nothing; }
    static Wants run(TlsSession& tls, ErrorCode& error) { return tls.handshake(error); }
    template <class Handler>
    static void complete(Handler& handler, ErrorCode error) {
      handler(error);
    }
  };

  struct ReadStep {
    explicit ReadStep(asio::mutable_buffer buffer) : into(buffer) {}
    // A read that finds nothing is a system call for nothing.
    static Wants before(const TlsSession& tls) {
      return tls.buffered() ? Wants::nothing : Wants::input;
    }
    Wants run(TlsSession& tls, ErrorCode& error) { return tls.read(into, bytes, error); }
    template <class Handler>
    void complete(Handler& handler, ErrorCode error) {
      handler(error, bytes);
    }

    asio::mutable_buffer into;
    std::size_t bytes = 0;
  };

  struct WriteStep {
    // Several buffers, such as a frame's header and its payload, become one record.
    template <class Buffers>
    explicit WriteStep(const Buffers& buffers) : from(first_of<asio::const_buffer>(buffers)) {
      const std::size_t all = asio::buffer_size(buffers);
      if (all == from.size() || from.size() >= kRecordBytesMax) return;
      joined.resize(std::min(all, kRecordBytesMax));
      asio::buffer_copy(asio::buffer(joined), buffers);
    }
    static Wants before(const TlsSession& /*tls*/) { return Wants::nothing; }
    Wants run(TlsSession& tls, ErrorCode& error) {
      return tls.write(joined.empty() ? from : asio::buffer(joined), bytes, error);
    }
    template <class Handler>
    void complete(Handler& handler, ErrorCode error) {
      handler(error, bytes);
    }

    asio::const_buffer from;
    std::string joined;
    std::size_t bytes = 0;
  };

  // A step of TLS, run again each time the socket is ready for what it wants.
  template <class Step, class Handler>
  class Operation {
   public:
    using executor_type = asio::associated_executor_t<Handler, Strand>;

    Operation(SocketTransport& transport, Step step, Handler handler)
        : transport_(&transport),
          tls_(transport.tls_),
          executor_(asio::get_associated_executor(handler, transport.get_executor())),
          step_(std::move(step)),
          handler_(std::move(handler)) {}

    executor_type get_executor() const noexcept { return executor_; }

    // Never calls the handler itself.
    void start() {
      Wants wants = step_.before(*tls_);
      if (wants == Wants::nothing) wants = step_.run(*tls_, error_);
      if (wants != Wants::nothing) return wait(wants);
      done_ = true;
      const executor_type executor = executor_;
      asio::post(executor, std::move(*this));
    }

    void operator()(ErrorCode waited = {}) {
      if (!done_) {
        // A closed one may have no transport any more.
        error_ = tls_->closed() ? ErrorCode(asio::error::operation_aborted) : waited;
        if (!error_) {
          if (const Wants wants = step_.run(*tls_, error_); wants != Wants::nothing) {
            return wait(wants);
          }
        }
      }
      step_.complete(handler_, error_);
    }

   private:
    void wait(Wants wants) {
      Socket& socket = transport_->socket_;
      socket.async_wait(wants == Wants::input ? Socket::wait_read : Socket::wait_write,
                        std::move(*this));
    }

    SocketTransport* transport_;  // while tls_ is not closed
    std::shared_ptr<TlsSession> tls_;
    executor_type executor_;
    Step step_;
    Handler handler_;
    ErrorCode error_;
    bool done_ = false;
  };

  template <class Step, class Handler>
  void start(Step step, Handler handler) {
    Operation<Step, Handler>(*this, std::move(step), std::move(handler)).start();
  }

  Socket socket_;
  std::shared_ptr<TlsSession> tls_;  // null: none
};

}  // namespace kontract::detail
