// shared_document: several writers type one text into a session, and none of it is lost.
//
// Exit codes: 0 the text is what the trace says; 1 it is not, or something failed; 2 wrong usage.

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <iomanip>
#include <iostream>
#include <memory>
#include <random>

#include "document.hpp"
#include "examples/support/server_process.hpp"
#include "workload.hpp"

namespace shared_document {
namespace {

using examples::ServerProcess;
using kontract::Errc;
using kontract::Error;
using kontract::Json;
using kontract::Result;
using kontract::Status;
using Clock = std::chrono::steady_clock;

struct Plan {
  std::string url = "ws://127.0.0.1:8787";
  std::string token;
  std::string session;
  std::string trace = SHARED_DOCUMENT_TRACE;
  std::size_t writers = 4, readers = 2, edits = 0;
  bool own_server = false, chaos = false;
  std::size_t kills = 5;
  std::string server_binary = SHARED_DOCUMENT_SERVER;
  std::string data;
  std::uint64_t seed = std::random_device{}();
};

kontract::ClientOptions client_options(const Plan& plan) {
  kontract::ClientOptions options;
  options.url = plan.url;
  options.token = plan.token;
  options.session = plan.session;
  options.backoff_max = std::chrono::milliseconds(500);
  return options;
}

// In each of `kills` equal stretches of the edits one random moment.
Status kill_now_and_then(const Plan& plan, std::size_t edits, const Progress& progress,
                         ServerProcess& server) {
  std::mt19937_64 random(plan.seed);
  for (std::size_t i = 0; i < plan.kills; ++i) {
    const std::size_t begin = edits * i / plan.kills;
    const std::size_t end = std::max(begin + 1, edits * (i + 1) / plan.kills);
    const auto moment = std::uniform_int_distribution<std::size_t>(begin, end - 1)(random);
    if (!progress.wait_for_count(moment)) return {};  // The writers say what failed.
    server.kill();
    Status started = server.start();
    if (!started) return started;
    std::cout << "killed and restarted after " << moment << " acknowledged edits\n" << std::flush;
  }
  return {};
}

// The text as the table has it, if every edit is there once.
Result<std::string> rebuild(const Plan& plan, const std::string& start, const Edits& edits) {
  kontract::Client client(client_options(plan));
  const auto rows = read_rows(client);
  if (!rows) return rows.error();
  const auto seen = examine(*rows, edits);
  if (!seen) return seen.error();
  if (seen->count != edits.size()) {
    return Error(Errc::internal, "The table has " + std::to_string(seen->count) + " edits, " +
                                     std::to_string(edits.size()) + " were acknowledged");
  }
  Document document(start);
  for (const Json* patches : seen->edits) {
    Status applied = document.apply(*patches);
    if (!applied) return applied.error();
  }
  return document.text();
}

Status write_and_watch(const Plan& plan, const Edits& edits, ServerProcess* server) {
  Progress progress(edits.size());
  std::vector<std::unique_ptr<Reader>> readers;
  std::vector<std::unique_ptr<Writer>> writers;
  for (std::size_t i = 0; i < plan.readers; ++i) {
    readers.push_back(std::make_unique<Reader>(client_options(plan), edits, progress));
  }
  const auto began = Clock::now();
  for (std::size_t i = 0; i < plan.writers; ++i) {
    writers.push_back(
        std::make_unique<Writer>(client_options(plan), edits, progress, i, plan.writers));
    writers.back()->start();
  }
  if (plan.chaos) {
    const Status killed = kill_now_and_then(plan, edits.size(), progress, *server);
    if (!killed) progress.fail(killed.error());
  }
  if (!progress.wait_for_count(edits.size())) {
    progress.fail(Error(Errc::timeout, "Nothing was acknowledged for 30 s"));
  }
  const std::chrono::duration<double> took = Clock::now() - began;

  std::size_t repeats = 0;
  for (const auto& writer : writers) repeats += writer->repeats();
  std::cout << edits.size() << " edits by " << plan.writers << " writers in " << std::fixed
            << std::setprecision(2) << took.count() << " s, " << std::setprecision(0)
            << static_cast<double>(edits.size()) / took.count() << " edits/s; "
            << (plan.chaos ? plan.kills : 0) << " kills, " << repeats << " calls repeated\n";
  readers.clear();  // They read to the end.
  if (const auto error = progress.error()) return *error;
  return {};
}

Status run(Plan plan) {
  auto trace = load_trace(plan.trace);
  if (!trace) return trace.error();
  Edits edits = std::move(trace->edits);
  const bool whole = plan.edits == 0 || plan.edits >= edits.size();
  if (!whole) edits.resize(plan.edits);
  Document expected(trace->start);
  for (const Json& patches : edits) {
    Status applied = expected.apply(patches);
    if (!applied) return applied.error();
  }
  if (whole && expected.text() != trace->end) {
    return Error(Errc::invalid_request, "The trace's edits do not make its endContent");
  }

  std::unique_ptr<ServerProcess> server;
  if (plan.own_server || plan.chaos) {
    server = std::make_unique<ServerProcess>(
        std::vector<std::string>{plan.server_binary, "serve", "--log-level", "warning"}, plan.data);
    if (Status started = server->start(); !started) {
      Error error = std::move(started).error();
      error.hint += " --server-bin names another program.";
      return error;
    }
    plan.url = server->url();
  }
  std::cout << "session " << plan.session << " at " << plan.url << ", seed " << plan.seed << "\n";
  {
    kontract::Client client(client_options(plan));
    const auto welcome = client.connect();
    if (!welcome) return welcome.error();
    const auto created =
        client.call("table.create", Json::array({kTable, Json{{"permissions", 7}}}));
    if (!created) return created.error();
  }
  Status written = write_and_watch(plan, edits, server.get());
  if (!written) return written;
  const auto text = rebuild(plan, trace->start, edits);
  if (!text) return text.error();
  if (*text != expected.text()) {
    return Error(Errc::internal, "The rebuilt text differs from the one that was typed");
  }
  std::cout << "the rebuilt text is the one that was typed: " << text->size() << " bytes"
            << (whole ? ", the trace's endContent" : "") << "\n";
  return {};
}

}  // namespace
}  // namespace shared_document

int main(int argc, char** argv) {
  shared_document::Plan plan;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  plan.session = "doc-" + std::to_string(now / std::chrono::milliseconds(1));
  CLI::App app("Several writers type one text into a session of a kontract server");
  app.add_option("--url", plan.url, "The server")->capture_default_str();
  app.add_option("--token", plan.token, "Token, if the server has a secret");
  app.add_option("--session", plan.session, "A session without a table edits (default: a new one)");
  app.add_option("--trace", plan.trace, "Editing trace as JSON");
  app.add_option("--writers", plan.writers, "Writers")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  app.add_option("--readers", plan.readers, "Readers")
      ->capture_default_str()
      ->check(CLI::Range(0, 64));
  app.add_option("--edits", plan.edits, "How many of the trace's edits (default: all)");
  app.add_flag("--own-server", plan.own_server, "Start a server on a free port");
  app.add_flag("--chaos", plan.chaos, "Start a server, kill it with SIGKILL now and then");
  app.add_option("--kills", plan.kills, "How often")->capture_default_str();
  app.add_option("--seed", plan.seed, "When it is killed (default: random)");
  app.add_option("--server-bin", plan.server_binary, "The server to start");
  app.add_option("--data", plan.data, "Its data directory (default: a temporary one)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& stopped) {
    return app.exit(stopped) == 0 ? 0 : 2;
  }
  std::signal(SIGPIPE, SIG_IGN);

  const auto result = shared_document::run(plan);
  if (!result) {
    std::cerr << result.error().name() << ": " << result.error().message << "\n"
              << "hint: " << result.error().hint_or_cure() << "\n";
  }
  std::cout << (result ? "PASS" : "FAIL") << "\n";
  return result ? 0 : 1;
}
