// Call: one invocation on its way. It is moved forward from the connection to whoever finishes it
// and never comes back; the answer goes straight from there to the ReplyTarget.

#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "actors/alarm_firing.hpp"
#include "actors/context.hpp"
#include "actors/reply.hpp"
#include "storage/commit_log.hpp"
#include "storage/json.hpp"

namespace kontract {

using Clock = std::chrono::steady_clock;

// The function that made a call, and the one that made that.
struct CallOrigin {
  Identity session;
  std::string function;
  std::shared_ptr<const CallOrigin> before = nullptr;
};

namespace detail {
class TransactionPart;
}

using ConnectionNo = std::uint64_t;  // 0: no connection that could have transactions

enum class CallKind : std::uint8_t {
  function,  // run `function` with `args`
  alarm,     // run what `alarm` names; answers what became of it
  open,      // wake the session, create it if it is absent; answers {"sid":"...","txid":N}
  leave,     // its connection has ended, and so do that one's transactions
};

struct Call {
  CallKind kind = CallKind::function;
  Context context = {};
  std::string function = {};
  Json args = Json::array();                              // always an array
  Clock::time_point deadline = Clock::time_point::max();  // not begun after it
  Epoch epoch = 0;          // filled by the session: what it knew when it let the call in
  Ticket settle_after = 0;  // filled by the session: the answer waits for at least this ticket
  // Filled by the session: the transaction that the answer tells. The call's own or, of a read when
  // no txids can be reserved, the last one before it.
  Txid told_txid = 0;
  std::shared_ptr<AlarmFiring> alarm = nullptr;                  // of an alarm, until its end
  std::shared_ptr<struct SubscribeRequest> subscribe = nullptr;  // of table.subscribe
  std::shared_ptr<const CallOrigin> origin = nullptr;            // null: it came from outside
  std::shared_ptr<struct CallKey> key = nullptr;                 // actors/call_key.hpp; null: none
  ConnectionNo connection = 0;
  Txid tx = 0;  // runs in this transaction of the connection; 0: in its own
  Txid at = 0;  // reads what was there after this transaction; 0: what is there
  std::shared_ptr<detail::TransactionPart> part = nullptr;  // filled by the session: tx's
  Reply reply = {};

  bool expired() const { return Clock::now() > deadline; }
};

inline Error ran_out_of_time() {
  return {Errc::timeout, "The call's time ran out before it was begun; it has not run"};
}

// What the call was let in under is gone with a failed group.
inline Error lost_its_ground() {
  Error error(Errc::overloaded, "A commit before this call failed; the call has not run",
              "Repeat it.");
  error.retry_after = std::chrono::milliseconds(10);
  return error;
}

// Shared only because CAF wants messages that can be copied; there is one holder at a time.
using CallPtr = std::shared_ptr<Call>;

}  // namespace kontract
