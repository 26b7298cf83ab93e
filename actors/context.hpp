// Context: on whose behalf a call runs, and what it may do. The client cannot raise any of it.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/perms.hpp"
#include "storage/store.hpp"
#include "storage/table.hpp"
#include "storage/version.hpp"

namespace kontract {

// What a caller was authenticated as, and how it came. Shared by the calls of a connection.
struct Peer {
  std::string owner;  // tenant
  std::string user;   // "sub" of the token; may be empty
  Perm perm = perms::none;
  std::vector<std::string> ugroups = {};
  bool anonymous = false;
  std::optional<std::string> only_session = {};  // the only session it may open
  std::string method = {};                       // GET for a WebSocket, POST, or LOCAL in process
  std::string remote = {};                       // address:port, for the log
  std::map<std::string, std::string> headers = {};  // names in lower case

  bool in_group(std::string_view group) const;
};

// What is fixed about a session while it is awake.
struct SessionFacts {
  Identity identity;
  std::string sid;  // uuid v7
  SessionNo no = 0;
};

struct Context {
  std::shared_ptr<const Peer> peer = nullptr;
  std::shared_ptr<const SessionFacts> session = nullptr;  // filled by the session
  Perm perm = perms::none;                                // peer's, or less
  Txid current_txid = 0;                                  // filled by the session
  Txid oldest_reader = 0;                                 // filled by the session; see Access
  Txid present = 0;                                       // the same, of a call that reads the past
};

inline Access access_of(const Context& context) {
  Access access{context.session->sid, context.peer->owner, context.current_txid, context.perm,
                context.oldest_reader};
  if (context.present != 0) {
    access.stand = Access::Stand::past;
    access.present = context.present;
  }
  return access;
}

}  // namespace kontract
