// MiddlewareActor: one of the pool of a middleware. Takes calls in the order in which they come;
// while one of them waits before it has gone on, those behind it wait.
//
// What a handler throws fails its call only. If the actor dies, the calls that it holds are
// answered as they are dropped, and the next call finds a new one.

#pragma once

#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <unordered_map>

#include "actors/living.hpp"
#include "actors/reply.hpp"

namespace kontract {

namespace detail {
struct MiddlewareFrame;
}
struct FrontState;
struct Middleware;
struct MiddlewareStep;
using MiddlewareStepPtr = std::shared_ptr<MiddlewareStep>;  // as CallPtr: one holder at a time

// What an around's next() came to.
struct MiddlewareAnswer {
  std::uint64_t frame;
  std::shared_ptr<Answer> answer;
};
struct MiddlewareWake {  // a sleep is over
  std::uint64_t frame;
  std::uint64_t sleep;
};
struct MiddlewareStop {};  // sleeps are over, with an error

}  // namespace kontract

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::MiddlewareStepPtr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::MiddlewareAnswer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::MiddlewareWake)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kontract::MiddlewareStop)

namespace kontract {

using MiddlewareAddress = caf::typed_actor<caf::reacts_to<MiddlewareStepPtr>,  // a call
                                           caf::reacts_to<MiddlewareAnswer>,   //
                                           caf::reacts_to<MiddlewareWake>,     // its own
                                           caf::reacts_to<MiddlewareStop>>;

class MiddlewareActor final : public MiddlewareAddress::base {
 public:
  MiddlewareActor(caf::actor_config& config, std::shared_ptr<FrontState> front,
                  std::size_t middleware, std::size_t member);
  ~MiddlewareActor() override;

  behavior_type make_behavior() override;
  void on_exit() override;

  // For the awaitables of actors/middleware.hpp, from inside a handler's coroutine.
  void let_go(detail::MiddlewareFrame& frame);
  void sleep(detail::MiddlewareFrame& frame, std::chrono::milliseconds time);

 private:
  using FramePtr = std::unique_ptr<detail::MiddlewareFrame>;

  void take(const MiddlewareStepPtr& step);
  void begin(MiddlewareStepPtr step);
  void run(detail::MiddlewareFrame& frame);
  void take_waiting();
  void go_on(std::uint64_t id);
  void go_on(FramePtr frame);  // after its coroutine has stopped
  void settle(detail::MiddlewareFrame& frame);
  void pass(detail::MiddlewareFrame& frame);
  void fail(detail::MiddlewareFrame& frame, const std::exception_ptr& thrown);
  void deliver(detail::MiddlewareFrame& frame, Answer answer);
  void wake(const MiddlewareWake& message);
  void stop();
  detail::MiddlewareFrame* find(std::uint64_t id);

  const std::shared_ptr<FrontState> front_;
  const std::size_t number_, member_;
  const Middleware& middleware_;
  std::shared_ptr<ReplyTarget> answers_;  // of the calls that arounds have let go
  std::uint64_t last_frame_ = 0;
  FramePtr current_;                                    // waits and has not let its call go
  std::unordered_map<std::uint64_t, FramePtr> beyond_;  // have, and are not over
  std::deque<MiddlewareStepPtr> waiting_;               // behind current_
  Living living_;
};

}  // namespace kontract
