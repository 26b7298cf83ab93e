#include "net/protocol.hpp"

#include <charconv>
#include <concepts>
#include <utility>

#include "net/raystream_message.hpp"
#include "storage/reply_rows.hpp"

namespace kontract::protocol {

namespace {

Error invalid(std::string message, std::string hint = {}) {
  return {Errc::invalid_request, std::move(message), std::move(hint)};
}

// The member called `name`, or null if it is absent or JSON null.
const Json* member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::uint64_t> safe_integer(const Json* value, std::uint64_t lowest) {
  if (value == nullptr || !value->is_number_integer()) return std::nullopt;
  if (!value->is_number_unsigned() && value->get<std::int64_t>() < 0) return std::nullopt;
  const auto number = value->get<std::uint64_t>();
  constexpr auto kHighest = static_cast<std::uint64_t>(limits::kSafeIntegerMax);
  if (number < lowest || number > kHighest) return std::nullopt;
  return number;
}

Result<ClientMessage> decode_hello(const Json& object) {
  const Json* version = member(object, "v");
  if (safe_integer(version, 1) != std::uint64_t{kVersion}) {
    return invalid("hello: v must be 1, the only version of this protocol that is spoken here",
                   "Send {\"t\":\"hello\",\"v\":1}.");
  }
  Hello hello;
  if (const Json* token = member(object, "token")) {
    if (!token->is_string()) return invalid("hello: token must be a string");
    hello.token = token->get_ref<const std::string&>();
  }
  if (const Json* resume = member(object, "resume")) {
    if (!resume->is_object()) return invalid("hello: resume must be an object");
    if (const Json* last = member(*resume, "last_txid")) {
      hello.last_txid = safe_integer(last, 0);
      if (!hello.last_txid) return invalid("hello: resume.last_txid must be a txid");
    }
    if (const Json* sid = member(*resume, "sid")) {
      if (!sid->is_string()) return invalid("hello: resume.sid must be a session's sid");
      hello.sid = sid->get_ref<const std::string&>();
    }
  }
  return ClientMessage(std::move(hello));
}

Result<CallMessage> decode_call(Json& object, MessageId id, const DecodeLimits& bounds) {
  CallMessage call;
  call.id = id;
  const auto function = object.find("fn");
  if (function == object.end() || !function->is_string()) {
    return invalid(
        "call: fn must be the name of a function",
        "Send {\"t\":\"call\",\"id\":1,\"fn\":\"table.get\",\"args\":[\"users\",\"u1\"]}.");
  }
  call.function = std::move(function->get_ref<std::string&>());
  if (const auto args = object.find("args"); args != object.end()) {
    if (!args->is_array()) return invalid("call: args must be an array");
    call.args = std::move(*args);
  }
  for (const auto& [name, txid] : {std::pair{"tx", &call.tx}, std::pair{"at", &call.at}}) {
    const Json* given = member(object, name);
    if (given == nullptr) continue;
    const auto number = safe_integer(given, 1);
    if (!number) return invalid(std::string("call: ") + name + " must be a txid");
    *txid = *number;
  }
  if (const Json* key = member(object, "key")) {
    if (!key->is_string()) return invalid("call: key must be a string");
    call.key = key->get_ref<const std::string&>();
    if (Status valid = validate_call_key(call.key); !valid) return std::move(valid).error();
  }
  if (const Json* age = member(object, "age_ms")) {
    const auto value = safe_integer(age, 0);
    if (!value) return invalid("call: age_ms must be how long ago the call was first sent");
    call.age = std::chrono::milliseconds(*value);
  }
  if (const Json* timeout = member(object, "timeout_ms")) {
    const auto longest = static_cast<std::uint64_t>(bounds.call_timeout_max.count());
    const auto value = safe_integer(timeout, 1);
    if (!value || *value > longest) {
      return invalid("call: timeout_ms must be an integer from 1 to " + std::to_string(longest));
    }
    call.timeout = std::chrono::milliseconds(*value);
  }
  return call;
}

std::optional<SlowPolicy> slow_policy(std::string_view name) {
  if (name == "close") return SlowPolicy::close;
  if (name == "coalesce") return SlowPolicy::coalesce;
  if (name == "resync") return SlowPolicy::resync;
  return std::nullopt;
}

Result<Subscribe> decode_subscribe(const Json& object, MessageId id) {
  const Json* table = member(object, "table");
  if (table == nullptr || !table->is_string()) {
    return invalid("subscribe: table must be the name of a table");
  }
  if (const Json* filter = member(object, "filter"); filter != nullptr && !filter->is_object()) {
    return invalid("subscribe: filter must be an object");
  }
  Subscribe subscribe;
  subscribe.id = id;
  subscribe.table = table->get_ref<const std::string&>();
  if (const Json* filter = member(object, "filter")) subscribe.filter = *filter;
  if (const Json* from = member(object, "from")) {
    subscribe.from = safe_integer(from, 0);
    if (!subscribe.from) return invalid("subscribe: from must be a txid");
  }
  if (const Json* slow = member(object, "slow")) {
    const auto policy =
        slow->is_string() ? slow_policy(slow->get_ref<const std::string&>()) : std::nullopt;
    if (!policy) return invalid("subscribe: slow is close, coalesce or resync");
    subscribe.slow = *policy;
  }
  return subscribe;
}

Result<Unsubscribe> decode_unsubscribe(const Json& object, MessageId id) {
  const auto subscription = safe_integer(member(object, "sub"), 1);
  if (!subscription) return invalid("unsubscribe: sub must be the id of a subscription");
  return Unsubscribe{id, *subscription};
}

// A message that has an id: from here on, what is wrong with it is said to that id.
template <class Message>
Result<ClientMessage> tied(MessageId id, Result<Message> decoded) {
  if (!decoded) return ClientMessage(Refused{id, std::move(decoded).error()});
  return ClientMessage(std::move(*decoded));
}

Result<ClientMessage> decode_heartbeat(const Json& object) {
  const Json* timestamp = member(object, "timestamp");
  if (timestamp == nullptr) return ClientMessage(Heartbeat{"null"});
  if (!timestamp->is_number()) return invalid("heartbeat: timestamp must be a number");
  return ClientMessage(Heartbeat{to_text(*timestamp)});
}

template <std::integral Integer>
void append(std::string& out, Integer value) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end);
}

std::string limits_text(const ServerOptions& options) {
  std::string out = "{\"frame_bytes\":";
  append(out, options.frame_bytes_max);
  out += ",\"json_depth\":";
  append(out, options.json_depth_max);
  out += ",\"calls_in_flight\":";
  append(out, options.calls_in_flight_max);
  out += ",\"call_timeout_ms\":";
  append(out, options.call_timeout.count());
  out += ",\"call_timeout_max_ms\":";
  append(out, options.call_timeout_max.count());
  out += ",\"record_bytes\":";
  append(out, options.record_bytes_max);
  out += ",\"record_id_bytes\":";
  append(out, options.record_id_bytes_max);
  out += '}';
  return out;
}

// What a client is told of an error. An internal one may name files and libraries: its message is
// for the log, where whoever encodes it writes it.
std::string_view told(Errc code, std::string_view message) {
  return code == Errc::internal ? traits(code).cause : message;
}

void append_explanation(std::string& out, const Error& error) {
  out += ",\"message\":";
  append_json_string(out, told(error.code, error.message));
  out += ",\"hint\":";
  append_json_string(out, error.hint_or_cure());
  if (error.retry_after) {
    out += ",\"retry_after_ms\":";
    append(out, error.retry_after->count());
  }
}

void append_error(std::string& out, const Error& error) {
  const ErrorTraits& about = traits(error.code);
  out += ",\"code\":\"";
  out += about.name;
  out += "\",\"status\":";
  append(out, about.http_status);
  append_explanation(out, error);
  out += about.retry ? ",\"retry\":true" : ",\"retry\":false";
}

}  // namespace

Result<ClientMessage> decode(std::string_view text, const DecodeLimits& bounds,
                             std::optional<raystream::FrameType> record) {
  auto parsed = parse_json(text, bounds.json);
  if (!parsed) return std::move(parsed).error();
  Json& object = *parsed;
  if (!object.is_object()) return invalid("A message must be a JSON object");
  const Json* type = member(object, "t");
  if (type == nullptr || !type->is_string()) {
    return invalid("A message must say what it is in its member t");
  }
  const std::string name = type->get_ref<const std::string&>();
  if (record && !raystream::agree(*record, name)) return ClientMessage(Mistyped{});
  if (name == "hello") return decode_hello(object);
  if (name == "heartbeat") return decode_heartbeat(object);
  if (name == "close") return ClientMessage(Close{});

  const auto id = safe_integer(member(object, "id"), 1);
  const bool has_id = name == "call" || name == "subscribe" || name == "unsubscribe";
  if (has_id && !id) return invalid(name + ": id must be an integer from 1 to 2^53 - 1");
  if (name == "call") return tied(*id, decode_call(object, *id, bounds));
  if (name == "subscribe") return tied(*id, decode_subscribe(object, *id));
  if (name == "unsubscribe") return tied(*id, decode_unsubscribe(object, *id));

  Error unknown = invalid("There is no message of this type",
                          "t is one of hello, call, subscribe, unsubscribe, heartbeat and close.");
  if (id) return ClientMessage(Refused{*id, std::move(unknown)});
  return unknown;
}

Result<Json> decode_arguments(std::string_view body, const JsonLimits& bounds) {
  if (body.empty()) return Json(Json::array());
  auto parsed = parse_json(body, bounds);
  if (parsed && !parsed->is_array()) {
    return invalid("The body must be a JSON array of arguments", "For example [\"users\",\"u1\"].");
  }
  return parsed;
}

Result<Opened> decode_opened(std::string_view text) {
  auto parsed = parse_json(text);
  if (!parsed) return std::move(parsed).error();
  const Json* sid = parsed->is_object() ? member(*parsed, "sid") : nullptr;
  const auto txid = parsed->is_object() ? safe_integer(member(*parsed, "txid"), 0) : std::nullopt;
  if (sid == nullptr || !sid->is_string() || !txid) {
    return Error{Errc::internal, "The session did not say who it is"};
  }
  return Opened{sid->get_ref<const std::string&>(), *txid};
}

std::string welcome(const Welcome& fields, const ServerOptions& options) {
  std::string out = "{\"t\":\"welcome\",\"v\":";
  append(out, kVersion);
  out += ",\"session\":";
  append_json_string(out, fields.session);
  out += ",\"sid\":";
  append_json_string(out, fields.sid);
  out += ",\"owner\":";
  append_json_string(out, fields.owner);
  out += ",\"perm\":";
  append(out, fields.perm);
  out += ",\"txid\":";
  append(out, fields.txid);
  out +=
      fields.resumed ? ",\"resumed\":true,\"durability\":" : ",\"resumed\":false,\"durability\":";
  append_json_string(out, fields.durability);
  out += ",\"heartbeat_ms\":";
  append(out, options.heartbeat.count());
  out += ",\"limits\":" + limits_text(options) + '}';
  return out;
}

std::string result(MessageId id, std::string_view result, Txid txid) {
  std::string out;
  out.reserve(result.size() + 80);
  out += "{\"t\":\"result\",\"id\":";
  append(out, id);
  out += ",\"result\":";
  out += result;
  out += ",\"txid\":";
  append(out, txid);
  out += '}';
  return out;
}

std::string error(std::optional<MessageId> id, const Error& error) {
  std::string out = "{\"t\":\"error\"";
  if (id) {
    out += ",\"id\":";
    append(out, *id);
  }
  append_error(out, error);
  return out + '}';
}

std::string event_head(MessageId subscription) {
  std::string out = "{\"t\":\"event\",\"sub\":";
  append(out, subscription);
  return out + ',';
}

std::string subscription_ended(MessageId subscription, const Error& error, Txid last) {
  std::string out = "{\"t\":\"error\",\"sub\":";
  append(out, subscription);
  append_error(out, error);
  out += ",\"last_txid\":";
  append(out, last);
  return out + '}';
}

std::string heartbeat(std::string_view timestamp, std::chrono::system_clock::time_point now) {
  std::string out = "{\"t\":\"heartbeat\",\"timestamp\":";
  out += timestamp;
  out += ",\"server_time\":";
  append(out,
         std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
  out += '}';
  return out;
}

std::string close(Errc code, std::string_view message) {
  std::string out = "{\"t\":\"close\",\"code\":\"";
  out += traits(code).name;
  out += "\",\"message\":";
  append_json_string(out, told(code, message));
  out += '}';
  return out;
}

std::string http_result(std::string_view result, Txid txid) {
  std::string out = "{\"result\":";
  out.reserve(result.size() + 48);
  out += result;
  out += ",\"txid\":";
  append(out, txid);
  out += '}';
  return out;
}

std::string http_error(const Error& error) {
  std::string out = "{\"error\":\"";
  out += error.name();
  out += '"';
  append_explanation(out, error);
  out += '}';
  return out;
}

std::string http_health(bool draining) {
  return draining ? "{\"status\":\"draining\"}" : "{\"status\":\"ok\"}";
}

std::string http_description(const ServerOptions& options, std::string_view identity) {
  Json protocols = Json::array();
  if (identity.empty() || options.raystream != RaystreamOffer::required) {
    protocols.push_back(kSubprotocol);
  }
  if (!identity.empty()) protocols.push_back(raystream::kSubprotocol);
  std::string out = "{\"protocols\":" + protocols.dump();
  if (!identity.empty()) {
    out += ",\"identity\":";
    append_json_string(out, identity);
  }
  out += ",\"limits\":" + limits_text(options) + '}';
  return out;
}

}  // namespace kontract::protocol
