// Backend: what a program adds to the runtime, registered before it starts: functions that clients
// call by name, each of which runs inside a session as one serializable transaction.
//
//   Task<std::int64_t> deposit(FunctionContext& ctx, std::string id, std::int64_t amount) {
//     auto accounts = ctx.table("accounts");
//     std::optional<Json> account = co_await accounts.get(id);
//     if (!account) throw NotFound("No account " + id);
//     const std::int64_t balance = account->at("balance").get<std::int64_t>() + amount;
//     const Json change = {{"balance", balance}};
//     co_await accounts.update(id, change);
//     co_return balance;
//   }
//
//   Backend backend;
//   backend.function({.name = "bank.deposit", .args = {"account", "amount"}, .perm = perms::RW_,
//                     .doc = "Adds to an account; gives the new balance."}, deposit);
//   auto runtime = Runtime::start(std::move(options), std::move(backend));
//
// A handler takes a FunctionContext& and arguments of the types in actors/arguments.hpp. It is a
// coroutine that returns Task<T>, or an ordinary function that returns T; T is void, HttpResp or
// what becomes JSON. A lambda may capture: it lives as long as the runtime.
//
// Middleware is registered likewise: actors/middleware.hpp.
//
// Mistakes in what is registered are kept, and found when the runtime starts: backend_invalid, for
// all of them, with file and line.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "actors/arguments.hpp"
#include "actors/call_error.hpp"
#include "actors/code_place.hpp"
#include "actors/function_context.hpp"
#include "actors/http_resp.hpp"
#include "actors/middleware.hpp"
#include "actors/task.hpp"
#include "storage/perms.hpp"
#include "storage/result.hpp"

namespace kontract {

struct FunctionOptions {
  std::string name;                    // [A-Za-z_][A-Za-z0-9_]*, any number of them joined by dots
  std::vector<std::string> args = {};  // the arguments' names, one for each
  std::string egroup = {};             // what middleware filters by
  std::string ugroup = {};             // who may call it; empty: everybody
  // The bits that a caller needs, and those that the function itself has. Without W and X it is
  // read-only: it keeps to its snapshot however long it runs.
  Perm perm = perms::RWX;
  std::string doc = {};
};

// What a handler came to.
struct Returned {
  JsonText result;
  std::shared_ptr<const ResponseHead> head = nullptr;  // of an HttpResp
};

// A function as it was registered. `kontract routes` prints it.
struct BackendFunction {
  FunctionOptions options;
  std::vector<Parameter> parameters;
  std::string result;  // its type
  std::function<Task<Returned>(FunctionContext&, const Json& args)> run;

  bool read_only() const { return (options.perm & perms::_WX) == 0; }
};

namespace detail {

template <class T>
struct TaskResult {
  static constexpr bool kIsTask = false;
  using type = T;
};
template <class T>
struct TaskResult<Task<T>> {
  static constexpr bool kIsTask = true;
  using type = T;
};

// What can be called, by its parameters after the context.
template <class F>
struct HandlerTraits : HandlerTraits<decltype(&F::operator())> {};
template <class R, class... A>
struct HandlerTraits<R (*)(FunctionContext&, A...)> {
  using Return = R;
  using Result = typename TaskResult<R>::type;
  using Arguments = std::tuple<std::remove_cvref_t<A>...>;
  static constexpr std::size_t kCount = sizeof...(A);
  static constexpr bool kIsTask = TaskResult<R>::kIsTask;

  static std::vector<Parameter> parameters(const std::vector<std::string>& names) {
    std::vector<Parameter> all{Parameter{"", ArgumentType<std::remove_cvref_t<A>>::name(),
                                         kIsOptional<std::remove_cvref_t<A>>}...};
    for (std::size_t i = 0; i < all.size() && i < names.size(); ++i) all[i].name = names[i];
    return all;
  }
  static Arguments read(const Json& args, const std::vector<Parameter>& parameters) {
    return read_arguments<std::remove_cvref_t<A>...>(args, parameters);
  }
};
template <class R, class... A>
struct HandlerTraits<R(FunctionContext&, A...)> : HandlerTraits<R (*)(FunctionContext&, A...)> {};
template <class C, class R, class... A>
struct HandlerTraits<R (C::*)(FunctionContext&, A...) const>
    : HandlerTraits<R (*)(FunctionContext&, A...)> {};
template <class C, class R, class... A>
struct HandlerTraits<R (C::*)(FunctionContext&, A...)>
    : HandlerTraits<R (*)(FunctionContext&, A...)> {};

inline Returned returned(HttpResp response) {
  return {to_text(response.body()), std::make_shared<const ResponseHead>(response.head())};
}
template <class T>
Returned returned(T value) {
  return {to_text(Json(std::move(value)))};
}

template <class T>
std::string returned_type_name() {
  if constexpr (std::is_same_v<T, HttpResp>) {
    return "any";
  } else {
    return result_type_name<T>();
  }
}

// The handler's arguments live here while it runs.
template <class Handler, class Arguments>
Task<Returned> run_handler(Handler& handler, FunctionContext& ctx, Arguments arguments) {
  using Traits = HandlerTraits<std::remove_cvref_t<Handler>>;
  const auto call = [&](auto&... each) { return handler(ctx, std::move(each)...); };
  if constexpr (Traits::kIsTask) {
    auto task = std::apply(call, arguments);
    if constexpr (std::is_void_v<typename Traits::Result>) {
      co_await std::move(task);
      co_return Returned{"null"};
    } else {
      auto value = co_await std::move(task);
      co_return returned(std::move(value));
    }
  } else if constexpr (std::is_void_v<typename Traits::Result>) {
    std::apply(call, arguments);
    co_return Returned{"null"};
  } else {
    co_return returned(std::apply(call, arguments));
  }
}

template <class Handler>
bool is_empty(const Handler& handler) {
  if constexpr (requires { handler == nullptr; }) {
    return handler == nullptr;
  } else {
    return false;
  }
}

}  // namespace detail

class Backend {
 public:
  template <class Handler>
  void function(FunctionOptions options, Handler handler, CodePlace where = CodePlace::here()) {
    using Traits = detail::HandlerTraits<std::remove_cvref_t<Handler>>;
    BackendFunction added;
    added.parameters = Traits::parameters(options.args);
    added.options = std::move(options);
    added.result = detail::returned_type_name<typename Traits::Result>();
    const bool empty = detail::is_empty(handler);
    auto kept = std::make_shared<Handler>(std::move(handler));
    const std::size_t count = Traits::kCount;
    added.run = [kept, parameters = added.parameters](FunctionContext& ctx, const Json& args) {
      return detail::run_handler(*kept, ctx, Traits::read(args, parameters));
    };
    add(std::move(added), count, empty, where);
  }

  // `handler` is void(MiddlewareContext&) or Task<void>(MiddlewareContext&), a guard; or
  // Task<CallAnswer>(MiddlewareContext&, Next), an around. A lambda may capture.
  template <class Handler>
  void middleware(MiddlewareOptions options, Handler handler, CodePlace where = CodePlace::here()) {
    const bool empty = detail::is_empty(handler);
    Middleware added{std::move(options), {}};
    if constexpr (std::is_invocable_v<Handler&, MiddlewareContext&, Next>) {
      using Given = std::invoke_result_t<Handler&, MiddlewareContext&, Next>;
      static_assert(std::is_same_v<Given, Task<CallAnswer>>, "An around returns Task<CallAnswer>");
      added.run = Middleware::Around(std::move(handler));
    } else {
      using Given = std::invoke_result_t<Handler&, MiddlewareContext&>;
      if constexpr (std::is_same_v<Given, Task<void>>) {
        added.run = Middleware::WaitingGuard(std::move(handler));
      } else {
        static_assert(std::is_void_v<Given>, "A guard returns void or Task<void>");
        added.run = Middleware::Guard(std::move(handler));
      }
    }
    add(std::move(added), empty, where);
  }
  void middleware(MiddlewareOptions options, Cors cors, CodePlace where = CodePlace::here()) {
    add({std::move(options), std::move(cors)}, /*empty=*/false, where);
  }

  // Errors: backend_invalid, with all that is wrong.
  Status check() const;

  // The function of this name, or null.
  const BackendFunction* find(std::string_view name) const;
  const std::map<std::string, BackendFunction, std::less<>>& functions() const {
    return functions_;
  }
  // The group that middleware filters by; empty if there is no such function, or it has none.
  std::string_view egroup_of(std::string_view function) const;
  const std::vector<Middleware>& middleware() const { return middleware_; }

 private:
  struct Endpoint {  // that a middleware names
    std::string place, middleware, function;
  };

  void add(BackendFunction function, std::size_t arguments, bool empty, CodePlace where);
  void add(Middleware middleware, bool empty, CodePlace where);
  void mistake(CodePlace where, const std::string& what);

  std::map<std::string, BackendFunction, std::less<>> functions_;
  std::map<std::string, std::string> places_;  // by name: file and line
  std::vector<Middleware> middleware_;         // in the order of registration
  std::vector<Endpoint> endpoints_;            // are there when it starts
  std::vector<std::string> mistakes_;
};

}  // namespace kontract
