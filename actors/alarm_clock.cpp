#include "actors/alarm_clock.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "actors/alarm_bell.hpp"
#include "actors/detail/due_alarms.hpp"

namespace kontract {

using detail::DueAlarm;
using detail::DueAlarms;

namespace {

using std::chrono::milliseconds;

// A wall clock that was set is noticed after so long.
constexpr std::int64_t kLookMs = 10'000;
constexpr std::int64_t kReadAgainMs = 1000;  // after an error of the store
constexpr std::size_t kParkedMax = 256;      // of one session that has enough under way
constexpr std::size_t kDeferredMax = 1024;
constexpr std::int64_t kDeferMs = 1000, kDeferMsMax = 60'000;
constexpr std::int64_t kConflictMs = 50, kConflictMsMax = 5000;
constexpr int kConflictsMax = 10;  // that do not count as attempts

std::int64_t doubled(std::int64_t ms, int times, std::int64_t max) {
  for (int i = 0; i < times && ms < max; ++i) ms *= 2;
  return std::min(ms, max);
}

}  // namespace

// Belongs to its thread, but for what is atomic.
class AlarmClockLoop {
 public:
  AlarmClockLoop(Store& store, Directory& directory, AlarmClockOptions options)
      : store_(store), directory_(directory), options_(options), bell_(directory.alarm_bell()) {
    for (std::size_t i = 0; i < store.shards(); ++i) shards_.emplace_back(i, store.shard(i), bell_);
    bell_->listen();
    thread_ = std::thread([this] { run(); });
  }
  void stop() {
    bell_->silence();
    if (thread_.joinable()) thread_.join();
  }
  AlarmClockLoop(const AlarmClockLoop&) = delete;
  AlarmClockLoop& operator=(const AlarmClockLoop&) = delete;

  AlarmMetrics metrics() const {
    return {.in_flight = in_flight_count_.load(),
            .fired = fired_.load(),
            .failed = failed_.load(),
            .dead = dead_.load(),
            .skipped = skipped_.load(),
            .deferred = deferred_count_.load(),
            .rows_read = rows_read_.load()};
  }

 private:
  struct Busy {  // a session that has alarms under way
    std::size_t in_flight = 0;
    std::deque<DueAlarm> parked;
    std::int64_t passed_over_ms = DueAlarms::kNever;  // the first that did not fit there
  };
  using SessionKey = std::pair<std::size_t, SessionNo>;

  void run();
  void hear(AlarmBell::Heard heard);
  void fire_what_is_due();
  bool take_one();
  void admit(DueAlarm alarm);
  void send(DueAlarm alarm);
  void ended(std::uint64_t id, const Answer& answer);
  void leave(const DueAlarm& alarm);
  void defer(DueAlarm alarm, const Error& error);
  void count(std::string_view outcome);
  milliseconds until_next() const;

  Store& store_;
  Directory& directory_;
  const AlarmClockOptions options_;
  const std::shared_ptr<AlarmBell> bell_;
  std::vector<DueAlarms> shards_;
  std::int64_t read_again_ms_ = 0;  // not before it
  // Each that was read and is not over is in one of these, and its key is known.
  std::unordered_map<std::uint64_t, DueAlarm> in_flight_;  // by the number of the call
  std::map<SessionKey, Busy> busy_;
  std::multimap<std::int64_t, DueAlarm> deferred_;  // by when it comes again
  std::unordered_set<std::string> known_;
  std::atomic<std::uint64_t> in_flight_count_{0}, fired_{0}, failed_{0}, dead_{0}, skipped_{0},
      deferred_count_{0}, rows_read_{0};
  std::thread thread_;
};

void AlarmClockLoop::run() {
  for (;;) {
    fire_what_is_due();
    AlarmBell::Heard heard = bell_->wait(until_next());
    if (heard.silenced) return;
    hear(std::move(heard));
  }
}

void AlarmClockLoop::hear(AlarmBell::Heard heard) {
  const auto shard_of = [this](const Shard* shard) {
    return std::find_if(shards_.begin(), shards_.end(),
                        [&](const DueAlarms& one) { return one.shard() == shard; });
  };
  for (const AlarmBell::Rung& one : heard.rung) shard_of(one.shard)->rung(one.due_ms, one.ticket);
  for (const auto& [shard, ticket] : heard.applied) shard_of(shard)->applied(ticket);
  for (const auto& [id, answer] : heard.answers) ended(id, answer);
}

void AlarmClockLoop::fire_what_is_due() {
  const std::int64_t now = bell_->now();
  while (!deferred_.empty() && deferred_.begin()->first <= now &&
         in_flight_.size() < options_.in_flight_max) {
    DueAlarm again = std::move(deferred_.begin()->second);
    deferred_.erase(deferred_.begin());
    admit(std::move(again));
  }
  // What nobody can store is not read on and on.
  while (in_flight_.size() < options_.in_flight_max && deferred_.size() < kDeferredMax &&
         take_one()) {
  }
  std::uint64_t rows = 0;
  for (const DueAlarms& shard : shards_) rows += shard.rows_read();
  rows_read_ = rows;
}

// The earliest of all shards; false if none is due.
bool AlarmClockLoop::take_one() {
  const std::int64_t now = bell_->now();
  if (now < read_again_ms_) return false;
  const auto is_known = [this](const std::string& key) { return known_.contains(key); };
  DueAlarms* earliest = nullptr;
  std::int64_t earliest_ms = 0;
  for (DueAlarms& shard : shards_) {
    const auto next = shard.next(now, options_.page_rows, is_known);
    if (!next) {
      store_.options().alarm("alarms: " + next.error().message);
      read_again_ms_ = now + kReadAgainMs;
      continue;
    }
    if (*next == nullptr || (earliest != nullptr && (*next)->due_ms >= earliest_ms)) continue;
    earliest = &shard;
    earliest_ms = (*next)->due_ms;
  }
  if (earliest == nullptr) return false;
  DueAlarm alarm = earliest->take();
  if (known_.insert(alarm.key()).second) admit(std::move(alarm));
  return true;
}

// Sends it, unless its session has enough to do.
void AlarmClockLoop::admit(DueAlarm alarm) {
  Busy& session = busy_[{alarm.shard, alarm.session}];
  if (session.in_flight < options_.session_in_flight_max) {
    ++session.in_flight;
    return send(std::move(alarm));
  }
  if (session.parked.size() < kParkedMax) return session.parked.push_back(std::move(alarm));
  session.passed_over_ms = std::min(session.passed_over_ms, alarm.due_ms);
  known_.erase(alarm.key());
}

void AlarmClockLoop::send(DueAlarm alarm) {
  auto call = std::make_shared<Call>();
  call->kind = CallKind::alarm;
  call->alarm = std::make_shared<AlarmFiring>();
  call->alarm->name = alarm.name;
  call->alarm->due_ms = alarm.due_ms;
  call->alarm->counts_all = alarm.conflicts >= kConflictsMax;
  call->function = "alarm";
  call->deadline = Clock::now() + options_.call_timeout;
  const std::uint64_t id = bell_->number_call();
  call->reply = Reply(bell_, id);
  auto handle = directory_.find(alarm.identity);
  in_flight_.emplace(id, std::move(alarm));
  in_flight_count_ = in_flight_.size();
  if (!handle) return call->reply.fail(std::move(handle).error());
  (*handle)->send(std::move(call));
}

void AlarmClockLoop::ended(std::uint64_t id, const Answer& answer) {
  const auto found = in_flight_.find(id);
  if (found == in_flight_.end()) return;  // sent by a clock before this one
  DueAlarm alarm = std::move(found->second);
  in_flight_.erase(found);
  in_flight_count_ = in_flight_.size();
  leave(alarm);
  if (answer.result) {
    known_.erase(alarm.key());
    count(*answer.result);
  } else {
    defer(std::move(alarm), answer.result.error());
  }
}

// The place of this one in its session is for the next.
void AlarmClockLoop::leave(const DueAlarm& alarm) {
  const auto found = busy_.find({alarm.shard, alarm.session});
  Busy& session = found->second;
  if (!session.parked.empty()) {
    DueAlarm next = std::move(session.parked.front());
    session.parked.pop_front();
    return send(std::move(next));
  }
  if (session.passed_over_ms != DueAlarms::kNever) {
    shards_[alarm.shard].read_again_from(std::exchange(session.passed_over_ms, DueAlarms::kNever));
  }
  if (--session.in_flight == 0) busy_.erase(found);
}

void AlarmClockLoop::defer(DueAlarm alarm, const Error& error) {
  ++deferred_count_;
  const bool conflict = error.code == Errc::txn_conflict;
  if (error.code == Errc::storage_corrupt) {
    // Told once; the next start looks at it again.
    store_.options().alarm("alarm " + alarm.name + " of session " + alarm.identity.name + ": " +
                           error.message);
    return;
  }
  const std::int64_t wait = conflict ? doubled(kConflictMs, alarm.conflicts, kConflictMsMax)
                                     : doubled(kDeferMs, alarm.tries, kDeferMsMax);
  ++(conflict ? alarm.conflicts : alarm.tries);
  deferred_.emplace(bell_->now() + wait, std::move(alarm));
}

void AlarmClockLoop::count(std::string_view outcome) {
  if (outcome == alarm_answers::kFired) ++fired_;
  if (outcome == alarm_answers::kFailed) ++failed_;
  if (outcome == alarm_answers::kDead) ++dead_;
  if (outcome == alarm_answers::kSkipped) ++skipped_;
}

// How long there is nothing to do, if nobody rings.
milliseconds AlarmClockLoop::until_next() const {
  std::int64_t next = DueAlarms::kNever;
  if (!deferred_.empty()) next = deferred_.begin()->first;
  if (deferred_.size() < kDeferredMax) {
    for (const DueAlarms& shard : shards_) {
      next = std::min(next, std::max(shard.next_ms(), read_again_ms_));
    }
  }
  // An answer wakes it then.
  if (in_flight_.size() >= options_.in_flight_max) next = DueAlarms::kNever;
  const std::int64_t now = bell_->now();
  return milliseconds(next <= now ? 0 : std::min(next - now, kLookMs));
}

AlarmClock::AlarmClock(Store& store, Directory& directory, AlarmClockOptions options)
    : loop_(std::make_unique<AlarmClockLoop>(store, directory, options)) {}

AlarmClock::~AlarmClock() { stop(); }

void AlarmClock::stop() { loop_->stop(); }

AlarmMetrics AlarmClock::metrics() const { return loop_->metrics(); }

}  // namespace kontract
