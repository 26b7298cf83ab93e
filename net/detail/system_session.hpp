// SystemSession: a session of the server's own, called in process. Its calls go past the
// middleware, which guards the door to the outside.

#pragma once

#include <functional>
#include <string>

#include "actors/directory.hpp"
#include "storage/json.hpp"
#include "storage/result.hpp"

namespace kontract::detail {

class SystemSession {
 public:
  using Done = std::function<void(Result<Json>)>;

  // REQUIRES: `directory` outlives all calls.
  SystemSession(Directory& directory, std::string name);

  // `args` is an array. `done` is called once, on any thread, maybe in here, and must neither block
  // nor throw. Thread-safe.
  void call(std::string function, Json args, Done done) const;

 private:
  Directory& directory_;
  const Identity identity_;
  const std::shared_ptr<const Peer> peer_;
};

}  // namespace kontract::detail
