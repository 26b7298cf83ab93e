#include "tests/bench/load.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "net/raystream_handshake.hpp"
#include "net/raystream_message.hpp"
#include "tests/bench/message_template.hpp"
#include "tests/bench/ws_wire.hpp"

namespace kontract::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kReadyTimeout{10};

// Descriptor: closes what it holds.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

struct Waiting {
  std::uint64_t id = 0;  // 0 while nothing is on the way
  Clock::time_point sent_at;
};

struct Connection {
  enum class State { upgrading, shaking, greeting, running };

  explicit Connection(int socket) : fd(socket) {}

  Descriptor fd;
  std::unique_ptr<SSL, decltype(&SSL_free)> tls{nullptr, &SSL_free};  // null: plain TCP
  State state = State::upgrading;
  std::string hello;
  std::string in;
  std::string out;
  std::size_t sent = 0;
  bool watches_writable = false;
  std::uint64_t random = 1;
  std::optional<raystream::ClientHandshake> handshake;
  std::optional<raystream::Channel> channel;  // after it
  // Request `id` waits in slot (id - 1) modulo its size, so that no search is needed and a reply
  // that overtakes others by far still finds its own.
  std::vector<Waiting> waiting;
};

void replace_all(std::string& text, std::string_view what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
}

// The handshake of TLS, on a descriptor that still blocks.
std::unique_ptr<SSL, decltype(&SSL_free)> tls_over(int descriptor) {
  static const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(
      SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), &SSL_free);
  SSL_set_fd(tls.get(), descriptor);
  if (SSL_connect(tls.get()) != 1) throw std::runtime_error("no handshake of TLS");
  return tls;
}

raystream::ClientHandshake handshake_with(Cipher cipher) {
  raystream::ClientSetup setup;
  setup.ciphers = {cipher};
  setup.trust.tls_vouches = setup.trust.over_tls = true;  // it is our own server
  return raystream::ClientHandshake(std::move(setup));
}

// The number behind the first `"id":`, or 0.
std::uint64_t reply_id(std::string_view reply) {
  constexpr std::string_view kField = "\"id\":";
  const std::size_t at = reply.find(kField);
  std::uint64_t id = 0;
  if (at != std::string_view::npos) {
    std::from_chars(reply.data() + at + kField.size(), reply.data() + reply.size(), id);
  }
  return id;
}

class Load {
 public:
  explicit Load(const LoadOptions& options)
      : options_(options),
        message_(options.message, static_cast<std::uint64_t>(options.keys)),
        poll_(epoll_create1(EPOLL_CLOEXEC)) {
    result_.latencies_ns.reserve(1 << 20);
    for (int i = 0; i < options.connections; ++i) open(i);
  }

  LoadResult run() {
    const auto ready_by = Clock::now() + kReadyTimeout;
    while (ready_ < connections_.size()) {
      if (Clock::now() > ready_by) throw std::runtime_error("a connection got no welcome in time");
      poll_once();
    }
    run_for(options_.warmup);
    counting_ = true;
    result_.events = 0;
    const auto from = Clock::now();
    run_for(options_.seconds);
    const std::chrono::duration<double> took = Clock::now() - from;
    result_.rate = static_cast<double>(result_.latencies_ns.size()) / took.count();
    std::sort(result_.latencies_ns.begin(), result_.latencies_ns.end());
    return std::move(result_);
  }

 private:
  void open(int index) {
    const std::string session = std::to_string(index % options_.sessions);
    std::string address = options_.url;
    replace_all(address, "{s}", session);
    const Url url = parse_url(address);
    auto connection = std::make_unique<Connection>(connect_to(url));
    if (options_.tls) connection->tls = tls_over(connection->fd.get());
    fcntl(connection->fd.get(), F_SETFL, O_NONBLOCK);
    connection->hello = options_.hello;
    replace_all(connection->hello, "{s}", session);
    connection->random = 0x9E3779B97F4A7C15ull * static_cast<std::uint64_t>(index + 1);
    connection->waiting.resize(static_cast<std::size_t>(options_.inflight));
    const std::string raystream(raystream::kSubprotocol);
    connection->out =
        upgrade_request(url, options_.cipher ? raystream : options_.protocol, options_.header);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection.get();
    epoll_ctl(poll_.get(), EPOLL_CTL_ADD, connection->fd.get(), &event);
    flush(*connection);
    connections_.push_back(std::move(connection));
  }

  void run_for(std::chrono::duration<double> time) {
    const auto until = Clock::now() + time;
    while (Clock::now() < until) poll_once();
  }

  void poll_once() {
    std::array<epoll_event, 256> events;
    const int count = epoll_wait(poll_.get(), events.data(), static_cast<int>(events.size()), 20);
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (events[static_cast<std::size_t>(i)].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        read_some(connection);
      }
      flush(connection);
    }
  }

  void read_some(Connection& connection) {
    // One read an event: the poll is level-triggered, and a second read would mostly find nothing,
    // unless TLS has read ahead.
    do {
      const ssize_t count = receive(connection);
      if (count < 0 && errno == EAGAIN) return;
      if (count <= 0) throw std::runtime_error("the server closed a connection: " + connection.in);
      connection.in.append(buffer_.data(), static_cast<std::size_t>(count));
    } while (connection.tls && SSL_pending(connection.tls.get()) > 0);

    std::string_view rest = connection.in;
    if (connection.state == Connection::State::upgrading && !take_upgrade(connection, rest)) return;
    while (const auto frame = next_frame(rest)) {
      take_frame(connection, *frame);
      rest.remove_prefix(frame->size);
    }
    connection.in.erase(0, connection.in.size() - rest.size());
  }

  // Takes the answer to the upgrade off `rest`; false while it is incomplete.
  bool take_upgrade(Connection& connection, std::string_view& rest) {
    constexpr std::string_view kEnd = "\r\n\r\n";
    const std::size_t end = rest.find(kEnd);
    if (end == std::string_view::npos) return false;
    if (!rest.starts_with("HTTP/1.1 101")) {
      throw std::runtime_error("no upgrade: " + std::string(rest.substr(0, 200)));
    }
    rest.remove_prefix(end + kEnd.size());
    if (options_.cipher) {
      connection.state = Connection::State::shaking;
      connection.handshake.emplace(handshake_with(*options_.cipher));
      append_frame(connection.out, Opcode::binary, connection.handshake->hello());
    } else {
      greet(connection);
    }
    return true;
  }

  void greet(Connection& connection) {
    if (connection.hello.empty()) return start(connection);
    connection.state = Connection::State::greeting;
    append_message(connection, connection.hello);
  }

  static void append_message(Connection& connection, std::string_view text) {
    if (!connection.channel) return append_text_frame(connection.out, text);
    const auto sealed = connection.channel->sender.seal(raystream::record_type_of(text), text,
                                                        std::chrono::system_clock::now());
    if (!sealed) throw std::runtime_error(sealed.error().message);
    append_frame(connection.out, Opcode::binary, *sealed);
  }

  void finish_handshake(Connection& connection, std::string_view frame) {
    auto channel = connection.handshake->finish(frame, std::chrono::system_clock::now());
    if (!channel) throw std::runtime_error(channel.error().message);
    connection.channel.emplace(std::move(*channel));
    greet(connection);
  }

  void take_frame(Connection& connection, const Frame& frame) {
    if (frame.opcode == Opcode::close) {
      throw std::runtime_error(
          "the server sent a close frame: " +
          std::string(frame.payload.substr(std::min<std::size_t>(frame.payload.size(), 2))));
    }
    if (frame.opcode != (options_.cipher ? Opcode::binary : Opcode::text)) return;
    if (connection.state == Connection::State::shaking) {
      return finish_handshake(connection, frame.payload);
    }
    if (!connection.channel) return take_message(connection, frame.payload);
    const auto opened =
        connection.channel->receiver.open(frame.payload, std::chrono::system_clock::now());
    if (!opened) throw std::runtime_error(opened.error().message);
    take_message(connection, opened->plaintext);
  }

  void take_message(Connection& connection, std::string_view text) {
    if (connection.state != Connection::State::greeting) return take_reply(connection, text);
    if (text.find(options_.error_mark) != std::string_view::npos) {
      throw std::runtime_error("hello was refused: " + std::string(text));
    }
    start(connection);
  }

  void take_reply(Connection& connection, std::string_view reply) {
    const auto now = Clock::now();
    const std::uint64_t id = reply_id(reply);
    const std::size_t slot = (id - 1) % connection.waiting.size();
    Waiting& waiting = connection.waiting[slot];
    if (id == 0 || waiting.id != id) {
      ++result_.events;
      return;
    }
    if (counting_) {
      using Nanoseconds = std::chrono::nanoseconds;
      const auto latency = std::chrono::duration_cast<Nanoseconds>(now - waiting.sent_at);
      result_.latencies_ns.push_back(static_cast<std::uint64_t>(latency.count()));
    }
    // Errors count from the first request on: a load that was refused has measured nothing.
    if (reply.find(options_.error_mark) != std::string_view::npos && result_.errors++ == 0) {
      result_.first_error = reply;
    }
    send_request(connection, id + connection.waiting.size());
  }

  void start(Connection& connection) {
    connection.state = Connection::State::running;
    ++ready_;
    for (std::uint64_t id = 1; id <= connection.waiting.size(); ++id) send_request(connection, id);
  }

  void send_request(Connection& connection, std::uint64_t id) {
    message_.render(scratch_, id, next_random(connection.random));
    append_message(connection, scratch_);
    connection.waiting[(id - 1) % connection.waiting.size()] = {id, Clock::now()};
  }

  // As recv() and send(), over TLS where there is one.
  ssize_t receive(Connection& connection) {
    if (!connection.tls) return recv(connection.fd.get(), buffer_.data(), buffer_.size(), 0);
    return outcome(connection, SSL_read(connection.tls.get(), buffer_.data(),
                                        static_cast<int>(buffer_.size())));
  }
  static ssize_t transmit(Connection& connection) {
    const char* const from = connection.out.data() + connection.sent;
    const std::size_t bytes = connection.out.size() - connection.sent;
    if (!connection.tls) return send(connection.fd.get(), from, bytes, MSG_NOSIGNAL);
    return outcome(connection, SSL_write(connection.tls.get(), from, static_cast<int>(bytes)));
  }
  static ssize_t outcome(Connection& connection, int result) {
    if (result > 0) return result;
    const int why = SSL_get_error(connection.tls.get(), result);
    ERR_clear_error();
    if (why == SSL_ERROR_ZERO_RETURN) return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
  }

  void flush(Connection& connection) {
    while (connection.sent < connection.out.size()) {
      const ssize_t count = transmit(connection);
      if (count < 0 && errno == EAGAIN) break;
      if (count < 0) throw std::system_error(errno, std::generic_category(), "send");
      connection.sent += static_cast<std::size_t>(count);
    }
    const bool blocked = connection.sent < connection.out.size();
    if (!blocked) {
      connection.out.clear();
      connection.sent = 0;
    }
    if (blocked == connection.watches_writable) return;
    connection.watches_writable = blocked;
    epoll_event event{};
    event.events = EPOLLIN | (blocked ? EPOLLOUT : 0u);
    event.data.ptr = &connection;
    epoll_ctl(poll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event);
  }

  const LoadOptions options_;
  MessageTemplate message_;
  Descriptor poll_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::size_t ready_ = 0;
  bool counting_ = false;
  LoadResult result_;
  std::string scratch_;
  std::array<char, 65536> buffer_;
};

}  // namespace

LoadResult run_load(const LoadOptions& options) { return Load(options).run(); }

}  // namespace kontract::bench
