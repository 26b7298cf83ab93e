// PasswordWorkers: the threads on which passwords are computed. What waits for them is bounded, and
// so is the memory that all of it takes. Thread-safe.

#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <memory>
#include <utility>

namespace kontract::detail {

class PasswordWorkers {
 public:
  PasswordWorkers(unsigned threads, std::size_t waiting_max)
      : pool_(threads), jobs_max_(threads + waiting_max) {}
  ~PasswordWorkers() { stop(); }
  PasswordWorkers(const PasswordWorkers&) = delete;
  PasswordWorkers& operator=(const PasswordWorkers&) = delete;

  // `job` must not throw. False: too many wait, or it was stopped.
  template <class Job>
  bool post(Job job) {
    Place place(*this);
    if (!place.taken || stopped_.load()) return false;
    boost::asio::post(pool_, [place = std::move(place), job = std::move(job)]() mutable { job(); });
    return true;
  }

  // Waits for what has begun; what has not never will. Not on one of its threads.
  void stop() {
    stopped_.store(true);
    pool_.stop();
    pool_.join();
  }

 private:
  struct Place {
    explicit Place(PasswordWorkers& workers)
        : of(&workers), taken(workers.jobs_.fetch_add(1) < workers.jobs_max_) {}
    Place(Place&& other) noexcept : of(std::exchange(other.of, nullptr)), taken(other.taken) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (of != nullptr) of->jobs_.fetch_sub(1);
    }
    PasswordWorkers* of;
    const bool taken;
  };

  std::atomic<std::size_t> jobs_{0};
  std::atomic<bool> stopped_{false};
  boost::asio::thread_pool pool_;  // ends before the numbers that its jobs hold
  const std::size_t jobs_max_;
};

}  // namespace kontract::detail
