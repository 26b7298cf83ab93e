// What is told of stored sessions (storage/session_list.hpp), as JSON: by GET /sessions and by
// `kontract sessions`.

#pragma once

#include "storage/json.hpp"
#include "storage/session_list.hpp"

namespace kontract {

// {"sessions":[{"owner","session","sid","created_ms","txid","schema_version"}…],"count":n,"next"}
Json session_page_json(const SessionPage& page);

// {"owner","session","sid","created_ms","txid","schema_version","shard","replies","tables":
// [{"id","owner","permissions","records"}…]}
Json session_details_json(const SessionDetails& details);

}  // namespace kontract
