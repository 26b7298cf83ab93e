// Living: counts an actor from its making until it has let go of the parts of its runtime. Its
// memory may last longer, for as long as a timer of the actor system has its address.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace kontract {

using LivingCount = std::shared_ptr<std::atomic<std::uint64_t>>;

class Living {
 public:
  explicit Living(LivingCount count) : count_(std::move(count)) { count_->fetch_add(1); }
  Living(Living&&) noexcept = default;
  Living& operator=(Living&&) = delete;
  ~Living() { end(); }

  void end() {
    if (const LivingCount count = std::exchange(count_, nullptr)) count->fetch_sub(1);
  }

 private:
  LivingCount count_;
};

}  // namespace kontract
