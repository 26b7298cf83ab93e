// The table of settings, and how sizes, durations and numbers are read and written.

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <vector>

#include "runtime/config.hpp"

namespace kontract {
namespace {

using std::chrono::milliseconds;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
// From large to small: text() takes the first that divides.
constexpr std::array kSizes{Unit{"GiB", limits::kGiB}, Unit{"MiB", limits::kMiB},
                            Unit{"KiB", limits::kKiB}, Unit{"B", 1}};
constexpr std::array kDurations{Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1000},
                                Unit{"ms", 1}};

Error bad(std::string_view text, std::string_view expected) {
  return Error(Errc::invalid_request,
               "'" + std::string(text) + "' is not " + std::string(expected));
}

std::optional<std::uint64_t> whole(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A number with one of the units; `bare` is the factor of one without, 0: only 0 needs none.
std::optional<std::uint64_t> measure(std::string_view text, std::span<const Unit> units,
                                     std::uint64_t bare) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = whole(text.substr(0, digits));
  std::string_view name = text.substr(digits);
  name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
  const auto unit = std::ranges::find(units, name, &Unit::name);
  const std::uint64_t factor = unit != units.end() ? unit->factor : bare;
  if (!number || (unit == units.end() && !name.empty())) return std::nullopt;
  if (factor == 0) return *number == 0 ? number : std::nullopt;
  if (*number > static_cast<std::uint64_t>(limits::kSafeIntegerMax) / factor) return std::nullopt;
  return *number * factor;
}

std::string measured(std::uint64_t value, std::span<const Unit> units) {
  if (value == 0) return "0";
  const auto unit =
      std::ranges::find_if(units, [&](const Unit& u) { return value % u.factor == 0; });
  return std::to_string(value / unit->factor) + std::string(unit->name);
}

template <class T>
using Field = std::function<T&(ServeOptions&)>;

template <class T>
T read(const Field<T>& field, const ServeOptions& options) {
  ServeOptions copy = options;
  return field(copy);
}

template <class T>
Field<T> runtime(T Options::*member) {
  return [member](ServeOptions& options) -> T& { return options.runtime.*member; };
}
template <class T>
Field<T> store(T StoreOptions::*member) {
  return [member](ServeOptions& options) -> T& { return options.runtime.store.*member; };
}
template <class T>
Field<T> sql(T SqlLimits::*member) {
  return [member](ServeOptions& options) -> T& { return options.runtime.store.sql.*member; };
}

template <class T>
Field<T> changes(T ChangeLogLimits::*member) {
  return [member](ServeOptions& options) -> T& { return options.runtime.store.changes.*member; };
}
template <class T>
Field<T> sessions(T SessionOptions::*member) {
  return [member](ServeOptions& options) -> T& { return options.runtime.sessions.*member; };
}
template <class T>
Field<T> server(T ServerOptions::*member) {
  return [member](ServeOptions& options) -> T& { return options.runtime.server.*member; };
}

Setting text_setting(std::string name, std::string type, Field<std::string> field,
                     std::string help) {
  return {std::move(name), std::move(type), std::move(help),
          [field](ServeOptions& options, std::string_view text) {
            field(options) = text;
            return Status{};
          },
          [field](const ServeOptions& options) { return read(field, options); }};
}

template <class T>
Setting number_setting(std::string name, Field<T> field, std::string help, std::uint64_t least = 1,
                       std::uint64_t most = std::numeric_limits<std::uint32_t>::max()) {
  most = std::min<std::uint64_t>(most, std::numeric_limits<T>::max());
  return {std::move(name), "NUMBER", std::move(help),
          [=](ServeOptions& options, std::string_view text) -> Status {
            const auto number = whole(text);
            if (!number || *number < least || *number > most) {
              return bad(text,
                         "a number from " + std::to_string(least) + " to " + std::to_string(most));
            }
            field(options) = static_cast<T>(*number);
            return {};
          },
          [field](const ServeOptions& options) { return std::to_string(read(field, options)); }};
}

Setting size_setting(std::string name, Field<std::size_t> field, std::string help,
                     std::uint64_t least = 1) {
  return {std::move(name), "SIZE", std::move(help),
          [=](ServeOptions& options, std::string_view text) -> Status {
            const auto bytes = measure(text, kSizes, 1);
            if (!bytes || *bytes < least) {
              return bad(text, "a size of at least " + measured(least, kSizes) +
                                   ", such as 64MiB (units: B, KiB, MiB, GiB)");
            }
            field(options) = *bytes;
            return {};
          },
          [field](const ServeOptions& options) { return measured(read(field, options), kSizes); }};
}

Setting duration_setting(std::string name, Field<milliseconds> field, std::string help,
                         milliseconds least = milliseconds(1)) {
  return {std::move(name), "DURATION", std::move(help),
          [=](ServeOptions& options, std::string_view text) -> Status {
            const auto time = parse_duration(text);
            if (!time) return time.error();
            if (*time < least) return bad(text, "a duration of at least 1ms");
            field(options) = *time;
            return {};
          },
          [field](const ServeOptions& options) {
            return measured(static_cast<std::uint64_t>(read(field, options).count()), kDurations);
          }};
}

Setting rate_setting(std::string name, Field<AttemptRate> field, std::string help) {
  constexpr std::uint64_t kMost = 100'000;
  return {
      std::move(name), "NUMBER/NUMBER", std::move(help),
      [=](ServeOptions& options, std::string_view text) -> Status {
        const auto slash = std::min(text.find('/'), text.size());
        const auto minute = whole(text.substr(0, slash));
        const auto hour = whole(text.substr(std::min(slash + 1, text.size())));
        if (!minute || !hour || *minute < 1 || *hour < 1 || *minute > kMost || *hour > kMost) {
          return bad(text, "two numbers from 1 to 100000, such as 5/20: in a minute, in an hour");
        }
        field(options) = {static_cast<std::uint32_t>(*minute), static_cast<std::uint32_t>(*hour)};
        return {};
      },
      [field](const ServeOptions& options) {
        const AttemptRate rate = read(field, options);
        return std::to_string(rate.per_minute) + '/' + std::to_string(rate.per_hour);
      }};
}

// One of some words, each for a value.
template <class T>
Setting choice_setting(std::string name, Field<T> field,
                       std::vector<std::pair<std::string, T>> choices, std::string help) {
  std::string type;
  for (const auto& [word, value] : choices) type += (type.empty() ? "" : "|") + word;
  return {std::move(name), type, std::move(help),
          [=](ServeOptions& options, std::string_view text) -> Status {
            for (const auto& [word, value] : choices) {
              if (word != text) continue;
              field(options) = value;
              return {};
            }
            return bad(text, "one of " + type);
          },
          [=](const ServeOptions& options) {
            const T now = read(field, options);
            for (const auto& [word, value] : choices) {
              if (value == now) return word;
            }
            return std::string();
          }};
}

std::vector<Setting> make_settings() {
  using D = milliseconds;
  std::vector<Setting> all;

  all.push_back({"data", "DIR", "Where everything is kept; made if absent",
                 [](ServeOptions& options, std::string_view text) -> Status {
                   if (text.empty()) return bad(text, "a directory");
                   options.runtime.store.data = text;
                   return {};
                 },
                 [](const ServeOptions& options) { return options.runtime.store.data.string(); }});
  all.push_back(number_setting("shards", store(&StoreOptions::shards),
                               "Shards of a new data directory; 0: those it has", 0, 64));
  all.push_back(size_setting("map-size", store(&StoreOptions::map_bytes),
                             "Address space of a shard, and so the most it can hold",
                             limits::kMiB));
  all.push_back(choice_setting<Durability>(
      "durability", store(&StoreOptions::durability),
      {{"sync", Durability::sync}, {"relaxed", Durability::relaxed}},
      "sync: answered once it is on disk; relaxed: a crash loses at most sync-interval"));
  all.push_back(duration_setting("sync-interval", store(&StoreOptions::sync_interval),
                                 "relaxed: how long a write may be unsynced"));
  all.push_back(size_setting("disk-floor", store(&StoreOptions::disk_floor_bytes),
                             "Writes are refused with less disk free; 0: off", 0));
  all.push_back(size_setting("ballast", store(&StoreOptions::ballast_bytes),
                             "File kept in reserve, to be deleted on a full disk; 0: none", 0));
  all.push_back(size_setting("record-max", store(&StoreOptions::record_bytes_max),
                             "Largest record as compact JSON, at most 1MiB"));
  all.push_back(number_setting("record-id-max", store(&StoreOptions::record_id_bytes_max),
                               "Longest record id in bytes", 1, limits::kRecordIdBytesMax));
  all.push_back(duration_setting("version-retention", store(&StoreOptions::version_retention),
                                 "How long superseded versions are kept", D(0)));
  all.push_back(number_setting("sessions-per-owner-max",
                               store(&StoreOptions::sessions_per_owner_max),
                               "Sessions of one owner, awake or stored; 0: no limit", 0));
  all.push_back(size_setting("bytes-per-owner-max", store(&StoreOptions::bytes_per_owner_max),
                             "Stored versions of one owner's records, with their keys; 0: no limit",
                             0));
  all.push_back(number_setting("change-log-max", changes(&ChangeLogLimits::changes),
                               "Changes that a table keeps for who follows it; 0: none", 0));
  all.push_back(size_setting("change-log-bytes-max", changes(&ChangeLogLimits::bytes),
                             "Their ids and data together; 0: none", 0));
  all.push_back(duration_setting("change-log-age", changes(&ChangeLogLimits::age),
                                 "How long a change is kept for them; 0: not at all", D(0)));
  all.push_back(number_setting("shared-entries-max", store(&StoreOptions::shared_entries_max),
                               "Keys of the state that all sessions share"));
  all.push_back(size_setting("shared-bytes-max", store(&StoreOptions::shared_bytes_max),
                             "Keys and values of it together, in memory"));
  all.push_back(duration_setting("shared-write-interval",
                                 store(&StoreOptions::shared_write_interval),
                                 "A crash loses at most what so long has brought to it"));

  all.push_back(duration_setting("sql-time-max", sql(&SqlLimits::time),
                                 "Longest run of a statement of table.exec"));
  all.push_back(number_setting("sql-rows-max", sql(&SqlLimits::rows), "Most rows of its result"));
  all.push_back(size_setting("sql-result-max", sql(&SqlLimits::result_bytes),
                             "Largest result of it, as JSON", limits::kKiB));
  all.push_back(size_setting("sql-length-max", sql(&SqlLimits::sql_bytes), "Longest statement"));
  all.push_back(size_setting("sql-heap-max", sql(&SqlLimits::heap_bytes),
                             "Memory of all statements of the server together", limits::kMiB));

  all.push_back(duration_setting("session-idle", sessions(&SessionOptions::idle),
                                 "A session without a call for so long leaves memory"));
  all.push_back(number_setting("session-calls-max", sessions(&SessionOptions::calls_in_flight_max),
                               "Calls in flight in one session"));
  all.push_back(number_setting("open-transactions-max",
                               sessions(&SessionOptions::open_transactions_max),
                               "Open transactions of one session"));
  all.push_back(duration_setting("reply-retention", sessions(&SessionOptions::reply_retention),
                                 "How long the reply to a call with a key is kept", D(0)));
  all.push_back(number_setting("replies-max", sessions(&SessionOptions::replies_max),
                               "Most of these in one session; the oldest go earlier"));
  all.push_back(size_setting("reply-bytes-max", sessions(&SessionOptions::reply_bytes_max),
                             "Most bytes of them in one session; likewise"));
  all.push_back(duration_setting("transaction-idle", sessions(&SessionOptions::transaction_idle),
                                 "A transaction without a call for so long is rolled back"));
  all.push_back(duration_setting("transaction-time", sessions(&SessionOptions::transaction_time),
                                 "And so long after its begin, whatever it does"));
  all.push_back(choice_setting<bool>(
      "owners-create-tables", sessions(&SessionOptions::owners_create_tables),
      {{"true", true}, {"false", false}}, "Who is not in ugroup admin may create and drop tables"));

  all.push_back(
      text_setting("address", "ADDRESS", server(&ServerOptions::address),
                   "Where to listen; without keys of tokens, or without TLS, on loopback only"));
  all.push_back(number_setting("port", server(&ServerOptions::port),
                               "Port to listen on; 0: any free one", 0));
  all.push_back(text_setting("tls-certificate", "FILE", server(&ServerOptions::tls_certificate),
                             "Listen with TLS: the server's certificate and its chain (PEM); read "
                             "again on SIGHUP"));
  all.push_back(text_setting("tls-key", "FILE", server(&ServerOptions::tls_key),
                             "Key of the certificate (PEM), which not everybody may read"));
  all.push_back(text_setting("tls-client-ca", "FILE", server(&ServerOptions::tls_client_ca),
                             "Certificates (PEM) that sign those of clients"));
  all.push_back(choice_setting<ClientCertificates>(
      "tls-client-certificates", server(&ServerOptions::tls_client_certificates),
      {{"off", ClientCertificates::off},
       {"optional", ClientCertificates::optional},
       {"required", ClientCertificates::required}},
      "Whether clients are asked for certificates; functions see the subject"));
  all.push_back(choice_setting<bool>(
      "insecure", server(&ServerOptions::insecure), {{"true", true}, {"false", false}},
      "Listen without TLS on other addresses than loopback too, as behind a proxy that ends TLS"));
  all.push_back(text_setting("trusted-proxies", "LIST", server(&ServerOptions::trusted_proxies),
                             "Addresses and CIDR blocks of proxies that are believed who connects, "
                             "such as 10.0.0.0/8,::1"));
  all.push_back(choice_setting<bool>(
      "proxy-protocol", server(&ServerOptions::proxy_protocol), {{"true", true}, {"false", false}},
      "All connections are of trusted proxies and begin with a PROXY header (v1 or v2)"));
  all.push_back(choice_setting<ForwardedHeader>(
      "forwarded-header", server(&ServerOptions::forwarded_header),
      {{"x-forwarded-for", ForwardedHeader::x_forwarded_for},
       {"forwarded", ForwardedHeader::forwarded}},
      "The header in which trusted proxies say for whom a request is"));
  all.push_back(text_setting("secret", "TEXT", server(&ServerOptions::secret),
                             "Key of tokens (HS256); others see a flag, so use file or "
                             "environment. Without it, jwks and signing keys in the data "
                             "directory: development, everybody is owner dev"));
  all.push_back(text_setting("jwks", "FILE|JSON", server(&ServerOptions::jwks),
                             "An identity provider's keys of tokens (EdDSA): the path of its JWK "
                             "Set, or itself"));
  all.push_back(text_setting("jwks-issuer", "TEXT", server(&ServerOptions::jwks_issuer),
                             "iss of the identity provider's tokens, if not token-issuer"));
  all.push_back(text_setting("token-issuer", "TEXT", server(&ServerOptions::token_issuer),
                             "iss of tokens of the secret and of the signing keys"));
  all.push_back(text_setting("token-audience", "TEXT", server(&ServerOptions::token_audience),
                             "What the aud of every token must be or hold"));
  all.push_back(choice_setting<bool>(
      "accounts", runtime(&Options::accounts), {{"true", true}, {"false", false}},
      "People may register and log in; makes a signing key if there is none, and "
      "owners-create-tables true unless that is set"));
  all.push_back(rate_setting("login-attempts", server(&ServerOptions::login_attempts),
                             "accounts: logins that may fail in a minute and in an hour, of one "
                             "address and of one account"));
  all.push_back(rate_setting("register-attempts", server(&ServerOptions::register_attempts),
                             "accounts: registrations and links of one address"));
  all.push_back(rate_setting("anonymous-attempts", server(&ServerOptions::anonymous_attempts),
                             "accounts: anonymous tokens for one address"));
  all.push_back(text_setting("allowed-origins", "ORIGINS", server(&ServerOptions::allowed_origins),
                             "Pages that may use the server, such as https://app.example, between "
                             "commas; *: all; none: those of the same host, without keys of tokens "
                             "those of loopback"));
  all.push_back(number_setting("connections-per-address-max",
                               server(&ServerOptions::connections_per_address_max),
                               "Connections of one address, an IPv6 one by /64; 0: no limit", 0));
  all.push_back(number_setting("unauthenticated-per-address-max",
                               server(&ServerOptions::unauthenticated_per_address_max),
                               "Of them, those that have not said who they are; 0: no limit", 0));
  all.push_back(number_setting("accepts-per-address", server(&ServerOptions::accepts_per_address),
                               "New connections of one address a second, twice as many at once; "
                               "0: no limit",
                               0));
  all.push_back(number_setting("handshakes-per-address",
                               server(&ServerOptions::handshakes_per_address),
                               "Handshakes of raystream of one address likewise; 0: no limit", 0));
  all.push_back(choice_setting<bool>("limit-loopback", server(&ServerOptions::limit_loopback),
                                     {{"true", true}, {"false", false}},
                                     "Limits of one address hold for loopback, too"));
  all.push_back(number_setting("calls-per-owner", server(&ServerOptions::calls_per_owner),
                               "Calls of one owner a second, twice as many at once; 0: no limit",
                               0));
  all.push_back(size_setting("body-rate-min", server(&ServerOptions::body_rate_min),
                             "Of a request's body, a second; 0: any", 0));
  all.push_back(choice_setting<RaystreamOffer>(
      "raystream", server(&ServerOptions::raystream),
      {{"off", RaystreamOffer::off},
       {"on", RaystreamOffer::on},
       {"required", RaystreamOffer::required}},
      "on: sessions may be called over encrypted WebSockets (raystream.v1); required: over those "
      "alone, neither kontract.v1+json nor /rpc"));
  all.push_back(duration_setting("raystream-life", server(&ServerOptions::raystream_life),
                                 "How long an encrypted connection may last, at most 24h"));
  all.push_back(number_setting("raystream-rekey", server(&ServerOptions::raystream_rekey_records),
                               "Messages of one direction after which its key changes", 64));
  all.push_back(number_setting("raystream-handshakes-max",
                               server(&ServerOptions::raystream_handshakes_max),
                               "Handshakes a second, of all clients together"));
  all.push_back(size_setting("frame-max", server(&ServerOptions::frame_bytes_max),
                             "Largest message or request body", limits::kKiB));
  all.push_back(number_setting("json-depth-max", server(&ServerOptions::json_depth_max),
                               "Deepest nesting of JSON from outside", 4, 1000));
  all.push_back(number_setting("calls-in-flight-max", server(&ServerOptions::calls_in_flight_max),
                               "Calls in flight of one connection; more wait in its socket"));
  all.push_back(number_setting("connections-max", server(&ServerOptions::connections_max),
                               "Connections of the server"));
  all.push_back(number_setting("connections-per-owner-max",
                               server(&ServerOptions::connections_per_owner_max),
                               "Connections of one owner, WebSocket and HTTP"));
  all.push_back(number_setting("send-queue-messages-max",
                               server(&ServerOptions::send_queue_messages_max),
                               "Unsent messages of one connection before it is closed"));
  all.push_back(size_setting("send-queue-max", server(&ServerOptions::send_queue_bytes_max),
                             "Unsent bytes of one connection before it is closed", limits::kKiB));
  all.push_back(duration_setting("handshake-timeout", server(&ServerOptions::handshake_timeout),
                                 "From accept to hello"));
  all.push_back(duration_setting("message-timeout", server(&ServerOptions::message_timeout),
                                 "From a message's first byte to its last"));
  all.push_back(duration_setting("heartbeat", server(&ServerOptions::heartbeat),
                                 "A connection silent for three of these is closed"));
  all.push_back(duration_setting("call-timeout", server(&ServerOptions::call_timeout),
                                 "Time of a call that names none"));
  all.push_back(duration_setting("call-timeout-max", server(&ServerOptions::call_timeout_max),
                                 "Longest time that a call may name"));

  all.push_back(number_setting("threads", runtime(&Options::threads),
                               "Threads of sockets and actors; 0: one for each core", 0, 1024));
  all.push_back(choice_setting<Scheduler>(
      "scheduler", runtime(&Options::scheduler),
      {{"asio", Scheduler::asio}, {"caf", Scheduler::caf}},
      "asio: actors on the threads of the sockets; caf: on threads of their own"));
  all.push_back(duration_setting("drain-timeout", runtime(&Options::drain_timeout),
                                 "How long a stop waits for calls in flight", D(0)));
  all.push_back(choice_setting<std::string>(
      "log-level", Field<std::string>([](ServeOptions& o) -> std::string& { return o.log_level; }),
      {{"debug", "debug"},
       {"info", "info"},
       {"warning", "warning"},
       {"error", "error"},
       {"off", "off"}},
      "What is written to stderr"));
  return all;
}

}  // namespace

Result<milliseconds> parse_duration(std::string_view text) {
  const auto time = measure(text, kDurations, 0);
  if (!time) return bad(text, "a duration such as 500ms (units: ms, s, m, h)");
  return milliseconds(*time);
}

std::string Setting::variable() const {
  std::string result = "KONTRACT_";
  for (const char c : name) {
    result += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return result;
}

std::span<const Setting> settings() {
  static const std::vector<Setting> all = make_settings();
  return all;
}

}  // namespace kontract
