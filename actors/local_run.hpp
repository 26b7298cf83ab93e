// LocalRun: while one lives on a thread of the runtime, actors that become ready on that thread are
// kept for it and run when the scope ends, instead of going through the queue that all threads
// share. So a call goes from the connection through session and table without changing threads, and
// the last one's reply is back before the connection reads on. Bounded: after kLocalRunMax resumes
// the rest goes to the shared queue. Without one (or with CAF's own scheduler) nothing changes.

#pragma once

namespace caf {
class actor_system;
}

namespace kontract {

// CAF keeps the logger of a system alive through every thread that spawned an actor of it, and the
// system's destructor waits for the logger. Called where a thread that is not CAF's has spawned.
void release_actor_system();

// The same at the end of a scope that spawns, on whatever thread: one that was the system's before,
// such as a thread that runs its actors, stays it.
class SpawnScope {
 public:
  explicit SpawnScope(caf::actor_system& system);
  ~SpawnScope();
  SpawnScope(const SpawnScope&) = delete;
  SpawnScope& operator=(const SpawnScope&) = delete;

 private:
  const bool was_of_it_;
};

class LocalRun {
 public:
  LocalRun();
  ~LocalRun();
  LocalRun(const LocalRun&) = delete;
  LocalRun& operator=(const LocalRun&) = delete;
};

}  // namespace kontract
