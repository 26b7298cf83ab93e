// AsioScheduler: CAF's actors on the threads of an Asio io_context, the same that serve the
// sockets.
//
// Measured against CAF's own pool behind a Beast echo server, two cores, one request in flight: p50
// 36 us against 159 us, since a call no longer changes threads on its way (docs/architecture.md).
// CAF's timers keep a thread of their own.

#pragma once

#include <boost/asio/io_context.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/detail/thread_safe_actor_clock.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace kontract {

class AsioScheduler final : public caf::scheduler::abstract_coordinator {
 public:
  // Makes systems of `config` use the io_context, which must be run by at least one thread from
  // the system's construction until the end of its destructor.
  static void install(caf::actor_system_config& config, boost::asio::io_context& io);

  AsioScheduler(caf::actor_system& system, boost::asio::io_context& io);

  void enqueue(caf::resumable* job) override;
  caf::actor_clock& clock() noexcept override { return clock_; }

  // Runs the job on this thread; one that has more to do goes to the back of the shared queue.
  void run(caf::resumable* job);
  // To the queue all threads share.
  void post(caf::resumable* job);

  void start() override;
  void stop() override;  // returns when no posted job is left

 private:
  boost::asio::io_context& io_;
  caf::detail::thread_safe_actor_clock clock_;
  std::thread timer_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t posted_ = 0;  // under mutex_: jobs in the io_context
};

}  // namespace kontract
