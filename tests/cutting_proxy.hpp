// CuttingProxy: passes connections on to a server, and cuts each when a random number of bytes has
// gone through, in the middle of whatever they say. Says where the server is by its port, which may
// change.

#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace kontract::test {

class CuttingProxy {
 public:
  // With `bytes_max` 0 nothing is cut but by cut_all().
  CuttingProxy(unsigned seed, std::size_t bytes_min, std::size_t bytes_max)
      : random_(seed), bytes_min_(bytes_min), bytes_max_(bytes_max) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(listener_, 64) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { accept_all(); });
  }
  ~CuttingProxy() {
    ending_ = true;
    shutdown(listener_, SHUT_RDWR);
    accepting_.join();
    cut_all();
    for (std::thread& relay : relays_) relay.join();
    close(listener_);
  }
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  std::string url() const { return "ws://127.0.0.1:" + std::to_string(port_); }
  void set_server(int port) { server_ = port; }
  int cuts() const { return cuts_; }

  void cut_all() {
    const std::lock_guard lock(mutex_);
    for (const int one : open_) shutdown(one, SHUT_RDWR);
  }

 private:
  static sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  void accept_all() {
    while (!ending_) {
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      const std::size_t budget = bytes_max_ == 0 ? ~std::size_t{0}
                                                 : std::uniform_int_distribution<std::size_t>(
                                                       bytes_min_, bytes_max_)(random_);
      relays_.emplace_back([this, client, budget] { relay(client, budget); });
    }
  }

  void relay(int client, std::size_t budget) {
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(server_);
    if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      {
        const std::lock_guard lock(mutex_);
        open_.insert({client, server});
      }
      while (!ending_ && pass(client, server, budget)) {
      }
      const std::lock_guard lock(mutex_);
      open_.erase(client);
      open_.erase(server);
    }
    close(client);
    close(server);
  }

  // False: the connection is to end.
  bool pass(int client, int server, std::size_t& budget) {
    pollfd ends[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (poll(ends, 2, -1) < 0) return false;
    for (int i = 0; i < 2; ++i) {
      if (ends[i].revents == 0) continue;
      char bytes[4096];
      const ssize_t came = recv(ends[i].fd, bytes, sizeof bytes, 0);
      if (came <= 0) return false;
      const std::size_t passes = std::min(budget, static_cast<std::size_t>(came));
      for (std::size_t sent = 0; sent < passes;) {
        const ssize_t went = send(ends[1 - i].fd, bytes + sent, passes - sent, MSG_NOSIGNAL);
        if (went <= 0) return false;
        sent += static_cast<std::size_t>(went);
      }
      budget -= passes;
      if (budget > 0) continue;
      ++cuts_;
      return false;
    }
    return true;
  }

  std::mt19937 random_;  // of accepting_
  const std::size_t bytes_min_, bytes_max_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> server_{0};
  std::atomic<bool> ending_{false};
  std::atomic<int> cuts_{0};
  std::thread accepting_;
  std::vector<std::thread> relays_;  // of accepting_
  std::mutex mutex_;
  std::set<int> open_;  // under mutex_
};

}  // namespace kontract::test
