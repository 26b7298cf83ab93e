#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "storage/lmdb_commit_log.hpp"
#include "storage/shard.hpp"
#include "tests/storage/io_faults.hpp"
#include "tests/storage/manual_shard.hpp"
#include "tests/storage/told.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;
using testing::Alarms;
using testing::FailingSync;
using testing::FailingWrite;
using testing::TempDir;
using testing::Told;

class CommitLogTest : public ::testing::Test {
 protected:
  void start(Durability durability = Durability::sync, std::size_t map_bytes = 64 * limits::kMiB,
             std::chrono::milliseconds sync_interval = 1h) {
    log_.reset();
    environment_.reset();
    auto environment = Environment::open(directory_.path(), {map_bytes, false});
    ASSERT_TRUE(environment) << environment.error().message;
    environment_ = *std::move(environment);
    log_ = std::make_unique<LmdbCommitLog>(
        *environment_, disk_,
        LmdbCommitLog::Options{durability, sync_interval,
                               [this](const std::string& message) { alarms_(message); }, 0});
  }

  static WriteBatch batch_of(const std::string& key, const std::string& value) {
    WriteBatch batch;
    batch.put(Keyspace::versions, key, value);
    return batch;
  }
  Ticket append(const std::string& key, const std::string& value, int id) {
    return log_->append(batch_of(key, value), log_->epoch(), told_.waiter(id));
  }
  std::optional<std::string> read(const std::string& key) {
    auto txn = environment_->read();
    EXPECT_TRUE(txn);
    auto value = txn->get(Keyspace::versions, key);
    EXPECT_TRUE(value);
    if (!*value) return std::nullopt;
    return std::string(**value);
  }
  // Runs `work` while the log's thread cannot begin a transaction.
  template <class Work>
  void while_blocked(Work work) {
    auto txn = environment_->write();
    ASSERT_TRUE(txn);
    work();
  }

  TempDir directory_;
  Alarms alarms_;
  Told told_;
  DiskRoom disk_{directory_.path(), 0, [](const std::string&) {}};
  std::unique_ptr<Environment> environment_;
  std::unique_ptr<LmdbCommitLog> log_;
};

TEST_F(CommitLogTest, ABatchIsAppliedAndVisibleWhenItsWaiterIsTold) {
  start();
  const Ticket ticket = append("key", "value", 1);
  const auto told = told_.wait_for(1);
  EXPECT_TRUE(told[0].status);
  EXPECT_EQ(read("key"), "value");
  EXPECT_TRUE(log_->acknowledged(ticket));
  EXPECT_EQ(log_->applied(), ticket);
  EXPECT_EQ(log_->appended(), ticket);
  EXPECT_TRUE(log_->acknowledged(0));
  EXPECT_FALSE(log_->acknowledged(ticket + 1));
}

TEST_F(CommitLogTest, BatchesThatWaitAreOneCommitWithOneSync) {
  start();
  const int syncs = testing::syncs_seen();
  while_blocked([&] {
    for (int i = 0; i < 100; ++i) append("key-" + std::to_string(i), "value", i);
  });
  const auto told = told_.wait_for(100);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(told[static_cast<std::size_t>(i)].id, i) << "told out of order";
    EXPECT_EQ(read("key-" + std::to_string(i)), "value");
  }
  // The first may have been taken alone before the others came.
  EXPECT_LE(log_->metrics().commits, 2U);
  EXPECT_LE(testing::syncs_seen() - syncs, 2);
  EXPECT_EQ(log_->metrics().batches, 100U);
}

TEST_F(CommitLogTest, TheLastOperationOnAKeyWinsWithinABatchAndAcrossBatches) {
  start();
  while_blocked([&] {
    WriteBatch first;
    first.put(Keyspace::versions, "a", "1");
    first.put(Keyspace::versions, "a", "2");
    first.put(Keyspace::versions, "b", "1");
    first.erase(Keyspace::versions, "b");
    first.erase(Keyspace::versions, "c");
    first.put(Keyspace::versions, "c", "1");
    first.put(Keyspace::order, "a", "of another keyspace");
    log_->append(std::move(first), log_->epoch(), nullptr);
    append("a", "3", 1);
    WriteBatch last;
    last.erase(Keyspace::versions, "d");
    last.put(Keyspace::versions, "d", "1");
    last.erase(Keyspace::versions, "d");
    log_->append(std::move(last), log_->epoch(), nullptr);
  });
  ASSERT_TRUE(log_->flush());
  EXPECT_EQ(read("a"), "3");
  EXPECT_EQ(read("b"), std::nullopt);
  EXPECT_EQ(read("c"), "1");
  EXPECT_EQ(read("d"), std::nullopt);
}

TEST_F(CommitLogTest, ReadersSeeAllOfABatchOrNothing) {
  start();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      WriteBatch batch;
      for (const char* key : {"a", "m", "z"}) {
        batch.put(Keyspace::versions, key, std::to_string(i));
      }
      log_->append(std::move(batch), log_->epoch(), nullptr);
      if (i % 64 == 0) {
        EXPECT_TRUE(log_->flush());
      }
    }
  });
  while (log_->applied() == 0) std::this_thread::yield();
  for (int i = 0; i < 2000; ++i) {
    auto txn = environment_->read();
    ASSERT_TRUE(txn);
    auto a = txn->get(Keyspace::versions, "a"), z = txn->get(Keyspace::versions, "z");
    ASSERT_EQ(**a, **z);
  }
  stop = true;
  writer.join();
}

TEST_F(CommitLogTest, ATicketInBetweenIsToldWithItsGroupAndALaterQuestionAtOnce) {
  start();
  Ticket middle = 0;
  while_blocked([&] {
    append("a", "1", 1);
    middle = append("b", "1", 2);
    append("c", "1", 3);
    log_->when_settled(middle, told_.waiter(20));
    log_->when_applied(middle, told_.waiter(21));
    EXPECT_EQ(told_.count(), 0U);
  });
  for (const auto& verdict : told_.wait_for(5)) EXPECT_TRUE(verdict.status);

  log_->when_settled(middle, told_.waiter(30));
  log_->when_applied(middle, told_.waiter(31));
  log_->when_settled(0, told_.waiter(32));
  ASSERT_EQ(told_.count(), 8U);
  const auto told = told_.wait_for(8);
  for (std::size_t i = 5; i < 8; ++i) {
    EXPECT_TRUE(told[i].status);
    EXPECT_EQ(told[i].thread, std::this_thread::get_id());
  }
}

TEST_F(CommitLogTest, ManyThreadsAppendAndEachWaiterIsToldOnce) {
  start();
  constexpr int kThreads = 4, kEach = 500;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const int id = t * kEach + i;
        const Ticket ticket = append("key-" + std::to_string(id), "value", id);
        log_->when_settled(ticket, told_.waiter(id + kThreads * kEach));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(log_->flush());
  log_.reset();
  const auto told = told_.wait_for(2 * kThreads * kEach);
  ASSERT_EQ(told.size(), 2U * kThreads * kEach);
  std::vector<int> seen(told.size());
  for (const auto& verdict : told) {
    EXPECT_TRUE(verdict.status);
    ++seen[static_cast<std::size_t>(verdict.id)];
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), static_cast<long>(seen.size()));
}

TEST_F(CommitLogTest, WhatWaitsWhenTheLogEndsIsCommitted) {
  for (const Durability durability : {Durability::sync, Durability::relaxed}) {
    SCOPED_TRACE(static_cast<int>(durability));
    start(durability);
    const std::string key = "key-" + std::to_string(static_cast<int>(durability));
    while_blocked([&] { append(key, "value", 1); });
    log_.reset();
    EXPECT_EQ(read(key), "value");
  }
}

TEST_F(CommitLogTest, TheCommitRecordNamesWhatTheLastCommitWrote) {
  start();
  for (int i = 0; i < 3; ++i) {
    WriteBatch batch;
    batch.put(Keyspace::versions, "put", std::to_string(i));
    batch.erase(Keyspace::order, "erased");
    log_->append(std::move(batch), log_->epoch(), nullptr);
    ASSERT_TRUE(log_->flush());
  }
  EXPECT_EQ(*verify_last_commit(*environment_), 3U);
  struct Case {
    const char* name;
    Keyspace space;
    const char* key;
    std::optional<std::string> value;
    const char* says;
  };
  for (const Case& c :
       {Case{"another value", Keyspace::versions, "put", "x", "is not what commit 3 wrote"},
        Case{"a lost row", Keyspace::versions, "put", {}, "is missing although commit 3 wrote it"},
        Case{"a risen row", Keyspace::order, "erased", "x", "is there although commit 3 erased"}}) {
    SCOPED_TRACE(c.name);
    auto txn = environment_->write();
    ASSERT_TRUE(txn);
    ASSERT_TRUE(c.value ? txn->put(c.space, c.key, *c.value) : txn->erase(c.space, c.key));
    ASSERT_TRUE(std::move(*txn).commit());
    auto verified = verify_last_commit(*environment_);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().code, Errc::storage_corrupt);
    EXPECT_NE(verified.error().message.find("data.mdb"), std::string::npos);
    EXPECT_NE(verified.error().message.find(c.says), std::string::npos) << verified.error().message;
    // As it was.
    auto undo = environment_->write();
    ASSERT_TRUE(undo);
    ASSERT_TRUE(undo->put(Keyspace::versions, "put", "2"));
    ASSERT_TRUE(undo->erase(Keyspace::order, "erased"));
    ASSERT_TRUE(std::move(*undo).commit());
    ASSERT_TRUE(verify_last_commit(*environment_));
  }
}

// ---- A full map

TEST_F(CommitLogTest, AGroupWithoutRoomFailsWholeAndANewEpochBegins) {
  start(Durability::sync, limits::kMiB);
  append("before", "value", 1);
  ASSERT_TRUE(told_.wait_for(1)[0].status);
  const Epoch old_epoch = log_->epoch();

  Ticket first = 0, last = 0;
  while_blocked([&] {
    first = append("large", std::string(limits::kMiB, 'x'), 2);
    last = append("small", "value", 3);
    log_->when_settled(first, told_.waiter(4));
    log_->when_applied(last, told_.waiter(5));
  });
  const auto told = told_.wait_for(5);
  for (std::size_t i = 1; i < 5; ++i) {
    ASSERT_FALSE(told[i].status);
    EXPECT_EQ(told[i].status.error().code, Errc::storage_full);
    EXPECT_NE(told[i].status.error().message.find("data.mdb"), std::string::npos);
  }
  EXPECT_EQ(log_->epoch(), old_epoch + 1);
  EXPECT_FALSE(log_->acknowledged(first));
  EXPECT_FALSE(log_->acknowledged(last));
  EXPECT_EQ(read("large"), std::nullopt);
  EXPECT_EQ(read("small"), std::nullopt);
  EXPECT_EQ(read("before"), "value");

  // Who has not noticed yet is refused, at once.
  const Ticket refused = log_->append(batch_of("late", "value"), old_epoch, told_.waiter(6));
  ASSERT_EQ(told_.count(), 6U);
  EXPECT_EQ(told_.wait_for(6)[5].status.error().code, Errc::storage_full);
  EXPECT_FALSE(log_->acknowledged(refused));
  EXPECT_EQ(log_->applied(), refused) << "nothing below it is undecided";

  // The new epoch goes on, and what failed stays failed.
  const Ticket next = append("small", "again", 7);
  ASSERT_TRUE(told_.wait_for(7)[6].status);
  EXPECT_TRUE(log_->acknowledged(next));
  EXPECT_FALSE(log_->acknowledged(last));
  EXPECT_FALSE(log_->acknowledged(refused));
  log_->when_settled(last, told_.waiter(8));
  EXPECT_FALSE(told_.wait_for(8)[7].status);
  EXPECT_EQ(read("small"), "again");
  EXPECT_EQ(read("late"), std::nullopt);
  EXPECT_EQ(log_->metrics().failed_groups, 1U);
}

TEST_F(CommitLogTest, AFullMapRefusesWritesButNotReadsAndOpensAgainWhenRecordsGo) {
  start(Durability::sync, 4 * limits::kMiB);
  int written = 0;
  while (log_->admit(false) && written < 2000) {
    log_->append(batch_of("key-" + std::to_string(written), std::string(3000, 'x')), log_->epoch(),
                 nullptr);
    ASSERT_TRUE(log_->flush()) << written;
    ++written;
  }
  const Status refused = log_->admit(false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::storage_full);
  EXPECT_NE(refused.error().message.find("data.mdb"), std::string::npos);
  EXPECT_TRUE(log_->admit(true)) << "deletes free space";
  EXPECT_EQ(alarms_.count("writes are refused from 95 %"), 1);
  EXPECT_EQ(alarms_.count("writes are refused until"), 1);
  EXPECT_EQ(read("key-0"), std::string(3000, 'x'));
  EXPECT_GT(static_cast<double>(log_->map_room().used_bytes()),
            limits::kMapFullRatio * 4 * limits::kMiB);

  for (int i = 0; i < written / 2; ++i) {
    WriteBatch batch;
    batch.erase(Keyspace::versions, "key-" + std::to_string(i));
    log_->append(std::move(batch), log_->epoch(), nullptr);
  }
  ASSERT_TRUE(log_->flush());
  log_->map_room().refresh();
  EXPECT_TRUE(log_->admit(false));
  append("key", "value", 1);
  EXPECT_TRUE(told_.wait_for(1)[0].status);
}

TEST_F(CommitLogTest, ALongQueueIsOverloadedUntilItIsWritten) {
  start();
  while_blocked([&] {
    const std::string value(limits::kBatchBytesMax, 'x');
    std::size_t queued = 0;
    while (log_->admit(false) && queued < 2 * limits::kLogQueueBytesMax) {
      log_->append(batch_of("key", value), log_->epoch(), nullptr);
      queued += value.size();
    }
    EXPECT_GT(queued, limits::kLogQueueBytesMax);
    EXPECT_LT(queued, limits::kLogQueueBytesMax + 3 * limits::kGroupBytesMax);
    const Status refused = log_->admit(false);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::overloaded);
    EXPECT_TRUE(refused.error().retry_after.has_value());
  });
  ASSERT_TRUE(log_->flush());
  EXPECT_TRUE(log_->admit(false));
}

// ---- A failing disk

TEST_F(CommitLogTest, AFailedSyncEndsWritingButNotReadingUntilTheNextStart) {
  start();
  append("before", "value", 1);
  ASSERT_TRUE(told_.wait_for(1)[0].status);
  {
    const FailingSync failing(EIO);
    append("lost", "value", 2);
    const auto told = told_.wait_for(2);
    ASSERT_FALSE(told[1].status);
    EXPECT_EQ(told[1].status.error().code, Errc::storage_corrupt);
    EXPECT_NE(told[1].status.error().message.find("data.mdb"), std::string::npos);
  }
  // That the disk works again does not make what is on it known.
  for (const bool frees_space : {false, true}) {
    ASSERT_FALSE(log_->admit(frees_space));
    EXPECT_EQ(log_->admit(frees_space).error().code, Errc::storage_corrupt);
  }
  append("after", "value", 3);
  EXPECT_FALSE(told_.wait_for(3)[2].status);
  EXPECT_FALSE(log_->flush());
  EXPECT_EQ(read("before"), "value");
  EXPECT_EQ(read("lost"), std::nullopt);
  EXPECT_EQ(alarms_.count("writes are refused until a restart"), 1);

  start();
  EXPECT_EQ(read("before"), "value");
  EXPECT_EQ(read("after"), std::nullopt);
  append("after", "value", 4);
  EXPECT_TRUE(told_.wait_for(4)[3].status);
}

TEST_F(CommitLogTest, AFailedWriteIsFullOrCorruptAsTheDiskSays) {
  struct Case {
    const char* name;
    int error;
    Errc code;
    bool goes_on;
  };
  for (const Case& c : {Case{"no space", ENOSPC, Errc::storage_full, true},
                        Case{"over quota", EDQUOT, Errc::storage_full, true},
                        Case{"broken disk", EIO, Errc::storage_corrupt, false}}) {
    SCOPED_TRACE(c.name);
    start();
    Told told;
    {
      const FailingWrite failing(c.error);
      log_->append(batch_of(c.name, std::string(20'000, 'x')), log_->epoch(), told.waiter(1));
      const Status status = told.wait_for(1)[0].status;
      ASSERT_FALSE(status);
      EXPECT_EQ(status.error().code, c.code);
    }
    EXPECT_EQ(read(c.name), std::nullopt);
    log_->append(batch_of(c.name, "value"), log_->epoch(), told.waiter(2));
    EXPECT_EQ(told.wait_for(2)[1].status.has_value(), c.goes_on);
  }
}

// ---- Relaxed

TEST_F(CommitLogTest, RelaxedAcknowledgesBeforeTheCommitAndShowsAfterIt) {
  start(Durability::relaxed);
  const int syncs = testing::syncs_seen();
  const Ticket ticket = append("key", "value", 1);
  ASSERT_TRUE(told_.wait_for(1)[0].status);
  EXPECT_TRUE(log_->acknowledged(ticket));
  EXPECT_LT(log_->applied(), ticket);
  EXPECT_EQ(read("key"), std::nullopt);
  log_->when_settled(ticket, told_.waiter(2));
  EXPECT_TRUE(told_.wait_for(2)[1].status);
  EXPECT_EQ(testing::syncs_seen(), syncs);

  log_->when_applied(ticket, told_.waiter(3));
  ASSERT_TRUE(log_->flush());
  EXPECT_TRUE(told_.wait_for(3)[2].status);
  EXPECT_EQ(log_->applied(), ticket);
  EXPECT_EQ(read("key"), "value");
  EXPECT_GT(testing::syncs_seen(), syncs);
}

TEST_F(CommitLogTest, RelaxedCommitsByItselfWhenTheIntervalIsOver) {
  start(Durability::relaxed, 64 * limits::kMiB, 5ms);
  for (std::size_t i = 0; i < 3; ++i) {
    log_->when_applied(append("key", std::to_string(i), 0), told_.waiter(1));
    told_.wait_for(2 * (i + 1));
    EXPECT_EQ(read("key"), std::to_string(i));
  }
}

TEST_F(CommitLogTest, RelaxedCommitsWhenMuchIsUnsynced) {
  start(Durability::relaxed);
  const std::string value(limits::kMiB, 'x');
  Ticket last = 0;
  for (std::size_t bytes = 0; bytes <= limits::kGroupBytesMax; bytes += value.size()) {
    last = append("key-" + std::to_string(bytes), value, 1);
  }
  told_.wait_for(last);
  append("end", "value", 2);  // a group of its own: the log has done what the last one asked for
  told_.wait_for(last + 1);
  EXPECT_GE(log_->applied(), 8U);
}

TEST_F(CommitLogTest, RelaxedVerifiesAllGroupsOfACommit) {
  start(Durability::relaxed);
  for (int i = 0; i < 5; ++i) {
    append("key-" + std::to_string(i % 3), std::to_string(i), i);
    told_.wait_for(static_cast<std::size_t>(i) + 1);  // so that each is a group
  }
  ASSERT_TRUE(log_->flush());
  EXPECT_EQ(log_->metrics().commits, 1U);
  auto txn = environment_->read();
  auto value = txn->get(Keyspace::meta, format::commit_key());
  auto row = format::parse_commit(**value);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->batches, 5U);
  EXPECT_EQ(row->names.size(), 3U);
  EXPECT_TRUE(verify_last_commit(*environment_));
}

TEST_F(CommitLogTest, RelaxedLosesTheIntervalWhenItsSyncFailsAndSaysSo) {
  start(Durability::relaxed);
  const Ticket ticket = append("key", "value", 1);
  ASSERT_TRUE(told_.wait_for(1)[0].status);
  const Epoch epoch = log_->epoch();
  const FailingSync failing(EIO);
  log_->when_applied(ticket, told_.waiter(2));  // which asks for a commit
  EXPECT_FALSE(log_->flush());
  EXPECT_FALSE(told_.wait_for(2)[1].status);
  EXPECT_EQ(log_->epoch(), epoch + 1);
  EXPECT_FALSE(log_->acknowledged(ticket)) << "it was, but it is not durable";
  EXPECT_EQ(alarms_.count("acknowledged writes of the last sync interval are lost"), 1);
}

TEST_F(CommitLogTest, RelaxedKeepsWhatItAcknowledgedWhenTheNextGroupHasNoRoom) {
  start(Durability::relaxed, limits::kMiB);
  const Ticket kept = append("kept", "value", 1);
  ASSERT_TRUE(told_.wait_for(1)[0].status);
  const Ticket failed = append("large", std::string(2 * limits::kMiB, 'x'), 2);
  EXPECT_FALSE(told_.wait_for(2)[1].status);
  EXPECT_EQ(read("kept"), "value");
  EXPECT_TRUE(log_->acknowledged(kept));
  EXPECT_FALSE(log_->acknowledged(failed));
  EXPECT_EQ(alarms_.count("are lost"), 0);
  append("next", "value", 3);
  EXPECT_TRUE(told_.wait_for(3)[2].status);
  ASSERT_TRUE(log_->flush());
  EXPECT_EQ(read("next"), "value");
}

// ---- Parts

TEST(FailedTicketsTest, AnswersLikeAPlainSet) {
  FailedTickets failed;
  std::vector<bool> plain(400);
  Ticket appended = 0;
  // Ranges that touch, overlap, contain others and stand alone; the last one given out ends each.
  for (const auto& [first, last] : std::vector<std::pair<Ticket, Ticket>>{
           {5, 9}, {10, 12}, {20, 20}, {22, 22}, {19, 30}, {100, 120}, {110, 130}, {300, 399}}) {
    ASSERT_GE(last, appended);
    appended = last;
    failed.add(first, last);
    for (Ticket ticket = first; ticket <= last; ++ticket) plain[ticket] = true;
    for (Ticket ticket = 0; ticket < plain.size(); ++ticket) {
      ASSERT_EQ(failed.contains(ticket), plain[ticket]) << ticket;
    }
  }
}

TEST(FailedTicketsTest, ForgetsTheOldestOnTheSafeSide) {
  FailedTickets failed;
  for (Ticket ticket = 2; ticket <= 10'000; ticket += 2) failed.add(ticket, ticket);
  EXPECT_FALSE(failed.contains(1));
  for (Ticket ticket = 2; ticket <= 10'000; ticket += 2) EXPECT_TRUE(failed.contains(ticket));
  EXPECT_TRUE(failed.contains(3)) << "forgotten, so failed";
  EXPECT_FALSE(failed.contains(9'999));
}

TEST(WriteBatchTest, MergeAppendsAndCountsBytes) {
  WriteBatch one, two, none;
  one.put(Keyspace::versions, "a", "12");
  two.erase(Keyspace::order, "bc");
  one.merge(std::move(two));
  one.merge(std::move(none));
  EXPECT_EQ(one.bytes(), 5U);
  ASSERT_EQ(one.ops().size(), 2U);
  EXPECT_EQ(one.ops()[1].key, "bc");
  WriteBatch empty;
  empty.merge(std::move(one));
  EXPECT_EQ(empty.bytes(), 5U);
  EXPECT_EQ(empty.ops().size(), 2U);
}

}  // namespace
}  // namespace kontract
