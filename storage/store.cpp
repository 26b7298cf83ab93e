#include "storage/store.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "storage/ballast.hpp"
#include "storage/data_directory.hpp"
#include "storage/owner_usage.hpp"
#include "storage/shard.hpp"

namespace kontract {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr unsigned kShardsMax = 64;  // each reserves a map and runs a thread
constexpr std::size_t kStartFreeBytes = 128 * limits::kMiB;
constexpr auto kDiskInterval = 250ms;

// FNV-1a, 64 bits, over owner, 0, name. It says where a session is stored: never to change.
std::uint64_t shard_hash(const Identity& identity) {
  std::uint64_t hash = 0xCBF29CE484222325;
  const auto add = [&hash](std::string_view bytes) {
    for (const char byte : bytes) {
      hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
    }
  };
  add(identity.owner);
  add(std::string_view("\0", 1));
  add(identity.name);
  return hash;
}

class LmdbStore final : public Store {
 public:
  LmdbStore(StoreOptions options, std::unique_ptr<DataDirectory> directory)
      : options_(std::move(options)),
        directory_(std::move(directory)),
        disk_(directory_->path(), options_.disk_floor_bytes, options_.alarm) {}

  ~LmdbStore() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_.notify_all();
    if (housekeeping_.joinable()) housekeeping_.join();
    if (usage_) usage_->stop();
  }

  Status start() {
    if (Status opened = open_shards(); !opened) return opened;
    auto shared = SharedState::open({.directory = directory_->shared(),
                                     .entries_max = options_.shared_entries_max,
                                     .bytes_max = options_.shared_bytes_max,
                                     .write_interval = options_.shared_write_interval,
                                     .alarm = options_.alarm});
    if (!shared) return std::move(shared).error();
    shared_ = *std::move(shared);
    keep_house();
    housekeeping_ = std::thread([this] { run(); });
    return {};
  }

  Shard& shard_of(const Identity& identity) override {
    return *shards_[shard_hash(identity) % shards_.size()];
  }
  std::size_t shards() const override { return shards_.size(); }
  Shard& shard(std::size_t index) override { return *shards_.at(index); }
  SharedState& shared() override { return *shared_; }
  const StoreOptions& options() const override { return options_; }

  StoreMetrics metrics() const override {
    StoreMetrics sum;
    for (const auto& shard : shards_) {
      const LmdbCommitLog::Metrics& log = std::as_const(*shard).log().metrics();
      sum.commits += log.commits.load(std::memory_order_relaxed);
      sum.batches += log.batches.load(std::memory_order_relaxed);
      sum.bytes_written += log.bytes_written.load(std::memory_order_relaxed);
      sum.failed_groups += log.failed_groups.load(std::memory_order_relaxed);
      sum.map_used_bytes = std::max(sum.map_used_bytes, shard->log().map_room().used_bytes());
      sum.writable = sum.writable && shard->log().admit(/*frees_space=*/false);
    }
    sum.disk_free_bytes = disk_.free_bytes();
    return sum;
  }

  Status flush() override {
    Status result;
    for (const auto& shard : shards_) {
      if (Status flushed = shard->log().flush(); !flushed) result = std::move(flushed);
    }
    return result;
  }

 private:
  Status open_shards();
  Result<unsigned> existing_shards();
  Result<std::unique_ptr<Environment>> open_environment(unsigned index);
  void keep_house();
  void run();

  StoreOptions options_;
  std::unique_ptr<DataDirectory> directory_;
  DiskRoom disk_;
  std::unique_ptr<OwnerUsage> usage_;  // null: owners have no limits
  std::vector<std::unique_ptr<LmdbShard>> shards_;
  std::unique_ptr<SharedState> shared_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool closing_ = false;
  std::thread housekeeping_;
};

Result<std::unique_ptr<Environment>> LmdbStore::open_environment(unsigned index) {
  return Environment::open(directory_->shard(index), {options_.map_bytes, false});
}

// Shard 0 is set up last, so its format row says that all of them are. Without it there must be
// nothing in any: then it was never finished, and is begun again.
Result<unsigned> LmdbStore::existing_shards() {
  if (file_exists(directory_->shard(0) / "data.mdb")) {
    auto first = open_environment(0);
    if (!first) return std::move(first).error();
    auto row = read_format(**first);
    if (!row) return std::move(row).error();
    if (*row) return (*row)->shards;
  }
  for (unsigned i = 1; i < kShardsMax; ++i) {
    if (!file_exists(directory_->shard(i) / "data.mdb")) continue;
    auto other = open_environment(i);
    if (!other) return std::move(other).error();
    auto txn = (*other)->read();
    if (!txn) return std::move(txn).error();
    auto commit = txn->get(Keyspace::meta, format::commit_key());
    if (!commit) return std::move(commit).error();
    if (*commit) {
      return Error(Errc::storage_corrupt,
                   directory_->shard(0).string() + " is missing or empty, but " +
                       directory_->shard(i).string() + " holds sessions",
                   "Restore the missing shard from a backup; all shards must be of one age.");
    }
  }
  return 0U;
}

Status LmdbStore::open_shards() {
  auto existing = existing_shards();
  if (!existing) return std::move(existing).error();
  const unsigned count = *existing != 0 ? *existing : std::max(options_.shards, 1U);
  if (count > kShardsMax || (options_.shards != 0 && options_.shards != count)) {
    return Error(Errc::invalid_request,
                 directory_->path().string() + ": " + std::to_string(options_.shards) +
                     " shards were asked for; " +
                     (*existing != 0 ? "it has " + std::to_string(*existing)
                                     : "there can be " + std::to_string(kShardsMax) + " at most"),
                 "The number is fixed when the directory is created, since it decides where a "
                 "session lives. Give that number, or 0 to take whatever it has.");
  }
  options_.shards = count;

  std::vector<std::unique_ptr<Environment>> environments(count);
  for (unsigned i = count; i-- > 0;) {
    const fs::path directory = directory_->shard(i);
    if (*existing != 0 && !file_exists(directory / "data.mdb")) {
      return Error(Errc::storage_corrupt, (directory / "data.mdb").string() + " is missing",
                   "Restore the shard from a backup; all shards must be of one age.");
    }
    if (Status made = create_directories_durably(directory); !made) return made;
    auto environment = open_environment(i);
    if (!environment) return std::move(environment).error();
    environments[i] = *std::move(environment);

    const format::FormatRow expected{format::kFormatVersion, count, i};
    auto row = read_format(*environments[i]);
    if (!row) return std::move(row).error();
    if (*existing == 0) {
      if (Status written = write_format(*environments[i], expected); !written) return written;
    } else if (!*row || (*row)->shards != count || (*row)->shard != i) {
      return Error(Errc::storage_corrupt,
                   environments[i]->file().string() + " is not shard " + std::to_string(i) +
                       " of " + std::to_string(count),
                   "Shards were moved or mixed with those of another directory. Put each back in "
                   "its place.");
    }
  }
  if (options_.sessions_per_owner_max > 0 || options_.bytes_per_owner_max > 0) {
    usage_ = std::make_unique<OwnerUsage>(
        OwnerLimits{options_.sessions_per_owner_max, options_.bytes_per_owner_max});
  }
  for (auto& environment : environments) {
    auto shard =
        LmdbShard::open(std::move(environment), disk_, options_, usage_.get(), shards_.size());
    if (!shard) return std::move(shard).error();
    shards_.push_back(*std::move(shard));
  }
  if (usage_) {
    std::vector<Shard*> all;
    for (const auto& shard : shards_) all.push_back(shard.get());
    usage_->start(std::move(all));
  }
  return {};
}

void LmdbStore::keep_house() {
  for (const auto& shard : shards_) {
    const auto cleared = shard->environment().clear_stale_readers();
    const std::string file = shard->environment().file().string();
    if (!cleared) {
      options_.alarm(cleared.error().message);
    } else if (*cleared > 0) {
      options_.alarm(file + ": cleared " + std::to_string(*cleared) + " readers of dead processes");
    }
  }
  const auto kept =
      keep_ballast(directory_->path(), options_.ballast_bytes, options_.disk_floor_bytes);
  if (!kept) options_.alarm(kept.error().message);
}

void LmdbStore::run() {
  auto next_round = std::chrono::steady_clock::now() + limits::kStaleReaderInterval;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kDiskInterval, [this] { return closing_; })) {
    lock.unlock();
    disk_.refresh(kDiskInterval / 2);
    for (const auto& shard : shards_) {
      shard->log().map_room().refresh();
      shard->purge();
    }
    if (std::chrono::steady_clock::now() >= next_round) {
      keep_house();
      next_round = std::chrono::steady_clock::now() + limits::kStaleReaderInterval;
    }
    lock.lock();
  }
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(StoreOptions options) {
  if (options.record_bytes_max > limits::kRecordBytesCeiling ||
      options.record_id_bytes_max > limits::kRecordIdBytesMax) {
    return Error(Errc::invalid_request,
                 "A record may have at most " + std::to_string(limits::kRecordBytesCeiling) +
                     " bytes and its id " + std::to_string(limits::kRecordIdBytesMax));
  }
  auto directory = DataDirectory::open(options.data, DataDirectory::Missing::create);
  if (!directory) return std::move(directory).error();
  const std::size_t needed = std::min(kStartFreeBytes, options.disk_floor_bytes / 4);
  const auto free = disk_free_bytes(options.data);
  if (!free) return free.error();
  if (*free < needed) {
    return Error(Errc::storage_full,
                 options.data.string() + ": the disk has " + std::to_string(*free / limits::kMiB) +
                     " MiB free, " + std::to_string(needed / limits::kMiB) +
                     " MiB are needed to start",
                 "Free space on this disk: the file `ballast` in that directory may be deleted.");
  }
  auto store = std::make_unique<LmdbStore>(std::move(options), *std::move(directory));
  if (Status started = store->start(); !started) return std::move(started).error();
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace kontract
