// closed_loop: the load of load.hpp for servers with a client of their own, which answers requests
// in the order in which they were sent.
//
// A Connection has
//   int fd() const;
//   void send(std::uint64_t random);  // queues one request
//   bool flush();                     // sends what it can; whether something is left
//   std::size_t receive();            // how many answers have come, after input; throws on an
//   error

#pragma once

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <stdexcept>
#include <vector>

#include "tests/bench/load.hpp"
#include "tests/bench/message_template.hpp"

namespace kontract::bench {

template <class Connection>
class ClosedLoop {
 public:
  ClosedLoop(std::vector<std::unique_ptr<Connection>> connections, int inflight) {
    std::uint64_t seed = 0;
    for (auto& connection : connections) {
      clients_.push_back({std::move(connection), {}, 0x9E3779B97F4A7C15ull * ++seed});
    }
    for (Client& client : clients_) {
      for (int i = 0; i < inflight; ++i) send(client);
      polled_.push_back({client.connection->fd(), POLLIN, 0});
    }
  }

  LoadResult run(std::chrono::duration<double> warmup, std::chrono::duration<double> seconds) {
    run_for(warmup);
    counting_ = true;
    const auto from = Clock::now();
    run_for(seconds);
    const std::chrono::duration<double> took = Clock::now() - from;
    result_.rate = static_cast<double>(result_.latencies_ns.size()) / took.count();
    std::sort(result_.latencies_ns.begin(), result_.latencies_ns.end());
    return std::move(result_);
  }

 private:
  using Clock = std::chrono::steady_clock;

  struct Client {
    std::unique_ptr<Connection> connection;
    std::deque<Clock::time_point> sent_at;
    std::uint64_t random;
  };

  void send(Client& client) {
    client.connection->send(next_random(client.random));
    client.sent_at.push_back(Clock::now());
  }

  void run_for(std::chrono::duration<double> time) {
    const auto until = Clock::now() + time;
    while (Clock::now() < until) turn();
  }

  void turn() {
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      polled_[i].events = POLLIN;
      if (clients_[i].connection->flush()) polled_[i].events |= POLLOUT;
    }
    if (poll(polled_.data(), polled_.size(), 20) <= 0) return;
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      if (polled_[i].revents & (POLLIN | POLLHUP | POLLERR)) take(clients_[i]);
    }
  }

  void take(Client& client) {
    const auto now = Clock::now();
    for (std::size_t left = client.connection->receive(); left > 0; --left) {
      if (client.sent_at.empty()) throw std::runtime_error("an answer that nobody asked for");
      if (counting_) {
        const auto took = std::chrono::nanoseconds(now - client.sent_at.front()).count();
        result_.latencies_ns.push_back(static_cast<std::uint64_t>(took));
      }
      client.sent_at.pop_front();
      send(client);
    }
  }

  std::vector<Client> clients_;
  std::vector<pollfd> polled_;
  bool counting_ = false;
  LoadResult result_;
};

}  // namespace kontract::bench
