// Concurrent clients run random transactions over sockets that are cut, and what they saw is
// checked against a serial order. Then clients that do not keep to what a server promises (they
// read beside their transaction, do not validate, lose what was acknowledged) do the same work: the
// checker must find each of them, or it would not find a server that does so.

#include <atomic>
#include <random>

#include "history.hpp"
#include "server_fixture.hpp"

namespace kontract {
namespace {

using test::HistoryChecker;
using test::Step;
using HistoryTransaction = test::Transaction;
using Outcome = HistoryTransaction::Outcome;

// What a client does instead of what it should.
enum class Cheat : std::uint8_t { none, reads_newest, skips_validation, loses_acknowledged };

class HistoryTest : public ServerFixture {
 protected:
  static constexpr int kClients = 4;
  static constexpr int kRegisters = 6;
  static constexpr int kGroups = 3;

  void SetUp() override {
    ServerFixture::SetUp();
    start();
    test::WsClient setup(port(), "room-1");
    setup.hello();
    setup.ask(1, "table.create",
              {"r", {{"schema", {{"fields", {{"g", {{"type", "integer"}, {"index", true}}}}}}}}});
    setup.ask(2, "table.create", {"m", Json::object()});
  }

  // Markers of all transactions that are in the store, by name.
  std::map<std::string, std::uint64_t> markers() {
    test::WsClient reader(port(), "room-1");
    reader.hello();
    std::map<std::string, std::uint64_t> all;
    const Json answer = reader.ask(1, "table.exec", {"m", "SELECT id, _txid FROM m"});
    for (const Json& row : answer["result"]["rows"]) {
      all[row["id"].get<std::string>()] = row["_txid"].get<std::uint64_t>();
    }
    return all;
  }

  // Lets all clients run, and checks all that any of them did until now.
  HistoryChecker run(unsigned seed, int transactions, Cheat cheat) {
    std::vector<std::thread> clients;
    std::mutex mutex;
    for (int client = 0; client < kClients; ++client) {
      clients.emplace_back([&, client] {
        Runner runner(*this, seed * kClients + static_cast<unsigned>(client), cheat);
        for (int i = 0; i < transactions; ++i) runner.run_one();
        const std::lock_guard lock(mutex);
        for (HistoryTransaction& one : runner.done()) history_.push_back(std::move(one));
      });
    }
    for (std::thread& client : clients) client.join();
    return HistoryChecker(history_, markers());
  }

  class Runner {
   public:
    Runner(HistoryTest& test, unsigned seed, Cheat cheat)
        : test_(test), cheat_(cheat), random_(seed), name_("c" + std::to_string(seed) + "-") {}

    std::vector<HistoryTransaction>& done() { return done_; }

    void run_one() {
      if (!client_) connect();
      one_ = {};
      one_.name = name_ + std::to_string(done_.size());
      one_.asked = ++test_.clock_;
      pick(10) < 2 ? alone() : in_transaction();
      one_.answered = one_.answered == 0 ? 0 : ++test_.clock_;
      done_.push_back(std::move(one_));
    }

   private:
    int pick(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }

    void connect() {
      client_ = std::make_unique<test::WsClient>(test_.port(), "room-1");
      EXPECT_EQ(client_->hello()["t"], "welcome");
    }
    void cut() {
      client_->close_socket();
      client_.reset();
    }
    Json ask(const std::string& function, const Json& args, std::uint64_t tx) {
      client_->call(++last_id_, function, args, tx == 0 ? Json::object() : Json{{"tx", tx}});
      return client_->next();
    }
    // The result, which ends the transaction if it is none.
    std::optional<Json> result(const Json& answer) {
      if (answer.is_object() && answer["t"] == "result") return answer["result"];
      EXPECT_TRUE(answer.is_object() && (answer["code"] == "KONTRACT_TXN_CONFLICT" ||
                                         answer["code"] == "KONTRACT_TXID_INVALID"))
          << answer.dump();
      one_.outcome = Outcome::refused;
      return std::nullopt;
    }

    // A call or a batch that is a transaction by itself.
    void alone() {
      const std::string id = "r" + std::to_string(pick(kRegisters));
      if (pick(2) == 0) {
        const Json answer = ask("table.get", {"r", id}, 0);
        one_.steps.push_back({.kind = Step::Kind::get, .id = id, .seen = answer["result"]});
        one_.begin = answer["txid"].get<std::uint64_t>();
      } else {
        const Json data = fresh();
        const Json batch = Json::array({Json::array({"table.set", "r", id, data}), marker()});
        one_.steps.push_back({.kind = Step::Kind::set, .id = id, .data = data});
        client_->call(++last_id_, "table.batch", Json::array({batch}));
        if (pick(10) == 0) return cut();
        const Json answer = client_->next();
        one_.begin = one_.commit = answer["txid"].get<std::uint64_t>();
      }
      one_.outcome = Outcome::committed;
      one_.answered = 1;
    }

    void in_transaction() {
      const std::optional<Json> begun = result(ask("tx.begin", Json::array(), 0));
      if (!begun) return;
      const auto tx = (*begun)["tx"].get<std::uint64_t>();
      one_.begin = tx;
      Json writes = Json::array();
      for (int steps = 1 + pick(5); steps > 0; --steps) {
        if (pick(60) == 0) {
          one_.outcome = Outcome::refused;  // it ends with its connection
          return cut();
        }
        if (!step(tx, writes)) return;
      }
      if (!writes.empty()) {
        writes.push_back(marker());
        if (!result(ask("table.set", {"m", one_.name, Json::object()}, tx))) return;
      }
      finish(tx, writes);
    }

    bool step(std::uint64_t tx, Json& writes) {
      const std::string id = "r" + std::to_string(pick(kRegisters));
      const std::uint64_t read_tx = cheat_ == Cheat::reads_newest ? 0 : tx;
      switch (pick(6)) {
        case 0: {  // one more element of a list
          const std::optional<Json> seen = result(ask("table.get", {"r", id}, read_tx));
          if (!seen) return false;
          one_.steps.push_back({.kind = Step::Kind::get, .id = id, .seen = *seen});
          Json data = seen->is_object() ? *seen : fresh();
          data["l"].push_back(one_.name);
          return set(tx, id, data, writes);
        }
        case 1:
          return set(tx, id, fresh(), writes);
        case 2: {
          one_.steps.push_back({.kind = Step::Kind::erase, .id = id});
          writes.push_back(Json::array({"table.delete", "r", id}));
          return result(ask("table.delete", {"r", id}, tx)).has_value();
        }
        case 3: {  // write skew: who is alone in a group puts another there, or leaves it
          const int group = pick(kGroups);
          const auto seen = select(read_tx, group);
          if (!seen) return false;
          const Json data = {{"v", one_.name}, {"g", seen->size() > 1 ? pick(kGroups) : group}};
          return set(tx, id, data, writes);
        }
        case 4:
          return select(read_tx, pick(kGroups)).has_value();
        default: {
          const std::optional<Json> seen = result(ask("table.get", {"r", id}, read_tx));
          if (seen) one_.steps.push_back({.kind = Step::Kind::get, .id = id, .seen = *seen});
          return seen.has_value();
        }
      }
    }

    bool set(std::uint64_t tx, const std::string& id, const Json& data, Json& writes) {
      one_.steps.push_back({.kind = Step::Kind::set, .id = id, .data = data});
      writes.push_back(Json::array({"table.set", "r", id, data}));
      return result(ask("table.set", {"r", id, data}, tx)).has_value();
    }

    // All records of a group, by one of two ways.
    std::optional<Json> select(std::uint64_t tx, int group) {
      Json seen = Json::object();
      if (pick(2) == 0) {
        const auto page = result(ask("table.query", {"r", {{"g", group}}}, tx));
        if (!page) return std::nullopt;
        for (const Json& row : (*page)["rows"]) seen[row["id"].get<std::string>()] = row["data"];
      } else {
        const auto rows = result(ask(
            "table.exec", {"r", "SELECT id, data FROM r WHERE g = ?", Json::array({group})}, tx));
        if (!rows) return std::nullopt;
        for (const Json& row : (*rows)["rows"]) {
          seen[row["id"].get<std::string>()] = Json::parse(row["data"].get<std::string>());
        }
      }
      one_.steps.push_back(
          {.kind = Step::Kind::select, .id = "a group", .group = group, .seen = seen});
      return seen;
    }

    void finish(std::uint64_t tx, const Json& writes) {
      if (writes.empty()) {  // where it reads is its place
        ask("tx.commit", {tx}, 0);
      } else if (cheat_ == Cheat::skips_validation) {
        ask("tx.rollback", {tx}, 0);
        const Json answer = ask("table.batch", Json::array({writes}), 0);
        one_.commit = answer["txid"].get<std::uint64_t>();
      } else if (cheat_ == Cheat::loses_acknowledged && pick(10) == 0) {
        one_.commit = ask("tx.rollback", {tx}, 0)["txid"].get<std::uint64_t>();
      } else {
        client_->call(++last_id_, "tx.commit", {tx});
        if (pick(20) == 0) return cut();  // nobody knows
        const std::optional<Json> committed = result(client_->next());
        if (!committed) return;
        one_.commit = (*committed)["txid"].get<std::uint64_t>();
      }
      one_.outcome = Outcome::committed;
      one_.answered = 1;
    }

    Json marker() const { return Json::array({"table.set", "m", one_.name, Json::object()}); }
    Json fresh() { return {{"v", one_.name}, {"g", pick(kGroups)}}; }

    HistoryTest& test_;
    const Cheat cheat_;
    std::mt19937 random_;
    const std::string name_;
    std::unique_ptr<test::WsClient> client_;
    std::uint64_t last_id_ = 0;
    HistoryTransaction one_;
    std::vector<HistoryTransaction> done_;
  };

  std::vector<HistoryTransaction> history_;
  std::atomic<std::uint64_t> clock_{0};
};

TEST_F(HistoryTest, WhatClientsSawWasSoInOneSerialOrder) {
  for (unsigned seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    const HistoryChecker checked = run(seed, 60, Cheat::none);
    for (const std::string& problem : checked.problems()) ADD_FAILURE() << problem;
    EXPECT_GT(checked.committed(), 10u * seed);
  }
}

TEST_F(HistoryTest, ReadsBesideTheSnapshotAreFound) {
  std::size_t found = 0;
  for (unsigned seed = 1; seed <= 50 && found == 0; ++seed) {
    found = run(seed, 20, Cheat::reads_newest).problems().size();
  }
  EXPECT_GT(found, 0u);
}

TEST_F(HistoryTest, CommitsWithoutValidationAreFound) {
  std::size_t found = 0;
  for (unsigned seed = 1; seed <= 50 && found == 0; ++seed) {
    found = run(seed, 20, Cheat::skips_validation).problems().size();
  }
  EXPECT_GT(found, 0u);
}

TEST_F(HistoryTest, AcknowledgedTransactionsThatAreLostAreFound) {
  std::size_t found = 0;
  for (unsigned seed = 1; seed <= 50 && found == 0; ++seed) {
    found = run(seed, 20, Cheat::loses_acknowledged).problems().size();
  }
  EXPECT_GT(found, 0u);
}

}  // namespace
}  // namespace kontract
