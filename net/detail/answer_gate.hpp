// AnswerGate: lets in what others call back, from any thread and at any time, until it is closed.
// When close() returns nobody is inside, and nobody comes in any more. Thread-safe.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace kontract::detail {

class AnswerGate {
 public:
  class Visit {
   public:
    explicit Visit(AnswerGate& gate) : gate_(gate), inside_(gate.enter()) {}
    ~Visit() {
      if (inside_) gate_.leave();
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    explicit operator bool() const { return inside_; }

   private:
    AnswerGate& gate_;
    const bool inside_;
  };

  // Not from inside.
  void close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    left_.wait(lock, [this] { return inside_ == 0; });
  }

 private:
  bool enter() {
    const std::lock_guard lock(mutex_);
    if (!closed_) ++inside_;
    return !closed_;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--inside_ == 0) left_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable left_;
  std::size_t inside_ = 0;
  bool closed_ = false;
};

}  // namespace kontract::detail
