// LocalCaller: what a LocalSession has, and how answers come back to the program.

#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "actors/front.hpp"
#include "runtime/local_session.hpp"

namespace kontract::detail {

// Where the program's continuations run: on the runtime's io_context as long as there is one, then
// on the thread that has the answer.
class LocalReturn : public std::enable_shared_from_this<LocalReturn> {
 public:
  explicit LocalReturn(boost::asio::io_context& io) : io_(&io) {}

  void run(std::function<void()> continuation);
  bool is_this_thread();  // one that runs the io_context

  // While one lives, a thread of the program is inside the runtime, and may use its io_context.
  class Visit {
   public:
    explicit Visit(LocalReturn& back) : back_(back) { back_.visits_.fetch_add(1); }
    ~Visit() { back_.visits_.fetch_sub(1); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    LocalReturn& back_;
  };

  std::size_t waiting();  // posted and not begun, and visits
  void close();           // nothing is posted after this
  bool closed();

 private:
  void started();

  std::mutex mutex_;
  boost::asio::io_context* io_;  // null when closed
  std::size_t waiting_ = 0;
  std::atomic<std::size_t> visits_{0};
};

class LocalCaller {
 public:
  // The session, or why there is none.
  LocalCaller(std::shared_ptr<LocalReturn> back, Peer peer, Result<std::shared_ptr<Entrance>> to,
              std::chrono::milliseconds timeout, JsonLimits bounds);

  std::shared_ptr<LocalAnswer> call(std::string function, const Json& args);

 private:
  const std::shared_ptr<LocalReturn> back_;
  const std::shared_ptr<const Peer> peer_;
  const Result<std::shared_ptr<Entrance>> session_;
  const std::chrono::milliseconds timeout_;
  const JsonLimits bounds_;
  std::mutex mutex_;  // an Entrance takes calls of one thread at a time
};

}  // namespace kontract::detail
