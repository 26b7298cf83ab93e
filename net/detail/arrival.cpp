#include "net/detail/arrival.hpp"

#include <sys/socket.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <string>
#include <utility>

#include "net/detail/proxy_header.hpp"

namespace kontract::detail {

namespace {

using namespace std::chrono_literals;

constexpr auto kLinger = 2s;  // for the other end to take what it is told last
constexpr std::string_view kPlainHttp =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    "Content-Length: 36\r\n\r\nThis port speaks TLS: use https://.\n";

class Arrival final : public Connection, public std::enable_shared_from_this<Arrival> {
 public:
  Arrival(std::shared_ptr<Hub> hub, Hub::Place place, Socket socket, TlsContext tls)
      : hub_(std::move(hub)),
        place_(std::move(place)),
        tls_(std::move(tls)),
        arrived_(plain_arrival(std::move(socket))),
        strand_(arrived_.transport.get_executor()),
        waker_(strand_) {}

  void start() {
    hub_->add(shared_from_this());
    set_deadline(arrived_.accepted + hub_->options().handshake_timeout);
    if (!hub_->options().proxy_protocol) return greet();
    if (!hub_->proxies().trusted(arrived_.client.address)) {
      refuse("it is none of the trusted proxies");
      return end();
    }
    wait_for_header();
  }

  void drain() override { stop(); }
  void stop() override {
    asio::post(strand_, [self = shared_from_this()] { self->end(); });
  }

 private:
  void set_deadline(Clock::time_point at) {
    deadline_ = at;
    waker_.at(at, [self = shared_from_this()] { self->on_time(); });
  }

  void on_time() {
    if (ended_) return;
    if (Clock::now() < deadline_) return set_deadline(deadline_);
    if (!leaving_) refuse(greeting_ ? "TLS: no handshake in time" : "no PROXY header in time");
    end();
  }

  void wait_for_header() {
    arrived_.transport.socket().async_wait(Socket::wait_read,
                                           [self = shared_from_this()](ErrorCode error) {
                                             if (self->ended_) return;
                                             if (error) return self->end();
                                             self->read_header();
                                           });
  }

  // What comes behind the header belongs to TLS or HTTP, which read the socket themselves: so the
  // header's bytes are looked at first, and then taken. All that came are taken if it goes on.
  void read_header() {
    const int descriptor = arrived_.transport.socket().native_handle();
    std::array<char, 256> bytes;
    while (!header_.complete()) {
      const auto seen = recv(descriptor, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
      if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return wait_for_header();
      if (seen <= 0) return end();
      const auto mine = header_.feed({bytes.data(), static_cast<std::size_t>(seen)});
      if (!mine) {
        refuse(mine.error().message);
        return end();
      }
      if (recv(descriptor, bytes.data(), *mine, MSG_DONTWAIT) < 0) return end();
    }
    if (header_.client()) arrived_.client = *header_.client();
    const auto& address = arrived_.client.address;
    if (!hub_->proxies().trusted(address) && !place_.take_address(address)) return end();
    greet();
  }

  void greet() {
    if (!tls_) return hand_on();
    greeting_ = true;
    SocketTransport& transport = arrived_.transport;
    auto session =
        TlsSession::open(tls_, transport.socket().native_handle(), TlsSession::Side::server);
    if (!session) {
      refuse("TLS: no memory");
      return end();
    }
    transport.start_tls(std::move(session));
    transport.async_handshake(
        [self = shared_from_this()](ErrorCode error) { self->on_greeted(error); });
  }

  void on_greeted(ErrorCode error) {
    if (ended_) return;
    if (!error) return hand_on();
    const TlsSession& tls = *arrived_.transport.tls();
    if (tls.wire_bytes_received() == 0) return end();  // a probe, of a load balancer, say
    const std::string problem = tls.certificate_problem();
    refuse(error.message() + (problem.empty() ? "" : ": " + problem));
    if (tls_problem(error) == TlsProblem::plain_http) {
      const int descriptor = arrived_.transport.socket().native_handle();
      const auto ignored =
          send(descriptor, kPlainHttp.data(), kPlainHttp.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      static_cast<void>(ignored);
    }
    leave();
  }

  void hand_on() {
    ended_ = true;
    waker_.cancel();
    start_http(hub_, std::move(place_), std::move(arrived_));
    hub_->remove(this);
  }

  void refuse(const std::string& why) {
    hub_->count_refused();
    hub_->warn(arrived_.client.text(), "refused: " + why);
  }

  // Closing with unread input would reset the connection, and what it was told might be lost.
  void leave() {
    leaving_ = true;
    set_deadline(std::min(deadline_, Clock::now() + kLinger));
    ErrorCode ignored;
    arrived_.transport.socket().shutdown(Socket::shutdown_send, ignored);
    discard();
  }

  void discard() {
    arrived_.transport.socket().async_read_some(
        asio::buffer(discarded_), [self = shared_from_this()](ErrorCode error, std::size_t) {
          if (self->ended_) return;
          if (error) return self->end();
          self->discard();
        });
  }

  void end() {
    if (ended_) return;
    ended_ = true;
    waker_.cancel();
    arrived_.transport.close();
    hub_->remove(this);
    place_ = {};
  }

  const std::shared_ptr<Hub> hub_;
  Hub::Place place_;
  const TlsContext tls_;
  Arrived arrived_;
  const Strand strand_;
  Waker waker_;
  Clock::time_point deadline_;
  ProxyHeader header_;
  std::array<char, 512> discarded_{};
  bool greeting_ = false;  // TLS has begun
  bool leaving_ = false;   // only the farewell is left
  bool ended_ = false;     // closed, or handed on
};

}  // namespace

Arrived plain_arrival(Socket socket) {
  ErrorCode ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto endpoint = socket.remote_endpoint(ignored);
  return {SocketTransport(std::move(socket)),
          {plain_address(endpoint.address()), endpoint.port()},
          Clock::now()};
}

void arrive(std::shared_ptr<Hub> hub, Hub::Place place, Socket socket, TlsContext tls) {
  if (!tls && !hub->options().proxy_protocol) {
    return start_http(std::move(hub), std::move(place), plain_arrival(std::move(socket)));
  }
  const Strand strand = socket.get_executor();
  auto arrival = std::make_shared<Arrival>(std::move(hub), std::move(place), std::move(socket),
                                           std::move(tls));
  asio::post(strand, [arrival] { arrival->start(); });
}

}  // namespace kontract::detail
