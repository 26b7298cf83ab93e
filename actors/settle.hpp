// Holding answers back until what they tell is durable.

#pragma once

#include "actors/reply.hpp"
#include "storage/commit_log.hpp"

namespace kontract {

// A waiter that delivers the answer once its batch may be acknowledged, or the error if it failed.
class HeldAnswer final : public Settled {
 public:
  HeldAnswer(Reply reply, Answer answer) : reply_(std::move(reply)), answer_(std::move(answer)) {}
  void settled(const Status& status) noexcept override;

 private:
  Reply reply_;
  Answer answer_;
};

// Delivers now if everything up to `ticket` may be acknowledged, else as soon as it may.
void deliver_when_settled(CommitLog& log, Ticket ticket, Reply reply, Answer answer);

}  // namespace kontract
