// The Asio types of the front end. Concrete executors instead of any_io_executor: no type erasure
// on the way of each operation.

#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <utility>

namespace kontract::detail {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Strand = asio::strand<asio::io_context::executor_type>;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Strand>;

// One timer for all deadlines of a connection. It is set again only to ring earlier, so that a
// deadline that moves away (as that of the oldest call does with each answer) costs nothing:
// whoever is rung looks what is due, and asks for the next ring.
class Waker {
 public:
  explicit Waker(const Strand& strand) : timer_(strand) {}

  // Calls `ring` once, not after `at`; maybe earlier. `ring` keeps the owner of this alive.
  template <class Ring>
  void at(Clock::time_point at, Ring ring) {
    if (at >= at_) return;
    at_ = at;
    timer_.expires_at(at);
    timer_.async_wait([this, ring = std::move(ring)](ErrorCode error) mutable {
      if (error) return;
      at_ = Clock::time_point::max();
      ring();
    });
  }

  void cancel() {
    at_ = Clock::time_point::min();  // it is not set any more
    timer_.cancel();
  }

 private:
  using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Strand>;

  Timer timer_;
  Clock::time_point at_ = Clock::time_point::max();
};

}  // namespace kontract::detail
