#include "examples/bank/serve.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <iostream>

#include "examples/bank/bank_functions.hpp"
#include "runtime/runtime.hpp"

namespace bank {

kontract::Status serve(const ServePlan& plan) {
  // Blocked in all threads, so that they wait for sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // Who reads the line below may close stdout then.
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "bank", std::make_shared<spdlog::sinks::stderr_color_sink_mt>()));
  spdlog::set_level(spdlog::level::warn);

  kontract::Options options;
  options.store.data = plan.data;
  options.server.port = plan.port;
  auto runtime = kontract::Runtime::start(std::move(options), backend());
  if (!runtime) return std::move(runtime).error();
  std::cout << "listening on 127.0.0.1:" << (*runtime)->port() << "\n" << std::flush;
  int signal = 0;
  sigwait(&signals, &signal);
  return {};
}

}  // namespace bank
