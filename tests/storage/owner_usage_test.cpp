#include "storage/owner_usage.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "storage/format.hpp"
#include "storage/registry.hpp"
#include "storage/store.hpp"
#include "tests/storage/manual_shard.hpp"

namespace kontract {
namespace {

using testing::TempDir;

class OwnerUsageTest : public ::testing::Test {
 protected:
  void open(std::size_t sessions_max, std::size_t bytes_max, unsigned shards = 2) {
    store_.reset();
    StoreOptions options;
    options.data = data_.path();
    options.shards = shards;
    options.map_bytes = limits::kGiB;
    options.disk_floor_bytes = 0;
    options.ballast_bytes = 0;
    options.sessions_per_owner_max = sessions_max;
    options.bytes_per_owner_max = bytes_max;
    auto store = Store::open(std::move(options));
    ASSERT_TRUE(store) << store.error().message;
    store_ = *std::move(store);
  }
  OwnerUsage& usage() { return *store_->shard(0).usage(); }

  // Creates it if the owner may have it.
  Status create(const Identity& identity) {
    Shard& shard = store_->shard_of(identity);
    auto grant = usage().take_session(identity.owner);
    if (!grant) return std::move(grant).error();
    SessionRow row;
    row.no = sessions_[identity.owner + '/' + identity.name] = shard.allocate_session_no();
    row.sid = "sid";
    WriteBatch batch;
    put_session(batch, identity, row);
    const auto account = *grant ? (*grant)->account() : nullptr;
    const Ticket ticket =
        shard.log().append(std::move(batch), shard.log().epoch(), *std::move(grant));
    if (account) account->created(shard.log(), ticket);
    return {};
  }

  std::string version(const Identity& identity, int record, Txid txid) {
    return format::version_key(sessions_.at(identity.owner + '/' + identity.name), 1,
                               "r" + std::to_string(record), txid)
        .str();
  }
  void write(const Identity& identity, WriteBatch batch) {
    CommitLog& log = store_->shard_of(identity).log();
    log.append(std::move(batch), log.epoch(), nullptr);
  }

  // What the shards hold of one owner, read row by row.
  std::size_t bytes_of(const std::string& owner) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < store_->shards(); ++i) {
      auto txn = store_->shard(i).environment().read();
      EXPECT_TRUE(txn);
      auto rows = txn->cursor(Keyspace::versions);
      EXPECT_TRUE(rows);
      auto on_row = rows->seek(std::string_view("\0", 1));
      for (; on_row && *on_row; on_row = rows->next()) {
        const auto key = format::parse_version_key(rows->key());
        EXPECT_TRUE(key);
        const format::Key no = format::session_no_key(key->session);
        const auto value = txn->get(Keyspace::sessions, no);
        EXPECT_TRUE(value && *value);
        const auto identity = format::parse_session_no(no, **value);
        EXPECT_TRUE(identity);
        if (identity->owner == owner) bytes += rows->key().size() + rows->value().size();
      }
      EXPECT_TRUE(on_row);
    }
    return bytes;
  }

  // For what no message tells.
  std::size_t counted(const OwnerAccount& account) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!account.bytes()) {
      if (std::chrono::steady_clock::now() > until) {
        ADD_FAILURE() << "waited in vain";
        return 0;
      }
      std::this_thread::yield();
    }
    return *account.bytes();
  }

  TempDir data_;
  std::unique_ptr<Store> store_;
  std::map<std::string, SessionNo> sessions_;
};

TEST_F(OwnerUsageTest, WithoutLimitsThereIsNothing) {
  open(0, 0);
  EXPECT_EQ(store_->shard(0).usage(), nullptr);
  open(1, 0);
  EXPECT_EQ(usage().account("ann"), nullptr);
  EXPECT_FALSE(usage().follows_bytes());
  open(0, 1);
  EXPECT_EQ(*usage().take_session("ann"), nullptr);
}

TEST_F(OwnerUsageTest, AnOwnerHasSoManySessionsInAllShardsAndAfterARestart) {
  open(5, 0);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(create({"ann", "s" + std::to_string(i)})) << i;
  const Status refused = create({"ann", "s5"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::rate_limited);
  EXPECT_NE(refused.error().hint, "");
  ASSERT_TRUE(create({"bob", "s0"}));
  ASSERT_TRUE(create({"an", "s0"})) << "a name that begins another";

  open(5, 0);
  EXPECT_FALSE(create({"ann", "s5"}));
  open(6, 0);
  EXPECT_TRUE(create({"ann", "s5"}));
  EXPECT_FALSE(create({"ann", "s6"}));
  open(3, 0);
  EXPECT_FALSE(create({"ann", "s6"})) << "more are there than allowed now";
}

TEST_F(OwnerUsageTest, ASessionThatIsNotCreatedAfterAllIsGivenBack) {
  open(1, 0);
  { const auto dropped = usage().take_session("ann"); }
  {
    auto grant = usage().take_session("ann");
    ASSERT_TRUE(grant);
    EXPECT_FALSE(usage().take_session("ann"));
    (*grant)->settled(Error(Errc::storage_full, "x"));
  }
  auto grant = usage().take_session("ann");
  ASSERT_TRUE(grant);
  (*grant)->settled({});
  grant->reset();
  EXPECT_FALSE(usage().take_session("ann"));
}

TEST_F(OwnerUsageTest, BytesAreThoseOfTheStoredVersionsWhenWritesAndCountsMeet) {
  open(0, limits::kGiB);
  std::mt19937 random(7);
  const std::vector<Identity> all = {{"ann", "a"}, {"ann", "b"}, {"ann", "c"}, {"bob", "a"}};
  for (const Identity& one : all) ASSERT_TRUE(create(one));
  std::vector<std::pair<const Identity*, std::string>> there;
  Txid txid = 1;
  std::shared_ptr<const OwnerAccount> ann, bob;
  for (int round = 0; round < 2000; ++round) {
    const Identity& one = all[random() % all.size()];
    WriteBatch batch;
    for (unsigned i = random() % 4 + 1; i-- > 0;) {
      const int record = static_cast<int>(random() % 50);
      std::string key = version(one, record, ++txid);
      there.emplace_back(&one, key);
      batch.put(Keyspace::versions, std::move(key), std::string(random() % 300, 'x'));
      batch.put(Keyspace::order, format::order_key(1, 1, txid).str(), "not counted");
    }
    write(one, std::move(batch));
    if (random() % 3 == 0) {
      // Some of it goes again; in the same commit, a later one, or twice.
      const auto& gone = there[random() % there.size()];
      WriteBatch erasing;
      erasing.erase(Keyspace::versions, gone.second);
      write(*gone.first, std::move(erasing));
    }
    // The counts begin in the middle of it.
    if (round == 700) ann = usage().account("ann");
    if (round == 1300) bob = usage().account("bob");
  }
  ASSERT_TRUE(store_->flush());
  EXPECT_EQ(counted(*ann), bytes_of("ann"));
  EXPECT_EQ(counted(*bob), bytes_of("bob"));
  EXPECT_GT(bytes_of("ann"), bytes_of("bob"));

  const std::size_t before = bytes_of("ann");
  open(0, limits::kGiB);
  EXPECT_EQ(counted(*usage().account("ann")), before);
}

TEST_F(OwnerUsageTest, ALargeOwnerIsCountedWhileItIsWrittenTo) {
  open(0, limits::kGiB, 1);
  const Identity one{"ann", "a"};
  ASSERT_TRUE(create(one));
  Txid txid = 0;
  const auto some = [&](int count) {
    WriteBatch batch;
    for (int i = 0; i < count; ++i) {
      batch.put(Keyspace::versions, version(one, i, ++txid), std::string(20, 'x'));
    }
    write(one, std::move(batch));
  };
  for (int i = 0; i < 30; ++i) some(1000);  // more than account() counts itself
  ASSERT_TRUE(store_->flush());
  const auto ann = usage().account("ann");
  while (!ann->bytes()) {
    EXPECT_TRUE(ann->admit_bytes());
    some(10);
    ASSERT_TRUE(store_->flush());
  }
  some(10);
  ASSERT_TRUE(store_->flush());
  EXPECT_EQ(counted(*ann), bytes_of("ann"));
}

TEST_F(OwnerUsageTest, WhoHasAllOfHisBytesMayNotHaveMoreUntilSomeAreGone) {
  open(0, 1000, 1);
  const Identity one{"ann", "a"};
  ASSERT_TRUE(create(one));
  const auto ann = usage().account("ann");
  EXPECT_TRUE(ann->admit_bytes());
  const std::string key = version(one, 1, 1);
  WriteBatch batch;
  batch.put(Keyspace::versions, key, std::string(1000 - key.size(), 'x'));
  write(one, std::move(batch));
  ASSERT_TRUE(store_->flush());
  const Status refused = ann->admit_bytes();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::storage_full);
  EXPECT_NE(refused.error().hint, "");
  WriteBatch erasing;
  erasing.erase(Keyspace::versions, key);
  write(one, std::move(erasing));
  ASSERT_TRUE(store_->flush());
  EXPECT_TRUE(ann->admit_bytes());
  EXPECT_EQ(ann->bytes(), 0U);
}

TEST_F(OwnerUsageTest, OwnersWhomNobodyHoldsAreForgottenAndCountedAgain) {
  open(1, limits::kGiB, 1);
  ASSERT_TRUE(create({"ann", "a"}));
  WriteBatch batch;
  batch.put(Keyspace::versions, version({"ann", "a"}, 1, 1), "x");
  write({"ann", "a"}, std::move(batch));
  ASSERT_TRUE(store_->flush());
  std::weak_ptr<const OwnerAccount> ann = usage().account("ann");
  for (int i = 0; i < 40'000; ++i) usage().account("owner-" + std::to_string(i));
  EXPECT_TRUE(ann.expired());
  EXPECT_FALSE(create({"ann", "b"}));
  EXPECT_EQ(counted(*usage().account("ann")), bytes_of("ann"));
}

}  // namespace
}  // namespace kontract
