#include "storage/lmdb_commit_log.hpp"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "storage/detail/verdicts.hpp"

namespace kontract {
namespace {

using namespace std::chrono_literals;

constexpr auto kDiskAgeMax = 250ms;
constexpr auto kRetryAfterOverload = 100ms;
constexpr auto kRecoverInterval = 50ms;

// What LMDB may need at most to commit what the journal holds already: pages for every operation,
// and for its own.
constexpr std::size_t kRoomPerOp = 16 * limits::kKiB;
constexpr std::size_t kRoomForCommit = 64 * limits::kMiB;

}  // namespace

LmdbCommitLog::LmdbCommitLog(Environment& environment, DiskRoom& disk, Options options)
    : environment_(environment),
      disk_(disk),
      durability_(options.durability),
      commit_interval_(options.commit_interval),
      alarm_(options.alarm),
      map_room_(environment, alarm_),
      writer_(environment, std::move(options.journal), options.last_commit, options.usage) {
  thread_ = std::thread([this] { run(); });
}

LmdbCommitLog::~LmdbCommitLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake();
  }
  thread_.join();
}

// ---- Any thread

void LmdbCommitLog::wake() {
  if (std::exchange(asleep_, false)) wake_.notify_one();
}

Ticket LmdbCommitLog::append(WriteBatch batch, Epoch epoch, std::unique_ptr<Settled> waiter) {
  for (const WriteOp& op : batch.ops()) {
    KONTRACT_ASSERT(!op.key.empty() && op.key.size() <= limits::kLmdbKeyBytesMax);
    KONTRACT_ASSERT(op.space != Keyspace::meta);  // the log's own
  }
  Verdicts verdicts;
  const std::lock_guard lock(mutex_);
  const Ticket ticket = appended_.load(std::memory_order_relaxed) + 1;
  appended_.store(ticket, std::memory_order_release);
  if (epoch == epoch_.load(std::memory_order_relaxed) && is_sound()) {
    queue_bytes_.fetch_add(batch.bytes(), std::memory_order_relaxed);
    queue_.push_back({ticket, std::move(batch), std::move(waiter)});
    wake();
    return ticket;
  }
  failed_.add(ticket, ticket);
  last_failed_.store(ticket, std::memory_order_release);
  verdicts.fail(std::move(waiter), last_failure_);
  advance(verdicts);
  return ticket;
}

void LmdbCommitLog::when_settled(Ticket ticket, std::unique_ptr<Settled> waiter) {
  Verdicts verdicts;
  const std::lock_guard lock(mutex_);
  KONTRACT_ASSERT(ticket <= appended_.load(std::memory_order_relaxed));
  if (ticket > acknowledged_.load(std::memory_order_relaxed)) {
    settled_watchers_.push_back({ticket, std::move(waiter)});
    return;
  }
  if (failed_.contains(ticket)) {
    verdicts.fail(std::move(waiter), last_failure_);
  } else {
    verdicts.succeed(std::move(waiter));
  }
}

void LmdbCommitLog::when_applied(Ticket ticket, std::unique_ptr<Settled> waiter) {
  Verdicts verdicts;
  const std::lock_guard lock(mutex_);
  const bool waits = ticket > applied_.load(std::memory_order_relaxed);
  if (waits && health_.load(std::memory_order_relaxed) == Health::broken) {
    return verdicts.fail(std::move(waiter), last_failure_);  // it will not be before a restart
  }
  if (waits) {
    applied_watchers_.push_back({ticket, std::move(waiter)});
    return wake();
  }
  if (failed_.contains(ticket)) {
    verdicts.fail(std::move(waiter), last_failure_);
  } else {
    verdicts.succeed(std::move(waiter));
  }
}

bool LmdbCommitLog::acknowledged(Ticket ticket) const noexcept {
  if (ticket > acknowledged_.load(std::memory_order_acquire)) return false;
  if (ticket > last_failed_.load(std::memory_order_acquire)) return true;
  const std::lock_guard lock(mutex_);
  return !failed_.contains(ticket);
}

Status LmdbCommitLog::admit(bool frees_space) const {
  if (!is_sound()) {
    const std::lock_guard lock(mutex_);
    return last_failure_;
  }
  if (queue_bytes_.load(std::memory_order_relaxed) > limits::kLogQueueBytesMax) {
    Error error(Errc::overloaded, "Too many writes wait for the disk");
    error.retry_after = kRetryAfterOverload;
    return error;
  }
  if (auto admitted = map_room_.admit(frees_space); !admitted) return admitted;
  return disk_.admit(frees_space);
}

Status LmdbCommitLog::flush() {
  std::unique_lock lock(mutex_);
  const Epoch epoch = epoch_.load(std::memory_order_relaxed);
  const Ticket target = appended_.load(std::memory_order_relaxed);
  const auto done = [&] {
    return applied_.load(std::memory_order_relaxed) >= target || !is_sound();
  };
  if (!done()) {
    flush_to_ = target;
    wake();
    progress_.wait(lock, done);
  }
  if (!is_sound() || epoch != epoch_.load(std::memory_order_relaxed)) {
    return last_failure_;
  }
  return {};
}

bool LmdbCommitLog::is_sound() const {
  return health_.load(std::memory_order_acquire) == Health::sound;
}

// ---- With mutex_ held

// Moves the floors to what is decided now, and finds whom to tell of it.
void LmdbCommitLog::advance(Verdicts& verdicts) {
  const Ticket undecided = taken_first_ != 0 ? taken_first_
                           : queue_.empty()  ? appended_.load(std::memory_order_relaxed) + 1
                                             : queue_.front().ticket;
  const Ticket unapplied = unapplied_first_ != 0 ? unapplied_first_ : undecided;
  acknowledged_.store(undecided - 1, std::memory_order_release);
  applied_.store(unapplied - 1, std::memory_order_release);
  const auto tell_below = [&](Ticket floor, std::vector<Watcher>& watchers) {
    if (watchers.empty()) return;
    const auto end = std::stable_partition(watchers.begin(), watchers.end(),
                                           [&](const Watcher& w) { return w.ticket < floor; });
    std::stable_sort(watchers.begin(), end,
                     [](const Watcher& a, const Watcher& b) { return a.ticket < b.ticket; });
    for (auto watcher = watchers.begin(); watcher != end; ++watcher) {
      if (failed_.contains(watcher->ticket)) {
        verdicts.fail(std::move(watcher->waiter), last_failure_);
      } else {
        verdicts.succeed(std::move(watcher->waiter));
      }
    }
    watchers.erase(watchers.begin(), end);
  };
  tell_below(undecided, settled_watchers_);
  tell_below(unapplied, applied_watchers_);
  progress_.notify_all();
}

bool LmdbCommitLog::commit_is_due() const {
  return stopping_ || !applied_watchers_.empty() ||
         flush_to_ > applied_.load(std::memory_order_relaxed) ||
         kept_bytes_ >= limits::kGroupBytesMax || Clock::now() >= commit_by_;
}

// ---- The log's thread

void LmdbCommitLog::run() {
  while (take_group()) write_group();
}

// Waits until there is something to do and moves the next group to kept_: an empty one if only a
// commit is due. False when the log stops and nothing is left.
bool LmdbCommitLog::take_group() {
  std::unique_lock lock(mutex_);
  while (health_.load(std::memory_order_relaxed) == Health::stalled) {
    if (stopping_) return false;  // the next start takes over
    wake_.wait_for(lock, kRecoverInterval);
    lock.unlock();
    recover();
    lock.lock();
  }
  while (queue_.empty() && !stopping_ && !(writer_.has_transaction() && commit_is_due())) {
    asleep_ = true;
    if (writer_.has_transaction()) {
      wake_.wait_until(lock, commit_by_);
    } else {
      wake_.wait(lock);
    }
  }
  asleep_ = false;
  group_begin_ = kept_.size();
  if (queue_.empty()) return writer_.has_transaction();

  taken_first_ = queue_.front().ticket;
  std::size_t count = 0, bytes = 0;
  while (count < queue_.size() && count < limits::kGroupBatchesMax &&
         (count == 0 || bytes + queue_[count].batch.bytes() <= limits::kGroupBytesMax)) {
    bytes += queue_[count++].batch.bytes();
  }
  if (kept_.empty() && count == queue_.size()) {
    kept_.swap(queue_);
  } else {
    const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(count);
    std::move(queue_.begin(), end, std::back_inserter(kept_));
    queue_.erase(queue_.begin(), end);
  }
  kept_bytes_ += bytes;
  queue_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  return true;
}

void LmdbCommitLog::write_group() {
  std::size_t acknowledged = kept_.size();
  if (group_begin_ < kept_.size()) {
    if (Status applied = apply(group_begin_); !applied) {
      return write_again(std::move(applied).error(), group_begin_);
    }
    Result<bool> safe = durability_ == Durability::relaxed;
    if (!*safe && may_run_ahead()) safe = writer_.log();
    if (!safe) return write_again(safe.error(), group_begin_, Failed::journal);
    if (*safe) {
      acknowledge_group();
    } else {
      acknowledged = group_begin_;
    }
  }
  if (acknowledged == kept_.size()) {
    const std::lock_guard lock(mutex_);
    if (!commit_is_due()) return;
  }
  if (Status committed = commit(); !committed) {
    return write_again(std::move(committed).error(), acknowledged);
  }
  settle_committed(kept_.size());
}

// Whether there is room for sure to commit, later, what is in the transaction.
bool LmdbCommitLog::may_run_ahead() const {
  const std::size_t needed = kRoomForCommit + writer_.op_count() * kRoomPerOp;
  return environment_.map_bytes() - map_room_.used_bytes() > needed && disk_.free_bytes() > needed;
}

Status LmdbCommitLog::apply(std::size_t from) {
  if (!writer_.has_transaction()) commit_by_ = Clock::now() + commit_interval_;
  return writer_.apply(std::span(kept_).subspan(from));
}

Status LmdbCommitLog::commit() {
  if (Status done = writer_.commit(kept_); !done) return done;
  failing_ = false;
  metrics_.commits.fetch_add(1, std::memory_order_relaxed);
  metrics_.batches.fetch_add(kept_.size(), std::memory_order_relaxed);
  metrics_.bytes_written.fetch_add(kept_bytes_, std::memory_order_relaxed);
  map_room_.refresh();
  disk_.refresh(kDiskAgeMax);
  return {};
}

void LmdbCommitLog::acknowledge_group() {
  Verdicts verdicts;
  const std::lock_guard lock(mutex_);
  taken_first_ = 0;
  if (unapplied_first_ == 0) unapplied_first_ = kept_.front().ticket;
  for (std::size_t i = group_begin_; i < kept_.size(); ++i) {
    verdicts.succeed(std::move(kept_[i].waiter));
  }
  advance(verdicts);
}

// The first `count` batches of kept_ are on disk. What follows them stays undecided.
void LmdbCommitLog::settle_committed(std::size_t count) {
  {
    Verdicts verdicts;
    const std::lock_guard lock(mutex_);
    unapplied_first_ = 0;
    if (count == kept_.size()) taken_first_ = 0;
    for (std::size_t i = 0; i < count; ++i) verdicts.succeed(std::move(kept_[i].waiter));
    advance(verdicts);
  }
  // Freed after the replies are on their way.
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(count));
  kept_bytes_ = 0;
}

}  // namespace kontract
