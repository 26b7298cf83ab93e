// What LmdbCommitLog does when a group can not be applied or committed.

#include <iterator>
#include <utility>

#include "storage/detail/verdicts.hpp"
#include "storage/lmdb_commit_log.hpp"

namespace kontract {

using namespace std::chrono_literals;

// The transaction with kept_ is lost; the first `acknowledged` of its batches were acknowledged.
void LmdbCommitLog::write_again(Error error, std::size_t acknowledged, Failed where) {
  writer_.abort();
  if (error.code == Errc::storage_full) {
    // LMDB reuses a page from the second commit on after the one that freed it. So after a delete
    // there may be room that only another commit, of nothing, makes accessible.
    Status done = writer_.apply({});
    if (done) done = writer_.commit({});
    if (done) done = apply(0);
    if (done) done = commit();
    if (done) return settle_committed(kept_.size());
    writer_.abort();
    if (done.error().code == Errc::storage_corrupt) error = std::move(done).error();
  }
  const bool may_save = error.code != Errc::storage_corrupt || where == Failed::journal;
  if (acknowledged > 0 && acknowledged < kept_.size() && may_save) {
    // What was acknowledged had room before the newest group came: it is written alone.
    const auto group = kept_.begin() + static_cast<std::ptrdiff_t>(acknowledged);
    std::vector<LoggedBatch> rest(std::make_move_iterator(group),
                                  std::make_move_iterator(kept_.end()));
    kept_.erase(group, kept_.end());
    Status saved = apply(0);
    if (saved) saved = commit();
    kept_.insert(kept_.end(), std::make_move_iterator(rest.begin()),
                 std::make_move_iterator(rest.end()));
    if (saved) {
      settle_committed(std::exchange(acknowledged, 0));
    } else {
      // A journal that failed stays the reason: nothing may be written to it any more.
      if (where == Failed::lmdb) error = std::move(saved).error();
    }
  }
  fail_all(error, acknowledged);
}

// What was not acknowledged fails, with all that waits, and a new epoch begins. The operator and
// admit() know before the waiters do.
//
// What was acknowledged is committed by now, or lost if that is what relaxed means, or it is in the
// journal and cannot be committed: then the log is stalled or broken and the epoch stays, so that
// those who wrote it go on to know of it.
void LmdbCommitLog::fail_all(const Error& error, std::size_t acknowledged) {
  writer_.abort();
  metrics_.failed_groups.fetch_add(1, std::memory_order_relaxed);
  map_room_.refresh();
  disk_.refresh(0ms);
  const bool in_journal = unapplied_first_ != 0 && durability_ == Durability::sync;
  const Health health = error.code == Errc::storage_corrupt ? Health::broken
                        : in_journal                        ? Health::stalled
                                                            : Health::sound;
  tell_operator(error, health, in_journal);
  failing_ = true;

  std::vector<LoggedBatch> waiting;
  const auto first_failed =
      kept_.begin() + static_cast<std::ptrdiff_t>(in_journal ? acknowledged : 0);
  {
    Verdicts verdicts;
    const std::lock_guard lock(mutex_);
    const Ticket last = appended_.load(std::memory_order_relaxed);
    const Ticket first = first_failed != kept_.end() ? first_failed->ticket
                         : !queue_.empty()           ? queue_.front().ticket
                                                     : last + 1;
    if (first <= last) {
      failed_.add(first, last);
      last_failed_.store(last, std::memory_order_release);
    }
    last_failure_ = error;
    health_.store(health, std::memory_order_release);
    if (!in_journal) {
      epoch_.fetch_add(1, std::memory_order_release);
      unapplied_first_ = 0;
    }
    waiting.swap(queue_);
    queue_bytes_.store(0, std::memory_order_relaxed);
    taken_first_ = 0;
    for (auto logged = first_failed; logged != kept_.end(); ++logged) {
      verdicts.fail(std::move(logged->waiter), error);
    }
    for (LoggedBatch& logged : waiting) verdicts.fail(std::move(logged.waiter), error);
    advance(verdicts);
    if (health == Health::broken) {
      for (Watcher& watcher : applied_watchers_) verdicts.fail(std::move(watcher.waiter), error);
      applied_watchers_.clear();
    }
  }
  kept_.erase(first_failed, kept_.end());  // what is left is tried again, see recover()
  group_begin_ = kept_.size();
  kept_bytes_ = 0;
}

void LmdbCommitLog::tell_operator(const Error& error, Health health, bool in_journal) const {
  const std::string file = environment_.file().string();
  if (unapplied_first_ != 0 && !in_journal) {
    alarm_(error.message + "; acknowledged writes of the last sync interval are lost");
  } else if (!failing_) {
    alarm_(error.message + "; the writes that waited have failed");
  }
  if (health == Health::broken) {
    alarm_(file + ": writes are refused until a restart" +
           (in_journal ? ", which takes acknowledged ones over from the journal" : ""));
  } else if (health == Health::stalled) {
    alarm_(file + ": writes are refused until there is room for acknowledged ones, which are in " +
           "the journal");
  }
}

// Tries to commit what was acknowledged before the log stalled. What failed then is forgotten
// everywhere once it is committed: a new epoch begins.
void LmdbCommitLog::recover() {
  Status saved = apply(0);
  if (saved) saved = commit();
  if (!saved) {
    writer_.abort();
    if (saved.error().code == Errc::storage_corrupt) fail_all(saved.error(), kept_.size());
    return;
  }
  {
    Verdicts verdicts;
    const std::lock_guard lock(mutex_);
    unapplied_first_ = 0;
    epoch_.fetch_add(1, std::memory_order_release);
    health_.store(Health::sound, std::memory_order_release);
    advance(verdicts);
  }
  kept_.clear();
  kept_bytes_ = 0;
}

}  // namespace kontract
