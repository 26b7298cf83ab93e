#include "net/detail/client_wire.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "net/raystream_message.hpp"

namespace kontract::client_wire {
namespace {

// What a server sends nests a record deeper than what a client sends, and a page has many values.
constexpr JsonLimits kAnswerLimits{2 * limits::kJsonDepthMax, std::size_t{1} << 23};

std::string text_of(const Json& message, const char* name) {
  const auto member = message.find(name);
  return member != message.end() && member->is_string() ? member->get<std::string>()
                                                        : std::string{};
}

std::uint64_t number_of(const Json& message, const char* name, std::uint64_t otherwise = 0) {
  const auto member = message.find(name);
  return member != message.end() && member->is_number_unsigned() ? member->get<std::uint64_t>()
                                                                 : otherwise;
}

// A code of a later version is told apart by what a retry can do, which is what a caller acts on.
Error error_of(const Json& message, const char* code_name) {
  const std::string name = text_of(message, code_name);
  const auto code = errc_from_name(name);
  const auto retry = message.find("retry");
  const bool may_retry = retry != message.end() && *retry == true;
  Error error{code.value_or(may_retry ? Errc::overloaded : Errc::internal),
              text_of(message, "message"), text_of(message, "hint")};
  if (error.message.empty()) error.message = std::string(error.name());
  if (!code && !name.empty()) error.message = name + ": " + error.message;
  if (const auto wait = number_of(message, "retry_after_ms"); wait != 0) {
    error.retry_after = std::chrono::milliseconds(wait);
  }
  return error;
}

Welcome welcome_of(const Json& message) {
  Welcome welcome;
  welcome.session = text_of(message, "session");
  welcome.sid = text_of(message, "sid");
  welcome.owner = text_of(message, "owner");
  welcome.durability = text_of(message, "durability");
  welcome.perm = static_cast<int>(number_of(message, "perm") & 7);
  welcome.txid = number_of(message, "txid");
  const auto beat = number_of(message, "heartbeat_ms");
  if (beat > 0) welcome.heartbeat = std::chrono::milliseconds(beat);
  const auto given = message.find("limits");
  if (given != message.end() && given->is_object()) {
    welcome.calls_in_flight =
        std::max<std::size_t>(1, number_of(*given, "calls_in_flight", welcome.calls_in_flight));
    welcome.frame_bytes = number_of(*given, "frame_bytes", welcome.frame_bytes);
    welcome.json_depth = number_of(*given, "json_depth", welcome.json_depth);
    const auto longest = number_of(*given, "call_timeout_max_ms");
    if (longest > 0) welcome.call_timeout_max = std::chrono::milliseconds(longest);
  }
  return welcome;
}

Errc code_of_status(int http_status) {
  switch (http_status) {
    case 400:
      return Errc::invalid_request;
    case 401:
      return Errc::unauthorized;
    case 403:
      return Errc::forbidden;
    case 404:
      return Errc::not_found;
    case 413:
      return Errc::too_large;
    case 429:
      return Errc::rate_limited;
    case 503:
      return Errc::overloaded;
    default:
      return Errc::internal;
  }
}

}  // namespace

Result<Url> parse_url(std::string_view url) {
  const auto bad = [&](const char* why) {
    return Error(Errc::invalid_request, "'" + std::string(url) + "' is not a server: " + why,
                 "Give the server as ws://host:port, for example ws://127.0.0.1:8787, or wss:// "
                 "for TLS.");
  };
  constexpr std::string_view kScheme = "ws://", kTlsScheme = "wss://";
  const bool tls = url.starts_with(kTlsScheme);
  if (!tls && !url.starts_with(kScheme)) return bad("it does not begin with ws:// or wss://");
  std::string_view rest = url.substr((tls ? kTlsScheme : kScheme).size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@ ") != rest.npos) return bad("only a host and a port may follow");

  Url parts;
  parts.tls = tls;
  parts.port = tls ? "443" : "80";
  const auto bracket = rest.starts_with('[') ? rest.find(']') : std::string_view::npos;
  const auto colon = rest.find(':', bracket == rest.npos ? 0 : bracket);
  parts.host = rest.substr(0, colon);
  if (bracket != rest.npos) parts.host = rest.substr(1, bracket - 1);
  if (parts.host.empty()) return bad("the host is missing");
  if (colon != rest.npos) {
    parts.port = rest.substr(colon + 1);
    unsigned port = 0;
    const char* const end = parts.port.data() + parts.port.size();
    const auto [stop, failed] = std::from_chars(parts.port.data(), end, port);
    if (failed != std::errc{} || stop != end || port == 0 || port > 65535) {
      return bad("the port is not a number from 1 to 65535");
    }
  }
  return parts;
}

std::string host_and_port(const Url& url) {
  const bool bare = url.host.find(':') == url.host.npos;
  return (bare ? url.host : "[" + url.host + "]") + ":" + url.port;
}

std::string hello(std::string_view token, std::string_view sid) {
  std::string frame = R"({"t":"hello","v":1)";
  if (!token.empty()) {
    frame += R"(,"token":)";
    append_json_string(frame, token);
  }
  if (!sid.empty()) {
    frame += R"(,"resume":{"sid":)";
    append_json_string(frame, sid);
    frame += '}';
  }
  return frame + "}";
}

std::string subscribe(std::uint64_t id, std::string_view table, const SubscribeOptions& options) {
  Json message = {{"t", "subscribe"}, {"id", id}, {"table", table}, {"slow", options.slow}};
  if (!options.filter.is_null()) message["filter"] = options.filter;
  if (options.from) message["from"] = *options.from;
  return to_text(message);
}

std::string unsubscribe(std::uint64_t id, std::uint64_t subscription) {
  return to_text({{"t", "unsubscribe"}, {"id", id}, {"sub", subscription}});
}

std::string heartbeat(std::int64_t timestamp_ms) {
  return R"({"t":"heartbeat","timestamp":)" + std::to_string(timestamp_ms) + "}";
}

std::string close() { return R"({"t":"close"})"; }

Result<std::string> call(std::uint64_t id, std::string_view function, const Json& args,
                         std::uint64_t tx, std::string_view key) {
  if (!args.is_array()) {
    return Error(Errc::invalid_request, "The arguments of a call are a JSON array");
  }
  std::string frame = R"({"t":"call","id":)" + std::to_string(id) + R"(,"fn":)";
  append_json_string(frame, function);
  if (tx != 0) frame += R"(,"tx":)" + std::to_string(tx);
  frame += R"(,"args":)";
  try {
    frame += args.dump();
  } catch (const Json::exception&) {
    return Error(Errc::invalid_request, "The arguments hold text that is not UTF-8");
  }
  if (!key.empty()) frame += R"(,"key":")" + std::string(key) + '"';
  return frame;
}

std::string call_age(std::chrono::milliseconds since_first_sent) {
  return R"(,"age_ms":)" + std::to_string(since_first_sent.count());
}

bool only_reads(std::string_view function, const Json& args) {
  constexpr std::array<std::string_view, 6> readers = {
      "table.get", "table.query", "table.list", "table.schema", "schema.show", "session.info"};
  if (std::ranges::find(readers, function) != readers.end()) return true;
  if (function != "table.exec" || !args.is_array() || args.size() < 2 || !args[1].is_string()) {
    return false;
  }
  std::string_view sql = args[1].get_ref<const std::string&>();
  sql.remove_prefix(std::min(sql.find_first_not_of(" \t\r\n"), sql.size()));
  constexpr std::string_view kSelect = "select";
  return sql.size() > kSelect.size() &&
         std::ranges::equal(sql.substr(0, kSelect.size()), kSelect, {},
                            [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
}

std::string call_end(std::chrono::milliseconds timeout) {
  return R"(,"timeout_ms":)" + std::to_string(timeout.count()) + "}";
}

Status check_call(std::string_view frame, const Welcome& server) {
  if (frame.size() > server.frame_bytes) {
    return Error(Errc::too_large, "The call has " + std::to_string(frame.size()) +
                                      " bytes, the server takes " +
                                      std::to_string(server.frame_bytes));
  }
  auto parsed = parse_json(frame, {.depth = server.json_depth});
  if (!parsed) return std::move(parsed).error();
  return {};
}

Result<Message> decode(std::string_view frame, std::optional<raystream::FrameType> record) {
  auto parsed = parse_json(frame, kAnswerLimits);
  if (!parsed) {
    return Error(Errc::internal, "The server sent no JSON: " + parsed.error().message);
  }
  Json& message = *parsed;
  if (!message.is_object()) return Error(Errc::internal, "The server sent no JSON object");
  const std::string type = text_of(message, "t");
  if (record && !raystream::agree(*record, type)) return raystream::bad_frame();
  if (type == "result") {
    CallResult result;
    if (const auto member = message.find("result"); member != message.end()) {
      result.result = std::move(*member);
    }
    result.txid = number_of(message, "txid");
    return Message(Answer{number_of(message, "id"), std::move(result)});
  }
  if (type == "event") {
    Event event{
        text_of(message, "type"),  text_of(message, "table"), text_of(message, "id"), {}, {},
        number_of(message, "txid")};
    if (const auto data = message.find("data"); data != message.end()) event.data = *data;
    if (const auto old = message.find("oldData"); old != message.end()) event.old_data = *old;
    if (const auto more = message.find("more"); more != message.end()) event.more = *more == true;
    return Message(EventMessage{number_of(message, "sub"), std::move(event)});
  }
  if (type == "error" && message.contains("sub")) {
    return Message(Ended{number_of(message, "sub"), error_of(message, "code")});
  }
  if (type == "error") return Message(Answer{number_of(message, "id"), error_of(message, "code")});
  if (type == "welcome") return Message(welcome_of(message));
  if (type == "close") return Message(Close{error_of(message, "code")});
  return Message(Ignored{});
}

Error refusal(int http_status, std::string_view body) {
  auto parsed = parse_json(body);
  if (parsed && parsed->is_object() && parsed->contains("error")) {
    return error_of(*parsed, "error");
  }
  return Error(code_of_status(http_status),
               "The server refused the connection with HTTP status " + std::to_string(http_status));
}

}  // namespace kontract::client_wire
