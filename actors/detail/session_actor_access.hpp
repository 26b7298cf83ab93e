// SessionActorAccess: the session's side of the protocol in actors/directory.hpp.

#pragma once

#include "actors/directory.hpp"
#include "actors/living.hpp"

namespace kontract {

class SessionActorAccess {
 public:
  // As Directory::find.
  static Result<std::shared_ptr<SessionHandle>> find(SessionHandle& handle,
                                                     const Identity& identity);
  static Store& store(SessionHandle& handle);
  static const SessionOptions& options(SessionHandle& handle);
  static bool stopping(SessionHandle& handle);
  static const std::shared_ptr<class EventHub>& events(SessionHandle& handle);
  static class Workers& workers(SessionHandle& handle);

  // Calls that have been sent and not answered.
  static std::size_t in_flight(SessionHandle& handle);

  // Takes the session out if no call is in flight. True: nobody will send to this actor any more,
  // and it must end.
  static bool try_passivate(SessionHandle& handle);

  // The right to apply a schema for the session's owner, until it is dropped; null if another has
  // it.
  static std::shared_ptr<void> claim_schema(SessionHandle& handle);
  // Tells all sessions of this one's owner that are awake to load again.
  static void reload_sessions_of_owner(SessionHandle& handle);

  // Of the session's actor, or one of its tables', for Directory::stopped().
  static Living living(SessionHandle& handle);
};

}  // namespace kontract
