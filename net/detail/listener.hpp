// Listener: accepts connections and hands each, on a strand of its own, to the HTTP side.

#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "net/detail/hub.hpp"
#include "net/detail/server_tls.hpp"
#include "net/detail/socket.hpp"

namespace kontract::detail {

class Listener : public std::enable_shared_from_this<Listener> {
 public:
  // Errors: invalid_request (not an IP address, port in use, one that others can reach without
  // keys of tokens or without TLS). Without `tls` it speaks plain TCP.
  static Result<std::shared_ptr<Listener>> open(std::shared_ptr<Hub> hub,
                                                std::shared_ptr<ServerTls> tls = nullptr);

  std::uint16_t port() const { return port_; }
  void start();
  void close();  // thread-safe; closed() turns true when it has happened
  bool closed() const { return closed_.load(std::memory_order_acquire); }

 private:
  Listener(std::shared_ptr<Hub> hub, std::shared_ptr<ServerTls> tls);
  Status bind();
  void accept();
  void on_accepted(ErrorCode error, Socket socket);
  void retry_later();

  std::shared_ptr<Hub> hub_;
  const std::shared_ptr<ServerTls> tls_;
  asio::io_context& io_;
  Strand strand_;
  asio::basic_socket_acceptor<asio::ip::tcp, Strand> acceptor_;
  asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Strand> retry_;
  std::uint16_t port_ = 0;
  std::atomic<bool> closed_{false};
};

}  // namespace kontract::detail
