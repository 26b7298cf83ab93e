// A server with accounts in its store, whose passwords cost next to nothing, and what asks its
// pages.

#pragma once

#include <condition_variable>
#include <map>
#include <mutex>

#include "net/account_table.hpp"
#include "tests/net/server_fixture.hpp"

namespace kontract {

class AccountsFixture : public ServerFixture {
 protected:
  struct Answered {
    int status = 0;
    Json body;
    std::string retry_after;
  };

  void SetUp() override {
    ServerFixture::SetUp();
    options_.secret = std::string(32, 's');
    owners_create_tables_ = true;
    options_.login_attempts = options_.register_attempts = options_.anonymous_attempts = kPlenty;
    table_options_.cost = kPasswordCostLeast;
    table_options_.on_hash = [this] { on_hash(); };
  }

  void TearDown() override {
    stop_accounts();
    ServerFixture::TearDown();
  }

  std::shared_ptr<AccountProvider> accounts() override {
    table_ = std::make_shared<AccountTable>(*directory_, table_options_);
    return table_;
  }

  // In the order of a runtime.
  void stop_accounts() {
    release_hashes();
    if (server_) server_->stop();
    if (table_) table_->stop();
    table_ = nullptr;
  }

  void restart() {
    stop_accounts();
    stop();
    start();
  }

  // While they are held, no computation of a password goes on.
  void hold_hashes() {
    const std::lock_guard lock(hash_mutex_);
    hashes_held_ = true;
  }
  void release_hashes() {
    {
      const std::lock_guard lock(hash_mutex_);
      hashes_held_ = false;
    }
    hash_released_.notify_all();
  }
  int hashes() {
    const std::lock_guard lock(hash_mutex_);
    return hashes_;
  }
  // How many `what` computes.
  template <class What>
  int hashes_of(What what) {
    const int before = hashes();
    what();
    return hashes() - before;
  }

  Answered send(const std::string& method, const std::string& page, const std::string& by,
                const std::string& body, const std::string& more = kJson) {
    test::RawClient client(port());
    std::string request = method + " /auth/" + page + " HTTP/1.1\r\nHost: x\r\n" + more;
    if (!by.empty()) request += "Authorization: Bearer " + by + "\r\n";
    request += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    Answered answered;
    answered.status = client.request(request);
    answered.body = client.body();
    answered.retry_after = client.header("Retry-After");
    return answered;
  }
  Answered post(const std::string& page, const Json& body, const std::string& by = "") {
    return send("POST", page, by, body.is_null() ? "" : body.dump());
  }
  Answered me(const std::string& by) { return send("GET", "me", by, ""); }

  static Json credentials(const std::string& login, const std::string& password = "correct horse") {
    return {{"login", login}, {"password", password}};
  }
  Answered log_in(const std::string& login, const std::string& password = "correct horse") {
    return post("login", credentials(login, password));
  }
  // Its answer.
  Json registered(const std::string& login) {
    const Answered made = post("register", credentials(login));
    EXPECT_EQ(made.status, 200) << made.body;
    return made.body;
  }

  std::unique_ptr<test::WsClient> welcomed(const std::string& by,
                                           const std::string& session = "room-1") {
    auto client = std::make_unique<test::WsClient>(port(), session);
    EXPECT_EQ(client->hello({{"token", by}})["t"], "welcome");
    return client;
  }
  // What a call comes to: its result, or the code of its error.
  Json called(const std::string& by, const std::string& function, const Json& args,
              const std::string& session = "room-1") {
    const Json answer = welcomed(by, session)->ask(1, function, args);
    return answer.contains("result") ? answer["result"] : answer["code"];
  }
  int status_of_call(const std::string& by) {
    return test::RawClient(port()).request(
        "POST /rpc/session.info HTTP/1.1\r\nHost: x\r\nX-Session-Id: room-1\r\nAuthorization: "
        "Bearer " +
        by + "\r\nContent-Length: 2\r\n\r\n[]");
  }

  // A token of the operator, who may look into the table and change it.
  std::string operator_token() { return token({{"owner", kSystemOwner}}); }
  Json operated(const std::string& function, const Json& args) {
    return called(operator_token(), function, args, kAccountsSession);
  }

  static constexpr AttemptRate kPlenty{1000, 1000};
  static constexpr const char* kJson = "Content-Type: application/json\r\n";

  AccountTableOptions table_options_;
  std::shared_ptr<AccountTable> table_;

 private:
  void on_hash() {
    std::unique_lock lock(hash_mutex_);
    ++hashes_;
    hash_released_.wait(lock, [this] { return !hashes_held_; });
  }

  std::mutex hash_mutex_;
  std::condition_variable hash_released_;
  int hashes_ = 0;
  bool hashes_held_ = false;
};

}  // namespace kontract
