// A store on disk, an actor system on two threads and a directory, for tests of sessions.

#pragma once

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "actors/detail/asio_scheduler.hpp"
#include "actors/directory.hpp"
#include "storage/store.hpp"

namespace kontract {

// How long a test waits for what has to come: longer than any machine is busy.
inline constexpr std::chrono::seconds kPatience{120};

// Collects the answers of calls by id.
class Answers final : public ReplyTarget {
 public:
  void answer(std::uint64_t call_id, Answer&& answer) noexcept override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(answers_.contains(call_id)) << "call " << call_id << " was answered twice";
    answers_.emplace(call_id, std::move(answer));
    changed_.notify_all();
  }

  Answer wait(std::uint64_t call_id) {
    std::unique_lock lock(mutex_);
    const bool came =
        changed_.wait_for(lock, kPatience, [&] { return answers_.contains(call_id); });
    if (!came) return {Error(Errc::timeout, "the test waited in vain"), 0};
    return answers_.at(call_id);
  }

  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return answers_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Answer> answers_;
};

class SessionFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "kontract-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    store_options_.data = pattern;
    store_options_.sql.time = kPatience;
    start();
  }

  void TearDown() override {
    stop();
    std::filesystem::remove_all(store_options_.data);
  }

  void start() {
    Result<std::unique_ptr<Store>> opened = Store::open(store_options_);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    io_ = std::make_unique<boost::asio::io_context>(2);
    work_.emplace(io_->get_executor());
    for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { io_->run(); });
    config_ = std::make_unique<caf::actor_system_config>();
    AsioScheduler::install(*config_, *io_);
    system_ = std::make_unique<caf::actor_system>(*config_);
    directory_ = std::make_unique<Directory>(*system_, *store_, session_options_);
  }

  void stop() {
    if (!directory_) return;
    handles_.clear();
    directory_->stop();
    system_.reset();  // waits for the actors
    work_.reset();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    EXPECT_TRUE(directory_->stopped());
    directory_.reset();
    io_.reset();
    store_.reset();
  }

  std::shared_ptr<SessionHandle> handle(const std::string& session) {
    auto& known = handles_[session];
    if (!known) {
      auto found = directory_->find({peer_.owner, session});
      EXPECT_TRUE(found) << found.error().message;
      known = std::move(*found);
    }
    return known;
  }

  CallPtr make_call(std::string function, Json args, CallKind kind = CallKind::function) {
    auto call = std::make_shared<Call>();
    call->kind = kind;
    call->context.peer = std::make_shared<const Peer>(peer_);
    call->context.perm = peer_.perm;
    call->function = std::move(function);
    call->args = std::move(args);
    call->reply = Reply(answers_, ++last_call_);
    return call;
  }

  // Sends and returns the call's number, for answers_->wait().
  std::uint64_t send(const std::string& session, std::string function, Json args = Json::array()) {
    CallPtr call = make_call(std::move(function), std::move(args));
    const std::uint64_t id = last_call_;
    handle(session)->send(std::move(call));
    return id;
  }

  Answer call(const std::string& session, std::string function, Json args = Json::array()) {
    return answers_->wait(send(session, std::move(function), std::move(args)));
  }

  // The result, which must be one.
  Json ok(const std::string& session, std::string function, Json args = Json::array()) {
    const std::string name = function;
    const Answer answer = call(session, std::move(function), std::move(args));
    if (!answer.result) {
      ADD_FAILURE() << name << ": " << answer.result.error().name() << " "
                    << answer.result.error().message;
      return {};
    }
    return Json::parse(*answer.result);
  }

  std::string error(const std::string& session, std::string function, Json args = Json::array()) {
    const Answer answer = call(session, std::move(function), std::move(args));
    return answer.result ? "no error: " + *answer.result
                         : std::string(answer.result.error().name());
  }

  // Waits for a condition that another thread brings about.
  template <class Condition>
  static bool eventually(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }

  Peer peer_{.owner = "tenant-1", .user = "u", .perm = perms::RWX, .ugroups = {"admin"}};
  StoreOptions store_options_{.data = {},
                              .map_bytes = limits::kGiB,
                              .disk_floor_bytes = 0,
                              .ballast_bytes = 0,
                              .alarm = {}};
  SessionOptions session_options_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<boost::asio::io_context> io_;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
  std::vector<std::thread> threads_;
  std::unique_ptr<caf::actor_system_config> config_;
  std::unique_ptr<caf::actor_system> system_;
  std::unique_ptr<Directory> directory_;
  std::map<std::string, std::shared_ptr<SessionHandle>> handles_;
  std::shared_ptr<Answers> answers_ = std::make_shared<Answers>();
  std::uint64_t last_call_ = 0;
};

}  // namespace kontract
