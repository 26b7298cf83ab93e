#include "net/detail/conversation.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "actors/call_key.hpp"
#include "actors/directory.hpp"
#include "actors/front.hpp"
#include "storage/wall_clock.hpp"

namespace kontract::detail {

namespace {

using std::chrono::steady_clock;
using std::chrono::system_clock;

Error another_session() {
  return {Errc::not_found, "The session was destroyed",
          "Say hello without resume to open a new one of its name."};
}

ConnectionNo next_connection() {
  static std::atomic<ConnectionNo> last{0};
  return ++last;
}

// For calls that nobody waits for.
class NoOne final : public ReplyTarget {
 public:
  void answer(std::uint64_t, Answer&&) noexcept override {}
};

Error shutting_down() {
  Error error{Errc::overloaded, "The server is shutting down", "Connect again in a moment."};
  error.retry_after = std::chrono::seconds(1);
  return error;
}

}  // namespace

Conversation::Conversation(Wire& wire, std::shared_ptr<Hub> hub, WebSocketStart start)
    : wire_(wire),
      hub_(std::move(hub)),
      session_name_(std::move(start.session)),
      remote_(start.peer.remote),
      bounds_{.json = {.depth = hub_->options().json_depth_max},
              .call_timeout_max = hub_->options().call_timeout_max},
      greeting_peer_(std::move(start.peer)),
      token_expires_(start.token_expires),
      token_(std::move(start.token)),
      number_(next_connection()),
      handshake_deadline_(start.accepted + hub_->options().handshake_timeout),
      last_frame_(steady_clock::now()) {}

void Conversation::on_frame(std::string_view text, std::optional<raystream::FrameType> record) {
  if (state_ == State::over) return;
  last_frame_ = steady_clock::now();
  auto message = protocol::decode(text, bounds_, record);
  if (state_ == State::greeting &&
      !(message && (std::holds_alternative<protocol::Hello>(*message) ||
                    std::holds_alternative<protocol::Mistyped>(*message)))) {
    Error error = message ? Error{Errc::invalid_request, "The first message must be hello"}
                          : std::move(message).error();
    return fail(CloseCode::policy, std::move(error));
  }
  if (!message) return wire_.send(protocol::error(std::nullopt, message.error()));
  std::visit([this](auto& known) { handle(known); }, *message);
}

void Conversation::handle(protocol::Hello& hello) {
  if (state_ != State::greeting && !hello.token.empty()) return renew(hello.token);
  if (state_ != State::greeting) {
    Error error{Errc::invalid_request, "hello was said already",
                "Say it once, first; again only with a token, to renew it."};
    return wire_.send(protocol::error(std::nullopt, error));
  }
  if (!token_expires_ && !authenticate(hello.token)) return;
  set_expiry();
  if (!hold_token(greeting_peer_)) return on_revoked(held_.key());
  if (greeting_peer_.only_session && *greeting_peer_.only_session != session_name_) {
    return fail(CloseCode::policy, {Errc::forbidden, "The token is for another session"});
  }
  if (Status claimed = wire_.claim(greeting_peer_.owner); !claimed) {
    return fail(CloseCode::policy, std::move(claimed).error());
  }
  auto session = hub_->parts().directory->find({greeting_peer_.owner, session_name_});
  if (!session) return fail(CloseCode::policy, std::move(session).error());
  auto place = hub_->take_owner_place(greeting_peer_.owner);
  if (!place) return fail(CloseCode::policy, std::move(place).error());
  owner_place_ = std::move(*place);
  call_rate_ = hub_->call_rate(greeting_peer_.owner);
  const Front* const front = hub_->parts().front;
  entrance_ = front != nullptr ? front->entrance(*std::move(session))
                               : std::make_shared<Entrance>(nullptr, *std::move(session));
  peer_ = std::make_shared<const Peer>(std::move(greeting_peer_));
  sid_ = std::move(hello.sid);
  resume_from_ = hello.last_txid;
  state_ = State::opening;

  entrance_->send(make_call(CallKind::open, kOpenCall));
}

// Takes who it is from hello's token. False: the connection is being closed.
bool Conversation::authenticate(const std::string& token) {
  auto identified = hub_->identify_token(token);
  if (!identified) {
    fail(CloseCode::policy, std::move(identified).error());
    return false;
  }
  Peer peer = std::move(identified->peer);
  peer.method = std::move(greeting_peer_.method);
  peer.remote = std::move(greeting_peer_.remote);
  peer.headers = std::move(greeting_peer_.headers);
  greeting_peer_ = std::move(peer);
  token_expires_ = identified->expires;
  token_ = std::move(identified->id);
  wire_.identified();
  return true;
}

void Conversation::set_expiry() {
  if (*token_expires_ == system_clock::time_point::max()) return;
  expires_ = steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(
                                       *token_expires_ + kTokenSkew - system_clock::now());
}

// To be told when token_ is revoked. False: it was already.
bool Conversation::hold_token(const Peer& peer) {
  Revocations& all = hub_->revocations();
  held_ = all.hold(Revocations::key_of(peer.owner, token_), wire_.connection());
  held_account_ =
      all.hold(Revocations::account_key_of(peer.owner, peer.user, token_), wire_.connection());
  return !all.revoked(held_.key()) && !all.revoked(held_account_.key());
}

// The answer is another welcome, since what it may do can be another.
void Conversation::renew(const std::string& token) {
  const auto refuse = [this](const Error& error) {
    wire_.send(protocol::error(std::nullopt, error));
  };
  auto identified = hub_->identify_token(token);
  if (!identified) return refuse(identified.error());
  Peer& fresh = identified->peer;
  if (fresh.owner != peer_->owner || fresh.user != peer_->user) {
    return refuse(
        {Errc::forbidden, "The token is another user's", "Open a connection of its own for it."});
  }
  if (fresh.only_session && *fresh.only_session != session_name_) {
    return refuse({Errc::forbidden, "The token is for another session"});
  }
  fresh.method = peer_->method;
  fresh.remote = peer_->remote;
  fresh.headers = peer_->headers;
  peer_ = std::make_shared<const Peer>(std::move(fresh));
  token_expires_ = identified->expires;
  token_ = std::move(identified->id);
  set_expiry();
  if (!hold_token(*peer_)) return on_revoked(held_.key());
  if (!allows(peer_->perm, perms::R__)) {
    subscriptions_.end({Errc::permission_denied, "Insufficient permissions",
                        "To subscribe needs R, which the new token does not grant."},
                       [this](std::string_view frame) { wire_.send(frame); });
  }
  renewing_ = true;
  handshake_deadline_ = last_frame_ + hub_->options().handshake_timeout;
  entrance_->send(make_call(CallKind::open, kOpenCall));
}

void Conversation::on_revoked(const std::string& key) {
  const bool is_ours = key == held_.key() || key == held_account_.key();
  if (state_ == State::over || !is_ours) return;
  fail(CloseCode::unauthorized, {Errc::unauthorized, "The token was revoked"});
}

void Conversation::on_session_destroyed(const std::string& sid) {
  if (state_ == State::open && sid == sid_) fail(CloseCode::policy, another_session());
}

void Conversation::on_opened(const Answer& answer) {
  if (state_ != State::opening && !renewing_) return;
  renewing_ = false;
  if (state_ == State::over) return;
  last_frame_ = steady_clock::now();  // the silence until now was ours
  if (!answer.result) return fail(CloseCode::policy, answer.result.error());
  const auto opened = protocol::decode_opened(*answer.result);
  if (!opened) return fail(CloseCode::policy, opened.error());
  if (!sid_.empty() && sid_ != opened->sid) return fail(CloseCode::policy, another_session());
  sid_ = opened->sid;
  state_ = State::open;
  wire_.send(protocol::welcome({.session = session_name_,
                                .sid = opened->sid,
                                .owner = peer_->owner,
                                .durability = hub_->parts().durability,
                                .perm = peer_->perm,
                                .txid = opened->txid,
                                .resumed = resume_from_.has_value()},
                               hub_->options()));
  if (draining_) close_if_drained();
}

void Conversation::handle(protocol::CallMessage& message) {
  if (draining_) return wire_.send(protocol::error(message.id, shutting_down()));
  if (call_rate_) {
    if (const auto refused = call_rate_->refuse(last_frame_)) {
      hub_->count_refused(Refusal::owner_calls);
      return wire_.send(protocol::error(message.id, *refused));
    }
  }
  const Time deadline = last_frame_ + message.timeout.value_or(hub_->options().call_timeout);
  if (!take_id(message.id, deadline)) return;
  CallPtr call = make_call(CallKind::function, message.id);
  call->function = std::move(message.function);
  call->args = std::move(message.args);
  call->deadline = deadline;
  if (!message.key.empty()) {
    call->key = std::make_shared<CallKey>(CallKey{std::move(message.key)});
    if (message.age) call->key->first_sent_ms = now_ms() - message.age->count();
  }
  call->connection = number_;
  call->tx = message.tx;
  call->at = message.at;
  has_begun_ = has_begun_ || call->function == "tx.begin";
  entrance_->send(std::move(call));
}

bool Conversation::take_id(std::uint64_t id, Time deadline) {
  if (!in_flight_.try_emplace(id, InFlight{deadline}).second) {
    Error error{Errc::invalid_request, "The id of this call is in use",
                "An id is free again when its call was answered; one that timed out, when the "
                "session has finished it."};
    wire_.send(protocol::error(std::nullopt, error));
    return false;
  }
  earliest_call_ = std::min(earliest_call_, deadline);
  return true;
}

CallPtr Conversation::make_call(CallKind kind, std::uint64_t id) {
  auto call = std::make_shared<Call>();
  call->kind = kind;
  call->context.peer = peer_;
  call->context.perm = peer_->perm;
  call->reply = Reply(wire_.reply_target(), id);
  return call;
}

void Conversation::on_answer(std::uint64_t id, std::string_view frame, bool is_error) {
  const auto found = in_flight_.find(id);
  if (found == in_flight_.end()) return;
  const bool timed_out = found->second.timed_out;
  in_flight_.erase(found);
  if (!timed_out) wire_.send(frame);
  subscriptions_.answered(id, !timed_out && !is_error && state_ != State::over);
  if (leaving_) return close_if_answered();
  if (draining_) close_if_drained();
}

void Conversation::handle(protocol::Subscribe& subscribe) {
  if (draining_) return wire_.send(protocol::error(subscribe.id, shutting_down()));
  const Time deadline = last_frame_ + hub_->options().call_timeout;
  if (!take_id(subscribe.id, deadline)) return;
  if (!subscribe.from) subscribe.from = resume_from_;
  CallPtr call = make_call(CallKind::function, subscribe.id);
  call->function = "table.subscribe";
  call->args.push_back(std::move(subscribe.table));
  call->deadline = deadline;
  auto request = subscriptions_.request(subscribe, wire_.event_waiter());
  if (!request) return call->reply.fail(std::move(request).error());
  call->subscribe = *std::move(request);
  entrance_->send(std::move(call));
}

void Conversation::feed(const std::function<bool()>& full) {
  if (state_ != State::open) return;
  subscriptions_.feed([this](std::string_view frame) { wire_.send(frame); }, full);
}

void Conversation::handle(protocol::Unsubscribe& unsubscribe) {
  const auto seen = subscriptions_.remove(unsubscribe.subscription);
  wire_.send(protocol::result(unsubscribe.id, seen ? "true" : "false", seen.value_or(0)));
}

void Conversation::handle(protocol::Heartbeat& heartbeat) {
  wire_.send(protocol::heartbeat(heartbeat.timestamp, system_clock::now()));
}

void Conversation::handle(protocol::Close&) {
  leaving_ = true;
  close_if_answered();
}

void Conversation::handle(protocol::Refused& refused) {
  wire_.send(protocol::error(refused.id, refused.error));
}

void Conversation::handle(protocol::Mistyped& /*mistyped*/) {
  fail(CloseCode::protocol, raystream::bad_frame());
}

void Conversation::fail(CloseCode how, Error error) {
  state_ = State::over;
  wire_.close(how, error.code, std::move(error.message));
}

bool Conversation::wants_frames() const {
  if (state_ == State::greeting) return true;
  return state_ == State::open && !leaving_ && !renewing_ &&
         in_flight_.size() < hub_->options().calls_in_flight_max;
}

Conversation::Time Conversation::next_deadline() const {
  if (state_ == State::over) return Time::max();
  if (state_ != State::open) return handshake_deadline_;
  const Time idle = last_frame_ + limits::kHeartbeatsMissedMax * hub_->options().heartbeat;
  return std::min({earliest_call_, expires_, idle, renewing_ ? handshake_deadline_ : Time::max()});
}

void Conversation::on_time(Time now) {
  if (state_ == State::over) return;
  if (state_ != State::open) {
    if (now < handshake_deadline_) return;
    return fail(CloseCode::policy,
                {Errc::timeout, state_ == State::greeting ? "No hello came in time"
                                                          : "The session did not open in time"});
  }
  expire_calls(now);
  if (state_ != State::open) return;
  if (now >= expires_) {
    return fail(CloseCode::unauthorized, {Errc::session_expired, "The token has expired"});
  }
  if (renewing_ && now >= handshake_deadline_) {
    return fail(CloseCode::policy, {Errc::timeout, "The session did not open in time"});
  }
  if (!wants_frames()) {
    last_frame_ = now;  // it is we who do not listen
  } else if (now >= last_frame_ + limits::kHeartbeatsMissedMax * hub_->options().heartbeat) {
    fail(CloseCode::policy, {Errc::timeout, "Nothing was heard for three heartbeats"});
  }
}

void Conversation::expire_calls(Time now) {
  if (now < earliest_call_) return;
  earliest_call_ = Time::max();
  for (auto& [id, call] : in_flight_) {
    if (call.timed_out) continue;
    if (call.deadline <= now) {
      call.timed_out = true;
      wire_.send(protocol::error(id, {Errc::timeout, "The call took too long; it may have run",
                                      "Look at the state before you repeat it."}));
    } else {
      earliest_call_ = std::min(earliest_call_, call.deadline);
    }
  }
  if (leaving_) close_if_answered();
}

void Conversation::drain() {
  draining_ = true;
  if (leaving_) return;  // it closes as soon as it can anyway
  if (state_ == State::greeting || state_ == State::open) close_if_drained();
}

void Conversation::close_if_drained() {
  if (in_flight_.empty()) fail(CloseCode::going_away, shutting_down());
}

// A call that timed out was answered with that.
void Conversation::close_if_answered() {
  const bool answered = std::all_of(in_flight_.begin(), in_flight_.end(),
                                    [](const auto& entry) { return entry.second.timed_out; });
  if (!answered || state_ == State::over) return;
  state_ = State::over;
  wire_.close(CloseCode::normal, std::nullopt, "closed by the client");
}

void Conversation::end() {
  state_ = State::over;
  subscriptions_.clear();
  owner_place_ = {};
  held_ = {};
  held_account_ = {};
  if (!std::exchange(has_begun_, false)) return;
  auto leave = std::make_shared<Call>();
  leave->kind = CallKind::leave;
  leave->context.peer = peer_;
  leave->connection = number_;
  leave->reply = Reply(std::make_shared<NoOne>(), 0);
  entrance_->send(std::move(leave));
}

}  // namespace kontract::detail
