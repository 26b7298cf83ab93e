#include "actors/alarm_bell.hpp"

namespace kontract {

void AlarmBell::ring(const Shard& shard, std::int64_t due_ms, Ticket ticket) {
  const std::lock_guard lock(mutex_);
  if (!listening_) return;
  heard_.rung.push_back({&shard, due_ms, ticket});
  woken_ = true;
  changed_.notify_one();
}

void AlarmBell::answer(std::uint64_t call_id, Answer&& answer) noexcept {
  const std::lock_guard lock(mutex_);
  if (!listening_) return;
  heard_.answers.emplace_back(call_id, std::move(answer));
  woken_ = true;
  changed_.notify_one();
}

void AlarmBell::applied(const Shard& shard, Ticket ticket) noexcept {
  const std::lock_guard lock(mutex_);
  if (!listening_) return;
  heard_.applied.emplace_back(&shard, ticket);
  woken_ = true;
  changed_.notify_one();
}

void AlarmBell::wake() noexcept {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_one();
}

void AlarmBell::listen() {
  const std::lock_guard lock(mutex_);
  listening_ = true;
  heard_ = {};
}

std::uint64_t AlarmBell::number_call() {
  const std::lock_guard lock(mutex_);
  return ++last_call_;
}

void AlarmBell::silence() {
  const std::lock_guard lock(mutex_);
  listening_ = false;
  heard_ = {};
  heard_.silenced = true;
  woken_ = true;
  changed_.notify_one();
}

AlarmBell::Heard AlarmBell::wait(std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, at_most, [this] { return woken_; });
  woken_ = heard_.silenced;
  Heard heard = std::exchange(heard_, {});
  heard_.silenced = heard.silenced;
  return heard;
}

}  // namespace kontract
