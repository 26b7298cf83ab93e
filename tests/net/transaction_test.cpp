// Transactions over sockets, and Client::transact.

#include <stdexcept>
#include <thread>

#include "net/client.hpp"
#include "server_fixture.hpp"

namespace kontract {
namespace {

class TransactionSocketTest : public ServerFixture {
 protected:
  ClientOptions client_options() const {
    ClientOptions options;
    options.url = "ws://127.0.0.1:" + std::to_string(port());
    options.session = "room-1";
    options.connect_timeout = options.call_timeout = test::kPatience;
    return options;
  }
};

TEST_F(TransactionSocketTest, ACallWithTxRunsInItUntilItsEnd) {
  start();
  auto client = joined();
  auto other = joined();
  client->ask(1, "table.set", {"t", "a", {{"n", 1}}});
  Json begun = client->ask(2, "tx.begin", Json::array());
  ASSERT_EQ(begun["t"], "result") << begun;
  Json in = {{"tx", begun["result"]["tx"]}};
  const Json txid = other->ask(2, "table.set", {"t", "b", {{"n", 2}}})["txid"];
  client->call(3, "table.get", {"t", "b"}, in);
  EXPECT_EQ(
      client->next(),
      Json({{"t", "result"}, {"id", 3}, {"result", nullptr}, {"txid", begun["result"]["tx"]}}));
  Json committed = client->ask(4, "tx.commit", Json::array({begun["result"]["tx"]}));
  ASSERT_EQ(committed["t"], "result") << committed;  // it has only read
  begun = client->ask(5, "tx.begin", Json::array());
  ASSERT_EQ(begun["t"], "result") << begun;
  in = {{"tx", begun["result"]["tx"]}};
  client->call(6, "table.set", {"t", "a", {{"n", 3}}}, in);
  EXPECT_EQ(client->next()["result"], true);
  EXPECT_EQ(other->ask(3, "table.get", {"t", "a"})["result"], Json({{"n", 1}}));
  other->call(4, "table.get", {"t", "a"}, in);
  EXPECT_EQ(other->next()["code"], "KONTRACT_TXID_INVALID");
  committed = client->ask(7, "tx.commit", Json::array({begun["result"]["tx"]}));
  ASSERT_EQ(committed["t"], "result") << committed;
  EXPECT_GT(committed["result"]["txid"], txid);
  EXPECT_EQ(other->ask(5, "table.get", {"t", "a"})["result"], Json({{"n", 3}}));
  other->call(6, "table.get", {"t", "a"}, {{"at", committed["txid"]}});
  EXPECT_EQ(other->next()["result"], Json({{"n", 3}}));
}

TEST_F(TransactionSocketTest, ItEndsWithItsConnectionAndHttpHasNone) {
  start();
  auto other = joined();
  {
    auto client = joined();
    EXPECT_EQ(client->ask(2, "tx.begin", Json::array())["t"], "result");
    EXPECT_EQ(other->ask(2, "session.info", Json::array())["result"]["openTransactions"], 1);
    client->close_socket();
  }
  std::uint64_t id = 2;
  wait_until([&] {
    return other->ask(++id, "session.info", Json::array())["result"]["openTransactions"] == 0;
  });
  test::RawClient http(port());
  EXPECT_EQ(http.request("POST /rpc/tx.begin HTTP/1.1\r\nHost: x\r\nX-Session-Id: room-1\r\n"
                         "Content-Length: 2\r\n\r\n[]"),
            400);
  EXPECT_EQ(http.body()["error"], "KONTRACT_INVALID_REQUEST");
}

TEST_F(TransactionSocketTest, TransactRepeatsConflictsSoThatNoIncrementIsLost) {
  start();
  joined()->ask(2, "table.set", {"t", "sum", {{"n", 0}}});
  constexpr int kClients = 4, kEach = 15;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&] {
      Client client(client_options());
      TransactOptions patient;
      patient.attempts_max = 10'000;
      for (int k = 0; k < kEach; ++k) {
        const auto committed = client.transact(
            [](Client::Transaction& tx) -> Status {
              const auto sum = tx.call("table.get", {"t", "sum"});
              if (!sum) return sum.error();
              const int next = sum->result["n"].get<int>() + 1;
              const auto put = tx.call("table.set", {"t", "sum", {{"n", next}}});
              return put ? Status() : Status(put.error());
            },
            patient);
        EXPECT_TRUE(committed) << committed.error().message;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(joined()->ask(2, "table.get", {"t", "sum"})["result"]["n"], kClients * kEach);
}

TEST_F(TransactionSocketTest, WhatFailsIsRolledBackAndPassedOn) {
  start();
  auto other = joined();
  Client client(client_options());
  int runs = 0;
  const auto refused = client.transact([&](Client::Transaction& tx) -> Status {
    ++runs;
    EXPECT_TRUE(tx.call("table.set", {"t", "a", Json::object()}));
    return Error(Errc::forbidden, "not today");
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "not today");
  EXPECT_EQ(runs, 1);
  EXPECT_THROW(static_cast<void>(client.transact([&](Client::Transaction& tx) -> Status {
                 EXPECT_TRUE(tx.call("table.set", {"t", "a", Json::object()}));
                 throw std::runtime_error("nor ever");
               })),
               std::runtime_error);
  EXPECT_EQ(client.call("session.info", Json::array())->result["openTransactions"], 0);
  EXPECT_EQ(other->ask(2, "table.get", {"t", "a"})["result"], nullptr);
}

}  // namespace
}  // namespace kontract
