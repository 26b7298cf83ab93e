// Accounts in a runtime: those that it keeps itself, and those of a provider of the program's.

#include <map>
#include <mutex>
#include <stdexcept>

#include "net/http_get.hpp"
#include "net/signing_keys.hpp"
#include "net/token.hpp"
#include "runtime_fixture.hpp"

namespace kontract {
namespace {

using ::testing::HasSubstr;

// Keeps passwords as they are, which no provider should.
class MapProvider final : public AccountProvider {
 public:
  void create(Credentials with, UserAccount wanted, Done done) override {
    const std::lock_guard lock(mutex_);
    if (with.login == "throws") throw std::runtime_error("the directory is on fire");
    if (with.login == "drops") return;
    if (all_.contains(with.login)) return done(std::optional<UserAccount>());
    wanted.ugroups = {"directory"};
    all_[with.login] = {wanted, std::string(with.password.view())};
    done(std::optional(wanted));
    done(std::optional<UserAccount>());  // the second answer is none
  }
  void verify(Credentials given, Done done) override {
    const std::lock_guard lock(mutex_);
    if (given.login == "late") {
      late_ = std::move(done);
      return;
    }
    const auto found = all_.find(given.login);
    const bool right = found != all_.end() && found->second.second == given.password.view();
    done(right ? std::optional(found->second.first) : std::nullopt);
  }
  void find(std::string sub, Done done) override {
    const std::lock_guard lock(mutex_);
    for (const auto& [login, kept] : all_) {
      if (kept.first.sub == sub) return done(std::optional(kept.first));
    }
    done(std::optional<UserAccount>());
  }
  void change_password(Credentials, SecretBytes, Done done) override {
    done(Error(Errc::forbidden, "Passwords are changed elsewhere"));
  }

  // The question that has not been answered.
  Done take_late() {
    const std::lock_guard lock(mutex_);
    return std::exchange(late_, nullptr);
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::pair<UserAccount, std::string>> all_;
  Done late_;
};

class RuntimeAccountsTest : public ::testing::Test {
 protected:
  Result<Json> post(const std::string& page, const Json& body, const std::string& by = "") {
    return http_post_json("ws://127.0.0.1:" + std::to_string(runtime_->port()), "/auth/" + page, by,
                          body);
  }
  static Json credentials(const std::string& login) {
    return {{"login", login}, {"password", "correct horse"}};
  }
  static Errc code_of(const Result<Json>& answer) {
    return answer ? Errc::internal : answer.error().code;
  }

  TestFolder folder_;
  std::unique_ptr<Runtime> runtime_;
};

TEST_F(RuntimeAccountsTest, WhereNoKeySignsTokensOneIsMadeAndKept) {
  Options options = options_in(folder_);
  options.accounts = true;
  options.account_table.cost = kPasswordCostLeast;
  runtime_ = must_start(options);
  const auto made = post("register", credentials("ann"));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(read_signing_keys(folder_.path() / kSigningKeysFile, "kontract")->size(), 1U);
  runtime_.reset();
  runtime_ = must_start(options);
  EXPECT_EQ(read_signing_keys(folder_.path() / kSigningKeysFile, "kontract")->size(), 1U);
  const auto in = post("login", credentials("ann"));
  ASSERT_TRUE(in) << in.error().message;
  EXPECT_EQ(in->at("owner"), made->at("owner"));
  EXPECT_TRUE(post("refresh", nullptr, made->at("token")));
}

TEST_F(RuntimeAccountsTest, TheProgramReadsTheAccountsAsAnyOtherTable) {
  Options options = options_in(folder_);
  options.accounts = true;
  options.account_table.cost = kPasswordCostLeast;
  runtime_ = must_start(options);
  ASSERT_TRUE(post("register", credentials("ann")));
  const auto record = runtime_->session(std::string(kSystemOwner), kAccountsSession)
                          .call("table.get", kAccountsTable, "ann")
                          .get();
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->result["login"], "ann");
}

TEST_F(RuntimeAccountsTest, AProviderOfTheProgramTakesThePlaceOfTheTable) {
  Options options = options_in(folder_);
  options.account_provider = std::make_shared<MapProvider>();
  runtime_ = must_start(options);
  const auto made = post("register", credentials("ann"));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(code_of(post("register", credentials("ann"))), Errc::invalid_request);
  EXPECT_EQ(code_of(post("login", credentials("bob"))), Errc::unauthorized);
  const auto in = post("login", credentials("ann"));
  ASSERT_TRUE(in) << in.error().message;
  EXPECT_EQ(in->at("sub"), made->at("sub"));
  const auto me = http_get_json("ws://127.0.0.1:" + std::to_string(runtime_->port()), "/auth/me",
                                in->at("token"));
  ASSERT_TRUE(me) << me.error().message;
  EXPECT_EQ(me->at("ugroups"), Json({"directory"}));
  const Json change = {{"password", "correct horse"}, {"new_password", "battery staple"}};
  EXPECT_EQ(code_of(post("password", change, in->at("token"))), Errc::forbidden);
  const auto anonymous = post("anonymous", Json::object());
  ASSERT_TRUE(anonymous);
  EXPECT_TRUE(post("link", credentials("eve"), anonymous->at("token")));
}

TEST_F(RuntimeAccountsTest, AProviderThatThrowsOrDropsTheQuestionCostsThatRequestOnly) {
  Options options = options_in(folder_);
  options.account_provider = std::make_shared<MapProvider>();
  runtime_ = must_start(options);
  for (const char* login : {"throws", "drops"}) {
    const auto failed = post("register", credentials(login));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Errc::internal);
    EXPECT_THAT(failed.error().message, ::testing::Not(HasSubstr("fire")));
  }
  EXPECT_TRUE(post("register", credentials("ann")));
}

TEST_F(RuntimeAccountsTest, WhatAProviderSaysAfterTheEndIsForNobody) {
  Options options = options_in(folder_);
  options.server.call_timeout = std::chrono::milliseconds(50);
  const auto provider = std::make_shared<MapProvider>();
  options.account_provider = provider;
  runtime_ = must_start(options);
  EXPECT_EQ(code_of(post("login", credentials("late"))), Errc::timeout);
  const auto done = provider->take_late();
  ASSERT_TRUE(done);
  runtime_.reset();
  done(std::optional(UserAccount{.login = "late", .sub = "s", .owner = "o"}));
}

}  // namespace
}  // namespace kontract
