// MiddlewareFrame: one middleware's work on one call.

#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/detail/front_state.hpp"
#include "actors/middleware.hpp"

namespace kontract::detail {

struct MiddlewareFrame {
  MiddlewareFrame(MiddlewareActor& by, std::uint64_t number, MiddlewareStepPtr given)
      : actor(by),
        id(number),
        step(std::move(given)),
        walk(step->walk),
        peer(step->call->context.peer),
        perm(step->call->context.perm),
        deadline(step->call->deadline),
        context(*this) {}

  MiddlewareActor& actor;
  const std::uint64_t id;
  MiddlewareStepPtr step;  // null once the call has gone on, or is answered
  const std::shared_ptr<MiddlewareWalk> walk;
  std::shared_ptr<const Peer> peer;
  Perm perm;
  const Clock::time_point deadline;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<CallAnswer> answered;  // by a guard
  bool next_called = false;
  Reply reply;                  // of an around that has let its call go
  std::optional<Answer> inner;  // what next() came to
  std::uint64_t sleeps = 0;
  bool sleeping = false;
  std::optional<Error> sleep_error;
  std::coroutine_handle<> waiting = nullptr;
  MiddlewareContext context;
  std::variant<std::monostate, Task<void>, Task<CallAnswer>> task;  // last: it uses the rest
};

}  // namespace kontract::detail
