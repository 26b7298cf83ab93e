#include "storage/journal.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>

#include "storage/format.hpp"
#include "storage/lmdb_commit_log.hpp"
#include "storage/store.hpp"
#include "tests/storage/io_faults.hpp"
#include "tests/storage/manual_shard.hpp"
#include "tests/storage/told.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using testing::Alarms;
using testing::FailingSync;
using testing::TempDir;
using testing::Told;

class JournalTest : public ::testing::Test {
 protected:
  std::unique_ptr<Journal> open() {
    auto journal = Journal::open(file_);
    EXPECT_TRUE(journal) << journal.error().message;
    return *std::move(journal);
  }
  // One group with one row.
  static Result<bool> append(Journal& journal, std::string key, std::string value) {
    const WriteOp op{Keyspace::versions, false, std::move(key), std::move(value)};
    return journal.append(std::array{&op});
  }
  static bool appended(const Result<bool>& outcome) { return outcome && *outcome; }
  // The keys of the groups on this base, or the error.
  std::string keys(std::uint64_t base) const {
    const auto groups = read_journal(file_, base);
    if (!groups) return std::string(groups.error().name());
    std::string keys;
    for (const WriteBatch& group : *groups) {
      for (const WriteOp& op : group.ops()) keys += (op.erase ? "-" : "+") + op.key;
    }
    return keys;
  }
  void flip(std::size_t at) {
    std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 1));
  }

  TempDir directory_;
  const std::filesystem::path file_ = directory_.path() / "journal";
};

TEST_F(JournalTest, AGroupIsReadAsItWasWritten) {
  auto journal = open();
  journal->restart(7);
  const WriteOp put{Keyspace::versions, false, "key", std::string("va\0lue", 6)};
  const WriteOp erase{Keyspace::order, true, "other", {}};
  ASSERT_TRUE(appended(journal->append(std::array{&put, &erase})));
  const auto groups = read_journal(file_, 7);
  ASSERT_TRUE(groups);
  ASSERT_EQ(groups->size(), 1U);
  const std::vector<WriteOp>& ops = groups->front().ops();
  ASSERT_EQ(ops.size(), 2U);
  EXPECT_EQ(ops[0].space, Keyspace::versions);
  EXPECT_EQ(ops[0].value, put.value);
  EXPECT_TRUE(ops[1].erase);
  EXPECT_EQ(ops[1].key, "other");
}

TEST_F(JournalTest, OnlyGroupsOnTheBaseCount) {
  auto journal = open();
  journal->restart(1);
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(appended(append(*journal, key, "v")));
  EXPECT_EQ(keys(1), "+a+b+c");
  journal->restart(2);
  EXPECT_EQ(keys(2), "") << "what was written before is of another base";
  ASSERT_TRUE(appended(append(*journal, "d", "v")));
  EXPECT_EQ(keys(2), "+d") << "what follows it is of another base";
}

TEST_F(JournalTest, AGroupThatWasCutShortIsNone) {
  auto journal = open();
  journal->restart(1);
  ASSERT_TRUE(appended(append(*journal, "a", "v")));
  ASSERT_TRUE(appended(append(*journal, "b", std::string(100, 'v'))));
  // Whatever part of the last one a crash kept from the disk, what was synced before it is there.
  const std::size_t begin = format::kJournalAlign;
  for (std::size_t at = begin; at < begin + 24 + 3 + 100; ++at) {
    SCOPED_TRACE(at);
    flip(at);
    EXPECT_EQ(keys(1), "+a");
    flip(at);
  }
  EXPECT_EQ(keys(1), "+a+b");
  std::filesystem::resize_file(file_, begin + 50);
  EXPECT_EQ(keys(1), "+a");
}

TEST_F(JournalTest, DamageBeforeASoundGroupIsAnError) {
  auto journal = open();
  journal->restart(1);
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(appended(append(*journal, key, "v")));
  for (const std::size_t at : {std::size_t{0}, format::kJournalAlign + 30}) {
    flip(at);
    EXPECT_EQ(keys(1), "KONTRACT_STORAGE_CORRUPT");
    flip(at);
  }
}

TEST_F(JournalTest, ItGrowsToItsLimitAndSaysWhenAGroupDoesNotFit) {
  auto journal = open();
  journal->restart(1);
  std::string expected;
  Result<bool> fits = true;
  for (int i = 0; *fits; ++i) {
    const std::string key = "k" + std::to_string(i);
    fits = append(*journal, key, std::string(limits::kMiB, 'v'));
    ASSERT_TRUE(fits) << fits.error().message;
    if (*fits) expected += "+" + key;
  }
  EXPECT_EQ(keys(1), expected);
  EXPECT_GE(std::count(expected.begin(), expected.end(), '+'), 7);
  EXPECT_LE(std::filesystem::file_size(file_), limits::kJournalBytesMax);
  EXPECT_FALSE(*append(*journal, "big", std::string(2 * limits::kJournalBytesMax, 'v')));
}

TEST_F(JournalTest, AFailedSyncIsAnError) {
  auto journal = open();
  const FailingSync failing(EIO);
  const auto outcome = append(*journal, "a", "v");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::storage_corrupt);
}

// A log whose LMDB follows only when it is told to.
class JournaledLogTest : public ::testing::Test {
 protected:
  void start() {
    log_.reset();
    environment_.reset();
    auto environment = Environment::open(directory_.path(), {limits::kGiB, false});
    ASSERT_TRUE(environment) << environment.error().message;
    environment_ = *std::move(environment);
    auto journal = Journal::open(directory_.path() / "journal");
    ASSERT_TRUE(journal) << journal.error().message;
    log_ = std::make_unique<LmdbCommitLog>(
        *environment_, disk_,
        LmdbCommitLog::Options{Durability::sync, 1h,
                               [this](const std::string& message) { alarms_(message); }, 0,
                               *std::move(journal)});
  }
  Ticket append(const std::string& key, int id) {
    WriteBatch batch;
    batch.put(Keyspace::versions, key, "value");
    return log_->append(std::move(batch), log_->epoch(), told_.waiter(id));
  }
  bool stored(const std::string& key) {
    auto txn = environment_->read();
    EXPECT_TRUE(txn);
    auto value = txn->get(Keyspace::versions, key);
    return value && value->has_value();
  }

  TempDir directory_;
  Alarms alarms_;
  Told told_;
  DiskRoom disk_{directory_.path(), 0, [](const std::string&) {}};
  std::unique_ptr<Environment> environment_;
  std::unique_ptr<LmdbCommitLog> log_;
};

TEST_F(JournaledLogTest, ABatchIsAcknowledgedBeforeLmdbHasIt) {
  start();
  const Ticket ticket = append("key", 1);
  EXPECT_TRUE(told_.wait_for(1)[0].status);
  EXPECT_TRUE(log_->acknowledged(ticket));
  EXPECT_LT(log_->applied(), ticket);
  EXPECT_FALSE(stored("key"));
  ASSERT_TRUE(log_->flush());
  EXPECT_EQ(log_->applied(), ticket);
  EXPECT_TRUE(stored("key"));
}

TEST_F(JournaledLogTest, WhoWaitsForLmdbDoesNotWaitForTheInterval) {
  start();
  const Ticket ticket = append("key", 1);
  log_->when_applied(ticket, told_.waiter(2));
  EXPECT_TRUE(told_.wait_for(2)[1].status);
  EXPECT_TRUE(stored("key"));
}

TEST_F(JournaledLogTest, WhatIsInTheJournalIsThereAfterACrash) {
  const std::filesystem::path shard = directory_.path() / "data" / "shard-00";
  StoreOptions options;
  options.data = directory_.path() / "data";
  options.disk_floor_bytes = 0;
  options.ballast_bytes = 0;
  ASSERT_TRUE(Store::open(options));
  {
    // As the crash left it: synced groups that LMDB, at commit 0, does not hold.
    auto journal = Journal::open(shard / "journal");
    ASSERT_TRUE(journal);
    (*journal)->restart(0);
    for (const TableNo table : {1, 2}) {
      const format::Key key = format::dropped_key(1, table);
      const WriteOp op{Keyspace::registry, false, key.str(), format::dropped_value(key)};
      ASSERT_TRUE(*(*journal)->append(std::array{&op}));
    }
  }
  for (const char* opening : {"the first", "the second"}) {
    SCOPED_TRACE(opening);
    auto store = Store::open(options);
    ASSERT_TRUE(store) << store.error().message;
    auto txn = (*store)->shard(0).environment().read();
    ASSERT_TRUE(txn);
    for (const TableNo table : {1, 2}) {
      auto row = txn->get(Keyspace::registry, format::dropped_key(1, table));
      ASSERT_TRUE(row);
      EXPECT_TRUE(row->has_value());
    }
  }
}

TEST_F(JournaledLogTest, AFailedSyncOfTheJournalFailsItsGroupAndKeepsWhatWasAcknowledged) {
  start();
  const Ticket first = append("first", 1);
  EXPECT_TRUE(told_.wait_for(1)[0].status);
  const Epoch epoch = log_->epoch();
  {
    const FailingSync failing(EIO);
    append("second", 2);
    const auto told = told_.wait_for(2);
    EXPECT_EQ(told[1].status.error().code, Errc::storage_corrupt);
  }
  EXPECT_EQ(log_->epoch(), epoch) << "those who wrote the first go on to know of it";
  EXPECT_TRUE(log_->acknowledged(first));
  EXPECT_EQ(log_->admit(false).error().code, Errc::storage_corrupt);
  append("third", 3);
  EXPECT_FALSE(told_.wait_for(3)[2].status);
  EXPECT_EQ(log_->flush().error().code, Errc::storage_corrupt);
  EXPECT_EQ(alarms_.count("takes acknowledged ones over from the journal"), 1);
  log_.reset();
  const auto groups = read_journal(directory_.path() / "journal", 0);
  ASSERT_TRUE(groups);
  ASSERT_FALSE(groups->empty());
  EXPECT_EQ(groups->front().ops()[0].key, "first");
}

TEST_F(JournaledLogTest, AFailedCommitKeepsWhatWasAcknowledged) {
  start();
  const Ticket first = append("first", 1);
  EXPECT_TRUE(told_.wait_for(1)[0].status);
  {
    const FailingSync failing(EIO);
    EXPECT_EQ(log_->flush().error().code, Errc::storage_corrupt);
  }
  EXPECT_TRUE(log_->acknowledged(first));
  EXPECT_LT(log_->applied(), first);
  log_.reset();
  const auto groups = read_journal(directory_.path() / "journal", 0);
  ASSERT_TRUE(groups);
  EXPECT_EQ(groups->size(), 1U);
}

}  // namespace
}  // namespace kontract
