#include "storage/detail/shared_writer.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "storage/data_directory.hpp"
#include "storage/detail/each_row.hpp"
#include "storage/format.hpp"
#include "storage/shard.hpp"

namespace kontract {

SharedWriter::SharedWriter(SharedEntries& entries, Options options)
    : entries_(entries), options_(std::move(options)), file_(options_.directory / "data.mdb") {}

SharedWriter::~SharedWriter() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

// ---- the environment

// Its format row tells it from a shard: of those there are 0.
Status SharedWriter::open_environment() {
  if (Status made = create_directories_durably(options_.directory); !made) return made;
  auto environment = Environment::open(options_.directory, {options_.map_bytes, false});
  if (!environment) return std::move(environment).error();
  auto format = read_format(**environment);
  if (!format) return std::move(format).error();
  if (!*format) {
    if (Status set_up = write_format(**environment, {format::kFormatVersion, 0, 0}); !set_up) {
      return set_up;
    }
  } else if ((*format)->shards != 0) {
    return Error(Errc::storage_corrupt, file_.string() + " is a shard, not the shared state",
                 "Put it back in its place.");
  }
  auto commit = verify_last_commit(**environment);
  if (!commit) return std::move(commit).error();
  environment_ = *std::move(environment);
  group_.emplace(*environment_, nullptr, *commit);
  return {};
}

template <class Visit>
Status SharedWriter::each_row(const Visit& visit) {
  auto txn = environment_->read();
  if (!txn) return std::move(txn).error();
  return kontract::each_row(*txn, Keyspace::shared, visit);
}

Status SharedWriter::load(std::int64_t now_ms) {
  if (!file_exists(file_)) return {};
  bool expired = false;
  Status loaded = open_environment();
  if (loaded) {
    loaded = each_row([&](std::string_view key, std::string_view value) -> Status {
      auto row = format::parse_shared(key, value);
      if (!row) return Error(row.error().code, file_.string() + ": " + row.error().message);
      const std::int64_t expires_ms = row->expires_ms == 0 ? kNeverExpires : row->expires_ms;
      if (expires_ms > now_ms) {
        entries_.load(key, {std::make_shared<const JsonText>(row->text), expires_ms});
      } else {
        entries_.found_on_disk(key);
        expired = true;
      }
      return {};
    });
  }
  if (!loaded && loaded.error().code == Errc::storage_corrupt) {
    loaded.error().hint =
        "Look for disk errors (dmesg, smartctl) and restore the data directory from a backup; or "
        "move " +
        options_.directory.string() + " away, to start without shared state.";
  }
  if (expired) awake_.store(true, std::memory_order_relaxed);
  return loaded;
}

Status SharedWriter::open_afresh() {
  group_.reset();
  environment_.reset();
  if (Status opened = open_environment(); !opened) return opened;
  Status walked = each_row([this](std::string_view key, std::string_view) {
    entries_.found_on_disk(key);
    return Status();
  });
  if (!walked) return walked;
  entries_.make_all_pending();
  return {};
}

// ---- writing

Status SharedWriter::store() {
  if (!environment_) {
    if (Status opened = open_environment(); !opened) return opened;
  }
  WriteBatch batch;
  entries_.each_to_write([&batch](const std::string& key, const SharedText& value) {
    if (!value.text) return batch.erase(Keyspace::shared, key);
    const std::int64_t expires_ms = value.expires_ms == kNeverExpires ? 0 : value.expires_ms;
    batch.put(Keyspace::shared, key, format::shared_value(key, {expires_ms, *value.text}));
  });
  const LoggedBatch logged{0, std::move(batch), nullptr};
  Status done = group_->apply({&logged, 1});
  if (done) done = group_->commit({&logged, 1});
  if (!done) {
    group_->abort();
    const Errc code = done.error().code;
    doubtful_ = code != Errc::storage_full && code != Errc::overloaded;
  }
  return done;
}

Status SharedWriter::write() {
  entries_.collect_expired();
  if (doubtful_) {
    if (Status opened = open_afresh(); !opened) return opened;
    doubtful_ = false;
  }
  Status done;
  if (entries_.begin_write()) {
    done = store();
    commits_.fetch_add(done ? 1 : 0, std::memory_order_relaxed);
  }
  entries_.end_write(done.has_value());
  return done;
}

void SharedWriter::tell(const Status& written, bool last) {
  const bool failed_before = failing_.exchange(!written, std::memory_order_relaxed);
  if (written) {
    if (failed_before) options_.alarm(file_.string() + ": the shared state is written again");
  } else if (last) {
    options_.alarm(written.error().message +
                   "; what changed in the shared state since the last write is lost");
  } else if (!failed_before) {
    options_.alarm(written.error().message +
                   "; the shared state goes on in memory, and a crash loses what changed in it "
                   "until it can be written");
  }
}

// ---- the thread

void SharedWriter::start() {
  thread_ = std::thread([this] { run(); });
}

void SharedWriter::run() {
  auto pause = options_.interval;
  const auto urgent = [this] { return closing_ || flush_wanted_ > flush_done_; };
  const auto called = [&] { return urgent() || awake_.load(std::memory_order_relaxed); };
  std::unique_lock lock(mutex_);
  for (;;) {
    if (entries_.size() == 0) {
      wake_.wait(lock, called);
    } else {
      wake_.wait_for(lock, limits::kSharedCollectInterval, called);
    }
    wake_.wait_for(lock, pause, urgent);
    const std::uint64_t flushes = flush_wanted_;
    const bool last = closing_;
    lock.unlock();
    // Whoever changes something that begin_write() does not find locks a part after it, so he sees
    // this and wakes the thread again.
    awake_.store(false, std::memory_order_relaxed);
    const Status written = write();
    tell(written, last);
    if (!written) awake_.store(true, std::memory_order_relaxed);
    pause = written ? options_.interval
                    : std::max<std::chrono::milliseconds>(options_.interval,
                                                          limits::kSharedRetryInterval);
    lock.lock();
    flush_done_ = flushes;
    last_write_ = written;
    flushed_.notify_all();
    if (last) return;
  }
}

void SharedWriter::wake() {
  if (awake_.load(std::memory_order_relaxed) || awake_.exchange(true, std::memory_order_relaxed)) {
    return;
  }
  { const std::lock_guard lock(mutex_); }  // so that the thread is waiting, or has not looked yet
  wake_.notify_one();
}

Status SharedWriter::flush() {
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = ++flush_wanted_;
  wake_.notify_one();
  flushed_.wait(lock, [&] { return flush_done_ >= wanted; });
  return last_write_;
}

}  // namespace kontract
