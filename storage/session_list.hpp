// Which sessions are stored, and what each has, read from LMDB in pages: nobody is woken. What was
// acknowledged within the last 50 ms (limits::kCheckpointInterval) may not be in it yet.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "storage/registry.hpp"

namespace kontract {

struct SessionQuery {
  std::string owner = {};   // empty: of all
  std::string prefix = {};  // of the name
  std::string after = {};   // `next` of the page before
  std::size_t limit = 100;  // of what is in a page; 0: only counts
};

struct StoredSession {
  Identity identity;
  SessionRow row;
};

struct SessionPage {
  std::vector<StoredSession> sessions;  // by shard, owner and name
  std::uint64_t count = 0;              // of those that fit; of a page with a limit, its size
  std::string next;                     // empty: that was all
};

// A page ends at its limit, or after 10,000 sessions looked at, so it may be short, even empty, and
// have a `next`. Errors: invalid_request (`after` is none), storage_corrupt.
Result<SessionPage> list_sessions(Store& store, const SessionQuery& query);

struct StoredTable {
  TableRow row;
  std::uint64_t records = 0;
};
struct SessionDetails {
  StoredSession session;
  unsigned shard = 0;
  std::vector<StoredTable> tables;
  std::uint64_t replies = 0;  // kept for calls with a key
};

// Nothing if there is none. Errors: storage_corrupt.
Result<std::optional<SessionDetails>> inspect_session(Store& store, const Identity& identity);

}  // namespace kontract
