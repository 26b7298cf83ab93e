// bank: money moves between accounts, by many clients at once, and none is lost or made.
//
// Exit codes: 0 all is well; 1 it is not, or something failed; 2 wrong usage. See README.md.

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <random>

#include "examples/bank/run.hpp"
#include "examples/bank/serve.hpp"

namespace {

void say(const kontract::Error& error) {
  std::cerr << error.name() << ": " << error.message << "\nhint: " << error.hint_or_cure() << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A bank on a kontract server of its own");
  app.require_subcommand(1);

  bank::ServePlan serve;
  CLI::App* const serving = app.add_subcommand("serve", "Serves bank.open, bank.transfer, ...");
  serving->add_option("--data", serve.data, "Data directory")->capture_default_str();
  serving->add_option("--port", serve.port, "Port on 127.0.0.1; 0: any")->capture_default_str();

  bank::RunPlan run;
  run.load.seed = std::random_device{}();
  CLI::App* const running = app.add_subcommand("run", "Lets many clients transfer, and checks");
  running->add_option("--clients", run.load.clients, "Clients")
      ->capture_default_str()
      ->check(CLI::Range(1, 512));
  running->add_option("--accounts", run.load.accounts, "Accounts, at least one for each client")
      ->capture_default_str()
      ->check(CLI::Range(2, 100'000));
  running->add_option("--transfers", run.load.transfers, "Transfers of all clients together")
      ->capture_default_str()
      ->check(CLI::Range(1, 100'000'000));
  running->add_option("--in-flight", run.load.in_flight, "Calls that a client does not wait for")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  running->add_flag("--chaos", run.chaos, "Kill the server with SIGKILL now and then");
  running->add_option("--kills", run.kills, "How often")->capture_default_str();
  running->add_option("--seed", run.load.seed, "What they do, and when it is killed");
  try {
    app.parse(argc, argv);
    if (running->parsed() && run.load.accounts < run.load.clients) {
      throw CLI::ValidationError("--accounts", "There must be one for each client");
    }
  } catch (const CLI::ParseError& stopped) {
    return app.exit(stopped) == 0 ? 0 : 2;
  }

  if (serving->parsed()) {
    const auto served = bank::serve(serve);
    if (!served) say(served.error());
    return served ? 0 : 1;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const auto result = bank::run(run);
  if (!result) say(result.error());
  std::cout << (result ? "PASS" : "FAIL") << "\n";
  return result ? 0 : 1;
}
