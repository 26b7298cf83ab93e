// A SharedState in a directory of the test's own, with a clock that is moved by hand. It writes
// when it is told to flush, or ends.

#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/environment.hpp"
#include "storage/format.hpp"
#include "storage/shared_state.hpp"
#include "tests/storage/manual_shard.hpp"
#include "tests/storage/told.hpp"

namespace kontract::testing {

inline std::unique_ptr<Environment> open_shared_environment(const std::filesystem::path& path) {
  auto environment = Environment::open(path, {16 * limits::kMiB, false});
  EXPECT_TRUE(environment) << environment.error().message;
  return environment ? *std::move(environment) : nullptr;
}

// Flips a bit of the stored value.
inline void damage_shared_value(const std::filesystem::path& path, std::string_view key) {
  const auto environment = open_shared_environment(path);
  std::string value;
  {
    auto read = environment->read();
    ASSERT_TRUE(read);
    auto found = read->get(Keyspace::shared, key);
    ASSERT_TRUE(found && *found);
    value = **found;
  }
  value[9] = static_cast<char>(value[9] ^ 1);  // the first byte of the text
  auto write = environment->write();
  ASSERT_TRUE(write);
  ASSERT_TRUE(write->put(Keyspace::shared, key, value));
  ASSERT_TRUE(std::move(*write).commit());
}

class SharedStateFixture : public ::testing::Test {
 protected:
  std::filesystem::path path() const { return directory_.path() / "shared"; }

  SharedStateOptions options() {
    SharedStateOptions options;
    options.directory = path();
    options.write_interval = std::chrono::hours(1);
    options.alarm = [this](const std::string& message) { alarms_(message); };
    options.now_ms = [clock = clock_] { return clock->load(); };
    return options;
  }
  // Ends the one that was open, if one was.
  void open(const SharedStateOptions& with) {
    state_.reset();
    auto state = SharedState::open(with);
    ASSERT_TRUE(state) << state.error().message;
    state_ = *std::move(state);
  }
  void open() { open(options()); }

  std::optional<Json> get(const std::string& key) {
    auto value = state_->get(key);
    EXPECT_TRUE(value) << value.error().message;
    return value ? *std::move(value) : std::nullopt;
  }

  // REQUIRES: no state is open.
  std::vector<std::string> keys_on_disk() {
    const auto environment = open_shared_environment(path());
    auto txn = environment->read();
    auto cursor = txn->cursor(Keyspace::shared);
    std::vector<std::string> keys;
    for (auto on_row = cursor->seek({}); on_row && *on_row; on_row = cursor->next()) {
      keys.emplace_back(cursor->key());
    }
    return keys;
  }
  format::CommitRow last_commit() {
    const auto environment = open_shared_environment(path());
    auto txn = environment->read();
    auto value = txn->get(Keyspace::meta, format::commit_key());
    EXPECT_TRUE(value && *value);
    return *format::parse_commit(**value);
  }

  TempDir directory_;
  std::shared_ptr<std::atomic<std::int64_t>> clock_ =
      std::make_shared<std::atomic<std::int64_t>>(1'700'000'000'000);
  Alarms alarms_;
  std::unique_ptr<SharedState> state_;
};

}  // namespace kontract::testing
