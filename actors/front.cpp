#include "actors/front.hpp"

#include <caf/all.hpp>

#include "actors/built_in_functions.hpp"
#include "actors/detail/front_state.hpp"
#include "actors/local_run.hpp"

namespace kontract {

Error runtime_stops() {
  return {Errc::overloaded, "The server is shutting down", "Connect again in a moment."};
}

namespace {

Error too_many_calls() {
  Error error(Errc::overloaded, "Too many calls are on their way", "Wait before sending more.");
  error.retry_after = std::chrono::milliseconds(50);
  return error;
}

}  // namespace

MiddlewareWalk::MiddlewareWalk(std::shared_ptr<FrontState> state, std::shared_ptr<SessionHandle> to,
                               std::shared_ptr<const MiddlewareChain> through, std::string called)
    : front(std::move(state)),
      session(std::move(to)),
      chain(std::move(through)),
      function(std::move(called)) {
  front->in_flight.fetch_add(1);
}

MiddlewareWalk::~MiddlewareWalk() { front->in_flight.fetch_sub(1); }

FrontState::FrontState(caf::actor_system& actors, std::shared_ptr<const Backend> of,
                       SharedState& all_share, Alarm to)
    : system(actors), backend(std::move(of)), shared(all_share), alarm(std::move(to)) {
  const std::vector<Middleware>& all = backend->middleware();
  for (std::size_t i = 0; i < all.size(); ++i) {
    pools.emplace_back(all[i].concurrency());
    if (all[i].cors() != nullptr) cors.push_back(i);
  }
  for (const BuiltInFunction& function : built_in_functions()) {
    chains.emplace(function.name, match(function.name));
  }
  for (const auto& [name, function] : backend->functions()) chains.emplace(name, match(name));
}

std::shared_ptr<const MiddlewareChain> FrontState::match(std::string_view function) const {
  const std::string path = "/rpc/" + std::string(function);
  const MiddlewareRoute route{path, backend->egroup_of(function), function};
  MiddlewareChain chain;
  const std::vector<Middleware>& all = backend->middleware();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].cors() == nullptr && all[i].matches(route)) chain.push_back(i);
  }
  if (chain.empty()) return nullptr;
  return std::make_shared<const MiddlewareChain>(std::move(chain));
}

std::shared_ptr<const MiddlewareChain> FrontState::chain_of(const std::string& function) const {
  const auto known = chains.find(function);
  // Of what is no function there may be as many names as clients think of.
  return known == chains.end() ? match(function) : known->second;
}

void FrontState::begin(std::shared_ptr<SessionHandle> session, Entrance::Place place,
                       std::shared_ptr<const MiddlewareChain> chain, CallPtr call) {
  auto walk = std::make_shared<MiddlewareWalk>(shared_from_this(), std::move(session),
                                               std::move(chain), call->function);
  if (stopping.load()) return call->reply.fail(runtime_stops());
  if (in_flight.load() > limits::kCallsInMiddlewareMax) return call->reply.fail(too_many_calls());
  auto step = std::make_shared<MiddlewareStep>();
  step->walk = std::move(walk);
  step->place = std::move(place);
  step->call = std::move(call);
  send(std::move(step));
}

void FrontState::send(MiddlewareStepPtr step) {
  const MiddlewareWalk& walk = *step->walk;
  if (step->at == walk.chain->size()) {
    CallPtr call = std::move(step->call);
    if (step->place.is_taken()) return step->place.enter(std::move(call));
    return walk.session->send(std::move(call));
  }
  const std::size_t middleware = (*walk.chain)[step->at];
  const std::size_t number = member_of(middleware, walk.session->identity());
  Member& member = pools[middleware][number];
  std::unique_lock lock(member.mutex);
  if (closed.load()) {
    lock.unlock();
    return step->call->reply.fail(runtime_stops());
  }
  if (!member.address) {
    const SpawnScope scope(system);
    member.address =
        system.spawn<MiddlewareActor, caf::lazy_init>(shared_from_this(), middleware, number);
  }
  const MiddlewareAddress to = member.address;
  lock.unlock();
  caf::anon_send(to, std::move(step));
}

std::size_t FrontState::member_of(std::size_t middleware, const Identity& session) const {
  const std::hash<std::string> hash;
  return (hash(session.owner) * 31 + hash(session.name)) % pools[middleware].size();
}

void FrontState::ended(std::size_t middleware, std::size_t member, const caf::actor_addr& who) {
  Member& place = pools[middleware][member];
  const std::lock_guard lock(place.mutex);
  if (place.address && place.address.address() == who) place.address = nullptr;
}

Front::Front(caf::actor_system& system, std::shared_ptr<const Backend> backend, SharedState& shared,
             Alarm alarm)
    : state_(std::make_shared<FrontState>(system, std::move(backend), shared, std::move(alarm))) {}

Front::~Front() { close(); }

std::shared_ptr<Entrance> Front::entrance(std::shared_ptr<SessionHandle> session) const {
  const bool bare = state_->backend->middleware().empty();
  return std::make_shared<Entrance>(bare ? nullptr : state_, std::move(session));
}

void Front::send(const std::shared_ptr<SessionHandle>& session, CallPtr call) const {
  if (call->kind == CallKind::function && !state_->backend->middleware().empty()) {
    if (auto chain = state_->chain_of(call->function)) {
      return state_->begin(session, {}, std::move(chain), std::move(call));
    }
  }
  session->send(std::move(call));
}

const Cors* Front::cors_of(const std::string& function) const {
  if (state_->cors.empty()) return nullptr;
  const Backend& backend = *state_->backend;
  const std::string path = "/rpc/" + function;
  return cors_of_route({path, backend.egroup_of(function), function});
}

const Cors* Front::cors_of_page(const std::string& path) const {
  return cors_of_route({path, {}, {}});
}

const Cors* Front::cors_of_route(const MiddlewareRoute& route) const {
  const Backend& backend = *state_->backend;
  for (const std::size_t number : state_->cors) {
    if (backend.middleware()[number].matches(route)) return backend.middleware()[number].cors();
  }
  return nullptr;
}

void Front::stop() {
  state_->stopping.store(true);
  for (auto& pool : state_->pools) {
    for (FrontState::Member& member : pool) {
      const std::lock_guard lock(member.mutex);
      if (member.address) caf::anon_send(member.address, MiddlewareStop{});
    }
  }
}

bool Front::stopped() const { return state_->stopping.load() && in_flight() == 0; }

std::size_t Front::in_flight() const { return state_->in_flight.load(); }

void Front::close() {
  state_->stopping.store(true);
  if (state_->closed.exchange(true)) return;
  for (auto& pool : state_->pools) {
    for (FrontState::Member& member : pool) {
      const std::lock_guard lock(member.mutex);
      if (member.address) caf::anon_send_exit(member.address, caf::exit_reason::user_shutdown);
      member.address = nullptr;
    }
  }
}

bool Front::closed() const { return state_->closed.load() && state_->living->load() == 0; }

}  // namespace kontract
