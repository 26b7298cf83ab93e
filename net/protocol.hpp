// protocol: kontract.v1+json, the bytes on the wire. The only place that knows them; no socket, no
// session, no clock. docs/protocol.md is the specification.
//
// decode() turns one frame into one message; the encoders give the text of one frame, or the body
// of one HTTP answer. Results are spliced in as text: a stored record is not parsed on its way out.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "actors/subscription.hpp"
#include "net/raystream_frame.hpp"
#include "net/server_options.hpp"
#include "storage/json.hpp"
#include "storage/result.hpp"
#include "storage/version.hpp"

namespace kontract::protocol {

inline constexpr int kVersion = 1;
inline constexpr std::string_view kSubprotocol = "kontract.v1+json";

using MessageId = std::uint64_t;  // chosen by the client, 1 to 2^53 - 1

// What a client may send. All of these are well-formed as far as their fields go; whether the
// server can do what they ask is for the connection to say.
struct Hello {
  std::string token;              // empty: none
  std::string sid;                // of resume: the session must be this one; empty: any
  std::optional<Txid> last_txid;  // of resume: where subscriptions go on that do not say
};

struct CallMessage {
  MessageId id = 0;
  std::string function;
  Json args = Json::array();
  std::optional<std::chrono::milliseconds> timeout;
  std::string key;                               // empty: none; else valid
  std::optional<std::chrono::milliseconds> age;  // of a repeat, with a key
  Txid tx = 0;                                   // 0: none
  Txid at = 0;                                   // 0: none
};

struct Subscribe {
  MessageId id = 0;
  std::string table;
  Json filter;  // an object, or null: all
  std::optional<Txid> from;
  SlowPolicy slow = SlowPolicy::close;
};

struct Unsubscribe {
  MessageId id = 0;
  MessageId subscription = 0;
};

struct Heartbeat {
  JsonText timestamp;  // a number, or null if there was none; goes back as it came
};

struct Close {};

// Ill-formed, or asking for what this version does not offer, by a message whose id is known.
struct Refused {
  MessageId id = 0;
  Error error;
};

// Came in a record of raystream that is for other messages.
struct Mistyped {};

using ClientMessage =
    std::variant<Hello, CallMessage, Subscribe, Unsubscribe, Heartbeat, Close, Refused, Mistyped>;

struct DecodeLimits {
  JsonLimits json;
  std::chrono::milliseconds call_timeout_max{limits::kCallTimeoutMax};
};

// `record` is what it came in, if that was a record of raystream. Errors: invalid_request, saying
// what is wrong and where. An error of a message with a readable id is not among them but comes as
// Refused.
Result<ClientMessage> decode(std::string_view text, const DecodeLimits& bounds,
                             std::optional<raystream::FrameType> record = std::nullopt);

// The arguments of POST /rpc/{function}: a JSON array; an empty body is an empty array.
Result<Json> decode_arguments(std::string_view body, const JsonLimits& bounds);

// What `open` answered, {"sid":"...","txid":N}, as the welcome needs it.
struct Opened {
  std::string sid;
  Txid txid = 0;
};
Result<Opened> decode_opened(std::string_view text);

struct Welcome {
  std::string_view session, sid, owner, durability;
  int perm = 0;
  Txid txid = 0;
  bool resumed = false;
};

// Frames. Of a KONTRACT_INTERNAL neither frames nor bodies tell the message: log it.
std::string welcome(const Welcome& fields, const ServerOptions& options);
std::string result(MessageId id, std::string_view result, Txid txid);
std::string error(std::optional<MessageId> id, const Error& error);
// What stands before an EventText's tail.
std::string event_head(MessageId subscription);
// A subscription is over; `last` is where another can go on.
std::string subscription_ended(MessageId subscription, const Error& error, Txid last);
std::string heartbeat(std::string_view timestamp, std::chrono::system_clock::time_point now);
std::string close(Errc code, std::string_view message);

// HTTP bodies.
std::string http_result(std::string_view result, Txid txid);
std::string http_error(const Error& error);
std::string http_health(bool draining);
// GET /.well-known/kontract; `identity` as Server::identity().
std::string http_description(const ServerOptions& options, std::string_view identity = {});

}  // namespace kontract::protocol
