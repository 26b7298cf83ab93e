// The client's half of the wire (docs/protocol.md, kontract.v1+json): the frames that a client
// sends, and what it makes of those that it gets.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "net/client.hpp"
#include "net/raystream_frame.hpp"
#include "storage/json.hpp"
#include "storage/result.hpp"

namespace kontract::client_wire {

// A page of results is larger than what a client may send, and is the server's to bound.
inline constexpr std::size_t kMessageBytesMax = 16 * limits::kMiB;

struct Url {
  std::string host, port;
  bool tls = false;  // wss
};
// Of ws[s]://host[:port][/]; an IPv6 address stands in brackets. Errors: invalid_request.
Result<Url> parse_url(std::string_view url);

// "host:port", an IPv6 address in brackets.
std::string host_and_port(const Url& url);

// `sid`: the session must be that one; empty: any.
std::string hello(std::string_view token, std::string_view sid = {});
std::string subscribe(std::uint64_t id, std::string_view table, const SubscribeOptions& options);
std::string unsubscribe(std::uint64_t id, std::uint64_t subscription);
std::string heartbeat(std::int64_t timestamp_ms);
std::string close();

// A call without its end, which is `call_end`: what time it has left is known when it is sent.
// `tx`: the transaction that it is in, 0: none. `key`: empty, or one of A-Za-z0-9.
// Errors: invalid_request if `args` is not an array or holds text that is not UTF-8.
Result<std::string> call(std::uint64_t id, std::string_view function, const Json& args,
                         std::uint64_t tx = 0, std::string_view key = {});
std::string call_age(std::chrono::milliseconds since_first_sent);  // of a repeat, before the end
std::string call_end(std::chrono::milliseconds timeout);

// Whether a call changes nothing, as far as its name tells: it needs no key to be repeated.
bool only_reads(std::string_view function, const Json& args);

// Whether `server` can read this whole call. It answers one that it cannot with an error that names
// no call, so that nobody would hear of it. Errors: too_large; invalid_request as of parse_json.
Status check_call(std::string_view frame, const Welcome& server);

struct Answer {  // `result` or `error`; id 0: an error that belongs to no call
  std::uint64_t id = 0;
  Result<CallResult> result;
};
struct Close {
  Error error;
};
struct EventMessage {
  std::uint64_t subscription = 0;
  Event event;
};
struct Ended {  // a subscription that was there
  std::uint64_t subscription = 0;
  Error error;
};
struct Ignored {};  // a heartbeat, or a message of a later version
using Message = std::variant<Welcome, Answer, Close, EventMessage, Ended, Ignored>;

// `record` is what it came in, if that was a record of raystream. Errors: internal if the frame is
// no message of the protocol; invalid_request if it came in a record for other messages.
Result<Message> decode(std::string_view frame,
                       std::optional<raystream::FrameType> record = std::nullopt);

// The error of an HTTP answer to the upgrade, or of a close frame's reason, as far as it has one.
Error refusal(int http_status, std::string_view body);

}  // namespace kontract::client_wire
