// BatchingStream: the layer between Beast's websocket::stream and the socket that lets many frames
// leave in one system call (and, with TLS, in one record).
//
// write_some() copies into memory and cannot block, so the WebSocket layer writes its frames with
// its synchronous calls: no completion handler for each, and never a write outstanding. The bytes
// leave when
//   - the WebSocket layer asks for more input: all that had come has been dealt with;
//   - flush() is called: answers came from another thread;
//   - more than kFlushBytes wait;
//   - a control frame is written: those are the only asynchronous writes of the layer above. The
//     close frame with which Beast ends what is not WebSocket gets its reason here.
// A socket that takes no more is waited for; what it does not take stays here, and whoever writes
// watches unsent(). A failure shows at the next write. Not thread-safe: all on the socket's strand.

#pragma once

#include <algorithm>
#include <array>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "net/detail/socket.hpp"
#include "net/detail/transport.hpp"

namespace kontract::detail {

class BatchingStream {
 public:
  using executor_type = Strand;

  explicit BatchingStream(SocketTransport transport)
      : state_(std::make_shared<State>(std::move(transport))) {
    ErrorCode ignored;  // at worst a synchronous write blocks as it would have
    state_->transport.socket().non_blocking(true, ignored);
  }

  executor_type get_executor() { return state_->transport.get_executor(); }

  std::size_t unsent() const { return state_->unsent(); }
  // How many bytes the socket has taken since the beginning.
  std::uint64_t sent_total() const { return state_->sent_total; }
  // Rises as the other end takes what was sent.
  std::uint64_t acknowledged() const { return state_->transport.acknowledged(sent_total()); }
  void flush() { State::flush(state_); }
  // Called when a socket that had to be waited for has taken more, or has failed.
  void on_writable(std::function<void()> call) { state_->on_writable = std::move(call); }

  void close() { state_->transport.close(); }

  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, ErrorCode& error) {
    error = state_->error;
    if (error) return 0;
    const std::size_t bytes = asio::buffer_size(buffers);
    std::string& pending = state_->pending;
    const std::size_t before = pending.size();
    pending.resize(before + bytes);
    asio::buffer_copy(asio::buffer(pending.data() + before, bytes), buffers);
    if (unsent() > kFlushBytes) flush();
    return bytes;
  }

  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    return asio::async_initiate<Handler, void(ErrorCode, std::size_t)>(
        [this](auto&& done, const Buffers& from) {
          ErrorCode error;
          std::size_t bytes = asio::buffer_size(from);
          if (is_violation(from)) {
            write_some(asio::buffer(kViolated.data(), kViolated.size()), error);
            if (error) bytes = 0;
          } else {
            bytes = write_some(from, error);
          }
          flush();
          asio::post(get_executor(), boost::beast::bind_front_handler(
                                         std::forward<decltype(done)>(done), error, bytes));
        },
        handler, buffers);
  }

  template <class Buffers, class Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    flush();
    return state_->transport.async_read_some(buffers, std::forward<Handler>(handler));
  }

  // Nobody reads without waiting; these only complete what Beast asks of a stream.
  template <class Buffers>
  std::size_t read_some(const Buffers&, ErrorCode& error) {
    error = asio::error::operation_not_supported;
    return 0;
  }
  template <class Buffers>
  std::size_t read_some(const Buffers&) {
    throw boost::system::system_error(asio::error::operation_not_supported);
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers) {
    ErrorCode error;
    const std::size_t bytes = write_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return bytes;
  }

  // Found by Beast through the argument's namespace: how to end the connection.
  friend void beast_close_socket(BatchingStream& stream) { stream.close(); }

  friend void teardown(boost::beast::role_type, BatchingStream& stream, ErrorCode& error) {
    stream.flush();
    stream.close();
    error = {};
  }

  // The close frame first, then TLS's and TCP's own farewells.
  template <class Handler>
  friend void async_teardown(boost::beast::role_type role, BatchingStream& stream,
                             Handler&& handler) {
    Teardown<std::decay_t<Handler>>{role, stream.state_, std::forward<Handler>(handler)}({});
  }

 private:
  // A close frame with the code 1002, in the words of docs/protocol.md.
  static constexpr std::string_view kViolated = "\x88\x1a\x03\xeaKONTRACT_INVALID_REQUEST";
  static_assert(kViolated.size() == 2 + 0x1a);

  // Beast's own close frames for a violation: 1002, or 1007 for text that is not UTF-8. Neither has
  // a reason, and Beast does not ask for one.
  template <class Buffers>
  static bool is_violation(const Buffers& buffers) {
    std::array<char, 4> bytes{};
    if (asio::buffer_size(buffers) != bytes.size()) return false;
    asio::buffer_copy(asio::buffer(bytes), buffers);
    const std::string_view frame(bytes.data(), bytes.size());
    return frame == "\x88\x02\x03\xea" || frame == "\x88\x02\x03\xef";
  }

  static constexpr std::size_t kFlushBytes = 64 * 1024;
  static constexpr std::size_t kKeptBytes = 8 * 1024;  // of an idle connection

  struct State {
    explicit State(SocketTransport t) : transport(std::move(t)) {}

    std::size_t unsent() const { return pending.size() - sent; }

    void drop_pending() {
      pending.clear();
      sent = 0;
      if (pending.capacity() > kKeptBytes) pending.shrink_to_fit();
    }

    static void flush(const std::shared_ptr<State>& self) {
      State& state = *self;
      if (state.waiting || state.error) return;
      while (state.unsent() > 0) {
        ErrorCode error;
        const std::size_t bytes = state.transport.write_some(
            asio::buffer(state.pending.data() + state.sent, state.unsent()), error);
        state.sent += bytes;
        state.sent_total += bytes;
        if (error == asio::error::would_block || error == asio::error::try_again) {
          return wait_writable(self);
        }
        if (error) {
          state.error = error;
          break;
        }
      }
      state.drop_pending();
    }

    static void wait_writable(const std::shared_ptr<State>& self) {
      // What was sent makes room, now and then: moving the rest each time would cost more.
      if (self->sent > self->pending.size() / 2) {
        self->pending.erase(0, self->sent);
        self->sent = 0;
      }
      self->waiting = true;
      self->transport.async_wait_to_write([self](ErrorCode failed) {
        self->waiting = false;
        if (failed) {
          self->error = failed;
          self->drop_pending();
        } else {
          flush(self);
        }
        if (self->on_writable) self->on_writable();
      });
    }

    SocketTransport transport;
    std::string pending;
    std::size_t sent = 0;  // bytes at the front of `pending` that the socket has taken
    std::uint64_t sent_total = 0;
    bool waiting = false;  // for the socket to take more
    ErrorCode error;       // the first failure; nothing is sent after it
    std::function<void()> on_writable;
  };

  // Keeps the socket for as long as its farewell takes: the stream may be gone before.
  template <class Handler>
  struct Farewell {
    std::shared_ptr<State> state;
    Handler handler;

    using executor_type = asio::associated_executor_t<Handler, Strand>;
    executor_type get_executor() const noexcept {
      return asio::get_associated_executor(handler, state->transport.get_executor());
    }
    void operator()(ErrorCode error) { handler(error); }
  };

  template <class Handler>
  struct Teardown {
    boost::beast::role_type role;
    std::shared_ptr<State> state;
    Handler handler;

    void operator()(ErrorCode error) {
      State& s = *state;
      State::flush(state);
      if (!error && !s.error && (s.unsent() > 0 || !s.transport.farewell())) {
        return s.transport.async_wait_to_write(std::move(*this));
      }
      boost::beast::websocket::async_teardown(role, s.transport.socket(),
                                              Farewell<Handler>{state, std::move(handler)});
    }
  };

  std::shared_ptr<State> state_;
};

}  // namespace kontract::detail
