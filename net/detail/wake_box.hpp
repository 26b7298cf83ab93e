// WakeBox: how events of any thread reach a connection's strand. As AnswerBox it is what others
// hold in the connection's place, and holds nothing of Asio once it is closed.
//
// Owner has, on the strand, `wake_box()` and `on_events()`.

#pragma once

#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "actors/event_channel.hpp"
#include "net/detail/socket.hpp"

namespace kontract::detail {

template <class Owner>
class WakeBox final : public EventWaiter {
 public:
  WakeBox(Owner* owner, const Strand& strand) : owner_(owner), strand_(strand) {}

  void wake() noexcept override {
    const std::lock_guard lock(mutex_);
    if (owner_ == nullptr || woken_) return;
    if (auto owner = owner_->weak_from_this().lock()) {
      woken_ = true;
      boost::asio::post(*strand_, [owner = std::move(owner)] { owner->wake_box().take(); });
    }
  }

  bool run(std::function<void()> job) noexcept override {
    const std::lock_guard lock(mutex_);
    if (owner_ == nullptr) return false;
    boost::asio::post(strand_->get_inner_executor(), std::move(job));
    return true;
  }

  void take() {
    std::unique_lock lock(mutex_);
    woken_ = false;
    Owner* const owner = owner_;
    lock.unlock();
    if (owner != nullptr) owner->on_events();
  }

  // The owner is not called after this. On its strand, or when nothing runs any more.
  void close() {
    const std::lock_guard lock(mutex_);
    owner_ = nullptr;
    strand_.reset();
  }

 private:
  std::mutex mutex_;
  Owner* owner_;  // null when closed
  std::optional<Strand> strand_;
  bool woken_ = false;  // take() is on its way
};

}  // namespace kontract::detail
