#include "actors/reply.hpp"

namespace kontract {

Reply::~Reply() {
  if (pending()) fail(Error(Errc::internal, "The call was dropped before it was answered"));
}

Reply& Reply::operator=(Reply&& other) noexcept {
  Reply dropped(std::move(*this));
  target_ = std::move(other.target_);
  call_id_ = other.call_id_;
  lease_ = std::move(other.lease_);
  return *this;
}

void Reply::deliver(Answer answer) {
  KONTRACT_ASSERT(pending());
  // The lease outlives the delivery: the session stays awake until its last answer is on its way.
  const std::shared_ptr<ReplyTarget> target = std::exchange(target_, nullptr);
  target->answer(call_id_, std::move(answer));
  lease_.release();
}

}  // namespace kontract
