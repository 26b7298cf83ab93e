#include "actors/directory.hpp"

#include <array>
#include <caf/all.hpp>
#include <set>
#include <unordered_map>
#include <vector>

#include "actors/alarm_bell.hpp"
#include "actors/detail/session_actor_access.hpp"
#include "actors/detail/workers.hpp"
#include "actors/event_hub.hpp"
#include "actors/local_run.hpp"
#include "actors/session_do.hpp"

namespace kontract {

namespace {

constexpr std::uint64_t kAwake = std::uint64_t{1} << 63;
constexpr std::uint64_t in_flight_of(std::uint64_t word) { return word & ~kAwake; }

std::string key_of(const Identity& identity) { return identity.owner + '\0' + identity.name; }

Error shutting_down() {
  return {Errc::overloaded, "The server is shutting down", "Connect again in a moment."};
}

}  // namespace

static SessionOptions with_bell(SessionOptions options) {
  if (!options.alarm_bell) options.alarm_bell = std::make_shared<AlarmBell>();
  return options;
}

struct SessionHandle::Actor {
  SessionAddress address;
};

struct DirectoryState {
  struct Bucket {
    std::mutex mutex;
    std::unordered_map<std::string, std::weak_ptr<SessionHandle>> handles;  // by owner \0 name
  };

  DirectoryState(caf::actor_system& actors, Store& kept, SessionOptions given, Workers& for_sql)
      : system(actors), store(kept), options(with_bell(std::move(given))), workers(for_sql) {}

  Bucket& bucket_of(const std::string& key) {
    return buckets[std::hash<std::string>{}(key) % buckets.size()];
  }

  caf::actor_system& system;
  Store& store;
  const SessionOptions options;
  Workers& workers;
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> awake{0}, wakes{0}, passivations{0}, calls{0};
  const LivingCount living = std::make_shared<std::atomic<std::uint64_t>>(0);  // actors
  std::array<Bucket, 64> buckets;
  std::mutex schema_mutex;
  std::set<std::string> schema_claims;  // under schema_mutex: owners one is being applied for
};

SessionHandle::SessionHandle(std::shared_ptr<DirectoryState> directory, Identity identity)
    : directory_(std::move(directory)),
      identity_(std::move(identity)),
      events_(std::make_shared<EventHub>(directory_->store.shard_of(identity_),
                                         directory_->options.events)) {}

SessionHandle::~SessionHandle() {
  const std::string key = key_of(identity_);
  DirectoryState::Bucket& bucket = directory_->bucket_of(key);
  const std::lock_guard lock(bucket.mutex);
  // It may have been made anew since this one expired.
  const auto found = bucket.handles.find(key);
  if (found != bucket.handles.end() && found->second.expired()) bucket.handles.erase(found);
}

bool SessionHandle::awake() const { return (word_.load() & kAwake) != 0; }

void SessionHandle::send(CallPtr call) {
  const std::uint64_t before = word_.fetch_add(1, std::memory_order_acq_rel);
  call->reply.hold(SessionLease(shared_from_this()));
  const bool leaves = call->kind == CallKind::leave;
  if (leaves && (before & kAwake) == 0) {  // nothing is open in a session that sleeps
    return call->reply.deliver({JsonText("true"), 0});
  }
  if (!leaves && in_flight_of(before) >= directory_->options.calls_in_flight_max) {
    Error error(Errc::overloaded, "The session has too many calls in flight",
                "Wait for answers before sending more.");
    error.retry_after = std::chrono::milliseconds(50);
    return call->reply.fail(std::move(error));
  }
  directory_->calls.fetch_add(1, std::memory_order_relaxed);
  if (directory_->stopping.load()) return call->reply.fail(shutting_down());
  if ((before & kAwake) == 0) {
    std::unique_lock lock(wake_mutex_);
    if (directory_->stopping.load()) {  // stop() has looked at this handle, or is about to
      lock.unlock();
      return call->reply.fail(shutting_down());
    }
    if (!awake()) {
      auto self = shared_from_this();
      const SpawnScope scope(directory_->system);
      directory_->awake.fetch_add(1);
      directory_->wakes.fetch_add(1);
      actor_ = std::make_unique<Actor>(
          Actor{directory_->system.spawn<SessionDO, caf::lazy_init>(std::move(self))});
      word_.fetch_or(kAwake, std::memory_order_acq_rel);
    }
  }
  // This call's lease keeps the actor where it is.
  caf::anon_send(actor_->address, std::move(call));
}

void SessionHandle::release() noexcept {
  // A session that waits for its last answer in order to stop has to be told.
  const std::uint64_t before = word_.fetch_sub(1, std::memory_order_acq_rel);
  if (before != (kAwake | 1) || !directory_->stopping.load()) return;
  const std::lock_guard lock(wake_mutex_);
  if (actor_) caf::anon_send(actor_->address, SessionTick{});
}

SessionLease& SessionLease::operator=(SessionLease&& other) noexcept {
  release();
  handle_ = std::move(other.handle_);
  return *this;
}

SessionLease::~SessionLease() { release(); }

void SessionLease::release() {
  if (const auto handle = std::exchange(handle_, nullptr)) handle->release();
}

// The handle of a session, the same for all who ask while anybody holds it.
static Result<std::shared_ptr<SessionHandle>> find_handle(
    const std::shared_ptr<DirectoryState>& directory, const Identity& identity) {
  if (Status valid = validate_session_name(identity.name); !valid) return std::move(valid).error();
  if (Status valid = validate_owner(identity.owner); !valid) return std::move(valid).error();
  std::string key = key_of(identity);
  DirectoryState::Bucket& bucket = directory->bucket_of(key);
  const std::lock_guard lock(bucket.mutex);
  std::weak_ptr<SessionHandle>& known = bucket.handles[std::move(key)];
  std::shared_ptr<SessionHandle> handle = known.lock();
  if (!handle) {
    handle = std::make_shared<SessionHandle>(directory, identity);
    known = handle;
  }
  return handle;
}

Result<std::shared_ptr<SessionHandle>> SessionActorAccess::find(SessionHandle& handle,
                                                                const Identity& identity) {
  return find_handle(handle.directory_, identity);
}

Store& SessionActorAccess::store(SessionHandle& handle) { return handle.directory_->store; }

const SessionOptions& SessionActorAccess::options(SessionHandle& handle) {
  return handle.directory_->options;
}

Workers& SessionActorAccess::workers(SessionHandle& handle) { return handle.directory_->workers; }

const std::shared_ptr<EventHub>& SessionActorAccess::events(SessionHandle& handle) {
  return handle.events_;
}

bool SessionActorAccess::stopping(SessionHandle& handle) {
  return handle.directory_->stopping.load();
}

std::size_t SessionActorAccess::in_flight(SessionHandle& handle) {
  return in_flight_of(handle.word_.load());
}

bool SessionActorAccess::try_passivate(SessionHandle& handle) {
  std::unique_ptr<SessionHandle::Actor> actor;  // dropped after the lock
  const std::lock_guard lock(handle.wake_mutex_);
  std::uint64_t expected = kAwake;
  if (!handle.word_.compare_exchange_strong(expected, 0, std::memory_order_acq_rel)) return false;
  actor = std::move(handle.actor_);
  handle.directory_->awake.fetch_sub(1);
  handle.directory_->passivations.fetch_add(1);
  return true;
}

std::shared_ptr<void> SessionActorAccess::claim_schema(SessionHandle& handle) {
  const std::shared_ptr<DirectoryState>& directory = handle.directory_;
  const std::lock_guard lock(directory->schema_mutex);
  if (!directory->schema_claims.insert(handle.identity().owner).second) return nullptr;
  return {directory.get(), [directory, owner = handle.identity().owner](void*) {
            const std::lock_guard release(directory->schema_mutex);
            directory->schema_claims.erase(owner);
          }};
}

void SessionActorAccess::reload_sessions_of_owner(SessionHandle& handle) {
  std::vector<std::shared_ptr<SessionHandle>> handles;
  const std::string prefix = handle.identity().owner + '\0';
  for (DirectoryState::Bucket& bucket : handle.directory_->buckets) {
    const std::lock_guard lock(bucket.mutex);
    for (const auto& [key, known] : bucket.handles) {
      if (!key.starts_with(prefix)) continue;
      if (auto one = known.lock()) handles.push_back(std::move(one));
    }
  }
  for (const auto& one : handles) {
    const std::lock_guard lock(one->wake_mutex_);
    if (one->actor_) caf::anon_send(one->actor_->address, SessionReload{});
  }
}

Living SessionActorAccess::living(SessionHandle& handle) {
  return Living(handle.directory_->living);
}

Directory::Directory(caf::actor_system& system, Store& store, SessionOptions options)
    : workers_(std::make_unique<Workers>(limits::kSqlWorkers)),
      state_(std::make_shared<DirectoryState>(system, store, std::move(options), *workers_)) {}

Directory::~Directory() = default;

Result<std::shared_ptr<SessionHandle>> Directory::find(const Identity& identity) {
  return find_handle(state_, identity);
}

void Directory::stop() {
  state_->stopping.store(true);
  std::vector<std::shared_ptr<SessionHandle>> handles;
  for (DirectoryState::Bucket& bucket : state_->buckets) {
    const std::lock_guard lock(bucket.mutex);
    for (const auto& [key, known] : bucket.handles) {
      if (auto handle = known.lock()) handles.push_back(std::move(handle));
    }
  }
  for (const auto& handle : handles) {
    const std::lock_guard lock(handle->wake_mutex_);
    if (handle->actor_) caf::anon_send(handle->actor_->address, SessionTick{});
  }
}

bool Directory::stopped() const { return state_->stopping.load() && state_->living->load() == 0; }

const std::shared_ptr<AlarmBell>& Directory::alarm_bell() const {
  return state_->options.alarm_bell;
}

DirectoryMetrics Directory::metrics() const {
  DirectoryMetrics metrics;
  metrics.awake = state_->awake.load();
  metrics.wakes = state_->wakes.load();
  metrics.passivations = state_->passivations.load();
  metrics.calls = state_->calls.load();
  for (DirectoryState::Bucket& bucket : state_->buckets) {
    const std::lock_guard lock(bucket.mutex);
    metrics.known += bucket.handles.size();
  }
  return metrics;
}

}  // namespace kontract
