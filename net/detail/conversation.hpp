// Conversation: what is said on one WebSocket connection, in the order in which it may be said.
// Knows messages, calls in flight and deadlines; the socket below it is a Wire.
//
//   greeting --hello--> opening --session awake--> open --> (the wire closes)
//
// In open, hello with another token of the same user takes the place of the first one.
//
// A call holds its id until its answer has come, even if its time ran out before: otherwise a late
// answer would be taken for that of the next call with this id. Not thread-safe: all on one strand.

#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "actors/entrance.hpp"
#include "net/detail/hub.hpp"
#include "net/detail/subscriptions.hpp"
#include "net/protocol.hpp"

namespace kontract::detail {

// RFC 6455, section 7.4.1; the ones docs/protocol.md names.
enum class CloseCode : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol = 1002,
  policy = 1008,
  too_large = 1009,
  unauthorized = 4401,  // the token has expired, or was revoked
};

class Wire {
 public:
  virtual ~Wire() = default;
  virtual void send(std::string_view frame) = 0;
  // Says why, if there is a code, and closes. Later frames are dropped.
  virtual void close(CloseCode how, std::optional<Errc> code, std::string message) = 0;
  // Where answers go: to on_opened for kOpenCall, to on_answer for all others.
  virtual std::shared_ptr<ReplyTarget> reply_target() = 0;
  virtual std::shared_ptr<EventWaiter> event_waiter() = 0;  // calls on_events
  // It is known now who is at the other end.
  virtual void identified() = 0;
  // The first message has come from this owner. Errors: why it may not be its.
  virtual Status claim(const std::string& owner) = 0;
  // Who is told when its token is revoked.
  virtual std::shared_ptr<Connection> connection() = 0;
};

// How a WebSocket came to be.
struct WebSocketStart {
  std::string session;
  Peer peer;  // who it is, if that is known, and how it came
  // When the token of the upgrade ends; nothing if it had none and hello must bring one.
  std::optional<std::chrono::system_clock::time_point> token_expires;
  TokenId token = {};  // that of the upgrade
  std::chrono::steady_clock::time_point accepted;
  bool raystream = false;  // the subprotocol is raystream.v1
};

class Conversation {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::uint64_t kOpenCall = 0;  // ids of clients begin at 1

  Conversation(Wire& wire, std::shared_ptr<Hub> hub, WebSocketStart start);

  // One complete message; of an encrypted connection, and what record it came in.
  void on_frame(std::string_view text, std::optional<raystream::FrameType> record = std::nullopt);
  void on_opened(const Answer& answer);
  void on_revoked(const std::string& key);  // of Revocations
  void on_session_destroyed(const std::string& sid);
  // `frame` is the encoded answer of the call `id`.
  void on_answer(std::uint64_t id, std::string_view frame, bool is_error);
  void on_events() { subscriptions_.wake(); }
  // Sends the events that there are, until the wire is full.
  void feed(const std::function<bool()>& full);

  // Whether the next frame may be read: not while the session wakes, nor while the calls in flight
  // are at their limit, nor after the client's close.
  bool wants_frames() const;
  // Whether hello has not come yet.
  bool greeting() const { return state_ == State::greeting; }
  // The silence until now was ours: nothing was read.
  void excuse_silence(Time now) { last_frame_ = now; }

  // When on_time has something to do.
  Time next_deadline() const;
  void on_time(Time now);

  void drain();  // closes as soon as no call is in flight; new ones are refused
  void end();    // the wire is gone

  // For the log.
  const std::string& remote() const { return remote_; }
  const std::string& session_name() const { return session_name_; }

 private:
  enum class State { greeting, opening, open, over };

  struct InFlight {
    Time deadline;
    bool timed_out = false;
  };

  void handle(protocol::Hello& hello);
  void handle(protocol::CallMessage& message);
  void handle(protocol::Subscribe& subscribe);
  void handle(protocol::Unsubscribe& unsubscribe);
  void handle(protocol::Heartbeat& heartbeat);
  void handle(protocol::Close& close);
  void handle(protocol::Refused& refused);
  void handle(protocol::Mistyped& mistyped);

  bool authenticate(const std::string& token);
  void renew(const std::string& token);
  bool hold_token(const Peer& peer);
  void set_expiry();
  // Takes the id for a call. False: it is in use, which the client has been told.
  bool take_id(std::uint64_t id, Time deadline);
  CallPtr make_call(CallKind kind, std::uint64_t id);
  void fail(CloseCode how, Error error);
  void close_if_drained();
  void close_if_answered();
  void expire_calls(Time now);

  Wire& wire_;
  const std::shared_ptr<Hub> hub_;
  const std::string session_name_;
  const std::string remote_;
  const protocol::DecodeLimits bounds_;
  State state_ = State::greeting;
  bool draining_ = false;
  bool leaving_ = false;  // the client has said close
  Peer greeting_peer_;    // until hello
  std::optional<std::chrono::system_clock::time_point> token_expires_;
  TokenId token_;
  Revocations::Hold held_;              // of token_
  Revocations::Hold held_account_;      // of its account
  bool renewing_ = false;               // a second hello waits for its welcome
  std::string sid_;                     // the session's; before it is open, what it must be
  std::shared_ptr<const Peer> peer_;    // after it
  std::shared_ptr<Entrance> entrance_;  // to the session
  const ConnectionNo number_;           // of its transactions
  bool has_begun_ = false;              // one of those, maybe
  Hub::OwnerPlace owner_place_;
  std::shared_ptr<CallRate> call_rate_;  // null: without a limit
  boost::unordered_flat_map<std::uint64_t, InFlight> in_flight_;
  Subscriptions subscriptions_;
  std::optional<Txid> resume_from_;   // hello's
  Time earliest_call_ = Time::max();  // not after the earliest deadline of a call in flight
  Time handshake_deadline_;           // of a renewal, too
  Time expires_ = Time::max();        // the token
  Time last_frame_;
};

}  // namespace kontract::detail
