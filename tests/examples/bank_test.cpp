// The bank's functions as clients meet them: in a runtime, over connections.

#include "examples/bank/bank_functions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <latch>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "net/client.hpp"
#include "runtime/runtime.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;

class BankTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "bank_test-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    data_ = pattern;
    Options options;
    options.store.data = data_;
    options.store.ballast_bytes = 0;
    options.store.disk_floor_bytes = 0;
    options.server.port = 0;
    auto started = Runtime::start(std::move(options), bank::backend());
    ASSERT_TRUE(started) << started.error().message;
    runtime_ = std::move(*started);
  }
  void TearDown() override {
    runtime_.reset();
    std::filesystem::remove_all(data_);
  }

  std::unique_ptr<Client> client(const std::string& session = "branch-0") const {
    ClientOptions options;
    options.url = "ws://127.0.0.1:" + std::to_string(runtime_->port());
    options.session = session;
    return std::make_unique<Client>(std::move(options));
  }
  // One whose session has accounts a0, a1, ... with so much money in each.
  std::unique_ptr<Client> branch(int accounts, std::int64_t money,
                                 const std::string& session = "branch-0") const {
    auto made = client(session);
    EXPECT_EQ(ask(*made, "table.create", bank::table_arguments()).code, Errc());
    for (int i = 0; i < accounts; ++i) {
      EXPECT_EQ(ask(*made, "bank.open", {"a" + std::to_string(i), money}).result, true);
    }
    return made;
  }

  struct Asked {
    Json result;
    Errc code = Errc();  // of the error, if it is one
    std::string message;
  };
  static Asked ask(Client& client, const char* function, const Json& args) {
    const auto answer = client.call(function, args);
    if (answer) return {answer->result, {}, {}};
    return {{}, answer.error().code, answer.error().message};
  }
  static Json account(Client& client, const char* id) {
    return ask(client, "table.get", {"accounts", id}).result;
  }

  std::string data_;
  std::unique_ptr<Runtime> runtime_;
};

TEST_F(BankTest, ATransferMovesMoneyAndCounts) {
  const auto client = branch(2, 100);
  const Json first = {{"from", 70}, {"to", 130}, {"number", 1}, {"repeated", false}};
  EXPECT_EQ(ask(*client, "bank.transfer", {"a0", "a1", 30}).result, first);
  const Json second = {{"from", 0}, {"to", 200}, {"number", 2}, {"repeated", false}};
  EXPECT_EQ(ask(*client, "bank.transfer", {"a0", "a1", 70}).result, second);
  const Json payer = {{"balance", 0}, {"sent", 2}, {"received", 0}};
  EXPECT_EQ(account(*client, "a0"), payer);
  const Json payee = {{"balance", 200}, {"sent", 0}, {"received", 2}};
  EXPECT_EQ(account(*client, "a1"), payee);
  EXPECT_EQ(ask(*client, "bank.balance", {"a1"}).result, 200);
  EXPECT_EQ(ask(*client, "bank.total", Json::array()).result, 200);
}

TEST_F(BankTest, WhatIsWrongIsRefusedAndChangesNothing) {
  constexpr std::int64_t kMost = limits::kSafeIntegerMax;
  const auto client = branch(2, 100);
  ASSERT_EQ(ask(*client, "bank.open", {"rich", kMost}).result, true);
  struct Case {
    const char* name;
    const char* function;
    Json args;
    Errc code;
    const char* message;
  };
  const std::array cases = {
      Case{"no payer", "bank.transfer", {"x", "a1", 1}, Errc::not_found, "no account x"},
      Case{"no payee", "bank.transfer", {"a0", "x", 1}, Errc::not_found, "no account x"},
      Case{"nothing", "bank.transfer", {"a0", "a1", 0}, Errc::invalid_request, "positive, not 0"},
      Case{"less", "bank.transfer", {"a0", "a1", -5}, Errc::invalid_request, "positive, not -5"},
      Case{"to oneself", "bank.transfer", {"a0", "a0", 1}, Errc::invalid_request, "than a0"},
      Case{"too little money",
           "bank.transfer",
           {"a0", "a1", 101},
           Errc::schema_violation,
           "Account a0 has 100, too little to pay 101"},
      Case{"more than an account holds, found at the second write",
           "bank.transfer",
           {"a0", "rich", 1},
           Errc::schema_violation,
           "balance"},
      Case{"a number out of turn",
           "bank.transfer",
           {"a0", "a1", 1, 2},
           Errc::txn_conflict,
           "The next transfer from a0 has number 1, not 2"},
      Case{"no number", "bank.transfer", {"a0", "a1", 1, 0}, Errc::invalid_request, "from 1 on"},
      Case{"half an amount", "bank.transfer", {"a0", "a1", 0.5}, Errc::invalid_request, "amount"},
      Case{"there already", "bank.open", {"a0", 5}, Errc::invalid_request, "a0 already"},
      Case{"debts", "bank.open", {"a2", -1}, Errc::invalid_request, "0 or more, not -1"},
      Case{"a balance of nobody", "bank.balance", {"x"}, Errc::not_found, "no account x"},
  };
  const Json untouched = {{"balance", 100}, {"sent", 0}, {"received", 0}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Asked asked = ask(*client, c.function, c.args);
    EXPECT_EQ(asked.code, c.code) << asked.message;
    EXPECT_THAT(asked.message, HasSubstr(c.message));
    EXPECT_EQ(account(*client, "a0"), untouched);
    EXPECT_EQ(account(*client, "a1"), untouched);
    EXPECT_EQ(account(*client, "a2"), nullptr);
    EXPECT_EQ(account(*client, "rich")["balance"], kMost);
  }
  const auto elsewhere = this->client("branch-1");
  EXPECT_EQ(ask(*elsewhere, "bank.total", Json::array()).code, Errc::storage_ptr_not_found);
}

TEST_F(BankTest, ANumberedTransferIsMadeOnce) {
  const auto client = branch(2, 100);
  EXPECT_EQ(ask(*client, "bank.transfer", {"a0", "a1", 10, 1}).result["repeated"], false);
  EXPECT_EQ(ask(*client, "bank.transfer", {"a0", "a1", 10, 2}).result["repeated"], false);
  const Json again = {{"from", 80}, {"to", 120}, {"number", 1}, {"repeated", true}};
  EXPECT_EQ(ask(*client, "bank.transfer", {"a0", "a1", 10, 1}).result, again);
  EXPECT_EQ(ask(*client, "bank.transfer", {"a1", "a0", 1, 1}).result["repeated"], false);
  EXPECT_EQ(account(*client, "a0")["sent"], 2);
  EXPECT_EQ(account(*client, "a0")["balance"], 81);
}

TEST_F(BankTest, ATotalGoesOverAllPagesOfTheTable) {
  constexpr int kAccounts = static_cast<int>(limits::kQueryRowsMax) + 100;
  const auto client = branch(0, 0);
  Json operations = Json::array();
  for (int i = 0; i < kAccounts; ++i) {
    const Json account = {{"balance", 1}, {"sent", 0}, {"received", 0}};
    operations.push_back(Json::array({"table.set", "accounts", std::to_string(i), account}));
    if (operations.size() < 100) continue;
    ASSERT_EQ(ask(*client, "table.batch", Json::array({operations})).code, Errc());
    operations.clear();
  }
  EXPECT_EQ(ask(*client, "bank.total", Json::array()).result, kAccounts);
}

// Transfers so much that many are refused, and asks for the total between them.
class Crowd {
 public:
  Crowd(Client& client, int accounts, std::int64_t total, unsigned seed)
      : client_(client), accounts_(accounts), total_(total), random_(seed) {}

  static constexpr int kInFlight = 16;
  static constexpr int kCalls = 320;

  void start() {
    client_.on_connection([this](bool connected) {
      for (int i = 0; connected && i < kInFlight; ++i) call();
    });
  }
  void wait() { over_.wait(); }
  int made() const { return made_; }
  int refused() const { return refused_; }

 private:
  void call() {  // on the client's thread
    const int number = begun_++;
    if (number >= kCalls) return;
    if (number % 20 == 19) {
      client_.call("bank.total", Json::array(), [this](const Result<CallResult>& answer) {
        EXPECT_TRUE(answer && answer->result == total_);
        ended();
      });
      return;
    }
    const int shift = std::uniform_int_distribution(1, accounts_ - 1)(random_);
    const int from = std::uniform_int_distribution(0, accounts_ - 1)(random_);
    const auto id = [](int account) { return "a" + std::to_string(account); };
    const Json args = {id(from), id((from + shift) % accounts_), 40};
    client_.call("bank.transfer", args, [this](const Result<CallResult>& answer) {
      if (answer) {
        EXPECT_GE(answer->result["from"], 0);
        ++made_;
      } else {
        EXPECT_EQ(answer.error().code, Errc::schema_violation) << answer.error().message;
        ++refused_;
      }
      ended();
    });
  }
  void ended() {
    call();
    over_.count_down();
  }

  Client& client_;
  const int accounts_;
  const std::int64_t total_;
  std::minstd_rand random_;
  int begun_ = 0;
  std::atomic<int> made_{0}, refused_{0};
  std::latch over_{kCalls};
};

TEST_F(BankTest, NoTransferOfManyClientsChangesTheTotal) {
  constexpr int kAccounts = 8;
  constexpr int kMoney = 100;
  constexpr std::size_t kClients = 16;
  for (const std::size_t sessions : {std::size_t{1}, std::size_t{4}}) {
    SCOPED_TRACE(std::to_string(sessions) + " sessions");
    const auto name = [sessions](std::size_t i) {
      return "branch-" + std::to_string(sessions) + "-" + std::to_string(i % sessions);
    };
    std::vector<std::unique_ptr<Crowd>> crowds;
    std::vector<std::unique_ptr<Client>> branches, clients;  // end before what they call
    for (std::size_t i = 0; i < sessions; ++i) {
      branches.push_back(branch(kAccounts, kMoney, name(i)));
    }
    for (std::size_t i = 0; i < kClients; ++i) {
      clients.push_back(client(name(i)));
      ASSERT_TRUE(clients.back()->connect());
      crowds.push_back(std::make_unique<Crowd>(*clients.back(), kAccounts, kAccounts * kMoney,
                                               static_cast<unsigned>(i) + 1));
    }
    for (const auto& crowd : crowds) crowd->start();
    int made = 0;
    int refused = 0;
    for (const auto& crowd : crowds) {
      crowd->wait();
      made += crowd->made();
      refused += crowd->refused();
    }
    clients.clear();
    EXPECT_GT(made, 0);
    EXPECT_GT(refused, 0);
    std::int64_t sent = 0;
    std::int64_t received = 0;
    for (const auto& branch : branches) {
      std::int64_t sum = 0;
      for (int i = 0; i < kAccounts; ++i) {
        const Json found = account(*branch, ("a" + std::to_string(i)).c_str());
        EXPECT_GE(found["balance"], 0);
        sum += found["balance"].get<std::int64_t>();
        sent += found["sent"].get<std::int64_t>();
        received += found["received"].get<std::int64_t>();
      }
      EXPECT_EQ(sum, kAccounts * kMoney);
    }
    EXPECT_EQ(sent, made);
    EXPECT_EQ(received, made);
  }
}

}  // namespace
}  // namespace kontract
