// function_server: a server with the functions of examples/bank, one that answers its argument
// (echo) and, if asked for, one middleware that lets every call pass.
//
//   function_server --data DIR [--middleware none|guard|around]
//
// On any free port: prints "listening on 127.0.0.1:PORT", and ends on SIGTERM.

#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "examples/bank/bank_functions.hpp"
#include "runtime/runtime.hpp"
#include "tests/bench/flags.hpp"

namespace {

using namespace kontract;

Task<CallAnswer> pass_around(MiddlewareContext& /*ctx*/, Next next) {
  CallAnswer answer = co_await next();
  co_return answer;
}

void add_middleware(Backend& backend, const std::string& form) {
  if (form == "guard") {
    backend.middleware({.name = "guard"}, [](MiddlewareContext&) {});
  } else if (form == "around") {
    backend.middleware({.name = "around"}, pass_around);
  } else if (form != "none") {
    throw std::invalid_argument("--middleware is none, guard or around, not " + form);
  }
}

Task<Json> echo(FunctionContext& /*ctx*/, Json value) { co_return value; }

void serve(const bench::Flags& flags) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // in all threads, so that it waits for sigwait
  Backend backend = bank::backend();
  backend.function({.name = "echo", .args = {"value"}, .perm = perms::R__}, echo);
  add_middleware(backend, flags.text("--middleware", "none"));
  Options options;
  options.store.data = flags.text("--data", "");
  options.server.port = 0;
  const auto runtime = Runtime::start(std::move(options), std::move(backend));
  if (!runtime) throw std::runtime_error(runtime.error().message);
  std::printf("listening on 127.0.0.1:%d\n", (*runtime)->port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    serve({argc, argv, {"--data", "--middleware"}});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "function_server: %s\n", error.what());
    return 2;
  }
}
