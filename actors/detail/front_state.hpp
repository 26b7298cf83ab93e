// FrontState: what a Front and the calls inside it share: which middleware a function meets, the
// pools of actors, and how many calls are on their way. Outlives the Front with the last of them.

#pragma once

#include <atomic>
#include <caf/actor_system.hpp>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/backend.hpp"
#include "actors/entrance.hpp"
#include "actors/living.hpp"
#include "actors/middleware_actor.hpp"
#include "storage/alarm.hpp"

namespace kontract {

Error runtime_stops();

// The middleware that a function's calls go through, in their order: numbers of Backend's list.
using MiddlewareChain = std::vector<std::size_t>;

// One call on its way, from the first middleware to the last answer of an around.
struct MiddlewareWalk {
  MiddlewareWalk(std::shared_ptr<FrontState> state, std::shared_ptr<SessionHandle> to,
                 std::shared_ptr<const MiddlewareChain> through, std::string called);
  ~MiddlewareWalk();
  MiddlewareWalk(const MiddlewareWalk&) = delete;
  MiddlewareWalk& operator=(const MiddlewareWalk&) = delete;

  const std::shared_ptr<FrontState> front;
  const std::shared_ptr<SessionHandle> session;
  const std::shared_ptr<const MiddlewareChain> chain;
  const std::string function;
  std::map<std::string, Json> values;  // of whoever runs: there is one at a time
};

// The call itself. Whoever drops it answers it, and gives up its place.
struct MiddlewareStep {
  std::shared_ptr<MiddlewareWalk> walk;
  Entrance::Place place;
  CallPtr call;
  std::size_t at = 0;  // of walk->chain
};

struct FrontState : std::enable_shared_from_this<FrontState> {
  FrontState(caf::actor_system& actors, std::shared_ptr<const Backend> of, SharedState& all_share,
             Alarm to);

  // Null if none matches.
  std::shared_ptr<const MiddlewareChain> chain_of(const std::string& function) const;
  std::shared_ptr<const MiddlewareChain> match(std::string_view function) const;

  void begin(std::shared_ptr<SessionHandle> session, Entrance::Place place,
             std::shared_ptr<const MiddlewareChain> chain, CallPtr call);
  // To the middleware at step->at, or into the session if there is none left.
  void send(MiddlewareStepPtr step);

  // One actor of a pool; spawned at its first call and after its death.
  struct Member {
    std::mutex mutex;
    MiddlewareAddress address;
  };
  std::size_t member_of(std::size_t middleware, const Identity& session) const;
  void ended(std::size_t middleware, std::size_t member, const caf::actor_addr& who);

  caf::actor_system& system;
  const std::shared_ptr<const Backend> backend;
  SharedState& shared;
  const Alarm alarm;
  std::unordered_map<std::string, std::shared_ptr<const MiddlewareChain>> chains;  // by function
  std::vector<std::deque<Member>> pools;                                           // by middleware
  std::vector<std::size_t> cors;  // the middleware that is
  std::atomic<bool> stopping{false}, closed{false};
  std::atomic<std::size_t> in_flight{0};                                       // walks
  const LivingCount living = std::make_shared<std::atomic<std::uint64_t>>(0);  // actors
};

}  // namespace kontract
