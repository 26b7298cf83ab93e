// Told: remembers what waiters of a commit log were told, in which order and on which thread.

#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "storage/commit_log.hpp"

namespace kontract::testing {

class Told {
 public:
  struct Verdict {
    int id;
    Status status;
    std::thread::id thread;
  };

  std::unique_ptr<Settled> waiter(int id) { return std::make_unique<Waiter>(*this, id); }

  // All verdicts, once there are at least `count`.
  std::vector<Verdict> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return verdicts_.size() >= count; });
    return verdicts_;
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return verdicts_.size();
  }

 private:
  class Waiter final : public Settled {
   public:
    Waiter(Told& told, int id) : told_(told), id_(id) {}
    void settled(const Status& status) noexcept override {
      const std::lock_guard lock(told_.mutex_);
      told_.verdicts_.push_back({id_, status, std::this_thread::get_id()});
      told_.changed_.notify_all();
    }

   private:
    Told& told_;
    int id_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Verdict> verdicts_;
};

// Messages of an alarm.
class Alarms {
 public:
  void operator()(const std::string& message) {
    const std::lock_guard lock(mutex_);
    messages_.push_back(message);
  }
  int count(std::string_view part) {
    const std::lock_guard lock(mutex_);
    int found = 0;
    for (const std::string& message : messages_) found += message.find(part) != message.npos;
    return found;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> messages_;
};

}  // namespace kontract::testing
