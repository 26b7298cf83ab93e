// What becomes of shared state when the process is killed, the disk fails, or files are damaged.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "storage/detail/shared_entries.hpp"
#include "storage/shard.hpp"
#include "tests/storage/io_faults.hpp"
#include "tests/storage/shared_state_fixture.hpp"

namespace kontract {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::FailingSync;
using testing::FailingWrite;
using testing::SharedStateFixture;

class SharedStateFaultsTest : public SharedStateFixture {};

// Adds to `a`, then to `b`, until it is killed.
[[noreturn]] void count_for_ever(const fs::path& directory, int tell) {
  SharedStateOptions with;
  with.directory = directory;
  with.write_interval = 0ms;
  auto state = SharedState::open(with);
  if (!state) _exit(1);
  bool told = false;
  for (;;) {
    if (!(*state)->increment("a", 1) || !(*state)->increment("b", 1)) _exit(1);
    if (told || (*state)->metrics().commits < 3) continue;
    told = ::write(tell, "w", 1) == 1;
  }
}

TEST_F(SharedStateFaultsTest, AfterAKillTheStateIsThatOfOneMoment) {
  std::int64_t before = 0;
  for (int kills = 0; kills < 5; ++kills) {
    int told[2];
    ASSERT_EQ(::pipe(told), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) count_for_ever(path(), told[1]);
    char byte = 0;
    ASSERT_EQ(::read(told[0], &byte, 1), 1);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    for (const int fd : told) ::close(fd);

    open();
    const auto a = get("a").value_or(0).get<std::int64_t>();
    const auto b = get("b").value_or(0).get<std::int64_t>();
    EXPECT_GT(a, before);
    EXPECT_TRUE(a == b || a == b + 1) << a << " and " << b;
    ASSERT_TRUE(state_->set("b", a));
    before = a;
    state_.reset();  // no thread may run when the next child is made
  }
}

TEST_F(SharedStateFaultsTest, ACrashLosesWhatWasNotWritten) {
  open();
  ASSERT_TRUE(state_->set("a", 1));
  ASSERT_TRUE(state_->set("b", 1));
  ASSERT_TRUE(state_->flush());
  ASSERT_TRUE(state_->set("a", 2));
  ASSERT_TRUE(state_->erase("b"));
  ASSERT_TRUE(state_->set("c", 2));
  const fs::path copy = directory_.path() / "copy";
  fs::create_directory(copy);
  fs::copy_file(path() / "data.mdb", copy / "data.mdb");
  SharedStateOptions with = options();
  with.directory = copy;
  open(with);
  EXPECT_EQ(get("a"), 1);
  EXPECT_EQ(get("b"), 1);
  EXPECT_EQ(get("c"), std::nullopt);
}

TEST_F(SharedStateFaultsTest, DiskTroubleFailsNoCallerAndIsMadeUpFor) {
  struct Case {
    const char* name;
    bool sync;
    int error;
    Errc code;
  };
  for (const Case& c : {Case{"a sync fails", true, EIO, Errc::storage_corrupt},
                        Case{"a write fails", false, EIO, Errc::storage_corrupt},
                        Case{"the disk is full", false, ENOSPC, Errc::storage_full}}) {
    for (const bool first_write : {true, false}) {
      SCOPED_TRACE(std::string(c.name) + (first_write ? " at first" : " later"));
      state_.reset();
      fs::remove_all(path());
      open();
      const int failures = alarms_.count("goes on in memory");
      const int cures = alarms_.count("is written again");
      ASSERT_TRUE(state_->set("changed", 1));
      ASSERT_TRUE(state_->set("erased", 1));
      if (!first_write) {
        ASSERT_TRUE(state_->flush());
      }
      {
        std::optional<FailingSync> sync;
        std::optional<FailingWrite> write;
        if (c.sync) sync.emplace(c.error);
        if (!c.sync) write.emplace(c.error);
        for (int i = 2; i < 5; ++i) {
          ASSERT_TRUE(state_->set("changed", i));
          ASSERT_TRUE(state_->set("passing", i));
          EXPECT_TRUE(state_->erase("erased"));
          const Status flushed = state_->flush();
          ASSERT_FALSE(flushed);
          EXPECT_EQ(flushed.error().code, c.code) << flushed.error().message;
          EXPECT_NE(flushed.error().message.find("shared/data.mdb"), std::string::npos);
          ASSERT_TRUE(state_->erase("passing"));
          EXPECT_EQ(get("changed"), i);
          EXPECT_TRUE(state_->metrics().failing);
        }
        EXPECT_EQ(alarms_.count("goes on in memory"), failures + 1);
      }
      const Status flushed = state_->flush();
      EXPECT_TRUE(flushed) << flushed.error().message;
      EXPECT_FALSE(state_->metrics().failing);
      EXPECT_EQ(alarms_.count("is written again"), cures + 1);
      open();
      EXPECT_EQ(get("changed"), 4);
      state_.reset();
      EXPECT_EQ(keys_on_disk(), std::vector<std::string>{"changed"});
    }
  }
}

TEST_F(SharedStateFaultsTest, AfterAFailedSyncTheDiskIsMadeAsMemoryIsWhateverItHolds) {
  const fs::path file = path() / "data.mdb";
  const fs::path older = directory_.path() / "older.mdb";
  open();
  ASSERT_TRUE(state_->set("erased", 1));
  ASSERT_TRUE(state_->set("kept", 1));
  ASSERT_TRUE(state_->flush());
  fs::copy_file(file, older);
  ASSERT_TRUE(state_->erase("erased"));
  ASSERT_TRUE(state_->set("changed", 1));
  ASSERT_TRUE(state_->flush());
  {
    const FailingSync failing(EIO);
    ASSERT_TRUE(state_->set("last", 1));
    ASSERT_FALSE(state_->flush());
  }
  fs::rename(older, file);
  const Status flushed = state_->flush();
  ASSERT_TRUE(flushed) << flushed.error().message;
  state_.reset();
  EXPECT_EQ(keys_on_disk(), (std::vector<std::string>{"changed", "kept", "last"}));
}

TEST_F(SharedStateFaultsTest, ItIsTriedAgainWithoutAFlush) {
  std::mutex mutex;
  std::condition_variable heard;
  int messages = 0;
  SharedStateOptions with = options();
  with.write_interval = 0ms;
  with.alarm = [&](const std::string&) {
    const std::lock_guard lock(mutex);
    ++messages;
    heard.notify_all();
  };
  const auto wait_for = [&](int count) {
    std::unique_lock lock(mutex);
    heard.wait(lock, [&] { return messages >= count; });
  };
  open(with);
  {
    const FailingSync failing(EIO);
    ASSERT_TRUE(state_->set("k", 1));
    wait_for(1);
  }
  wait_for(2);
  EXPECT_FALSE(state_->metrics().failing);
  state_.reset();
  EXPECT_EQ(keys_on_disk(), std::vector<std::string>{"k"});
}

TEST_F(SharedStateFaultsTest, ADirectoryThatCannotBeMadeIsDiskTroubleToo) {
  open();
  std::ofstream(path()) << "in the way";
  ASSERT_TRUE(state_->set("k", 1));
  EXPECT_FALSE(state_->flush());
  fs::remove(path());
  EXPECT_TRUE(state_->flush());
  open();
  EXPECT_EQ(get("k"), 1);
}

TEST_F(SharedStateFaultsTest, WhatIsLostAtTheEndIsTold) {
  open();
  ASSERT_TRUE(state_->set("k", 1));
  const FailingSync failing(EIO);
  state_.reset();
  EXPECT_EQ(alarms_.count("since the last write is lost"), 1);
}

// Random changes with failures and restarts between them, against a map.
TEST_F(SharedStateFaultsTest, DiskAndMemoryAgreeAfterAnyFailures) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::map<std::string, std::pair<int, std::int64_t>> model;  // value, and when it expires
  open();
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "k" + std::to_string(random() % 12);
    switch (random() % 12) {
      case 0:
      case 1:
      case 2:
        ASSERT_TRUE(state_->set(key, i));
        model[key] = {i, kNeverExpires};
        break;
      case 3:
      case 4: {
        const auto ttl = 1 + static_cast<std::int64_t>(random() % 20);
        ASSERT_TRUE(state_->set(key, i, std::chrono::milliseconds(ttl)));
        model[key] = {i, *clock_ + ttl};
        break;
      }
      case 5:
      case 6:
      case 7:
        ASSERT_EQ(*state_->erase(key), model.erase(key) > 0);
        break;
      case 8:
        *clock_ += 3;
        std::erase_if(model, [&](const auto& item) { return item.second.second <= *clock_; });
        break;
      case 9: {
        std::optional<FailingSync> sync;
        std::optional<FailingWrite> write;
        if (random() % 2 == 0) sync.emplace(EIO);
        if (!sync) write.emplace(random() % 2 == 0 ? EIO : ENOSPC);
        (void)state_->flush().has_value();  // there may be nothing to write
        break;
      }
      case 10:
        ASSERT_TRUE(state_->flush());
        break;
      default:
        open();
        break;
    }
    ASSERT_EQ(get(key), model.contains(key) ? std::optional<Json>(model[key].first) : std::nullopt);
  }
  open();
  std::vector<std::string> expected;
  for (const auto& [key, value] : model) {
    EXPECT_EQ(get(key), value.first);
    expected.push_back(key);
  }
  EXPECT_EQ(state_->metrics().entries, model.size());
  state_.reset();
  EXPECT_EQ(keys_on_disk(), expected);
}

TEST_F(SharedStateFaultsTest, ADamagedRecordIsNamedAtTheStart) {
  for (const bool in_last_commit : {true, false}) {
    SCOPED_TRACE(in_last_commit ? "of the last commit" : "of an older commit");
    fs::remove_all(path());
    open();
    ASSERT_TRUE(state_->set("limit:u1", "value"));
    ASSERT_TRUE(state_->flush());
    ASSERT_TRUE(state_->set(in_last_commit ? "limit:u1" : "other", "again"));
    state_.reset();
    testing::damage_shared_value(path(), "limit:u1");
    const auto state = SharedState::open(options());
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().code, Errc::storage_corrupt);
    EXPECT_NE(state.error().message.find("shared/data.mdb"), std::string::npos);
    EXPECT_NE(state.error().message.find(R"(row of shared, key "limit:u1")"), std::string::npos)
        << state.error().message;
    EXPECT_NE(state.error().hint.find("move " + path().string() + " away"), std::string::npos);
  }
}

TEST_F(SharedStateFaultsTest, AnotherFormatOrAShardIsRefused) {
  struct Case {
    const char* name;
    format::FormatRow row;
    Errc code;
  };
  for (const Case& c : {Case{"newer", {format::kFormatVersion + 1, 0, 0}, Errc::invalid_request},
                        Case{"a shard", {format::kFormatVersion, 1, 0}, Errc::storage_corrupt}}) {
    SCOPED_TRACE(c.name);
    fs::remove_all(path());
    fs::create_directory(path());
    ASSERT_TRUE(write_format(*testing::open_shared_environment(path()), c.row));
    const auto state = SharedState::open(options());
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().code, c.code);
  }
}

// ---- what is pending, which bounds memory while the disk fails

class SharedEntriesTest : public ::testing::Test {
 protected:
  void put(const std::string& key, const char* text) {
    auto entry = entries_.lock(key);
    ASSERT_TRUE(entry.put({std::make_shared<const JsonText>(text), kNeverExpires}));
  }
  void erase(const std::string& key) { ASSERT_TRUE(entries_.lock(key).put({})); }

  // What is to be written, "key=text" each, and what becomes of it.
  std::vector<std::string> write(bool succeeds) {
    std::vector<std::string> out;
    entries_.begin_write();
    entries_.each_to_write([&](const std::string& key, const SharedText& value) {
      out.push_back(key + '=' + (value.text ? *value.text : ""));
    });
    entries_.end_write(succeeds);
    return out;
  }

  using Rows = std::vector<std::string>;
  SharedEntries entries_{{10, 1000}, [] { return std::int64_t{1}; }};
};

TEST_F(SharedEntriesTest, WhatTheDiskNeverHadNeedNotBeErased) {
  put("k", "1");
  erase("k");
  EXPECT_EQ(write(true), Rows{});
  put("k", "1");
  EXPECT_EQ(write(false), Rows{"k=1"});
  erase("k");
  EXPECT_EQ(write(true), Rows{});
}

TEST_F(SharedEntriesTest, WhatTheDiskHasIsErasedUntilThatSucceeds) {
  put("k", "1");
  EXPECT_EQ(write(true), Rows{"k=1"});
  erase("k");
  EXPECT_EQ(write(false), Rows{"k="});
  put("k", "2");
  erase("k");
  EXPECT_EQ(write(true), Rows{"k="});
  EXPECT_EQ(write(true), Rows{});
}

TEST_F(SharedEntriesTest, WhatIsErasedWhileItIsWrittenIsErasedIfItWasWritten) {
  for (const bool written : {true, false}) {
    SCOPED_TRACE(written);
    put("k", "1");
    ASSERT_TRUE(entries_.begin_write());
    erase("k");
    entries_.end_write(written);
    EXPECT_EQ(write(true), written ? Rows{"k="} : Rows{});
    EXPECT_EQ(write(true), Rows{});
  }
}

TEST_F(SharedEntriesTest, WhatChangesWhileItIsWrittenIsWrittenAgain) {
  for (const bool written : {true, false}) {
    SCOPED_TRACE(written);
    put("k", "1");
    ASSERT_TRUE(entries_.begin_write());
    erase("k");
    put("k", "2");
    entries_.end_write(written);
    EXPECT_EQ(write(true), Rows{"k=2"});
    erase("k");
    EXPECT_EQ(write(true), Rows{"k="});
  }
}

TEST_F(SharedEntriesTest, WhatIsTakenToBeWrittenIsOfOneMoment) {
  constexpr int kKeys = 8, kRounds = 20'000;  // the keys lie in different parts
  std::thread changing([&] {
    for (int i = 1; i <= kRounds; ++i) {
      for (int k = 0; k < kKeys; ++k) put(std::to_string(k), std::to_string(i).c_str());
    }
  });
  std::array<int, kKeys> disk{};
  while (disk.back() < kRounds) {
    entries_.begin_write();
    entries_.each_to_write([&](const std::string& key, const SharedText& value) {
      disk.at(std::stoul(key)) = std::stoi(*value.text);
    });
    entries_.end_write(true);
    EXPECT_TRUE(std::is_sorted(disk.rbegin(), disk.rend())) << "a later change without an earlier";
    EXPECT_LE(disk.front() - disk.back(), 1);
    if (HasFailure()) break;
  }
  changing.join();
}

}  // namespace
}  // namespace kontract
