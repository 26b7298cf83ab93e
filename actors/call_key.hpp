// CallKey: what makes a call one that is executed once (docs/protocol.md, Calls with a key). It
// travels with the call; whoever appends what the call has written adds the reply to the same
// batch, with keep_reply().

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "actors/call.hpp"
#include "storage/commit_log.hpp"

namespace kontract {

class KeptReplies;

// A repeat that is sent right behind hello waits for the session to open, and be it that long.
inline constexpr std::chrono::milliseconds kTransitMax{limits::kHandshakeTimeout};

struct CallKey {
  std::string text;  // REQUIRES: validate_call_key()
  // Of a repeat, if that is known: when the first one was sent, in ms since 1970. It may be said
  // too late by what the repeat itself took to come here, at most kTransitMax.
  std::optional<std::int64_t> first_sent_ms = std::nullopt;

  std::string fingerprint = {};                    // filled by the session
  std::shared_ptr<KeptReplies> replies = nullptr;  // filled by the session as it lets the call run
};

// If the call has a key, adds its reply to the batch that has what it wrote. `answer` must be that
// which the call gets once the batch is durable. Thread-safe.
void keep_reply(const Call& call, const Answer& answer, WriteBatch& batch);

}  // namespace kontract
