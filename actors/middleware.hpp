// Middleware: what calls go through on their way to a session, in the order of registration.
//
//   void only_reads(MiddlewareContext& ctx) { ctx.lower_perm(perms::R__); }               a guard
//
//   Task<CallAnswer> timed(MiddlewareContext& ctx, Next next) {                         an around
//     const auto begun = Clock::now();
//     CallAnswer answer = co_await next();
//     note(ctx.function(), Clock::now() - begun);
//     co_return answer;
//   }
//
//   backend.middleware({.name = "guests", .egroup = "storage"}, only_reads);
//   backend.middleware({.prefixurl = "/rpc/bank."}, timed);
//
// A guard lets the call pass by returning, answers it (answer()), or fails it by throwing CallError
// or one of its kinds (actors/call_error.hpp); it may be a coroutine, Task<void>. An around calls
// next() once, which lets the call go on and gives its answer; a second time throws
// std::logic_error, not at all leaves the call undone. What else is thrown is KONTRACT_INTERNAL for
// the caller, and its text goes to the log.
//
// Each is a pool of actors. A session always meets the same one of them, which takes its calls in
// their order: while a guard waits, or an around before its next(), the calls behind it wait.
//
// All filters that are given must match. The path of a call is /rpc/<function>, over HTTP and
// WebSocket alike. What table.batch does is seen as table.batch, and not as the operations in it.

#pragma once

#include <chrono>
#include <coroutine>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "actors/call.hpp"
#include "actors/call_error.hpp"
#include "actors/code_place.hpp"
#include "actors/task.hpp"

namespace kontract {

class SharedState;

namespace detail {
struct MiddlewareFrame;
}

struct MiddlewareOptions {
  std::string name = {};                    // for people; one is made if it is empty
  std::string prefixurl = {};               // the path begins with it
  std::string egroup = {};                  // the function's is this one; built-in ones: storage
  std::vector<std::string> endpoints = {};  // the function is one of these
  int concurrency = 0;                      // actors in the pool; 0: one for each hardware thread
};

enum class MiddlewareFilter : std::uint8_t { prefixurl, egroup, endpoints };

struct MiddlewareRoute {
  std::string_view path, egroup, function;
};

// The filters that keep the route away; none: it matches.
std::vector<MiddlewareFilter> failed_filters(const MiddlewareOptions& options,
                                             const MiddlewareRoute& route);

// Which HTTP pages of other origins may call what the middleware matches. Needs no actor: the HTTP
// front end answers preflights and adds the headers, to refusals too.
struct Cors {
  std::vector<std::string> origins;       // "https://app.example"; "*" is all of them
  std::vector<std::string> headers = {};  // beside Authorization and X-Session-Id
  std::vector<std::string> expose = {};   // response headers that a page may read
  std::chrono::seconds max_age{600};      // how long a browser keeps a preflight
  bool allows(std::string_view origin) const;
};

// What a call came to. A result stays text until somebody asks for the value.
class CallAnswer {
 public:
  CallAnswer(const Json& value);  // NOLINT(*-explicit-*)
  CallAnswer(Error error);        // NOLINT(*-explicit-*)
  explicit CallAnswer(Answer answer) : answer_(std::move(answer)) {}

  bool ok() const { return answer_.result.has_value(); }
  const Error& error() const { return answer_.result.error(); }  // REQUIRES: not ok()
  // Errors: both throw CallError if the call failed.
  const JsonText& text() const;
  Json json() const;

  void set(const Json& value);  // the answer's transaction stays
  Txid txid() const { return answer_.txid; }

  Answer take() && { return std::move(answer_); }

 private:
  Answer answer_;
};

// The awaitable of MiddlewareContext::sleep. Errors: throws CallError, timeout when the call's time
// is over, overloaded when the runtime stops.
class [[nodiscard]] MiddlewareSleep final : public detail::TaskAwaitable {
 public:
  MiddlewareSleep(detail::MiddlewareFrame& frame, std::chrono::milliseconds time)
      : frame_(frame), time_(time) {}
  bool await_ready() const noexcept { return time_.count() <= 0; }
  void await_suspend(std::coroutine_handle<> waiting);
  void await_resume();

 private:
  detail::MiddlewareFrame& frame_;
  std::chrono::milliseconds time_;
};

// The rest of the way.
class Next {
 public:
  class [[nodiscard]] Step final : public detail::TaskAwaitable {
   public:
    explicit Step(detail::MiddlewareFrame& frame) : frame_(frame) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting);
    CallAnswer await_resume();

   private:
    detail::MiddlewareFrame& frame_;
  };

  explicit Next(detail::MiddlewareFrame& frame) : frame_(&frame) {}
  Step operator()() const;  // Errors: throws std::logic_error if it was called before

 private:
  detail::MiddlewareFrame* frame_;
};

// The call, as a middleware sees and changes it. Lives until the middleware is over. What changes
// the call, and args(), throws std::logic_error after next(): the call is elsewhere then.
class MiddlewareContext {
 public:
  explicit MiddlewareContext(detail::MiddlewareFrame& frame) : frame_(frame) {}
  MiddlewareContext(const MiddlewareContext&) = delete;
  MiddlewareContext& operator=(const MiddlewareContext&) = delete;

  const std::string& function() const;
  std::string path() const { return "/rpc/" + function(); }
  const Identity& session() const;
  const std::string& method() const;  // as Peer::method
  // Of the request, or of the upgrade to WebSocket. `name` is in lower case.
  std::optional<std::string_view> header(const std::string& name) const;

  const Peer& peer() const;
  // Somebody else calls: another user, other groups. The owner stays, and perm() is not raised.
  // Errors: throws std::invalid_argument if the owner is another.
  void set_peer(Peer peer);
  Perm perm() const;
  void lower_perm(Perm kept);  // of the bits that are there, those in `kept` stay

  const Json& args() const;
  void set_args(Json args);  // Errors: throws std::invalid_argument unless it is an array

  // The call goes no further, and this is its result. Of a guard; an around returns its answer.
  void answer(const Json& result);
  // A header of the answer over HTTP; without effect over WebSocket. Errors: throws
  // std::invalid_argument, as HttpResp::header.
  void add_header(std::string name, std::string value);

  // For the middleware that comes later, and the arounds on the way back.
  std::map<std::string, Json>& values();

  // What all of the runtime shares (storage/shared_state.hpp).
  SharedState& shared() const;

  MiddlewareSleep sleep(std::chrono::milliseconds time) { return {frame_, time}; }

 private:
  detail::MiddlewareFrame& frame_;
};

// A middleware as it was registered. `kontract routes` prints it.
struct Middleware {
  using Guard = std::function<void(MiddlewareContext&)>;
  using WaitingGuard = std::function<Task<void>(MiddlewareContext&)>;
  using Around = std::function<Task<CallAnswer>(MiddlewareContext&, Next)>;

  MiddlewareOptions options;
  std::variant<Guard, WaitingGuard, Around, Cors> run;

  bool matches(const MiddlewareRoute& route) const {
    return failed_filters(options, route).empty();
  }
  const Cors* cors() const { return std::get_if<Cors>(&run); }
  std::string_view form() const;    // guard, around or cors
  std::size_t concurrency() const;  // actors in its pool
};

}  // namespace kontract
