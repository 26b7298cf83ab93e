#include "examples/bank/run.hpp"

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <memory>
#include <random>

#include "examples/support/server_process.hpp"

namespace bank {

using examples::ServerProcess;
using kontract::Errc;
using kontract::Error;
using kontract::Json;
using kontract::Status;
using Clock = std::chrono::steady_clock;

namespace {

kontract::ClientOptions client_options(const ServerProcess& server) {
  kontract::ClientOptions options;
  options.exactly_once = false;  // the accounts themselves say which transfers were made
  options.url = server.url();
  options.session = "bank";
  options.backoff_max = std::chrono::milliseconds(500);
  return options;
}

// In each of `kills` equal stretches of the load one random moment.
Status kill_now_and_then(const RunPlan& plan, const Progress& progress, ServerProcess& server) {
  std::mt19937_64 random(plan.load.seed);
  for (std::size_t i = 0; i < plan.kills; ++i) {
    const std::size_t begin = plan.load.transfers * i / plan.kills;
    const std::size_t end = std::max(begin + 1, plan.load.transfers * (i + 1) / plan.kills);
    const auto moment = std::uniform_int_distribution<std::size_t>(begin, end - 1)(random);
    Status reached = progress.wait_for(moment);
    if (!reached) return reached;
    server.kill();
    Status started = server.start();
    if (!started) return started;
    std::cout << "killed and restarted after " << moment << " settled transfers\n" << std::flush;
  }
  return {};
}

using Tellers = std::vector<std::unique_ptr<Teller>>;

void tell(const RunPlan& plan, const Tellers& tellers, std::chrono::duration<double> took,
          std::size_t readings) {
  Tally sum;
  for (const auto& teller : tellers) {
    sum.made += teller->tally().made;
    sum.refused += teller->tally().refused;
    sum.unknown += teller->tally().unknown;
    sum.unknown_made += teller->tally().unknown_made;
  }
  std::cout << plan.load.clients << " clients x " << plan.load.in_flight << " in flight, "
            << plan.load.accounts << " accounts: " << sum.made << " transfers made, " << sum.refused
            << " refused for too little money, in " << std::fixed << std::setprecision(2)
            << took.count() << " s (" << std::setprecision(0)
            << static_cast<double>(sum.made + sum.refused) / took.count() << "/s)\n"
            << (plan.chaos ? plan.kills : 0) << " kills; outcome unknown at first: " << sum.unknown
            << ", of which " << sum.unknown_made << " had been made\n"
            << "the total was right at each of " << readings << " readings meanwhile\n";
}

// Every account has what the acknowledged transfers leave it, to the number of them.
Status compare(const RunPlan& plan, const Tellers& tellers, kontract::Client& client) {
  std::vector<Account> expected(plan.load.accounts, Account{plan.load.opening, 0, 0});
  for (const auto& teller : tellers) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i].balance += teller->gained()[i].balance;
      expected[i].sent += teller->gained()[i].sent;
      expected[i].received += teller->gained()[i].received;
    }
  }
  const auto accounts = read_accounts(client, plan.load);
  if (!accounts) return accounts.error();
  const auto text = [](const Account& account) {
    return "balance " + std::to_string(account.balance) + ", sent " + std::to_string(account.sent) +
           ", received " + std::to_string(account.received);
  };
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Account& found = (*accounts)[i];
    if (found == expected[i] && found.balance >= 0) continue;
    return Error(Errc::internal, "Account " + account_id(i) + " has " + text(found) +
                                     "; by what was acknowledged " + text(expected[i]));
  }
  return {};
}

Status transfer_and_audit(const RunPlan& plan, Progress& progress, ServerProcess& server) {
  const std::int64_t total = static_cast<std::int64_t>(plan.load.accounts) * plan.load.opening;
  Auditor auditor(client_options(server), total, progress);
  Tellers tellers;
  const auto began = Clock::now();
  for (std::size_t i = 0; i < plan.load.clients; ++i) {
    tellers.push_back(std::make_unique<Teller>(client_options(server), plan.load, progress, i));
    tellers.back()->start();
  }
  if (plan.chaos) {
    const Status killed = kill_now_and_then(plan, progress, server);
    if (!killed) progress.fail(killed.error());
  }
  Status settled = progress.wait_for(plan.load.transfers);
  const auto took = Clock::now() - began;
  const std::size_t readings = auditor.stop();
  if (settled) settled = progress.wait_for(plan.load.transfers);  // and what the auditor found
  if (!settled) return settled;
  tell(plan, tellers, took, readings);

  kontract::Client client(client_options(server));
  Status same = compare(plan, tellers, client);
  if (!same) return same;
  const auto left = client.call("bank.total", Json::array());
  if (!left) return left.error();
  if (left->result != total) {
    return Error(Errc::internal,
                 "The accounts have " + left->result.dump() + ", not " + std::to_string(total));
  }
  std::cout << "every account has what its transfers leave it; the total is " << total << "\n";
  return {};
}

}  // namespace

Status run(const RunPlan& plan) {
  ServerProcess server({"/proc/self/exe", "serve"});
  Status started = server.start();
  if (!started) return started;
  std::cout << "bank at " << server.url() << ", seed " << plan.load.seed << "\n" << std::flush;
  {
    kontract::Client client(client_options(server));
    const auto welcome = client.connect();
    if (!welcome) return welcome.error();
    Status opened = open_accounts(client, plan.load);
    if (!opened) return opened;
  }
  Progress progress;
  return transfer_and_audit(plan, progress, server);
}

}  // namespace bank
