// LmdbShard: one environment of a data directory, verified, with its commit log running.

#pragma once

#include <atomic>
#include <filesystem>
#include <memory>

#include "storage/format.hpp"
#include "storage/lmdb_commit_log.hpp"
#include "storage/room.hpp"
#include "storage/store.hpp"

namespace kontract {

// The format row; nothing if there is none and no session either, so that the shard may be set up.
// Errors: storage_corrupt (the row is damaged), invalid_request (a newer or a foreign format).
Result<std::optional<format::FormatRow>> read_format(Environment& environment);

// Makes the environment shard `row.shard` of `row.shards`.
Status write_format(Environment& environment, const format::FormatRow& row);

// Checks that all that the last commit record names is there. Returns the commit's number, 0 if
// there was none. Errors: storage_corrupt, naming file, commit and key.
Result<std::uint64_t> verify_last_commit(Environment& environment);

class LmdbShard final : public Shard {
 public:
  // `environment` has its format row. `disk`, `options` and `usage`, if there is one, must outlive
  // the shard, which is the one with this index.
  static Result<std::unique_ptr<LmdbShard>> open(std::unique_ptr<Environment> environment,
                                                 DiskRoom& disk, const StoreOptions& options,
                                                 OwnerUsage* usage, std::size_t index);

  Environment& environment() override { return *environment_; }
  LmdbCommitLog& log() override { return *log_; }
  const LmdbCommitLog& log() const { return *log_; }
  SessionNo allocate_session_no() override { return next_session_.fetch_add(1); }
  const StoreOptions& options() const override { return options_; }
  OwnerUsage* usage() override { return usage_; }

  // Goes on removing what destroyed sessions had: a round, unless the one before is not applied.
  // For one thread.
  void purge();

 private:
  LmdbShard(std::unique_ptr<Environment> environment, const StoreOptions& options)
      : environment_(std::move(environment)), options_(options) {}

  std::unique_ptr<Environment> environment_;
  const StoreOptions& options_;
  OwnerUsage* usage_ = nullptr;
  std::unique_ptr<LmdbCommitLog> log_;
  std::atomic<SessionNo> next_session_{1};
  Ticket purged_ = 0;  // of the last round of purge()
};

}  // namespace kontract
