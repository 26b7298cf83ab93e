#include "net/detail/listener.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "net/detail/arrival.hpp"

namespace kontract::detail {

namespace {

using asio::ip::tcp;
constexpr std::chrono::milliseconds kRetryAfter{100};

}  // namespace

Listener::Listener(std::shared_ptr<Hub> hub, std::shared_ptr<ServerTls> tls)
    : hub_(std::move(hub)),
      tls_(std::move(tls)),
      io_(*hub_->parts().io),
      strand_(asio::make_strand(io_)),
      acceptor_(strand_),
      retry_(strand_) {}

Result<std::shared_ptr<Listener>> Listener::open(std::shared_ptr<Hub> hub,
                                                 std::shared_ptr<ServerTls> tls) {
  std::shared_ptr<Listener> listener(new Listener(std::move(hub), std::move(tls)));
  if (Status bound = listener->bind(); !bound) return std::move(bound).error();
  return listener;
}

Status Listener::bind() {
  const ServerOptions& options = hub_->options();
  const std::string where = options.address + ":" + std::to_string(options.port);
  ErrorCode error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) {
    return Error{Errc::invalid_request, "Cannot listen on '" + options.address + "'",
                 "Give an IP address, for example 127.0.0.1 or 0.0.0.0."};
  }
  if (hub_->open_to_all() && !address.is_loopback()) {
    return Error{Errc::invalid_request,
                 "Without a secret the server listens on loopback only, not on " + where,
                 "Configure a secret, with which tokens are signed, or listen on 127.0.0.1."};
  }
  if (!tls_ && !options.insecure && !address.is_loopback()) {
    return Error{Errc::invalid_request,
                 "Without TLS the server listens on loopback only, not on " + where,
                 "Configure tls-certificate and tls-key. Where a proxy ends TLS, and in a network "
                 "that nobody else can listen to, insecure allows it (docs/tls.md)."};
  }
  const tcp::endpoint endpoint(address, options.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (!error) port_ = acceptor_.local_endpoint(error).port();
  if (error) {
    return Error{Errc::invalid_request, "Cannot listen on " + where + ": " + error.message(),
                 "Stop what uses the port, or choose another one."};
  }
  return {};
}

void Listener::start() {
  asio::post(strand_, [self = shared_from_this()] { self->accept(); });
}

void Listener::close() {
  asio::post(strand_, [self = shared_from_this()] {
    ErrorCode ignored;
    self->acceptor_.close(ignored);
    self->retry_.cancel();
    self->closed_.store(true, std::memory_order_release);
  });
}

void Listener::accept() {
  if (!acceptor_.is_open()) return;
  acceptor_.async_accept(asio::make_strand(io_),
                         [self = shared_from_this()](ErrorCode error, Socket socket) {
                           self->on_accepted(error, std::move(socket));
                         });
}

void Listener::on_accepted(ErrorCode error, Socket socket) {
  if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
  if (error == asio::error::connection_aborted) return accept();  // gone before its turn
  if (error) {
    hub_->warn("listener", error.message());  // no file descriptor or memory left: give it time
    return retry_later();
  }
  auto place = hub_->take_place();
  ErrorCode gone;
  const tcp::endpoint from = socket.remote_endpoint(gone);
  if (!place) {
    hub_->warn("listener", "refused a connection: too many are open, or wait to say who they are");
  } else if (!gone && !hub_->proxies().trusted(from.address()) &&
             !place->take_address(from.address())) {
    place.reset();
  }
  if (place) {
    arrive(hub_, std::move(*place), std::move(socket), tls_ ? tls_->context() : nullptr);
  } else {
    ErrorCode ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);  // reset: leaves no TIME_WAIT
    socket.close(ignored);
  }
  accept();
}

void Listener::retry_later() {
  retry_.expires_after(kRetryAfter);
  retry_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (!error) self->accept();
  });
}

}  // namespace kontract::detail
