// LocalSession: a session as the program that runs it calls it, without a socket. The calls go
// through the same middleware and the same permissions as those of a client.
//
//   LocalSession room = runtime.session("tenant-1", "room-1");
//   const Result<CallResult> added = co_await room.call("todo.add", "buy tea");  // in a coroutine
//   const Result<CallResult> added = room.call("todo.add", "buy tea").get();     // on a thread
//
// A call is on its way as soon as it is made; those of one LocalSession begin in the order in which
// they are made. All of it is thread-safe, and may be kept longer than the runtime: calls are
// answered overloaded then.

#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "net/client.hpp"
#include "storage/json.hpp"
#include "storage/result.hpp"

namespace kontract {

namespace detail {
class LocalAnswer;
class LocalCaller;
}  // namespace detail

// A call that is on its way. Its answer is taken once, in one of three ways, or not at all.
class LocalCall {
 public:
  using Callback = std::function<void(Result<CallResult>)>;

  explicit LocalCall(std::shared_ptr<detail::LocalAnswer> answer) : answer_(std::move(answer)) {}

  // Blocks until it comes. Errors: those of the call; invalid_request on a thread that runs the
  // runtime's io_context, which the answer may need (the call runs nevertheless). Not in an actor
  // of Host::actors, unnoticed: it holds a thread that the answer may need.
  Result<CallResult> get();

  // `done` is called once, on a thread that runs the runtime's io_context, and never from in here
  // unless the runtime has stopped; it must neither block nor throw.
  void then(Callback done);

  // The coroutine goes on where `then` calls; where it is, when the runtime has stopped.
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiting);
  Result<CallResult> await_resume() { return std::move(*awaited_); }

 private:
  std::shared_ptr<detail::LocalAnswer> answer_;
  std::optional<Result<CallResult>> awaited_;
};

class LocalSession {
 public:
  explicit LocalSession(std::shared_ptr<detail::LocalCaller> caller) : caller_(std::move(caller)) {}

  // Arguments are what nlohmann's library makes JSON of. Errors, in the answer: those that a client
  // would be given; of KONTRACT_INTERNAL this caller is told the message.
  template <class... Args>
  LocalCall call(std::string function, Args&&... args) const {
    Json list = Json::array();
    (list.push_back(Json(std::forward<Args>(args))), ...);
    return send(std::move(function), std::move(list));
  }

  // `args` is an array.
  LocalCall send(std::string function, Json args) const;

 private:
  std::shared_ptr<detail::LocalCaller> caller_;
};

}  // namespace kontract
