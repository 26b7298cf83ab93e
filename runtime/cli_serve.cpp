// `kontract serve`.

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <ostream>
#include <thread>

#include "runtime/cli.hpp"
#include "runtime/runtime.hpp"

namespace kontract::cli {
namespace {

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

void wait_for_stop() {
  const sigset_t signals = stop_signals();
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
}

void log_to_stderr(const std::string& level) {
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "kontract", std::make_shared<spdlog::sinks::stderr_color_sink_mt>()));
  spdlog::set_level(spdlog::level::from_str(level));
}

void greet(const ServeOptions& options, std::uint16_t port, std::ostream& out) {
  const ServerOptions& server = options.runtime.server;
  const bool ipv6 = server.address.find(':') != std::string::npos;
  const std::string where =
      (ipv6 ? "[" + server.address + "]" : server.address) + ":" + std::to_string(port);
  const std::string to = port == ServerOptions().port ? "" : " --url ws://" + where;
  // Programs that start a server read this line; its text does not change.
  out << "listening on " << where << "\n"
      << "data "
      << std::filesystem::absolute(options.runtime.store.data).lexically_normal().string()
      << ", durability "
      << (options.runtime.store.durability == Durability::sync ? "sync" : "relaxed") << "\n";
  if (server.secret.empty()) {
    out << "no secret: loopback only, every connection is owner dev, perm 7, group admin\n";
  }
  out << "try it:\n"
      << "  kontract call demo table.create users '{\"permissions\":7}'" << to << "\n"
      << "  kontract call demo table.set users u1 '{\"name\":\"Ada\"}'" << to << "\n"
      << "  kontract call demo table.get users u1" << to << "\n"
      << "  shared_document" << to << "   # examples/shared_document: many write one text\n"
      << std::flush;
}

}  // namespace

int serve(ServeOptions options, Streams streams) {
  log_to_stderr(options.log_level);
  auto runtime = Runtime::start(options.runtime);
  if (!runtime) return report(runtime.error(), streams);
  greet(options, (*runtime)->port(), streams.out);

  wait_for_stop();
  spdlog::info("stopping; a second signal stops at once");
  std::thread([] {
    wait_for_stop();
    std::_Exit(kFailed);
  }).detach();
  (*runtime)->stop();
  spdlog::info("stopped");
  return kDone;
}

}  // namespace kontract::cli
