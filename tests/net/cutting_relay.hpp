// A relay between a client and a server on loopback, which can change what passes and cut it: the
// one in between that an encrypted channel is there for.

#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace kontract::test {

class CuttingRelay {
 public:
  // Changes bytes that come from the server; called on a thread of the relay.
  using Change = std::function<void(std::string&)>;

  explicit CuttingRelay(std::uint16_t server) : server_(server) {
    acceptor_thread_ = std::thread([this] { accept(); });
  }
  ~CuttingRelay() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    // Wakes accept(), which then sees that it is over.
    boost::asio::io_context io;
    boost::asio::ip::tcp::socket last(io);
    boost::system::error_code ignored;
    last.connect(acceptor_.local_endpoint(), ignored);
    acceptor_thread_.join();
    cut();
    for (std::thread& thread : threads_) thread.join();
  }
  CuttingRelay(const CuttingRelay&) = delete;
  CuttingRelay& operator=(const CuttingRelay&) = delete;

  std::uint16_t port() { return acceptor_.local_endpoint().port(); }

  // Ends all connections that there are.
  void cut() {
    const std::lock_guard lock(mutex_);
    boost::system::error_code ignored;
    for (const auto& pair : pairs_) {
      pair->client.shutdown(Socket::shutdown_both, ignored);
      pair->server.shutdown(Socket::shutdown_both, ignored);
    }
  }

  void change(Change change) {
    const std::lock_guard lock(mutex_);
    change_ = std::move(change);
  }

  // What the servers' sides have sent on each connection so far, as it came.
  std::vector<std::string> received() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    for (const auto& pair : pairs_) all.push_back(pair->received);
    return all;
  }

 private:
  using Socket = boost::asio::ip::tcp::socket;

  struct Pair {
    explicit Pair(boost::asio::io_context& io) : client(io), server(io) {}
    Socket client, server;
    std::string received;  // under mutex_
  };

  void accept() {
    for (;;) {
      auto pair = std::make_shared<Pair>(io_);
      boost::system::error_code failed;
      acceptor_.accept(pair->client, failed);
      const std::lock_guard lock(mutex_);
      if (stopped_ || failed) return;
      pair->server.connect({boost::asio::ip::address_v4::loopback(), server_}, failed);
      if (failed) continue;
      pairs_.push_back(pair);
      threads_.emplace_back([this, pair] { pump(*pair, pair->client, pair->server, false); });
      threads_.emplace_back([this, pair] { pump(*pair, pair->server, pair->client, true); });
    }
  }

  void pump(Pair& pair, Socket& from, Socket& to, bool from_server) {
    std::string bytes(65536, '\0');
    boost::system::error_code failed;
    for (;;) {
      const std::size_t size = from.read_some(boost::asio::buffer(bytes), failed);
      if (failed) break;
      std::string part = bytes.substr(0, size);
      if (from_server) {
        const std::lock_guard lock(mutex_);
        pair.received += part;
        if (change_) change_(part);
      }
      boost::asio::write(to, boost::asio::buffer(part), failed);
      if (failed) break;
    }
    to.shutdown(Socket::shutdown_both, failed);
  }

  const std::uint16_t server_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}};
  std::mutex mutex_;  // guards what follows, and the sockets against being closed
  std::vector<std::shared_ptr<Pair>> pairs_;
  std::vector<std::thread> threads_;
  Change change_;
  bool stopped_ = false;
  std::thread acceptor_thread_;
};

}  // namespace kontract::test
