// Alarm: tells an operator what he should know: the map past 80 %, the disk below its floor, a
// failed sync. Whoever gives a function hears one message at a time, from any thread; it must not
// block for long and must not raise an alarm itself. Copies are one alarm.

#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

namespace kontract {

class Alarm {
 public:
  Alarm() = default;  // nobody listens
  template <std::invocable<const std::string&> Function>
  requires(!std::same_as<std::remove_cvref_t<Function>, Alarm>)
      Alarm(Function hear) {  // NOLINT(*-explicit-*)
    std::function<void(const std::string&)> function(std::move(hear));
    if (function) listener_ = std::make_shared<Listener>(std::move(function));
  }

  void operator()(const std::string& message) const {
    if (!listener_) return;
    const std::lock_guard lock(listener_->mutex);
    listener_->hear(message);
  }
  explicit operator bool() const { return listener_ != nullptr; }  // whether somebody listens

 private:
  struct Listener {
    explicit Listener(std::function<void(const std::string&)> function)
        : hear(std::move(function)) {}
    std::mutex mutex;
    std::function<void(const std::string&)> hear;
  };
  std::shared_ptr<Listener> listener_;
};

}  // namespace kontract
