// ManualShard: a shard over a real LMDB environment whose log does only what the test tells it to,
// so that each state between "appended" and "applied" can be looked at, failures included.

#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>

#include "storage/environment.hpp"
#include "storage/store.hpp"

namespace kontract::testing {

// A directory of the test's own, removed with all that is in it. In memory where that is possible:
// these tests commit often and do not lose power.
class TempDir {
 public:
  TempDir() {
    const std::filesystem::path memory = "/dev/shm";
    const auto parent =
        std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
    std::string name = (parent / "kontract-XXXXXX").string();
    KONTRACT_ASSERT(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Applies batches when apply() is called and loses those that wait when fail() is.
class ManualLog final : public CommitLog {
 public:
  explicit ManualLog(Environment& environment) : environment_(environment) {}

  Ticket append(WriteBatch batch, Epoch epoch, std::unique_ptr<Settled> waiter) override {
    EXPECT_EQ(waiter, nullptr) << "the test waits by itself";
    ++appended_;
    if (epoch == epoch_) waiting_.push_back({appended_, std::move(batch)});
    return appended_;
  }
  void when_settled(Ticket, std::unique_ptr<Settled>) override { ADD_FAILURE(); }
  void when_applied(Ticket, std::unique_ptr<Settled>) override { ADD_FAILURE(); }
  bool acknowledged(Ticket ticket) const noexcept override { return ticket <= applied_; }
  Ticket applied() const noexcept override { return applied_; }
  Ticket appended() const noexcept override { return appended_; }
  Epoch epoch() const noexcept override { return epoch_; }
  Status admit(bool frees_space) const override {
    if (!full || frees_space) return {};
    return Error{Errc::storage_full, "The test's disk is full"};
  }
  Status flush() override {
    while (!waiting_.empty()) {
      apply();
      if (::testing::Test::HasFatalFailure()) return Error{Errc::internal, "A batch failed"};
    }
    return {};
  }

  std::size_t waiting() const { return waiting_.size(); }

  // Applies the batch that waits longest, if one does.
  void apply() {
    if (waiting_.empty()) return;
    auto txn = environment_.write();
    ASSERT_TRUE(txn) << txn.error().message;
    for (const WriteOp& op : waiting_.front().batch.ops()) {
      const Status done =
          op.erase ? txn->erase(op.space, op.key) : txn->put(op.space, op.key, op.value);
      ASSERT_TRUE(done) << done.error().message;
    }
    const Status committed = (*std::move(txn)).commit();
    ASSERT_TRUE(committed) << committed.error().message;
    applied_ = waiting_.front().ticket;
    waiting_.pop_front();
  }

  // What waits is lost.
  void fail() {
    waiting_.clear();
    ++epoch_;
  }

  bool full = false;

 private:
  struct Waiting {
    Ticket ticket;
    WriteBatch batch;
  };

  Environment& environment_;
  std::deque<Waiting> waiting_;
  Ticket appended_ = 0, applied_ = 0;
  Epoch epoch_ = 1;
};

class ManualShard final : public Shard {
 public:
  explicit ManualShard(std::chrono::milliseconds version_retention = {},
                       ChangeLogLimits changes = {}) {
    options_.changes = changes;
    options_.version_retention = version_retention;
    auto opened = Environment::open(directory_.path(), {.map_bytes = 64 * limits::kMiB});
    KONTRACT_ASSERT(opened.has_value());
    environment_ = *std::move(opened);
    log_ = std::make_unique<ManualLog>(*environment_);
  }

  Environment& environment() override { return *environment_; }
  ManualLog& log() override { return *log_; }
  SessionNo allocate_session_no() override { return ++last_session_; }
  const StoreOptions& options() const override { return options_; }

  void commit(WriteBatch batch) {
    log_->append(std::move(batch), log_->epoch(), nullptr);
    ASSERT_TRUE(log_->flush());
  }

  // All rows of a keyspace as LMDB has them now.
  std::vector<std::pair<std::string, std::string>> rows(Keyspace space) {
    std::vector<std::pair<std::string, std::string>> out;
    auto txn = environment_->read();
    EXPECT_TRUE(txn);
    auto cursor = txn->cursor(space);
    EXPECT_TRUE(cursor);
    auto on_row = cursor->seek(std::string_view("\0", 1));
    for (; on_row && *on_row; on_row = cursor->next()) {
      out.emplace_back(cursor->key(), cursor->value());
    }
    EXPECT_TRUE(on_row);
    return out;
  }

 private:
  TempDir directory_;
  StoreOptions options_;
  std::unique_ptr<Environment> environment_;
  std::unique_ptr<ManualLog> log_;
  SessionNo last_session_ = 0;
};

}  // namespace kontract::testing
