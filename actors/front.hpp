// Front: what callers see of a runtime's sessions. A call goes through the middleware that matches
// its function, in the order of registration, and then into its session.
//
// Which ones match is found once for each function. A call that none matches goes straight to its
// session.

#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "actors/backend.hpp"
#include "actors/directory.hpp"
#include "actors/entrance.hpp"
#include "storage/alarm.hpp"

namespace kontract {

class Front {
 public:
  // REQUIRES: the backend's check() has passed; close() before the actor system ends; `shared` is
  // there as long as the actor system. `alarm` hears what a middleware threw that is not for
  // callers.
  Front(caf::actor_system& system, std::shared_ptr<const Backend> backend, SharedState& shared,
        Alarm alarm);
  ~Front();  // closes

  // For a caller of many calls: they begin in the order in which they are sent.
  std::shared_ptr<Entrance> entrance(std::shared_ptr<SessionHandle> session) const;

  // One call, in no order with others. As SessionHandle::send; errors besides: overloaded when too
  // many calls are in middleware, or when it stops.
  void send(const std::shared_ptr<SessionHandle>& session, CallPtr call) const;

  // What pages of other origins may do with this function; null: nothing.
  const Cors* cors_of(const std::string& function) const;
  // The same with a page that is no function's, such as /auth/login.
  const Cors* cors_of_page(const std::string& path) const;

  // Lets no call into middleware any more, and ends what sleeps there. Idempotent; does not wait.
  // `stopped` is true when no call is left in it.
  void stop();
  bool stopped() const;
  std::size_t in_flight() const;
  // Ends the actors; calls that are left are answered KONTRACT_INTERNAL. Implies stop().
  // Idempotent; does not wait. `closed` is true when no actor is left.
  void close();
  bool closed() const;

 private:
  friend class FrontAccess;  // for tests
  const Cors* cors_of_route(const MiddlewareRoute& route) const;
  std::shared_ptr<FrontState> state_;
};

}  // namespace kontract
