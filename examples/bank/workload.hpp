// The workload: clients that transfer at random, and an auditor who adds up meanwhile.
//
// Each client pays from accounts of its own, which nobody else pays from, and numbers the transfers
// of each (bank_functions.hpp). What it was not told the outcome of it sends again under the same
// number, once it waits for nothing else: so it learns of each whether it had been made.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "net/client.hpp"

namespace bank {

struct Load {
  std::size_t clients = 64;
  std::size_t accounts = 256;     // at least two, and one for each client
  std::size_t transfers = 20000;  // of all clients together
  std::size_t in_flight = 40;     // of each client
  std::int64_t opening = 100;     // of each account
  std::uint64_t seed = 1;
};

std::string account_id(std::size_t account);  // "a7"

// How much of the load is over. Thread-safe.
class Progress {
 public:
  void settle();                             // one more transfer is made or refused for good
  void note_refusal(kontract::Error error);  // of a call that is made again
  void fail(kontract::Error error);          // the first one counts

  // Until so many are settled. Errors: what failed; timeout if nothing went on for kStandstill.
  static constexpr std::chrono::seconds kStandstill{30};
  kontract::Status wait_for(std::size_t settled) const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::size_t settled_ = 0;
  std::optional<kontract::Error> refusal_;
  std::optional<kontract::Error> failure_;
};

// What the transfers of a client came to.
struct Tally {
  std::size_t made = 0;
  std::size_t refused = 0;  // for too little money
  std::size_t unknown = 0;  // whose outcome was unknown at first; of these
  std::size_t unknown_made = 0;
};

// What an account has, or what it gained.
struct Account {
  std::int64_t balance = 0, sent = 0, received = 0;
  bool operator==(const Account&) const = default;
};

class Teller {
 public:
  // `index` is that of the client: it pays from accounts index, index + clients, and so on.
  Teller(kontract::ClientOptions options, const Load& load, Progress& progress, std::size_t index);
  ~Teller();  // what is not settled is given up
  Teller(const Teller&) = delete;
  Teller& operator=(const Teller&) = delete;
  void start();

  // REQUIRES: all transfers are settled.
  const Tally& tally() const { return tally_; }
  const std::vector<Account>& gained() const { return gained_; }  // by account

 private:
  struct Transfer {
    std::size_t order = 0;  // in which this client came to it
    std::size_t from = 0, to = 0;
    std::int64_t amount = 0;
    std::int64_t number = 0;  // it was sent with; 0: not yet
    bool unknown = false;
  };

  void go_on();
  Transfer next();
  void send(Transfer transfer);
  void answered(Transfer transfer, const kontract::Result<kontract::CallResult>& result);
  void settle(const Transfer& transfer, bool repeated);
  void send_again();

  const Load load_;
  Progress& progress_;
  const std::size_t index_;
  const std::size_t quota_;
  std::atomic<bool> stopping_{false};
  // Touched on the client's thread only.
  std::mt19937_64 random_;
  bool started_ = false;
  std::size_t begun_ = 0;
  std::size_t in_flight_ = 0;
  bool draining_ = false;        // nothing new is sent until nothing is in flight
  std::vector<Transfer> again_;  // what is sent then
  // By account: the highest number that was sent, and that is known to be made.
  std::vector<std::int64_t> sent_, made_;
  Tally tally_;
  std::vector<Account> gained_;
  kontract::Client client_;  // last: its thread uses the others
};

// Adds up all accounts again and again, on a thread of its own: the sum must be the same each time.
class Auditor {
 public:
  Auditor(kontract::ClientOptions options, std::int64_t expected, Progress& progress);
  ~Auditor();
  std::size_t stop();  // waits; how often it has added up

 private:
  void run();

  const std::int64_t expected_;
  Progress& progress_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> readings_{0};
  kontract::Client client_;
  std::thread thread_;
};

// A table with the load's accounts. Errors: what the server said.
kontract::Status open_accounts(kontract::Client& client, const Load& load);

// All accounts as the table has them. Errors: what the server said; internal for an account that
// nobody opened.
kontract::Result<std::vector<Account>> read_accounts(kontract::Client& client, const Load& load);

}  // namespace bank
