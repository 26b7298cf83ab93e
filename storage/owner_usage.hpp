// OwnerUsage: what each owner has in the store, and whether he may have more.
//
// A session counts from its creation. *Bytes* are the keys and values of all stored versions of the
// owner's records: those that were superseded or deleted, too, until they are collected; neither
// indexes nor what LMDB's pages cost beside.
//
// Nothing of it is stored. An owner is counted when he is first asked for, and followed from there:
// - sessions by the creations themselves. All of them go through take_session(), which counts the
//   stored ones before the first, at most as many as allowed; so none is missed, applied or not.
// - bytes by the commit log, which tells what each of its commits has brought. A count reads one
//   snapshot of each shard, which says by the number of its last commit what is in it, and adds
//   what later commits tell. Since only commits count, a crash and a failed group take nothing
//   back.
//
// So what was acknowledged in the last moments, and is not committed by LMDB yet, is above the
// limit. A large owner is counted on a thread of its own; until that is done he may write.
//
// Owners that nobody holds are forgotten when there are many. Thread-safe.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/commit_log.hpp"

namespace kontract {

class Shard;

struct OwnerLimits {
  std::size_t sessions_max = 0;  // 0: no limit
  std::size_t bytes_max = 0;     // 0: no limit
};

class OwnerAccount {
 public:
  OwnerAccount(std::string owner, const OwnerLimits& limits)
      : owner_(std::move(owner)), limits_(limits) {}

  // Whether the owner may write more bytes. Errors: storage_full.
  Status admit_bytes() const;
  std::optional<std::size_t> bytes() const;  // nothing before they are counted

  // A session that was granted was appended.
  void created(const CommitLog& log, Ticket ticket);

 private:
  friend class OwnerUsage;
  friend class SessionGrant;
  static constexpr std::int64_t kUncounted = -1;
  // What a commit changed of the bytes.
  struct Change {
    std::size_t shard;
    std::uint64_t commit;
    std::int64_t bytes;
  };

  // For OwnerUsage.
  void add(const Change& change);
  void set_count(std::int64_t bytes, std::vector<std::uint64_t> counted_at);
  void give_back_session();

  const std::string owner_;
  const OwnerLimits limits_;
  std::atomic<std::int64_t> bytes_{kUncounted};

  std::mutex mutex_;                       // of what follows
  bool counting_ = false;                  // or counted
  std::vector<Change> early_;              // while it is counted
  std::vector<std::uint64_t> counted_at_;  // by shard: the last commit that is in it

  std::mutex sessions_mutex_;  // of what follows; held while they are counted
  std::optional<std::size_t> sessions_;
  std::unordered_map<const CommitLog*, Ticket> created_;  // the last one of each shard
};

// A session that is to be created: the waiter of the batch that creates it. If that fails, or never
// comes, the owner has one less.
class SessionGrant final : public Settled {
 public:
  explicit SessionGrant(std::shared_ptr<OwnerAccount> account) : account_(std::move(account)) {}
  ~SessionGrant() override;
  void settled(const Status& status) noexcept override;
  const std::shared_ptr<OwnerAccount>& account() const { return account_; }

 private:
  std::shared_ptr<OwnerAccount> account_;
};

class OwnerUsage {
 public:
  explicit OwnerUsage(const OwnerLimits& limits) : limits_(limits) {}
  ~OwnerUsage() { stop(); }

  // `shards` in their order; they are there until stop().
  void start(std::vector<Shard*> shards);
  void stop();

  // Null if bytes are not limited.
  std::shared_ptr<const OwnerAccount> account(const std::string& owner);

  // For the session that the caller is about to create; null if they are not limited. Reads at most
  // as many rows as sessions are allowed. Errors: rate_limited, and those of reading.
  Result<std::unique_ptr<SessionGrant>> take_session(const std::string& owner);
  // One of the owner's is gone, and applied.
  void session_destroyed(const std::string& owner);

  // For the log of a shard, before anybody is told of the commit: whether it is to follow bytes,
  // and what it found.
  bool follows_bytes() const { return limits_.bytes_max > 0; }
  void committed(std::size_t shard, std::uint64_t commit,
                 const std::vector<std::pair<std::string, std::int64_t>>& bytes_of_owners);

 private:
  using AccountPtr = std::shared_ptr<OwnerAccount>;
  static constexpr std::size_t kSweepAt = 16'384;
  static constexpr std::size_t kRowsAtOnce = 10'000;  // that the caller of account() may count

  AccountPtr find_or_make(const std::string& owner);
  // False: there are more rows than `rows_max`.
  Result<bool> count(OwnerAccount& account, std::size_t rows_max) const;
  Result<std::size_t> count_sessions(const std::string& owner, std::size_t most) const;
  void run();

  const OwnerLimits limits_;
  std::vector<Shard*> shards_;

  std::mutex mutex_;  // of what follows
  std::unordered_map<std::string, AccountPtr> accounts_;
  std::size_t sweep_at_ = kSweepAt;
  std::deque<AccountPtr> to_count_;
  bool stopping_ = false;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace kontract
