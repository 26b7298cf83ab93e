// `kontract serve`.

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <thread>

#include "net/signing_keys.hpp"
#include "net/token_keyring.hpp"
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

// Returns the signal.
int wait_for(const sigset_t& signals) {
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  return signal;
}

void reload_tls(Runtime& runtime) {
  if (const Status reloaded = runtime.reload_tls(); !reloaded) {
    spdlog::error("SIGHUP: certificate and key stay as they were: {} {}", reloaded.error().message,
                  reloaded.error().hint);
  } else {
    spdlog::info("SIGHUP: certificate and key were read again");
  }
}

void log_to_stderr(const std::string& level) {
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "kontract", std::make_shared<spdlog::sinks::stderr_color_sink_mt>()));
  spdlog::set_level(spdlog::level::from_str(level));
}

// Each connection is one file.
void raise_open_files() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);  // The server says what it does with fewer.
}

// `program` as a shell in this directory takes it.
std::string typed(const std::filesystem::path& program) {
  std::error_code ignored;
  const auto below = program.lexically_relative(std::filesystem::current_path(ignored));
  const bool is_below = !below.empty() && *below.begin() != "..";
  std::string text = is_below ? below.string() : program.string();
  if (is_below && !below.has_parent_path()) text.insert(0, "./");
  if (text.find_first_of(" '\"\\$`&|;<>()*?[]{}#~!") == text.npos) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

void greet(const ServeOptions& options, std::uint16_t port, const std::string& identity,
           std::ostream& out) {
  const ServerOptions& server = options.runtime.server;
  const bool tokens = tokens_required(server);
  const bool ipv6 = server.address.find(':') != std::string::npos;
  const std::string where =
      (ipv6 ? "[" + server.address + "]" : server.address) + ":" + std::to_string(port);
  const bool usual = where == "127.0.0.1:8787";  // where the other commands look by themselves
  const bool tls = !server.tls_certificate.empty();
  std::string to = usual && !tls ? "" : (tls ? " --url wss://" : " --url ws://") + where;
  // Programs that start a server read this line; its text does not change.
  out << "listening on " << where << "\n"
      << "data "
      << std::filesystem::absolute(options.runtime.store.data).lexically_normal().string()
      << ", durability "
      << (options.runtime.store.durability == Durability::sync ? "sync" : "relaxed") << "\n";
  if (!identity.empty()) out << "identity " << identity << "   # clients pin it: --pin\n";
  if (!tokens) {
    out << "no secret: loopback only, every connection is owner dev, perm 7, group admin\n";
  }
  if (options.runtime.accounts) {
    out << "accounts: POST http://" << where
        << "/auth/anonymous, /auth/register, /auth/login; docs/accounts.md\n";
  }
  std::error_code unknown;
  const auto binary = std::filesystem::read_symlink("/proc/self/exe", unknown);
  const std::string program = unknown ? "kontract" : typed(binary);
  out << "try it:\n";
  const bool only_provider =
      server.secret.empty() && !std::filesystem::exists(server.signing_keys, unknown);
  if (tokens && only_provider) out << "  TOKEN=...   # as the identity provider issues it\n";
  if (tokens && !only_provider) {
    out << "  TOKEN=$(" << program << " token issue --owner me --perm 7 --group admin)   # "
        << (server.secret.empty() ? "KONTRACT_DATA is the data directory"
                                  : "KONTRACT_SECRET is the secret")
        << "\n";
  }
  if (tokens) to += " --token \"$TOKEN\"";
  out << "  " << program << " call demo table.create users '{\"permissions\":7}'" << to << "\n"
      << "  " << program << " call demo table.set users u1 '{\"name\":\"Ada\"}'" << to << "\n"
      << "  " << program << " call demo table.get users u1" << to << "\n";
  const auto example =
      binary.parent_path().parent_path() / "examples" / "shared_document" / "shared_document";
  if (std::filesystem::exists(example, unknown)) {
    out << "  " << typed(example) << to << "   # many write one text\n";
  }
  out << std::flush;
}

}  // namespace

int serve(ServeOptions options, Streams streams) {
  // Before any thread: none is to be interrupted by what is waited for. Without TLS there is
  // nothing to reload, and SIGHUP ends the process, as when its terminal goes.
  sigset_t signals = stop_signals();
  if (!options.runtime.server.tls_certificate.empty()) sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  raise_open_files();
  log_to_stderr(options.log_level);
  options.runtime.server.signing_keys = (options.runtime.store.data / kSigningKeysFile).string();
  auto runtime = Runtime::start(options.runtime);
  if (!runtime) return report(runtime.error(), streams);
  greet(options, (*runtime)->port(), (*runtime)->identity(), streams.out);

  while (wait_for(signals) == SIGHUP) reload_tls(**runtime);
  spdlog::info("stopping; a second signal stops at once");
  std::thread([] {
    wait_for(stop_signals());
    std::_Exit(kFailed);
  }).detach();
  (*runtime)->stop();
  spdlog::info("stopped");
  return kDone;
}

}  // namespace kontract::cli
