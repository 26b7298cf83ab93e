// Task<T>: a coroutine that runs inside a session or a middleware: a handler, or a part of one.
//
//   Task<Json> balance(FunctionContext& ctx, std::string id) {
//     const std::optional<Json> account = co_await ctx.table("accounts").get(id);
//     if (!account) throw NotFound("No account " + id);
//     co_return (*account)["balance"];
//   }
//
// It starts when it is awaited and gives its awaiter the value or the exception. It may await other
// tasks and what its context gives it, nothing else: those alone go on where the session is.
//
// With g++ 12: one co_await a statement, its result bound to a name, and no braced list in it; it
// frees temporaries twice otherwise, or does not compile.

#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "storage/assert.hpp"

namespace kontract {

template <class T = void>
class Task;

namespace detail {

// What a task may await, tasks apart, derives from it.
struct TaskAwaitable {};

struct FinalTaskStep {
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
    const std::coroutine_handle<> awaiter = ended.promise().awaiter;
    return awaiter ? awaiter : std::noop_coroutine();
  }
  void await_resume() const noexcept {}
};

struct TaskPromiseBase {
  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalTaskStep final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { failure = std::current_exception(); }

  template <class T>
  Task<T>&& await_transform(Task<T>&& task) const noexcept {
    return std::move(task);
  }
  template <class Awaitable>
  requires std::is_base_of_v<TaskAwaitable, std::remove_cvref_t<Awaitable>> Awaitable &&
      await_transform(Awaitable&& awaitable)
  const noexcept { return std::forward<Awaitable>(awaitable); }

  std::coroutine_handle<> awaiter;  // null: whoever holds the outermost task asks done()
  std::exception_ptr failure;
};

template <class T>
struct TaskPromise : TaskPromiseBase {
  Task<T> get_return_object() noexcept;
  template <class Value>
  void return_value(Value&& given) {
    value.emplace(std::forward<Value>(given));
  }
  T take() { return std::move(*value); }

  std::optional<T> value;
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using value_type = T;

  Task() = default;
  explicit Task(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) const noexcept {
    coroutine_.promise().awaiter = awaiter;
    return coroutine_;
  }
  T await_resume() { return result(); }

  // For whoever runs the outermost one.
  explicit operator bool() const { return coroutine_ != nullptr; }
  void start() { coroutine_.resume(); }  // runs until it waits for something, or has ended
  bool done() const { return coroutine_.done(); }
  // The value, or throws what it threw. REQUIRES: done.
  T result() {
    detail::TaskPromise<T>& promise = coroutine_.promise();
    if (promise.failure) std::rethrow_exception(std::exchange(promise.failure, nullptr));
    return promise.take();
  }

 private:
  std::coroutine_handle<promise_type> coroutine_ = nullptr;
};

template <class T>
Task<T> detail::TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

inline Task<void> detail::TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

}  // namespace kontract
