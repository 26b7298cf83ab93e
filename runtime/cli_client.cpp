// What asks a running server: `kontract call` and `kontract tables`.

#include <algorithm>
#include <array>
#include <ostream>

#include "net/client.hpp"
#include "runtime/cli.hpp"

namespace kontract::cli {

std::string permission_letters(std::uint64_t permissions) {
  std::string text = "RWX";
  for (int i = 0; i < 3; ++i) {
    if ((permissions >> (2 - i) & 1) == 0) text[i] = '-';
  }
  return text;
}

Json json_list(const std::vector<std::string>& args) {
  Json list = Json::array();
  for (const std::string& arg : args) {
    auto parsed = parse_json(arg);
    list.push_back(parsed ? std::move(*parsed) : Json(arg));
  }
  return list;
}

Result<Json> ask(const Server& server, const std::string& session, const std::string& owner,
                 const std::string& function, Json args) {
  ClientOptions options;
  options.url = server.url;
  options.token = server.token;
  options.raystream = server.raystream;
  options.ca_file = server.ca;
  options.session = session;
  options.reconnect = false;
  Client client(options);
  const auto welcome = client.connect();
  if (!welcome) {
    Error error = welcome.error();
    if (error.code == Errc::overloaded || error.code == Errc::timeout) {
      error.hint = "Start the server with `kontract serve`, or say where it is with --url.";
    } else if (error.code == Errc::unauthorized && error.hint.empty()) {
      error.hint = "Give a token with --token; `kontract token issue` makes one.";
    }
    return error;
  }
  if (!owner.empty() && welcome->owner != owner) {
    return Error(Errc::forbidden, "Here the owner is " + welcome->owner + ", not " + owner,
                 server.token.empty() || welcome->owner == "dev"
                     ? "A server without a secret has the one owner dev: leave --owner out, or "
                       "start the server with --secret."
                     : "The token is another owner's: leave --token out and give --secret.");
  }
  auto answer = client.call(function, std::move(args));
  if (!answer) return std::move(answer).error();
  return std::move(answer->result);
}

int call(const Server& server, const std::string& session, const std::string& function,
         const std::vector<std::string>& args, Streams streams) {
  const auto result = ask(server, session, "", function, json_list(args));
  if (!result) return report(result.error(), streams);
  streams.out << to_text(*result) << "\n";
  return kDone;
}

int tables(const Server& server, const std::string& session, Streams streams) {
  const auto result = ask(server, session, "", "table.list", Json::array());
  if (!result) return report(result.error(), streams);
  std::vector<std::array<std::string, 3>> rows{{"TABLE", "PERMISSIONS", "RECORDS"}};
  for (const Json& table : *result) {
    rows.push_back({table.value("id", ""), permission_letters(table.value("permissions", 0U)),
                    std::to_string(table.value("records", 0U))});
  }
  std::array<std::size_t, 3> widths{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& [id, permissions, records] : rows) {
    streams.out << id << std::string(widths[0] - id.size() + 2, ' ') << permissions
                << std::string(widths[1] - permissions.size() + 2, ' ')
                << std::string(widths[2] - records.size(), ' ') << records << "\n";
  }
  return kDone;
}

}  // namespace kontract::cli
