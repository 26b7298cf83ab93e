#include "actors/entrance.hpp"

#include "actors/detail/front_state.hpp"

namespace kontract {

Entrance::Entrance(std::shared_ptr<FrontState> front, std::shared_ptr<SessionHandle> session)
    : front_(std::move(front)), session_(std::move(session)) {}

void Entrance::send(CallPtr call) {
  std::shared_ptr<const MiddlewareChain> chain;
  if (front_ && call->kind == CallKind::function) chain = front_->chain_of(call->function);
  if (chain) return front_->begin(session_, take_place(), std::move(chain), std::move(call));
  if (taken_.load(std::memory_order_acquire) == 0) return session_->send(std::move(call));
  take_place().enter(std::move(call));
}

Entrance::Place Entrance::take_place() {
  const std::lock_guard lock(mutex_);
  taken_.fetch_add(1, std::memory_order_relaxed);
  places_.emplace_back();
  return {shared_from_this(), first_ + places_.size() - 1};
}

void Entrance::settle(std::uint64_t number, CallPtr call) {
  std::unique_lock lock(mutex_);
  Taken& place = places_[number - first_];
  place.call = std::move(call);
  place.settled = true;
  if (std::exchange(letting_in_, true)) return;
  while (!places_.empty() && places_.front().settled) {
    call = std::move(places_.front().call);
    lock.unlock();  // a session that refuses answers at once, and the answer may lead back here
    if (call) session_->send(std::move(call));
    lock.lock();
    places_.pop_front();
    ++first_;
    taken_.fetch_sub(1, std::memory_order_release);
  }
  letting_in_ = false;
}

Entrance::Place& Entrance::Place::operator=(Place&& other) noexcept {
  give_up();
  entrance_ = std::move(other.entrance_);
  number_ = other.number_;
  return *this;
}

void Entrance::Place::enter(CallPtr call) {
  if (const auto entrance = std::exchange(entrance_, nullptr)) {
    entrance->settle(number_, std::move(call));
  }
}

void Entrance::Place::give_up() { enter(nullptr); }

}  // namespace kontract
